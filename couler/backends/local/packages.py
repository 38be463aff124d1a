"""Python environments for steps that name packages: this interpreter when it has them, else one made once."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from couler.core.errors import EngineError


@lru_cache(maxsize=256)
def interpreter(packages: tuple[str, ...], root: Path) -> str:
    """Path of a Python that has the packages; makes a virtual environment below ``root`` when this one lacks any.

    Raises:
        EngineError: pip could not install them; the message has its last lines.
    """
    if _are_satisfied(packages):
        return sys.executable
    folder = _environment(packages, root)
    python = folder / "bin" / "python"
    done = folder / ".complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _run([sys.executable, "-m", "venv", "--clear", "--system-site-packages", str(folder)], packages)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
            _run([*pip, "--", *packages], packages)
            done.touch()
    return str(python)


def are_ready(packages: tuple[str, ...], root: Path) -> bool:
    """Whether `interpreter` gives its answer at once."""
    return _are_satisfied(packages) or (_environment(packages, root) / ".complete").exists()


@lru_cache(maxsize=256)
def _are_satisfied(packages: tuple[str, ...]) -> bool:
    return all(_is_satisfied(requirement) for requirement in packages)


def _environment(packages: tuple[str, ...], root: Path) -> Path:
    key = hashlib.sha256("\n".join([sys.version, *sorted(packages)]).encode()).hexdigest()[:24]
    return root / "envs" / key


def _is_satisfied(requirement: str) -> bool:
    """Whether this interpreter has a package; versions are compared when ``packaging`` is installed."""
    match = re.match(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[.*\])?\s*(.*)$", requirement)
    if match is None:
        return False
    try:
        version = importlib.metadata.version(match[1])
    except importlib.metadata.PackageNotFoundError:
        return False
    if not match[3]:
        return not match[2]
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        return match[3].replace(" ", "") == f"=={version}"
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return False
    if parsed.marker is not None and not parsed.marker.evaluate():
        return True
    return not parsed.extras and parsed.url is None and parsed.specifier.contains(version, prereleases=True)


def _run(command: list[str], packages: tuple[str, ...]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-8:])
        raise EngineError(
            f"cannot install the packages {', '.join(packages)}:\n{last}",
            "check the names and versions, and that pip can reach its index",
        )
