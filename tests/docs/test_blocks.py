"""Every Python and shell block of README and docs does what its page says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import EXECUTED, PageError, blocks_of, compare

ROOT = Path(__file__).resolve().parents[2]
TEST_COMMAND_PAGES = ("README.md",)  # its second command is this test suite; test_readme.py compares it with .ci/run
LANGUAGES = {"python", "sh", "text", "json", "yaml", "toml", "mermaid"}


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def played() -> list[Path]:
    return [page for page in pages() if any(b.language in EXECUTED for b in blocks_of(page.read_text("utf-8")))]


@pytest.mark.parametrize("page", played(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    source = page
    if page.name in TEST_COMMAND_PAGES:
        source = tmp_path / page.name
        text = page.read_text(encoding="utf-8")
        source.write_text(text.replace(blocks_of_language(text, "sh")[1], "true\n"), encoding="utf-8")
    command = [sys.executable, "-W", "error", str(ROOT / "tests/docs/blocks.py"), str(source)]
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def blocks_of_language(page: str, language: str) -> list[str]:
    return [block.text for block in blocks_of(page) if block.language == language]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_names_a_language_that_the_tests_know(page: Path) -> None:
    unknown = {(b.line, b.language) for b in blocks_of(page.read_text("utf-8")) if b.language not in LANGUAGES}
    assert not unknown


def test_a_shown_line_that_was_not_printed_is_found() -> None:
    compare("run … done\n", "start\nrun 7 done\n")
    with pytest.raises(PageError, match="which was not printed"):
        compare("b\na\n", "a\nb\n")
