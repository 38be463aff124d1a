"""What docs/airflow.md shows, typed in order on a real Airflow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of, compare, run_shell
from tests.engines.airflow import installation, server

WHY_NOT = installation.reason_to_skip()
PAGE = Path(__file__).resolve().parents[3] / "docs" / "airflow.md"
SET_UP = "pip "


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
@pytest.mark.timeout(300)
def test_the_page_shows_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    with server.running() as airflow:
        monkeypatch.setenv("COULER_SERVER", airflow.url)
        monkeypatch.setenv("COULER_DAGS", str(airflow.dags))
        for block in blocks_of(PAGE.read_text("utf-8")):
            if block.title:
                Path(block.title).write_text(block.text, encoding="utf-8")
            for command, shown in commands(block):
                compare(shown, run_shell(Block("sh", "", command, block.line, False)))
            if block.language == "text" and block.text.startswith("import "):
                run_shell(Block("sh", "", f"python - <<'END'\n{block.text}END\n", block.line, False))


def commands(block: Block) -> list[tuple[str, str]]:
    """Each command that a block shows, and the lines below it."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines(keepends=True) if block.language == "text" else ():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), ""))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return [one for one in found if not one[0].startswith(SET_UP)]
