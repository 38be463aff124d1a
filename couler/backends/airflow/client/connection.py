"""The way to an Airflow: one request at a time, JSON in and out.

The package ``apache-airflow-client`` carries the requests. Its typed models are not used: they refuse what a newer
server has more.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from couler.backends.airflow.client.access import Access
from couler.backends.remote.retrying import PATIENCE, WAITING, AnswerError, Patience, Waiting, persist
from couler.core.errors import (
    ConfigError,
    EngineError,
    EngineUnreachableError,
    MissingExtraError,
    NotFoundError,
)

API = "/api/v2"
PAGE = 100
"""Entries in one answer; Airflow gives no more by default."""
_TIMES = (10.0, 40.0)
Query = Mapping[str, str | Sequence[str]]


class Connection:
    """Requests to one Airflow.

    May be shared by threads. Transient answers are retried within ``patience``.

    Args:
        server: URL, without ``/api/v2``.
        access: Who we are there.
        patience: How long transient answers are borne.
        waiting: Time and chance.

    Raises:
        MissingExtraError: The package ``apache-airflow-client`` is not installed.
        ConfigError: There is no URL.
    """

    def __init__(
        self,
        server: str | None,
        access: Access = Access(),  # noqa: B008
        patience: Patience = PATIENCE,
        waiting: Waiting = WAITING,
    ) -> None:
        try:
            from airflow_client.client.api_client import ApiClient
            from airflow_client.client.configuration import Configuration
        except ImportError as error:
            raise MissingExtraError("the engine 'airflow'", "airflow") from error
        if not server:
            raise ConfigError("the URL of Airflow is not set", "couler config set server https://HOST:8080")
        self.server = server.rstrip("/").removesuffix(API)
        self.access = access
        self.patience = patience
        self.waiting = waiting
        self._client: Any = ApiClient(Configuration(host=self.server, retries=False))
        self._token = ""
        self._lock = threading.Lock()

    @property
    def where(self) -> str:
        """The server, for messages."""
        return self.server

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Query | None = None,
        doing: str = "",
        patience: Patience | None = None,
    ) -> Any:
        """The JSON that Airflow answers; transient answers are retried.

        Args:
            method: Of HTTP.
            path: Behind ``/api/v2``, made by `path`.
            body: JSON.
            query: Name to value or values.
            doing: What is tried, for messages, such as ``start run a``.
            patience: How long to go on; that of the connection when None.

        Raises:
            EngineError: It refuses for good; the message says why.
            EngineUnreachableError: It gave no good answer in time.
            NotFoundError: There is no such thing.
        """
        try:
            return self.once(method, path, body, query=query, patience=patience)
        except AnswerError as error:
            raise explained(error, doing or f"{method.lower()} {path}", self.where) from error

    def once(
        self, method: str, path: str, body: Any = None, *, query: Query | None = None, patience: Patience | None = None
    ) -> Any:
        """As `ask`, for callers who look at the answer themselves.

        Raises:
            AnswerError: The last answer.
        """
        target = f"{API}{path}{'?' + urlencode(query, doseq=True) if query else ''}"

        def call() -> Any:
            token = self._known_token()
            try:
                return self._send(method, target, body, token)
            except AnswerError as error:
                if error.code != 401:
                    raise
                self._token = ""  # it may have grown old
                return self._send(method, target, body, self._known_token())

        return persist(call, patience or self.patience, self.waiting)

    def public(self, place: str, patience: Patience) -> Any:
        """What everybody may read, such as ``/version``.

        Raises:
            AnswerError: The last answer.
        """
        return persist(lambda: self._send("GET", f"{API}{place}", None, ""), patience, self.waiting)

    def pages(
        self,
        path: str,
        key: str,
        query: Query | None = None,
        doing: str = "",
        patience: Patience | None = None,
        most: int | None = None,
    ) -> list[dict[str, Any]]:
        """The entries of a list, page by page: all, or at least ``most`` if there are so many."""
        found: list[dict[str, Any]] = []
        while True:
            asked = {**(query or {}), "limit": str(PAGE), "offset": str(len(found))}
            page = self.ask("GET", path, query=asked, doing=doing, patience=patience)
            found += page[key]
            if not page[key] or len(found) >= page["total_entries"] or (most is not None and len(found) >= most):
                return found

    def _known_token(self) -> str:
        with self._lock:
            if not self._token:
                self._token = self.access.ready_token() or self._login()
            return self._token

    def _login(self) -> str:
        login = self.access.login()
        method = "GET" if login is None else "POST"
        return str(self._send(method, "/auth/token", login, "")["access_token"])

    def _send(self, method: str, target: str, body: Any, token: str) -> Any:
        from airflow_client.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = self._client.call_api(method, self.server + target, headers, body, _request_timeout=_TIMES)
            data = answer.read()
        except HTTPError as error:
            raise AnswerError(0, "", str(error)) from error
        except ApiException as error:
            raise AnswerError(error.status or 0, str(error.reason or ""), str(error.body or error)) from error
        if not 200 <= answer.status < 300:
            raise AnswerError(answer.status, str(answer.reason or ""), _words(data), _wait(answer.headers))
        try:
            return json.loads(data) if data else {}
        except ValueError:
            raise AnswerError(answer.status, "", "the answer is no JSON; is this the URL of an Airflow?") from None


def path(*parts: str | int) -> str:
    """A path of the API; names in it may have any signs.

    >>> path("dags", "a b", "dagRuns")
    '/dags/a%20b/dagRuns'
    """
    return "".join(f"/{quote(str(part), safe='~')}" for part in parts)


def _words(data: bytes) -> str:
    """The reason in an answer."""
    text = data.decode("utf-8", "replace")
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, KeyError, TypeError):
        return text[:500]
    if isinstance(detail, dict):
        return str(detail.get("reason") or detail)[:500]
    if isinstance(detail, list):
        return "; ".join(str(one.get("msg", one)) if isinstance(one, dict) else str(one) for one in detail)[:500]
    return str(detail)[:1000]


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds that an answer asks to wait."""
    asked = headers.get("Retry-After") or ""
    if asked.isdigit():
        return float(asked)
    now = headers.get("Date")
    try:
        return max(0.0, (parsedate_to_datetime(asked) - parsedate_to_datetime(now or "")).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def explained(error: AnswerError, doing: str, where: str) -> EngineError | NotFoundError:
    """The error for people: what could not be done, why, and what to do about it."""
    text = f"cannot {doing} at {where}: {error.message or error.reason or error.code}"
    if error.code == 0:
        return EngineUnreachableError(text, "`couler doctor --engine airflow` says what to check")
    if error.code == 404:
        return NotFoundError(text, "`couler list --engine airflow` shows the runs there")
    if error.is_transient:
        return EngineUnreachableError(text, "try again later")
    return EngineError(
        text, _HINTS.get(error.code, "`couler doctor --engine airflow` checks the server and your rights")
    )


_HINTS = {
    401: "Airflow does not know you: set token, token_command, or user and password; `couler doctor --engine airflow`",
    403: "you lack a right there: ask for a role that may run DAGs and read their code, logs and XComs",
    409: "something of this name is there already, or goes on; look at `couler list --engine airflow`",
    422: "this Airflow does not take what couler sends, which is made for 3.3: `couler doctor --engine airflow`",
}
