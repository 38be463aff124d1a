"""A small client of Airflow's REST API, enough for tests: JSON in, JSON out."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from datetime import datetime
from http.client import HTTPException
from typing import Any

COMPONENTS = ("scheduler", "triggerer", "dag_processor")
"""What sends heartbeats, under the names that the health report has for them."""


class ApiError(Exception):
    """Airflow said no; carries its status code and words."""

    def __init__(self, code: int, text: str):
        super().__init__(f"{code}: {text}")
        self.code = code


class Api:
    """Talks to one api-server.

    Args:
        url: Without ``/api/v2``.
        token: Of a user; without one only the health report is to be had.
    """

    def __init__(self, url: str, token: str = ""):
        self._url = url
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def post(self, path: str, body: object) -> Any:
        return self.ask("POST", path, body)

    def patch(self, path: str, body: object) -> Any:
        return self.ask("PATCH", path, body)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, self._headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, error.read().decode(errors="replace")[:2000]) from None

    def is_healthy(self, since: float = 0) -> bool:
        """Whether all components are well and have sent a heartbeat since that time (seconds since 1970)."""
        try:
            report = self.get("/api/v2/monitor/health")
        except (ApiError, OSError, HTTPException):
            return False
        beats = (report[name][f"latest_{name}_heartbeat"] for name in COMPONENTS)
        return all(part["status"] == "healthy" for part in report.values()) and _all_since(beats, since)

    def until(self, path: str, holds: Callable[[Any], object], seconds: float) -> Any:
        """What stands at a path, as soon as the condition holds for it; nothing there (404) is ``None``.

        Raises:
            TimeoutError: It did not hold in time; shows what stood there last.
        """
        end = time.monotonic() + seconds
        while True:
            found = self._get_or_none(path)
            if holds(found):
                return found
            if time.monotonic() > end:
                raise TimeoutError(f"{path} is not so yet after {seconds} s; it was: {json.dumps(found)[:2000]}")
            time.sleep(0.2)  # the API tells nobody when something changes

    def _get_or_none(self, path: str) -> Any:
        try:
            return self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise


def token(url: str, user: str = "", password: str = "") -> str:
    """A token for a user, or, where everybody is an administrator, for anybody."""
    api = Api(url)
    given = api.post("/auth/token", {"username": user, "password": password}) if user else api.get("/auth/token")
    return str(given["access_token"])


def _all_since(beats: Iterable[str | None], since: float) -> bool:
    return all(beat is not None and datetime.fromisoformat(beat).timestamp() >= since for beat in beats)
