"""What must hold for runs on a cluster: it answers, Argo is there, the rights suffice, and files have a place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from couler.backends.argo.client.connection import Connection
from couler.backends.argo.client.server import Server
from couler.backends.base import Check
from couler.backends.remote.retrying import AnswerError, Patience
from couler.core.errors import CoulerError

_QUICK = Patience(total=5.0)
_CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/workflows.argoproj.io"
_GROUP = "/apis/argoproj.io/v1alpha1"
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_OTHERS_REVIEW = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_INSTALL = "https://argo-workflows.readthedocs.io/en/latest/installation/"

Right = tuple[str, str, str]
"""Verb, API group, resource (with ``/subresource``)."""

NEEDED: tuple[Right, ...] = (
    ("create", "argoproj.io", "workflows"),
    ("get", "argoproj.io", "workflows"),
    ("list", "argoproj.io", "workflows"),
    ("watch", "argoproj.io", "workflows"),
    ("patch", "argoproj.io", "workflows"),
    ("delete", "argoproj.io", "workflows"),
    ("get", "", "pods"),
    ("get", "", "pods/log"),
)
"""Without these, verbs of couler fail."""
USEFUL: tuple[tuple[Right, str], ...] = (
    (("create", "", "configmaps"), "workflows whose text is over 200 kB are known only on the machine that sent them"),
    (("get", "", "configmaps"), "the artifact repository of the namespace cannot be looked at"),
)
PODS_NEED: tuple[Right, ...] = (
    ("create", "argoproj.io", "workflowtaskresults"),
    ("patch", "argoproj.io", "workflowtaskresults"),
)
"""Without these, no step can report its outputs."""


def checks(connect: Callable[[], Connection], options: Mapping[str, Any], server: Server | None) -> list[Check]:
    """All findings, in the order in which they build on each other."""
    try:
        connection = connect()
    except CoulerError as error:
        return [Check("fail", "argo: cluster", error.message, error.hint)]
    return list(_checks(connection, options, server))


def _checks(connection: Connection, options: Mapping[str, Any], server: Server | None) -> Iterator[Check]:
    answers = _cluster(connection)
    yield answers
    if answers.state == "fail":
        return
    installed = _definitions(connection)
    yield installed
    if installed.state != "fail":
        yield _own_rights(connection)
        yield from _useful_rights(connection)
        yield _pod_rights(connection, str(options.get("service_account") or "default"))
    yield _controller(connection)
    yield _repository(connection)
    if server is not None:
        yield _server(server)


def _check(state: Literal["ok", "warn", "fail"], name: str, found: str, hint: str = "") -> Check:
    return Check(state, f"argo: {name}", found, hint)


def _ask(connection: Connection, method: str, path: str, body: Any = None) -> Any:
    return connection.once(method, path, body, patience=_QUICK)


def _cluster(connection: Connection) -> Check:
    try:
        version = _ask(connection, "GET", "/version")["gitVersion"]
    except AnswerError as error:
        hint = "log in again, or choose another --context or --kubeconfig" if error.code == 401 else ""
        hint = hint or "is the cluster running, and is this the right --context? `kubectl cluster-info`"
        return _check("fail", "cluster", f"{connection.where}: {error.message or error.reason}", hint)
    return _check("ok", "cluster", f"Kubernetes {version} at {connection.where}")


def _definitions(connection: Connection) -> Check:
    try:
        found = _ask(connection, "GET", _GROUP)
    except AnswerError as error:
        if error.code == 404:
            return _check("fail", "definitions", "Argo Workflows is not installed there", f"install it: {_INSTALL}")
        return _check("warn", "definitions", f"cannot be looked at: {error.message}")
    kinds = {one["name"] for one in found.get("resources", ())}
    if missing := {"workflows", "workflowtaskresults"} - kinds:
        return _check(
            "fail", "definitions", f"missing: {', '.join(sorted(missing))}", f"install Argo 3.6 or later: {_INSTALL}"
        )
    return _check("ok", "definitions", f"argoproj.io/v1alpha1 with {_form(connection)}")


def _form(connection: Connection) -> str:
    """Full definitions, which check every field, or minimal ones; and Argo's version where it says so."""
    try:
        crd = _ask(connection, "GET", _CRD)
    except AnswerError:
        return "its kinds; their definitions cannot be looked at"
    schema = crd["spec"]["versions"][0].get("schema", {}).get("openAPIV3Schema", {})
    full = "templates" in schema.get("properties", {}).get("spec", {}).get("properties", {})
    labels = crd["metadata"].get("labels") or {}
    version = labels.get("app.kubernetes.io/version") or labels.get("helm.sh/chart") or ""
    words = "full definitions (Argo 4)" if full else "minimal definitions (Argo 3, or 4 without checks)"
    return f"{words}{f', {version}' if version else ''}"


