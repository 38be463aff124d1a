"""One runner per run: a lock that the operating system lets go when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from couler.core.errors import StateError


class RunLock:
    """Held from construction to `release`, or to the death of the process.

    Args:
        path: The file.
        run_id: For the message.
        patience: Seconds to wait for the holder.

    Raises:
        StateError: Another process drives the run; the message has its process id.
    """

    def __init__(self, path: Path, run_id: str, patience: float = 0.0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+")
        end = time.monotonic() + patience
        while not _try(self._file):
            if time.monotonic() < end:
                time.sleep(0.01)  # the system has no lock with a time limit
                continue
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            raise StateError(
                f"run '{run_id}' is being driven by process {holder or 'unknown'}",
                f"`couler wait {run_id}` waits for it, `couler stop {run_id}` ends it",
            )
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let go."""
        self._file.close()


def _try(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder(path: Path) -> int | None:
    """The process that holds a run's lock, or None when nobody does."""
    try:
        with path.open("r+") as file:
            if not _try(file):
                return int(file.read().strip() or "0")
    except OSError:
        return None
    return None
