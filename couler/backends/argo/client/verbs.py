"""What can be asked of a run on a cluster: to stop, to pause, to go on, to be deleted, and which runs there are."""

from __future__ import annotations

import base64
import datetime
import gzip
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.argo.client.answers import explained
from couler.backends.argo.client.connection import MERGE, Connection
from couler.backends.argo.client.nodes import is_offloaded, nodes_of
from couler.backends.argo.client.objects import NAME, NUMBER, RUN, get
from couler.backends.argo.client.snapshot import STOPPED, snapshot
from couler.backends.remote.retrying import AnswerError, persist
from couler.core.errors import NotFoundError, StateError, near
from couler.core.ir.model import Workflow

if TYPE_CHECKING:
    from couler.backends.argo.client.server import Server
    from couler.runs import RunRecord

_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PAGE = 500
APPROVED = "approved"


def _patch(connection: Connection, name: str, change: Mapping[str, Any], doing: str) -> None:
    connection.ask("PATCH", f"{connection.workflows}/{name}", change, kind=MERGE, doing=f"{doing} '{name}'")


def stop(connection: Connection, name: str) -> None:
    """End what runs, and let exit handlers run to their end.

    Argo's own ``Stop`` ends a run as soon as its exit handlers have been started, when there are several or they are
    no single pods. Its time limit ends everything but exit handlers, and waits for them: so the time is over now.
    """
    if "onExit" in get(connection, name)["spec"]:
        change: dict[str, Any] = {"activeDeadlineSeconds": 1, "suspend": None}
    else:
        change = {"shutdown": "Stop", "suspend": None}
    marks = {"annotations": {STOPPED: "true"}}
    _patch(connection, name, {"metadata": marks, "spec": change}, "stop workflow")


def terminate(connection: Connection, name: str) -> None:
    """End a workflow at once, without exit handlers."""
    marks = {"annotations": {STOPPED: "true"}}
    change = {"shutdown": "Terminate", "suspend": None}
    _patch(connection, name, {"metadata": marks, "spec": change}, "terminate workflow")


def suspend(connection: Connection, name: str) -> None:
    """Let no new step start."""
    _patch(connection, name, {"spec": {"suspend": True}}, "suspend workflow")


def unsuspend(connection: Connection, name: str) -> None:
    """Let steps start again."""
    _patch(connection, name, {"spec": {"suspend": None}}, "resume workflow")


def delete(connection: Connection, run_id: str) -> None:
    """Delete all objects of a run; Kubernetes deletes their pods."""
    for one in _metadata(connection, f"{RUN}={run_id}"):
        name = one["metadata"]["name"]
        try:
            connection.once("DELETE", f"{connection.workflows}/{name}", query={"propagationPolicy": "Background"})
        except AnswerError as error:
            if error.code != 404:
                raise explained(error, f"delete workflow '{name}'", connection.where) from error


def decide(
    connection: Connection,
    record: RunRecord,
    workflow: Callable[[Mapping[str, Any]], Workflow],
    path: str,
    phase: str,
    message: str,
    server: Server | None = None,
) -> None:
    """Write the end of a suspended step into the status of its workflow, as Argo's own tools do.

    Where the steps are kept in Argo's database, the server writes it.

    Raises:
        StateError: No such step waits.
    """

    def attempt() -> None:
        found = get(connection, record.remote)
        offloaded = server if is_offloaded(found) else None
        if offloaded is not None:
            found = offloaded.workflow(record.remote)
        waiting = snapshot(workflow(found), found, record.id).waiting
        if path not in waiting:
            hint = near(path, waiting, "waiting steps") or "no step waits"
            raise StateError(f"step '{path}' of run '{record.id}' does not wait for a person", hint)
        if offloaded is not None:
            offloaded.decide(record.remote, waiting[path], phase, message or APPROVED)
            return
        change = _decision(found, waiting[path], phase, message)
        connection.once("PATCH", f"{connection.workflows}/{record.remote}", change, kind=MERGE)

    try:
        persist(attempt, connection.patience, connection.waiting)
    except AnswerError as error:
        raise explained(error, f"answer for step '{path}' of '{record.remote}'", connection.where) from error


def _decision(found: Mapping[str, Any], node: str, phase: str, message: str) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ends = {"phase": phase, "finishedAt": now, "message": message or APPROVED}
    if not found["status"].get("compressedNodes"):
        return {"status": {"nodes": {node: ends}}}
    every = dict(nodes_of(found).by_id)
    every[node] = {**every[node], **ends}
    packed = base64.b64encode(gzip.compress(json.dumps(every).encode())).decode()
    version = found["metadata"]["resourceVersion"]  # somebody else's change must not be lost
    return {"metadata": {"resourceVersion": version}, "status": {"compressedNodes": packed}}


# --- which runs there are --------------------------------------------------------------------------------------------


def listed(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The latest object of each run that couler submitted, without spec and status, newest run first."""
    runs: dict[str, dict[str, Any]] = {}
    for one in _metadata(connection, RUN):
        labels = one["metadata"]["labels"]
        before = runs.get(labels[RUN])
        if before is None or _number(before) < _number(one):
            runs[labels[RUN]] = one
    newest = sorted(runs.values(), key=lambda one: one["metadata"]["creationTimestamp"], reverse=True)
    return newest[:limit]


def _number(found: Mapping[str, Any]) -> int:
    return int(found["metadata"]["labels"].get(NUMBER, "1"))


def _metadata(connection: Connection, selector: str) -> list[dict[str, Any]]:
    every: list[dict[str, Any]] = []
    query = {"labelSelector": selector, "limit": str(_PAGE)}
    while True:
        page = connection.ask(
            "GET", connection.workflows, query=query, accept=_METADATA_ONLY, doing="list workflows"
        )  # fmt: skip
        every += page["items"]
        following = page["metadata"].get("continue")
        if not following:
            return every
        query["continue"] = following


def objects_of(connection: Connection, reference: str) -> list[dict[str, Any]]:
    """All objects of the run that is meant, the first one first.

    Raises:
        NotFoundError: None fits.
    """
    known = sorted(_metadata(connection, RUN), key=lambda one: str(one["metadata"]["creationTimestamp"]), reverse=True)
    run = next((found for claim in _CLAIMS for found in known if claim(found["metadata"], reference)), None)
    if run is None:
        names = [str(one["metadata"]["labels"][RUN]) for one in known]
        raise NotFoundError(
            f"no run '{reference}' of couler at {connection.where}",
            near(reference, names, "runs") or "`couler list --engine argo` shows the runs there",
        )
    wanted = run["metadata"]["labels"][RUN]
    mine = sorted((one for one in known if one["metadata"]["labels"][RUN] == wanted), key=_number)
    return [get(connection, one["metadata"]["name"]) for one in mine]


_CLAIMS: tuple[Callable[[Mapping[str, Any], str], bool], ...] = (
    lambda metadata, wanted: wanted == "@latest",
    lambda metadata, wanted: metadata["labels"][RUN] == wanted,
    lambda metadata, wanted: metadata["name"] == wanted,
    lambda metadata, wanted: (metadata.get("annotations") or {}).get(NAME) == wanted,
    lambda metadata, wanted: str(metadata["labels"][RUN]).startswith(wanted),
)
"""Whether an object is meant, the surest claim first."""
