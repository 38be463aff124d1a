"""One Airflow and a folder of one's own, and ways to use couler with both."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import couler
from couler.driver.handle import Run
from tests.engines.airflow.server import Airflow


class Place:
    """What a test needs to use couler with an Airflow."""

    def __init__(self, airflow: Airflow, root: Path, **options: Any) -> None:
        self.airflow = airflow
        self.root = root
        self.options: dict[str, Any] = {
            "root": root / ".couler",
            "server": airflow.url,
            "dags": airflow.dags,
            **options,
        }

    def submit(self, workflow: Any, parameters: dict[str, Any] | None = None) -> Run:
        return couler.submit(workflow, parameters, engine="airflow", **self.options)

    def again(self, run: Run) -> Run:
        """The same run as another process sees it."""
        return couler.get_run(run.id, **self.options)

    def cli(self, *words: str, root: Path | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "couler", *words, "--root", str(root or self.options["root"])]
        environment = {
            **os.environ,
            "COULER_SERVER": self.options["server"],
            "COULER_DAGS": str(self.options["dags"]),
        }
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.root, env=environment
        )

    def say(self, *words: str, root: Path | None = None) -> str:
        """What a verb prints; it must end well."""
        process = self.cli(*words, root=root)
        text = process.communicate(timeout=300)[0]
        assert process.returncode == 0, text
        return text


def until(holds: Callable[[], Any], seconds: float = 120) -> None:
    """Wait for something that Airflow tells nobody of."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.3)
