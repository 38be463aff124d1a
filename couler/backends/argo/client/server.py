"""An argo-server, for what a cluster alone does not tell: archived runs, offloaded nodes, stored files."""

from __future__ import annotations

import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from couler.backends.argo.client.answers import explained
from couler.backends.remote.retrying import PATIENCE, WAITING, AnswerError, Patience, Waiting, persist
from couler.core.errors import ConfigError, NotFoundError

_SECONDS = 60.0


class Server:
    """Requests to an argo-server.

    Args:
        url: Its address, such as ``https://argo.example.org:2746``.
        namespace: Namespace of the runs.
        token: Where the token is, as ``env:NAME`` or ``file:PATH``; empty for servers that ask for none. It is read at
            each request and kept nowhere.
        patience: How long transient answers are borne.
        waiting: Time and chance.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        token: str = "",
        patience: Patience = PATIENCE,
        waiting: Waiting = WAITING,
    ) -> None:
        self.url = url.rstrip("/")
        self.namespace = namespace
        self._token = token
        self._patience = patience
        self._waiting = waiting

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}, {self.namespace!r})"

    def info(self) -> Mapping[str, Any]:
        """What the server says of itself.

        Raises:
            EngineError: It refuses.
            EngineUnreachableError: It does not answer.
        """
        found: Mapping[str, Any] = self._json("GET", "/api/v1/version", "ask for its version")
        return found

    def workflow(self, name: str) -> dict[str, Any]:
        """A workflow object with all its nodes, wherever Argo keeps them.

        Raises:
            NotFoundError: There is none.
        """
        found: dict[str, Any] = self._json("GET", f"/api/v1/workflows/{self._in(name)}", f"read workflow '{name}'")
        return found

    def archived(self, name: str) -> dict[str, Any] | None:
        """A workflow object from the archive; None when it has none of that name."""
        uid = self._archived_uid(name)
        if uid is None:
            return None
        found: dict[str, Any] = self._json("GET", f"/api/v1/archived-workflows/{uid}", f"read archived '{name}'")
        return found

    def retry(self, name: str) -> dict[str, Any]:
        """Run the failed nodes of a workflow again, in the same workflow object."""
        path = f"/api/v1/workflows/{self._in(name)}/retry"
        body = {"name": name, "namespace": self.namespace}
        found: dict[str, Any] = self._json("PUT", path, f"retry workflow '{name}'", body)
        return found

    def decide(self, name: str, node: str, phase: str, message: str) -> None:
        """Write the end of a suspended node: ``Succeeded`` or ``Failed``."""
        path = f"/api/v1/workflows/{self._in(name)}/set"
        body = {"nodeFieldSelector": f"id={node}", "phase": phase, "message": message}
        self._json("PUT", path, f"answer for a step of workflow '{name}'", body)

    def artifact(self, workflow: str, node: str, name: str, destination: Path) -> None:
        """Copy a stored output of a node to a file; folders come as tar archives.

        Raises:
            NotFoundError: There is none.
        """
        doing, inside = f"read the file '{name}' of '{workflow}'", f"{quote(node)}/{quote(name)}"
        try:
            self._copy(f"/artifacts/{self._in(workflow)}/{inside}", destination, doing)
        except NotFoundError:
            uid = self._archived_uid(workflow)
            if uid is None:
                raise
            self._copy(f"/artifacts-by-uid/{uid}/{inside}", destination, doing)

    def _archived_uid(self, name: str) -> str | None:
        query = urlencode({"listOptions.fieldSelector": f"metadata.name={name},metadata.namespace={self.namespace}"})
        page = self._json("GET", f"/api/v1/archived-workflows?{query}", "list archived workflows")
        items = page.get("items") or ()
        return quote(str(items[0]["metadata"]["uid"])) if items else None

    def _copy(self, path: str, destination: Path, doing: str) -> None:
        def call() -> None:
            with self._open("GET", path, None) as answer, destination.open("wb") as target:
                shutil.copyfileobj(answer, target)

        try:
            persist(call, self._patience, self._waiting)
        except AnswerError as error:
            raise explained(error, doing, self.url) from error

    def _in(self, name: str) -> str:
        return f"{quote(self.namespace)}/{quote(name)}"

    def _json(self, method: str, path: str, doing: str, body: Any = None) -> Any:
        def call() -> Any:
            with self._open(method, path, body) as answer:
                return json.loads(answer.read())

        try:
            return persist(call, self._patience, self._waiting)
        except AnswerError as error:
            raise explained(error, doing, self.url) from error

    def _open(self, method: str, path: str, body: Any) -> Any:
        headers = {"Accept": "application/json", **self._identity()}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self.url}{path}", content, headers, method=method)
        try:
            return urllib.request.urlopen(request, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise AnswerError(0, type(error).__name__, str(reason)) from None

    def _identity(self) -> dict[str, str]:
        if not self._token:
            return {}
        kind, _, where = self._token.partition(":")
        if kind == "env":
            token = os.environ.get(where, "")
        else:
            try:
                token = Path(where).expanduser().read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError(f"the token in {where} cannot be read: {error.strerror}") from None
        if not token:
            raise ConfigError(f"the variable {where} with the server's token is not set", f"export {where}=…")
        return {"Authorization": token if token.startswith(("Bearer ", "Basic ")) else f"Bearer {token}"}


def _refusal(error: urllib.error.HTTPError) -> AnswerError:
    text = error.read().decode("utf-8", "replace")
    try:
        message = str(json.loads(text).get("message") or "")
    except (ValueError, AttributeError):
        message = text.strip()[:500]
    wait = error.headers.get("Retry-After", "")
    return AnswerError(error.code, str(error.reason), message, float(wait) if wait.isdigit() else 0.0)