def _own_rights(connection: Connection) -> Check:
    missing = [right for right in NEEDED if not _may(connection, right)]
    if not missing:
        return _check("ok", "your rights", f"all that couler needs in namespace {connection.namespace}")
    return _check(
        "fail", "your rights", f"missing in namespace {connection.namespace}: {_listed(missing)}", _rule(missing)
    )


def _useful_rights(connection: Connection) -> Iterator[Check]:
    for right, without in USEFUL:
        if not _may(connection, right):
            yield _check("warn", "your rights", f"missing: {_listed([right])}; without it {without}", _rule([right]))


def _may(connection: Connection, right: Right) -> bool:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    spec = {"resourceAttributes": _attributes(connection, right)}
    try:
        return bool(_ask(connection, "POST", _REVIEW, {**body, "spec": spec})["status"]["allowed"])
    except AnswerError:
        return False


def _attributes(connection: Connection, right: Right) -> dict[str, str]:
    verb, group, resource = right
    name, _, sub = resource.partition("/")
    found = {"namespace": connection.namespace, "verb": verb, "group": group, "resource": name}
    return {**found, **({"subresource": sub} if sub else {})}


def _listed(rights: list[Right]) -> str:
    return ", ".join(f"{verb} {resource}" for verb, _, resource in rights)


def _rule(rights: list[Right]) -> str:
    """What to ask the owner of the cluster for."""
    verbs = sorted({verb for verb, _, _ in rights})
    resources = sorted({f"{resource}.{group}" if group else resource for _, group, resource in rights})
    flags = " ".join(f"--resource={resource}" for resource in resources)
    return f"kubectl create role couler --verb={','.join(verbs)} {flags}, and bind it to you"


def _pod_rights(connection: Connection, account: str) -> Check:
    """Whether the pods' service account may report results; asking needs a right of its own."""
    user = f"system:serviceaccount:{connection.namespace}:{account}"
    name = f"rights of service account {account}"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{connection.namespace}", "system:authenticated"]
    missing = []
    for right in PODS_NEED:
        spec = {"user": user, "groups": groups, "resourceAttributes": _attributes(connection, right)}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        try:
            answer = _ask(connection, "POST", _OTHERS_REVIEW, body)
        except AnswerError as error:
            return _check("warn", name, f"cannot be looked at: {error.message}", f"kubectl auth can-i --as={user} …")
        if not answer["status"]["allowed"]:
            missing.append(right)
    if not missing:
        return _check("ok", name, "pods may report their outputs")
    make = "kubectl create role executor --verb=create,patch --resource=workflowtaskresults.argoproj.io"
    hint = f"{make} -n {connection.namespace}, and bind it to {account}"
    return _check("fail", name, f"missing: {_listed(missing)}", hint)


def _controller(connection: Connection) -> Check:
    """Whether a controller is seen; one that runs elsewhere is none of our business."""
    path = "/apis/apps/v1/deployments?labelSelector=app%3Dworkflow-controller"
    try:
        found = _ask(connection, "GET", path).get("items", [])
    except AnswerError as error:
        return _check("warn", "controller", f"deployments cannot be looked at: {error.message}")
    if not found:
        return _check("warn", "controller", "no deployment workflow-controller is seen", "runs stay pending without it")
    first = found[0]
    image = first["spec"]["template"]["spec"]["containers"][0].get("image", "")
    place = f"{first['metadata']['namespace']}/{first['metadata']['name']} ({image})"
    if not first.get("status", {}).get("readyReplicas"):
        return _check(
            "fail", "controller", f"{place} is not ready", f"kubectl -n {first['metadata']['namespace']} get pods"
        )
    return _check("ok", "controller", place)


def _repository(connection: Connection) -> Check:
    """Whether files have a place: a ConfigMap of the namespace, or the last run that says which was used."""
    place = f"/api/v1/namespaces/{connection.namespace}/configmaps/artifact-repositories"
    try:
        _ask(connection, "GET", place)
        return _check("ok", "artifact repository", f"ConfigMap artifact-repositories in {connection.namespace}")
    except AnswerError:
        pass
    try:
        runs = _ask(connection, "GET", f"{connection.workflows}?limit=20").get("items", [])
    except AnswerError as error:
        return _check("warn", "artifact repository", f"cannot be looked at: {error.message}")
    for run in runs:
        used = ((run.get("status") or {}).get("artifactRepositoryRef") or {}).get("artifactRepository") or {}
        for store in ("s3", "gcs", "azure", "oss", "hdfs", "artifactory"):
            if store in used:
                where = used[store].get("bucket") or used[store].get("container") or ""
                return _check("ok", "artifact repository", f"{store} {where}, as run {run['metadata']['name']} shows")
    return _check(
        "warn", "artifact repository", "none is seen; steps with files need one",
        "https://argo-workflows.readthedocs.io/en/latest/configure-artifact-repository/",
    )  # fmt: skip


def _server(server: Server) -> Check:
    try:
        version = server.info().get("version", "")
    except CoulerError as error:
        return _check("fail", "server", error.message, error.hint)
    return _check("ok", "server", f"argo-server {version} at {server.url}")
