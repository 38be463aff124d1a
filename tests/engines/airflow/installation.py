"""Airflow in a virtual environment of its own, built once from exact versions and kept in the user's cache folder.

couler never imports Airflow, and that environment never contains couler.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import platformdirs

from tests.engines.kubernetes import cache

PINS = Path(__file__).with_name("pins.txt")
SWITCH = "COULER_TEST_AIRFLOW"
"""Environment variable that lets tests use Airflow: ``1``, or the state file of one that runs."""

COMPLETE = "complete"
"""A file that an environment has when its building came to an end."""

ONE_SMALL_PIN = "termcolor"
"""Asked for in order to see whether pip reaches a registry."""


def folder() -> Path:
    """The folder of everything kept: ``~/.cache/couler/airflow``, or under ``XDG_CACHE_HOME``."""
    return platformdirs.user_cache_path("couler") / "airflow"


def environment_folder() -> Path:
    """Where the environment of these pins and of this Python is, or would be."""
    return folder() / cache.digest_of([PINS, platform.python_version()])[:16]


def is_built() -> bool:
    return (environment_folder() / COMPLETE).exists()


def python() -> Path:
    """The Python of the environment."""
    return environment_folder() / "bin/python"


def build() -> Path:
    """Build the environment unless it is there; returns its folder.

    Raises:
        subprocess.CalledProcessError: pip could not install the pins; its words are on standard error.
    """
    target = environment_folder()
    with cache.locked(target):
        if not is_built():
            begin = time.monotonic()
            shutil.rmtree(target, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", target], check=True)
            pip = [str(python()), "-m", "pip", "--disable-pip-version-check", "--no-input"]
            install = [*pip, "install", "--quiet", "--no-deps", "-r", str(PINS)]
            subprocess.run(install, check=True, env=clean_environment())
            subprocess.run([*pip, "check"], check=True, env=clean_environment(), stdout=sys.stderr)
            (target / COMPLETE).touch()
            sys.stderr.write(f"Airflow's environment {target} was built in {time.monotonic() - begin:.0f} s\n")
    return target


def clean_environment() -> dict[str, str]:
    """This process's variables without those that change what a Python finds or how Airflow is set up."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AIRFLOW", "VIRTUAL"))}


def reason_to_skip() -> str:
    """Why tests that need a real Airflow do not run here; empty when they do."""
    if not os.environ.get(SWITCH):
        return f"needs a real Airflow: runs with {SWITCH}=1, or the path that `python -m tests.engines.airflow` shows"
    if sys.platform != "linux":
        return "a real Airflow is started on Linux only"
    if not is_built() and not _reaches_a_registry():
        return f"Airflow is not in {environment_folder()}, and pip reaches no registry to install it from"
    return ""


def _reaches_a_registry() -> bool:
    pin = next(line for line in PINS.read_text().splitlines() if line.startswith(ONE_SMALL_PIN))
    pip = [sys.executable, "-m", "pip", "--no-input", "--retries", "0", "--timeout", "10"]
    ask = [*pip, "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", pin]
    return subprocess.run(ask, capture_output=True, check=False).returncode == 0
