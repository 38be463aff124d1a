"""The nodes of a workflow's status as Argo keeps them: found, ordered, and read for what one of them says."""

from __future__ import annotations

import base64
import binascii
import datetime
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from couler.core.errors import EngineError

Node: TypeAlias = Mapping[str, Any]

ENDED = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
"""Phases of a node, or of the workflow, that goes on no more."""
_INDEX = re.compile(r".*\((\d+)(?::|\)$)", re.DOTALL)
_EXIT = re.compile(r"^(?:[\w-]+: )?(?:Error|Completed|StartError|ContainerCannotRun) \(exit code (-?\d+)\)(?:: )?")
_EXPRESSION = re.compile(r"failed to evaluate expression: (.*?) \(\d+:\d+\)", re.DOTALL)
_OOM = re.compile(r"OOMKilled \(exit code 137\)|out of memory", re.IGNORECASE)
_KIND = re.compile(r"([A-Z]\w*)(?:: |$)")
_STOPPED = (
    *("workflow shutdown with strategy", "Stopped with strategy"),
    *("Step exceeded its deadline", "retry exceeded workflow deadline"),
)
_LATE = ("longer than the specified deadline", "DeadlineExceeded")


@dataclass(frozen=True)
class Nodes:
    """All nodes of a run.

    Attributes:
        by_id: Id to node.
        inside: Id of a DAG's node to the nodes of its tasks, by their names there.
    """

    by_id: Mapping[str, Node]
    inside: Mapping[str, Mapping[str, Node]]

    def tasks(self, node: Node) -> Mapping[str, Node]:
        """The nodes of the tasks of a DAG."""
        return self.inside.get(node["id"], {})

    def attempts(self, node: Node) -> list[Node]:
        """The attempts of a node, in order; a node without retries is its own only one."""
        if node.get("type") != "Retry":
            return [node]
        known = (self.by_id[child] for child in node.get("children") or () if child in self.by_id)
        own = [child for child in known if str(child["name"]).startswith(f"{node['name']}(")]
        return sorted(own, key=index_of)


def is_offloaded(workflow: Mapping[str, Any]) -> bool:
    """Whether the nodes of a workflow object are kept in Argo's database."""
    status = workflow.get("status") or {}
    return bool(status.get("offloadNodeStatusVersion")) and not (status.get("nodes") or status.get("compressedNodes"))


def nodes_of(workflow: Mapping[str, Any]) -> Nodes:
    """The nodes of a workflow object; compressed ones are inflated.

    Raises:
        EngineError: They are kept in a database that only an argo-server reads, or cannot be read.
    """
    status = workflow.get("status") or {}
    found = status.get("nodes")
    if not found and status.get("compressedNodes"):
        found = inflate(status["compressedNodes"])
    if is_offloaded(workflow):
        raise EngineError(
            f"the steps of workflow '{workflow['metadata']['name']}' are kept in Argo's database",
            "name the argo-server with --server; it can read them",
        )
    by_id: Mapping[str, Node] = found or {}
    inside: dict[str, dict[str, Node]] = {}
    for node in by_id.values():
        if boundary := node.get("boundaryID"):
            inside.setdefault(boundary, {})[node.get("displayName") or node["name"]] = node
    return Nodes(by_id, inside)


def inflate(text: str) -> dict[str, Node]:
    """Nodes as Argo compresses them: gzip, then base64.

    >>> inflate(base64.b64encode(gzip.compress(b'{"a": {"id": "a"}}')).decode())
    {'a': {'id': 'a'}}
    """
    try:
        found = json.loads(gzip.decompress(base64.b64decode(text)))
    except (binascii.Error, OSError, EOFError, ValueError) as error:
        raise EngineError(f"the compressed steps of the run cannot be read: {error}") from error
    return dict(found)


def index_of(node: Node) -> int:
    """The number in the name of an item or an attempt.

    >>> index_of({"displayName": 'item(12:{"a": "(3)"})'}), index_of({"displayName": "run(1)"})
    (12, 1)
    """
    name = str(node.get("displayName") or node.get("name"))
    found = re.match(r"[a-z0-9-]+\((\d+)[:)]", name) or _INDEX.match(name)
    return int(found[1]) if found else 0


# --- what a node says ------------------------------------------------------------------------------------------------


def seconds(text: str | None) -> float | None:
    """A time of Kubernetes in seconds since the epoch.

    >>> seconds("2026-11-21T09:31:14Z"), seconds(None)
    (1795253474.0, None)
    """
    if not text:
        return None
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def has_ended(node: Node) -> bool:
    """Whether it goes on no more."""
    return node.get("phase") in ENDED


def status_of(node: Node) -> str:
    """A node's phase in couler's words.

    >>> status_of({"phase": "Failed", "message": "workflow shutdown with strategy:  Stop"})
    'cancelled'
    """
    phase = node.get("phase")
    if phase in ("Failed", "Error"):
        message = str(node.get("message") or "")
        return "cancelled" if message.startswith(_STOPPED) else "failed"
    if phase == "Succeeded" and (node.get("memoizationStatus") or {}).get("hit"):
        return "cached"
    return _STATUSES.get(str(phase), "pending")


_STATUSES = {"Running": "running", "Succeeded": "succeeded", "Skipped": "skipped", "Omitted": "cancelled"}


