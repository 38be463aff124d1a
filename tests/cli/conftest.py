"""A project folder with a workflow file, and two ways to call the command line in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from couler.cli.main import main

FLOW = '''
import couler


@couler.step
def add(a: int, b: int) -> int:
    print(f"adding {a} and {b}")
    return a + b


@couler.step
def check(total: int, limit: float) -> str:
    if total > limit:
        raise ValueError(f"{total} is over {limit}\\nthe limit")
    return "fine"


@couler.workflow
def sums(n: int, limit: float = 100.0, tags: list[str] = [], loud: bool = False, engine: str = "x"):
    """Adds."""
    total = add(add(n, 1), 1)
    return {"total": total, "verdict": check(total, limit)}
'''

ASK = """
import couler


@couler.step
def after(n: int) -> int:
    return n


@couler.workflow
def ask():
    wait = couler.suspend(message="may it go on?", step_name="wait")
    return after(1).after(wait)
"""

Result = subprocess.CompletedProcess[str]
Couler = Callable[..., Result]


def clean_env(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COULER_", "NO_COLOR"))}
    return kept | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config"), "COLUMNS": "100", **more}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "ask.py").write_text(ASK)
    for name in os.environ:
        if name.startswith("COULER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def couler(project: Path) -> Couler:
    """The real command in a process of its own, with pipes."""

    def call(*words: str, **env: str) -> Result:
        command = [sys.executable, "-m", "couler", *words]
        return subprocess.run(
            command, cwd=project, env=clean_env(project, **env), capture_output=True, text=True, timeout=60, check=False
        )

    return call


@pytest.fixture
def inside(project: Path, capsys: pytest.CaptureFixture[str]) -> Couler:
    """The same in this process, for what starts no run."""

    def call(*words: str) -> Result:
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        code = ended.value.code
        return subprocess.CompletedProcess(words, code if isinstance(code, int) else 0, out, err)

    return call
