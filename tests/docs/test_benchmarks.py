"""The benchmark scripts that need no other tool still run, and their results name no machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def last_line(script: str, *arguments: str, folder: Path) -> dict[str, object]:
    command = [sys.executable, str(ROOT / "benchmarks/peers" / script), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("shape", ["chain", "fan", "build"])
def test_couler_is_measured(shape: str, tmp_path: Path) -> None:
    found = last_line("couler_peer.py", shape, "5", "1", folder=tmp_path)
    assert found["seconds"][0] > 0  # type: ignore[index]


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_the_plain_pool_is_measured(shape: str, tmp_path: Path) -> None:
    found = last_line("pool_peer.py", shape, "5", "1", folder=tmp_path)
    assert found["seconds"][0] > 0  # type: ignore[index]


def test_memory_is_measured(tmp_path: Path) -> None:
    found = last_line("couler_peer.py", "memory", "12", folder=tmp_path)
    assert found["last_mib"] > 0  # type: ignore[operator]


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks/results").glob("*.json")), ids=lambda path: path.name)
def test_results_name_no_folder_of_a_machine(path: Path) -> None:
    assert re.search(r"/(home|root|work|Users|tmp)/", path.read_text(encoding="utf-8")) is None
