"""Where a run keeps its things on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote, unquote

_SAFE = "[]#-_. "
_SLASH = "@"


class RunFolder:
    """``.couler/runs/<id>``: step folders, logs, scripts, notes of workers, and the lock of the runner."""

    def __init__(self, root: Path, run_id: str) -> None:
        self.root = root.absolute()
        self.path = self.root / "runs" / run_id
        self.steps = self.path / "steps"
        self.logs = self.path / "logs"
        self.scripts = self.path / "scripts"
        self.workers = self.path / "workers"
        self.scratch = self.path / "scratch"
        self.lock = self.path / "lock"
        self._steps = str(self.steps)
        self._logs = str(self.logs)

    def create(self) -> None:
        """Make the folders."""
        for folder in (self.steps, self.logs, self.scripts, self.workers, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)

    def step(self, path: str) -> str:
        """The folder of a step instance."""
        return f"{self._steps}/{file_name(path)}"

    def log(self, path: str) -> str:
        """The log of a step instance."""
        return f"{self._logs}/{file_name(path)}.txt"


def file_name(path: str) -> str:
    """A step's path as one file name.

    >>> file_name("search[3]/train")
    'search[3]@train'
    """
    name = quote(path, safe=_SAFE + "/").replace("/", _SLASH)
    if len(name) <= 200:
        return name
    return f"{name[:150]}~{hashlib.sha256(path.encode()).hexdigest()[:24]}"


def step_path(name: str) -> str:
    """The step's path of a file name.

    >>> step_path("search[3]@train")
    'search[3]/train'
    """
    return unquote(name.replace(_SLASH, "/"))
