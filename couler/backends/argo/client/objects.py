"""The workflow object of a run: how it is named and marked, so that the run is found again from anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from couler.backends.argo.backend import ArgoBackend
from couler.backends.argo.client.answers import explained
from couler.backends.argo.client.connection import Connection
from couler.backends.argo.client.nodes import seconds
from couler.backends.argo.document import with_arguments
from couler.backends.argo.names import object_name
from couler.backends.remote.retrying import AnswerError
from couler.backends.remote.runs import pack, unpack
from couler.core.errors import EngineError, StateError
from couler.core.ir.model import Workflow
from couler.runs.records import RunRecord

RUN = "couler.io/run"
"""Label with couler's id of the run."""
IR = "couler.io/ir"
"""Annotation with the workflow that was compiled: JSON, gzip, base64; or ``config-map`` when it stands in one."""
VALUES = "couler.io/parameters"
NAME = "couler.io/workflow"
NUMBER = "couler.io/number"
"""Label that counts the objects of a run: 1, and one more for each retry."""
IN_CONFIG_MAP = "config-map"
TOO_LARGE = "too-large"
_LARGEST_ANNOTATION = 200_000
_LARGEST_MAP = 900_000
_CONFIG_MAPS = "/api/v1/namespaces/{namespace}/configmaps"


def name_of(workflow: str, run_id: str, number: int) -> str:
    """Name of an object of a run.

    >>> name_of("train", "train-20260101-120000-a1b2c3", 1), name_of("train", "train-20260101-120000-a1b2c3", 2)
    ('train-a1b2c3', 'train-a1b2c3-r2')
    """
    short = re.sub(r"[^a-z0-9]", "", run_id.lower().rpartition("-")[2])[-12:] or "run"
    return f"{object_name(workflow, 40)}-{short}" + (f"-r{number}" if number > 1 else "")


def number_in(name: str) -> int:
    """Which object of its run has this name.

    >>> number_in("train-a1b2c3"), number_in("train-a1b2c3-r2")
    (1, 2)
    """
    found = re.search(r"-r(\d+)$", name)
    return int(found[1]) if found else 1


def document_of(workflow: Workflow, options: Mapping[str, Any]) -> dict[str, Any]:
    """The workflow object, without the marks of a run.

    Raises:
        EngineError: It cannot be compiled.
    """
    given = {name: options[name] for name in ("image", "max_value", "large_values") if options.get(name) is not None}
    made = ArgoBackend().document(workflow, options.get("version") or "", {**given, "kind": "Workflow"})
    account = options.get("service_account")
    if account and "serviceAccountName" not in made["spec"]:
        made["spec"]["serviceAccountName"] = account
    return made


def marked(
    made: Mapping[str, Any],
    workflow: Workflow,
    run_id: str,
    name: str,
    parameters: Mapping[str, Any],
    more: Mapping[str, str] = {},
) -> tuple[dict[str, Any], str]:
    """The object with its name, marks and values; and the packed workflow when it needs a ConfigMap of its own."""
    found = with_arguments(dict(made), parameters)
    metadata = {key: value for key, value in found["metadata"].items() if key != "generateName"}
    packed = pack(workflow)
    place = packed if len(packed) <= _LARGEST_ANNOTATION else IN_CONFIG_MAP
    place = place if len(packed) <= _LARGEST_MAP else TOO_LARGE
    marks = {NAME: workflow.name, IR: place, VALUES: json.dumps(dict(parameters), ensure_ascii=False)}
    labels = {**metadata.get("labels", {}), RUN: run_id, NUMBER: str(number_in(name))}
    notes = {**metadata.get("annotations", {}), **marks, **more}
    metadata = {**metadata, "name": name, "labels": labels, "annotations": notes}
    return {**found, "metadata": metadata}, packed if place == IN_CONFIG_MAP else ""


def create(connection: Connection, document: Mapping[str, Any], packed: str = "") -> dict[str, Any]:
    """Create the object of a run; when it exists already, because an answer was lost, it is left as it is.

    Raises:
        StateError: Another run has an object of this name.
        EngineError: The cluster refuses it.
    """
    metadata = document["metadata"]
    try:
        made: dict[str, Any] = connection.once("POST", connection.workflows, document)
    except AnswerError as error:
        if error.reason != "AlreadyExists":
            raise explained(error, f"create workflow '{metadata['name']}'", connection.where) from error
        made = get(connection, metadata["name"])
        if made["metadata"].get("labels", {}).get(RUN) != metadata["labels"][RUN]:
            raise StateError(
                f"workflow '{metadata['name']}' exists at {connection.where} and is of another run", "start a new run"
            ) from error
    if packed:
        _keep(connection, made, packed)
    return made


def get(connection: Connection, name: str) -> dict[str, Any]:
    """The object of that name.

    Raises:
        NotFoundError: There is none.
    """
    found: dict[str, Any] = connection.ask("GET", f"{connection.workflows}/{name}", doing=f"read workflow '{name}'")
    return found


def workflow_of(connection: Connection, found: Mapping[str, Any]) -> Workflow:
    """The workflow from which an object was compiled.

    Raises:
        EngineError: The object does not have it.
    """
    metadata = found["metadata"]
    text = (metadata.get("annotations") or {}).get(IR, "")
    if text == IN_CONFIG_MAP:
        place = f"{_CONFIG_MAPS.format(namespace=connection.namespace)}/{metadata['name']}-ir"
        text = (
            connection.ask("GET", place, doing="read the workflow in a ConfigMap").get("data", {}).get("workflow", "")
        )
    if not text or text == TOO_LARGE:
        why = "is too large for a mark there" if text else "was not submitted by couler"
        raise EngineError(
            f"workflow '{metadata['name']}' at {connection.where} {why}, so its steps are not known here",
            "use the run store of the machine that submitted it, or kubectl",
        )
    return unpack(text, f"the annotation {IR}")


def _keep(connection: Connection, made: Mapping[str, Any], packed: str) -> None:
    metadata = made["metadata"]
    owner = {"apiVersion": made["apiVersion"], "kind": made["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{metadata['name']}-ir",
            "labels": {RUN: metadata["labels"][RUN]},
            "ownerReferences": [owner],
        },
        "data": {"workflow": packed},
    }
    try:
        connection.once("POST", _CONFIG_MAPS.format(namespace=connection.namespace), document)
    except AnswerError as error:
        if error.reason not in ("AlreadyExists", "Forbidden"):  # without it, only this machine knows the steps
            raise explained(error, "keep the workflow in a ConfigMap", connection.where) from error


def record_of(found: Mapping[str, Any], document: str, options: Mapping[str, Any]) -> RunRecord:
    """What is known of a run from its object alone, for run stores that do not have it."""
    metadata, status = found["metadata"], found.get("status") or {}
    labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    phase = status.get("phase") or labels.get("workflows.argoproj.io/phase", "")
    return RunRecord(
        labels[RUN],
        notes.get(NAME, metadata["name"]),
        "argo",
        PHASES.get(phase, "pending"),
        seconds(metadata["creationTimestamp"]) or 0.0,
        started=seconds(status.get("startedAt")),
        ended=seconds(status.get("finishedAt")),
        parameters=json.loads(notes.get(VALUES) or "{}"),
        document=document,
        options=dict(options),
        remote=metadata["name"],
    )


PHASES = {"Running": "running", "Succeeded": "succeeded", "Failed": "failed", "Error": "failed"}
