"""Doubles on loopback: a Kubernetes API and an argo-server that answer as a test says, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from couler.backends.argo.client.connection import Connection
from couler.backends.remote.retrying import Patience, Waiting

Object = dict[str, Any]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """One answer; with ``lines`` a stream, which breaks off without an end when ``breaks``."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[Any, ...] = ()
    breaks: bool = False


def refusal(code: int, reason: str, message: str, **headers: str) -> Answer:
    """How Kubernetes refuses."""
    return Answer(code, {"kind": "Status", "code": code, "reason": reason, "message": message}, headers)


class Double:
    """Gives the answers of its script one by one; every request is remembered."""

    def __init__(self, *script: Answer | Callable[[Request], Answer]) -> None:
        self.script = deque(script)
        self.requests: list[Request] = []
        self.slept: list[float] = []
        self.url = ""

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        step = self.script.popleft() if self.script else refusal(500, "Unscripted", f"no answer for {request.path}")
        return step(request) if callable(step) else step

    def connection(self, folder: Path, total: float = 60.0) -> Connection:
        """A connection to it whose waits are only noted down."""
        file = folder / "kubeconfig.json"
        file.write_text(json.dumps(kubeconfig(self.url)))
        now = [0.0]

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            now[0] += seconds

        waiting = Waiting(sleep, lambda: now[0], lambda: 0.0)
        return Connection(str(file), None, "ml", Patience(total=total), waiting)


def kubeconfig(url: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "double", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "secret-token-of-the-test"}}],
        "contexts": [{"name": "double", "context": {"cluster": "double", "user": "me", "namespace": "of-context"}}],
        "current-context": "double",
    }


@contextmanager
def serving(*script: Answer | Callable[[Request], Answer]) -> Iterator[Double]:
    """A double for as long as the block lasts."""
    double = Double(*script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw else None
            answer = double.answer(
                Request(self.command, self.path, body, {k.lower(): v for k, v in self.headers.items()})
            )
            if answer.status == 0:
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Connection", "close")
            for name, value in answer.headers.items():
                self.send_header(name.replace("_", "-"), value)
            if answer.lines or answer.breaks:
                self._stream(answer)
            else:
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            self.close_connection = True

        def _stream(self, answer: Answer) -> None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            parts = [json.dumps(line).encode() + b"\n" for line in answer.lines] or [answer.body]
            for part in [*parts, *(() if answer.breaks else (b"",))]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that the library asks for

        def log_message(self, format: str, *arguments: Any) -> None:
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
