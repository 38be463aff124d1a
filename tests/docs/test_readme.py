"""The README's two commands and its tables agree with what they stand for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import blocks_of

ROOT = Path(__file__).resolve().parents[2]


def commands() -> list[str]:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    return [block.text.strip() for block in blocks_of(page) if block.language == "sh"][:2]


def test_the_second_command_is_the_last_one_of_ci() -> None:
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").strip().splitlines()[-1] == commands()[1]


def test_both_commands_set_up_by_themselves() -> None:
    for command in commands():
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e ")
        assert len(command.splitlines()) == 1


def test_the_first_command_runs_the_example() -> None:
    assert commands()[0].endswith(".venv/bin/couler run examples/model_selection.py")


def test_generated_tables_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/tables.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
