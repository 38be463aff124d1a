"""Warm workers between the runs of one process, so that the next run need not wait for new ones to start.

They end with the process, when nothing has wanted them for a while, and when the environment or the import path
has changed since they started. Threads may share them; a forked process gets none.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from pathlib import Path
from typing import Any

from couler.backends.local.pool import WorkerProcess

IDLE_SECONDS = 60.0


class Spares:
    """Workers that wait for the next run."""

    def __init__(self, most: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self._most = most
        self._idle_seconds = idle_seconds
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._waiting: list[WorkerProcess] = []
        self._timer: threading.Timer | None = None

    def recruit(self, hello: dict[str, Any], python: str, register: Path, *, fresh: bool = False) -> WorkerProcess:
        """A waiting worker that a new one would not differ from, or a new one.

        Args:
            hello: What the worker is told first.
            python: The interpreter.
            register: Folder for the note of the process.
            fresh: It must not have had work before.
        """
        while python == sys.executable and not fresh and os.getpid() == self._owner:
            with self._lock:
                worker = self._waiting.pop() if self._waiting else None
            if worker is None:
                break
            if worker.is_like_new(hello):
                worker.rejoin(hello, register)
                return worker
            worker.close(idle=True)
        return WorkerProcess(hello, python, register)

    def keep(self, worker: WorkerProcess) -> bool:
        """Take in an idle worker; False when it is not wanted."""
        if worker.python != sys.executable or os.getpid() != self._owner:
            return False
        with self._lock:
            if len(self._waiting) >= self._most:
                return False
            self._waiting.append(worker)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self._idle_seconds, self.close)
            self._timer.daemon = True
            self._timer.start()
        worker.note.unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """End all that wait."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            waiting, self._waiting = self._waiting, []
            if self._timer is not None:
                self._timer.cancel()
        for worker in waiting:
            worker.close(idle=True)


SPARES = Spares(os.cpu_count() or 1)
"""Those of this process: workers are as much a property of the process as its threads are."""

atexit.register(SPARES.close)
