"""The warm worker processes of a run: started when needed, replaced when they die."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from couler.backends.local.processes import end_tree, kill_strays, kill_tree
from couler.backends.local.secrets import PREFIX
from couler.runner import function

_SCRIPT = Path(__file__).with_name("worker.py")
_START = """\
import sys
from _frozen_importlib_external import SourceFileLoader
worker = type(sys)("__main__")
worker.__file__ = sys.argv[1]
sys.modules["__main__"] = worker
exec(SourceFileLoader("couler_worker", sys.argv[1]).get_code("couler_worker"), worker.__dict__)
"""
"""Starts the worker from its compiled form, which Python does not use for a script; worth a third of the start."""


class WorkerProcess:
    """One worker and the connection to it.

    Args:
        hello: What the worker is told first: ``folder``, ``python_path``, ``env``, ``runner``.
        python: The interpreter.
        register: Folder for a note of the process, so that a later runner can end it.

    Attributes:
        used: Whether it was given a task already.
    """

    def __init__(self, hello: dict[str, Any], python: str, register: Path) -> None:
        self.python = python
        self.link, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self._env = env = _environment()
        self._hello = hello
        with theirs:
            numbers = (theirs.fileno(), lifeline)
            self.process = subprocess.Popen(
                [python, "-u", "-c", _START, str(_SCRIPT), *map(str, numbers)],
                pass_fds=numbers,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=env,
            )
        os.close(lifeline)
        self.pid = self.process.pid
        self.sources: set[str] = set()
        self.used = False
        self.watch = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else -1
        self.note = register / str(self.pid)
        self.note.write_text(str(time.time()))
        self.send(hello)

    def is_like_new(self, hello: dict[str, Any]) -> bool:
        """Whether it lives, and a new worker would find the same environment and import path."""
        places = ("folder", "python_path", "runner")
        same = all(hello[name] == self._hello[name] for name in places) and self._env == _environment()
        return same and self.process.poll() is None and not self.answered()

    def rejoin(self, hello: dict[str, Any], register: Path) -> None:
        """Let it work for another run."""
        self._hello = hello
        self.note = register / str(self.pid)
        self.note.write_text(str(time.time()))
        self.send({"hello": hello})

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; a worker that has died shows later, when it is read from."""
        body = json.dumps(message).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.link.sendall(len(body).to_bytes(4, "big") + body)

    def give(self, task: dict[str, Any]) -> None:
        """Give it a task; the source of a function is sent once."""
        self.used = True
        digest = task.get("source_hash")
        if digest is not None:
            if digest in self.sources:
                task.pop("source", None)
            self.sources.add(digest)
        self.send(task)

    def receive(self) -> dict[str, Any] | None:
        """The next answer, or None when the worker has died."""
        head = self._read(4)
        body = None if head is None else self._read(int.from_bytes(head, "big"))
        if body is None:
            return None
        answer: dict[str, Any] = json.loads(body)
        return answer

    def _read(self, count: int) -> bytes | None:
        data = bytearray()
        while len(data) < count:
            try:
                part = self.link.recv(min(count - len(data), 1 << 20))
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return bytes(data)

    def answered(self) -> bool:
        """Whether an answer waits to be read."""
        try:
            return bool(self.link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except (BlockingIOError, ConnectionResetError):
            return False

    def close(self, *, idle: bool = False) -> int:
        """End it with all that it started, and give its exit code; an ``idle`` worker has started nothing."""
        self.link.close()
        if idle:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            code = self.process.wait()
        else:
            code = end_tree(self.process)
        with contextlib.suppress(OSError):
            os.close(self._lifeline)
        if self.watch >= 0:
            os.close(self.watch)
            self.watch = -1
        self.note.unlink(missing_ok=True)
        return code


def _environment() -> dict[str, str]:
    """The variables that a worker is started with: those of this process, less secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def hello(root: Path, scratch: Path, run_id: str) -> dict[str, Any]:
    """The first message to a worker."""
    return {
        "folder": str(root.absolute().parent),
        "scratch": str(scratch),
        "python_path": [entry for entry in sys.path if entry and Path(entry).is_dir()],
        "env": {"COULER_RUN_ID": run_id},
        "runner": function.__file__,
    }


def end_leftovers(register: Path, run_id: str) -> None:
    """End the workers of a runner that has died, and all that they had started."""
    from couler.backends.local.processes import is_alive

    if not register.is_dir():
        return
    for note in register.iterdir():
        if note.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                started = float(note.read_text() or "0")
                pid = int(note.name)
                if not is_alive(pid) or is_alive(pid, started):
                    kill_tree(pid)
        note.unlink(missing_ok=True)
    kill_strays(run_id)
