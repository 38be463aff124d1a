"""What Airflow and ruff say of DAG files, without a database and a server."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines.airflow import installation

SCRIPT = Path(__file__).with_name("read_dags.py")


@dataclass(frozen=True)
class Report:
    """What came of reading one file."""

    errors: list[str]
    """Why it cannot be read, or a DAG in it not be stored; empty when all is well."""
    warnings: list[str]
    dags: dict[str, dict[str, Any]]
    """For each DAG what Airflow stores of it."""


@dataclass(frozen=True)
class Finding:
    """One place that ruff's rules for Airflow find fault with."""

    file: Path
    line: int
    rule: str
    words: str


class ReadError(Exception):
    """Airflow's Python ended before it had read the files; carries what it said."""


def reason_to_skip() -> str:
    """Why tests that let Airflow read files do not run here; they need its environment, and no server."""
    return "" if installation.is_built() else installation.reason_to_skip()


def read(files: Sequence[Path]) -> dict[Path, Report]:
    """Let Airflow read DAG files, all in one process.

    Raises:
        ReadError: The process ended early: a file ends it, or the environment is broken.
    """
    with tempfile.TemporaryDirectory(prefix="couler-airflow-") as home:
        settings = {
            "HOME": home,
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/nowhere/airflow.db",
        }
        done = subprocess.run(
            [installation.build() / "bin/python", "-I", SCRIPT],
            input=json.dumps([str(file.resolve()) for file in files]),
            env={**installation.clean_environment(), **settings},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise ReadError(f"exit code {done.returncode}: {done.stderr[-3000:]}")
    found = json.loads(done.stdout)
    return {file: Report(**found[str(file.resolve())]) for file in files}


def lint(files: Sequence[Path], ignore: Sequence[str] = ()) -> list[Finding]:
    """What ruff's rules for Airflow (AIR, the coming ones too) find in files.

    Args:
        files: Python files.
        ignore: Rules that are not asked about, such as ``AIR001``.
    """
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--preview", "--select", "AIR", "--exit-zero"]
    left_out = [f"--ignore={rule}" for rule in ignore]
    done = subprocess.run(
        [*ruff, *left_out, "--output-format=json", *files], capture_output=True, text=True, check=True
    )
    return [
        Finding(Path(found["filename"]), found["location"]["row"], found["code"], found["message"])
        for found in json.loads(done.stdout)
    ]
