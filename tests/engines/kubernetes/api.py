"""A small client of the Kubernetes API, enough to set a cluster up and to wait for what happens in it."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

Object = dict[str, Any]

PLACES = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "Pod": "/api/v1/namespaces/{namespace}/pods",
    "Node": "/api/v1/nodes",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
}
"""Kinds whose address is not to be derived from the kind's name."""


class ApiError(Exception):
    """The API server said no; carries its status code and words."""

    def __init__(self, code: int, text: str):
        super().__init__(f"{code}: {text}")
        self.code = code


class Api:
    """Talks to the API server that a kubeconfig (in JSON) names."""

    def __init__(self, kubeconfig: Path):
        config = json.loads(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._server = cluster["server"]
        self._token = config["users"][0]["user"]["token"]
        self._trust = ssl.create_default_context(cafile=cluster["certificate-authority"])

    def get(self, path: str) -> Any:
        """The object, or the list of objects, at a path."""
        return json.loads(self.text(path))

    def text(self, path: str) -> str:
        """What stands at a path that holds no object: a health endpoint, a pod's log."""
        return self._ask("GET", path).decode()

    def create(self, path: str, body: Object) -> Object:
        return json.loads(self._ask("POST", path, json.dumps(body), "application/json"))

    def patch(self, path: str, body: Object) -> Object:
        return json.loads(self._ask("PATCH", path, json.dumps(body), "application/merge-patch+json"))

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def apply(self, document: Object, namespace: str = "default") -> Object:
        """Create an object, or bring the existing one to this state."""
        return self.apply_text(place_of(document, namespace), json.dumps(document))

    def apply_text(self, place: str, text: str) -> Object:
        """Like ``apply``, with the object's path and its YAML text."""
        path = f"{place}?fieldManager=tests&force=true"
        return json.loads(self._ask("PATCH", path, text, "application/apply-patch+yaml"))

    def watch(self, path: str, seconds: float, selector: Mapping[str, str] | None = None) -> Iterator[Object]:
        """Objects as they are and as they change, until the time is over."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            query = urllib.parse.urlencode({"watch": "true", "timeoutSeconds": max(1, int(left)), **(selector or {})})
            with self._open("GET", f"{path}?{query}", timeout=left + 5) as reply:
                for event in map(json.loads, reply):
                    if event["type"] == "ERROR":
                        break  # the server has forgotten where this watch stands: begin anew
                    yield event["object"]

    def wait(self, path: str, name: str, holds: Callable[[Object], bool], seconds: float) -> Object:
        """The object of that name below the path, as soon as the condition holds for it.

        Raises:
            TimeoutError: It did not hold in time; shows the object's last status.
        """
        last: Object = {}
        for item in self.watch(path, seconds, {"fieldSelector": f"metadata.name={name}"}):
            last = item
            if holds(item):
                return item
        raise TimeoutError(f"{path}/{name} is not there yet after {seconds} s; last status: {last.get('status')}")

    def _ask(self, method: str, path: str, body: str | None = None, kind: str | None = None) -> bytes:
        with self._open(method, path, body, kind) as reply:
            return reply.read()

    def _open(
        self, method: str, path: str, body: str | None = None, kind: str | None = None, timeout: float = 30
    ) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", **({"Content-Type": kind} if kind else {})}
        request = urllib.request.Request(
            self._server + path, data=body.encode() if body is not None else None, headers=headers, method=method
        )
        try:
            return urllib.request.urlopen(request, timeout=timeout, context=self._trust)
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, error.read().decode(errors="replace")[:2000]) from None


def place_of(document: Object, namespace: str) -> str:
    """The path of one object in the API."""
    place = PLACES[document["kind"]].format(namespace=document["metadata"].get("namespace", namespace))
    return f"{place}/{document['metadata']['name']}"


def answers(api: Api, path: str) -> bool:
    """Whether a health endpoint says that all is well."""
    try:
        return api.text(path) == "ok"
    except (ApiError, OSError, HTTPException):
        return False
