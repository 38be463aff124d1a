"""Kubernetes objects that a step creates, and waits for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient

from couler.runner.value_types import mismatch

from .processes import AttemptError
from .step import Here, Step
from .values import MISSING, NoValueError, as_text, compare

MERGE = "application/merge-patch+json"


class Job(Step):
    """An object of a cluster that the step creates or finds, and watches until it has done its work.

    Args:
        manifest: The object, as Kubernetes writes it.
        action: ``create``, ``apply``, ``patch``, ``delete`` or ``get``.
        success: Claims that must all hold: a field such as ``status.succeeded``, or the type of a condition with a
            colon before it, then a sign, then a value.
        failure: Claims of which none may hold.
        results: Output to the field that it is read from and its type.
        delete_after: Whether the object is deleted when the step ends.
        pause: Seconds between two looks.
    """

    def __init__(
        self,
        *,
        manifest: Mapping[str, Any],
        action: str = "create",
        success: Sequence[tuple[str, str, Any]] = (),
        failure: Sequence[tuple[str, str, Any]] = (),
        results: Mapping[str, tuple[str, str]] | None = None,
        delete_after: bool = False,
        pause: float = 2,
        namespace: str = "",
        kubernetes_conn_id: str = KubernetesHook.default_conn_name,
        in_cluster: bool | None = None,
        cluster_context: str | None = None,
        config_file: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.manifest = dict(manifest)
        self.action = action
        self.success = tuple(success)
        self.failure = tuple(failure)
        self.results = dict(results or {})
        self.delete_after = delete_after
        self.pause = pause
        self.namespace = namespace
        self.cluster = {
            "conn_id": kubernetes_conn_id, "in_cluster": in_cluster, "cluster_context": cluster_context,
            "config_file": config_file,
        }  # fmt: skip

    def perform(self, here: Here) -> Mapping[str, Any]:
        try:
            return self.watch()
        except ApiException as error:
            raise AttemptError(f"the cluster refused: {error.reason}: {error.body}", ("ApiException",)) from None

    def watch(self) -> dict[str, Any]:
        """Do what is to be done with the object, wait for it, and read its outputs."""
        kind, namespace = self.kind()
        found = self._acted(kind, namespace)
        name = found.get("metadata", {}).get("name") or self.manifest["metadata"]["name"]
        try:
            while not self._succeeded(found):
                time.sleep(self.pause)
                found = kind.get(name=name, namespace=namespace).to_dict()
            return {output: _read(found, output, *told) for output, told in self.results.items()}
        finally:
            if self.delete_after and self.action != "delete":
                kind.delete(name=name, namespace=namespace, body={"propagationPolicy": "Background"})

    def kind(self) -> tuple[Any, str]:
        """The requests for objects of this kind, and the namespace."""
        hook = KubernetesHook(**self.cluster)
        client: Any = DynamicClient
        resources = client(hook.get_conn()).resources
        kind = resources.get(api_version=self.manifest["apiVersion"], kind=self.manifest["kind"])
        own = self.manifest["metadata"].get("namespace")
        return kind, own or self.namespace or hook.get_namespace() or "default"

    def _acted(self, kind: Any, namespace: str) -> dict[str, Any]:
        name = self.manifest["metadata"].get("name")
        where = {"namespace": namespace, "name": name}
        match self.action:
            case "create":
                done = kind.create(body=self.manifest, namespace=namespace)
            case "apply":
                done = kind.server_side_apply(body=self.manifest, field_manager="couler", force_conflicts=True, **where)
            case "patch":
                done = kind.patch(body=self.manifest, content_type=MERGE, **where)
            case "delete":
                done = kind.delete(body={"propagationPolicy": "Background"}, **where)
            case _:
                done = kind.get(**where)
        found: dict[str, Any] = done.to_dict()
        self.log.info("%s %s %s", self.action, self.manifest["kind"], found.get("metadata", {}).get("name") or name)
        return found

    def _succeeded(self, found: Mapping[str, Any]) -> bool:
        for claim in self.failure:
            if holds(found, *claim):
                raise AttemptError(
                    f"the {self.manifest['kind']} failed: {' '.join(map(as_text, claim))}", ("JobError",)
                )
        return all(holds(found, *claim) for claim in self.success)


def holds(found: Mapping[str, Any], what: str, sign: str, value: Any) -> bool:
    """Whether a claim about an object holds; what it does not have yet makes it not hold.

    >>> holds({"status": {"succeeded": 1}}, "status.succeeded", ">=", 1)
    True
    >>> holds({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, ":Complete", "==", "True")
    True
    """
    if what.startswith(":"):
        conditions = field(found, "status.conditions")
        stands = (
            [one.get("status") for one in conditions if one.get("type") == what[1:]]
            if isinstance(conditions, list)
            else []
        )
        there = stands[0] if stands else MISSING
    else:
        there = field(found, what)
    if there is MISSING:
        return False
    try:
        return compare(sign, there, value)
    except NoValueError:
        return False


def field(found: Any, path: str) -> Any:
    """A part of an object by its path; `MISSING` when it is not there.

    >>> field({"status": {"ready": [{"n": 1}]}}, "status.ready.0.n")
    1
    """
    for key in path.split("."):
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return MISSING
    return found


def _read(found: Mapping[str, Any], output: str, path: str, kind: str) -> Any:
    there = field(found, path)
    if there is MISSING:
        raise AttemptError(f"output '{output}': the object has no field '{path}'")
    there = as_text(there) if kind in ("str", "any") else there
    if problem := mismatch(kind, there):
        raise AttemptError(f"output '{output}': {problem}", ("TypeError",))
    return there
