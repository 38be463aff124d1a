"""Builds static executables from Go modules at the versions that a ``go.mod`` of ours pins."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.engines.kubernetes import cache

NO_VARIABLES: Mapping[str, str] = {}


def executable(name: str, module: Path, package: str = ".", variables: Mapping[str, str] = NO_VARIABLES) -> Path:
    """Build one program, or take it from the cache.

    Args:
        name: Where it is kept below the cache folder.
        module: Folder with ``go.mod``, ``go.sum`` and our own sources.
        package: Package of the program, by default the one in ``module``.
        variables: Go variables to set when linking (versions, mostly).

    Returns:
        The executable.

    Raises:
        RuntimeError: The build failed; carries what the Go tool said.
    """
    flags = " ".join(["-s", "-w", *(f"-X {variable}={value}" for variable, value in variables.items())])

    def build(target: Path) -> None:
        command = ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", str(target), package]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
        done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} in {module} failed:\n{done.stderr[-4000:]}")

    return cache.kept(name, [module, package, flags], build)


def module_folder(module: Path, name: str) -> Path:
    """Where the Go tool keeps the sources of the module ``name`` that ``module`` requires."""
    command = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", name]
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise RuntimeError(f"{' '.join(command)} in {module} failed:\n{done.stderr[-4000:]}")
    return Path(done.stdout.strip())