def exit_code(node: Node) -> int | None:
    """Exit code of the main container, where there is one."""
    code = (node.get("outputs") or {}).get("exitCode")
    return int(code) if code not in (None, "") else None


def words(node: Node, timeout: float | None = None) -> str:
    r"""Why a node failed, without what Argo puts before the task's own words.

    >>> words({"phase": "Failed", "message": "main: Error (exit code 1): ValueError: boom"})
    'ValueError: boom'
    >>> words({"phase": "Failed", "message": "main: Error (exit code 3)"})
    'exit code 3'
    >>> words({"phase": "Error", "message": "failed to evaluate expression: too many rounds (1:118)\n | ..."})
    'too many rounds'
    """
    message = str(node.get("message") or "").strip()
    if _OOM.search(message):
        return f"was killed for lack of memory ({message})"
    if is_late(node):
        return f"ran longer than {timeout:g} s and was ended" if timeout is not None else message
    if (found := _EXPRESSION.match(message)) is not None:
        return found[1]
    found = _EXIT.match(message)
    if found:
        return message[found.end() :] or f"exit code {found[1]}"
    return message


def is_late(node: Node) -> bool:
    """Whether Kubernetes ended it because its time was over."""
    return any(sign in str(node.get("message") or "") for sign in _LATE)


def kind_of_error(node: Node) -> str:
    """Kind of a failure, such as ``ValueError``, ``OutOfMemory``, ``Timeout`` or ``ExitCode``.

    >>> kind_of_error({"message": "main: Error (exit code 1): ValueError: boom"})
    'ValueError'
    """
    message = str(node.get("message") or "")
    if _OOM.search(message):
        return "OutOfMemory"
    if is_late(node):
        return "Timeout"
    if node.get("phase") == "Error":
        return "Lost"
    found = _KIND.match(words(node))
    return found[1] if found else "ExitCode"


def pod_name(node: Node, run: str) -> str:
    """Name of the pod of a node, as Argo makes it since version 3.3 (``POD_NAMES=v2``).

    >>> pod_name({"id": "w-1a-224", "name": "w-1a.train", "templateName": "train"}, "w-1a")
    'w-1a-train-224'
    """
    if node["name"] == run:
        return run
    inline = ".inline" in str(node["name"])
    prefix = run if inline else f"{run}-{node.get('templateName') or ''}"
    return f"{prefix[:242]}-{str(node['id']).rpartition('-')[2]}"


# --- outputs ---------------------------------------------------------------------------------------------------------

ABSENT = "absent"
"""Text of an output that comes from a step which was skipped."""


def parameters(node: Node) -> dict[str, str]:
    """Output parameters that have a value."""
    entries = (node.get("outputs") or {}).get("parameters") or ()
    return {entry["name"]: entry["value"] for entry in entries if entry.get("value") is not None}


def wire_value(text: str) -> tuple[bool, Any]:
    """Whether there is a value, and which, in the text of an output that couler compiled.

    >>> wire_value('=[1,2]'), wire_value("absent")
    ((True, [1, 2]), (False, None))
    """
    text = text.removeprefix("=")
    if text == ABSENT:
        return False, None
    try:
        return True, json.loads(text)
    except ValueError:
        return True, text


def artifacts(node: Node) -> dict[str, Node]:
    """Output artifacts by name."""
    return {entry["name"]: entry for entry in (node.get("outputs") or {}).get("artifacts") or ()}


def file_record(artifact: Node, kind: str, repository: Node) -> dict[str, Any] | None:
    """A stored artifact as the record of a file: its URL, how its store is reached, and which secrets it needs.

    Args:
        artifact: As a node has it: often only its key.
        kind: ``file`` or ``folder``.
        repository: The artifact repository of the run, which says the rest.

    Returns:
        None when the artifact was not written, or lies where no URL leads.
    """
    for store, (scheme, place, path) in _STORES.items():
        own = artifact.get(store)
        if not own or not own.get(path):
            continue
        whole = {**(repository.get(store) or {}), **own}
        options = {name: str(whole[field]) for field, name in _OPTIONS.items() if whole.get(field)}
        if whole.get("insecure") and "endpoint" in options:
            options["endpoint"] = f"http://{options['endpoint']}"
        secrets = {
            name: {"name": whole[field]["name"], "key": whole[field]["key"]}
            for field, name in _SECRETS.items()
            if whole.get(field)
        }
        url = f"{scheme}://{whole.get(place, '')}/{str(whole[path]).lstrip('/')}"
        return {"$file": True, "kind": kind, "url": url, "options": options, "credentials": secrets}
    return None


_STORES = {
    "s3": ("s3", "bucket", "key"),
    "gcs": ("gs", "bucket", "key"),
    "oss": ("oss", "bucket", "key"),
    "azure": ("az", "container", "blob"),
}
"""Argo's store to the scheme of its URLs and the names of its fields."""
_OPTIONS = {"endpoint": "endpoint", "region": "region"}
_SECRETS = {
    "accessKeySecret": "accesskey_id",
    "secretKeySecret": "accesskey_secret",
    "sessionTokenSecret": "session_token",
    "serviceAccountKeySecret": "service_account_key",
    "accountKeySecret": "account_key",
}
