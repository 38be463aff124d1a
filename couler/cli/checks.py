"""What `couler doctor` looks at."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from couler.artifacts.file_systems import extra_of
from couler.backends.base import Check
from couler.config import Settings, mask_url
from couler.config.settings import table
from couler.core.errors import CoulerError, near

_EXTRAS = {
    "postgres": (("psycopg",), "run stores in PostgreSQL"),
    "s3": (("s3fs",), "files in S3"),
    "gcs": (("gcsfs",), "files in Google Cloud Storage"),
    "remote": (("fsspec", "aiohttp"), "files at other URLs, such as https://"),
    "argo": (("kubernetes",), "runs with Argo Workflows on a cluster"),
    "airflow": (("airflow_client",), "runs with Apache Airflow"),
    "notebook": (("ipykernel",), "notebooks"),
    "examples": (("sklearn",), "the examples"),
}
"""Extra to modules of it and to what it is good for."""


def checks(settings: Settings) -> list[Check]:
    """All findings, in the order in which they are shown."""
    return [
        _python(),
        *_packages(),
        *_extras(settings),
        _root(settings.root),
        _store(settings),
        _machine(),
        _disk(settings.root),
        *_containers(settings.runtime),
        *_variables(os.environ),
    ]


def _python() -> Check:
    return Check("ok", "python", f"{platform.python_version()} at {sys.executable}")


def _packages() -> Iterator[Check]:
    """Whether the packages that couler itself needs are there."""
    try:
        needed = [line.partition(";")[0] for line in requires("couler") or () if "extra ==" not in line]
    except PackageNotFoundError:
        yield Check("warn", "packages", "couler itself is not installed", "pip install -e .")
        return
    missing = []
    for requirement in needed:
        name = requirement.split(">")[0].split("[")[0].split("=")[0].strip()
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Check("fail", "packages", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    else:
        yield Check("ok", "packages", f"couler {version('couler')} with all that it needs")


def _extras(settings: Settings) -> Iterator[Check]:
    wanted = {"postgres"} if (settings.store or "").startswith("postgres") else set()
    wanted.add(settings.engine.partition("@")[0])
    files = settings.artifacts or ""
    if "://" in files and not files.startswith(("file:", "local:")):
        wanted.add(extra_of(files))
    for extra, (modules, purpose) in _EXTRAS.items():
        if all(importlib.util.find_spec(module) for module in modules):
            yield Check("ok", f"extra {extra}", f"installed, for {purpose}")
        elif extra in wanted:
            yield Check("fail", f"extra {extra}", f"needed for {purpose}", f'pip install "couler[{extra}]"')
        else:
            yield Check("ok", f"extra {extra}", "not installed", f'for {purpose}: pip install "couler[{extra}]"')


def _root(root: Path) -> Check:
    place = root
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return Check("ok", "root", f"{root} can be written")
    except OSError as error:
        return Check("fail", "root", f"{root}: {error.strerror}", f"chmod u+w {place}, or set COULER_ROOT")


def _store(settings: Settings) -> Check:
    shown = mask_url(settings.store) if settings.store else str(settings.root / "runs.db")
    if settings.store is None and not (settings.root / "runs.db").exists():
        return Check("ok", "store", f"{shown} will be made by the first run")
    from couler.runs import open_store

    try:
        store = open_store(settings.store, settings.root)
        try:
            runs = store.runs(limit=1)
        finally:
            store.close()
    except CoulerError as error:
        return Check("fail", "store", f"{shown}: {error.message}", error.hint)
    return Check("ok", "store", f"{shown} {'has runs' if runs else 'is empty'}")


def _machine() -> Check:
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = psutil.virtual_memory()
    text = f"{cores} cores, {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB memory free"
    if memory.available < 2**29:
        return Check("warn", "machine", text, "end other programs, or give steps less memory")
    return Check("ok", "machine", text)


def _disk(root: Path) -> Check:
    place = next(one for one in (root, *root.parents) if one.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / 2**30:.1f} GiB free at {place}"
    if free < 2**30:
        return Check("warn", "disk", text, f"free space, or remove old runs under {root}")
    return Check("ok", "disk", text)


def _containers(runtime: str) -> Iterator[Check]:
    for program in ("docker", "podman"):
        wanted = program == runtime
        path = shutil.which(program)
        if path is None:
            state: Literal["ok", "fail"] = "fail" if wanted else "ok"
            yield Check(state, program, "not installed", f"needed only for --runtime {program}")
        elif _answers(path):
            yield Check("ok", program, f"{path} answers")
        else:
            yield Check("fail" if wanted else "warn", program, f"{path} does not answer", f"{program} info")


def _answers(program: str) -> bool:
    try:
        return subprocess.run([program, "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _variables(env: Mapping[str, str]) -> Iterator[Check]:
    """Variables that look like settings and are none."""
    known = {row.env for row in table()} | {"COULER_CONFIG"}
    for name in sorted(env):
        if name.startswith("COULER_") and name not in known and (hint := near(name, known)):
            yield Check("warn", "environment", f"{name} is not a setting", f"{hint}; unset {name}")
