"""What a person at a terminal sees."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import clean_env


def at_terminal(
    project: Path, *words: str, answer: Callable[[str], None] = lambda so_far: None, **env: str
) -> tuple[int, str]:
    """Exit code and everything that the command wrote to a terminal of 30 lines; ``answer`` reads along."""
    leader, follower = pty.openpty()
    size = {"LINES": "30", "COLUMNS": "100", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", "couler", *words], cwd=project, env=clean_env(project, **(size | env)),
        stdin=follower, stdout=follower, stderr=follower, close_fds=True,
    )  # fmt: skip
    os.close(follower)
    written = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:  # Linux says so when the last writer has gone
            break
        if not piece:
            break
        written += piece
        answer(written.decode(errors="replace"))
    os.close(leader)
    return process.wait(timeout=30), written.decode().replace("\r\n", "\n")


def test_the_tree_is_drawn_live_and_stays(project: Path) -> None:
    code, text = at_terminal(project, "run", "flow.py", "--n", "3")
    assert code == 0
    assert "\x1b[1A" in text  # the cursor moves up: something was redrawn
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text[text.rindex("\x1b[1A") :])
    assert re.search(r"├─ ✓ add  \d+ ms\n├─ ✓ add-2  \d+ ms\n└─ ✓ check  \d+ ms\n", last)
    assert last.splitlines()[-2:] == ["total: 5", "verdict: fine"]


def test_a_failure_is_the_last_thing_on_the_screen(project: Path) -> None:
    code, text = at_terminal(project, "run", "flow.py", "--n", "300")
    assert code == 1
    assert "✗" in text
    assert text.splitlines()[-1] == "the limit"


def test_who_waits_for_a_person_is_told_what_to_type(project: Path) -> None:
    typed: list[str] = []

    def approve(so_far: str) -> None:
        command = re.search(r"  couler (resume \S+ --approve wait)", so_far)
        if command is not None and not typed:
            typed.append(command[1])
            words = [sys.executable, "-m", "couler", *command[1].split()]
            subprocess.run(words, cwd=project, env=clean_env(project), capture_output=True, check=True)

    code, text = at_terminal(project, "run", "ask.py", answer=approve)
    assert code == 0
    assert len(typed) == 1
    assert "wait waits for a person (may it go on?)" in text
    assert text.rstrip().splitlines()[-1] == "result: 1"


def test_no_color_is_honoured(project: Path) -> None:
    _, text = at_terminal(project, "run", "flow.py", "--n", "3", NO_COLOR="1")
    assert not re.search(r"\x1b\[(3[0-7]|9[0-7]|38)", text)


@pytest.mark.parametrize("words", [["--no-progress"], ["--log-format", "json"]])
def test_without_a_live_tree_nothing_is_redrawn(project: Path, words: list[str]) -> None:
    _, text = at_terminal(project, "run", "flow.py", "--n", "3", *words)
    assert "\x1b" not in text


def test_a_dumb_terminal_gets_plain_lines(project: Path) -> None:
    _, text = at_terminal(project, "run", "flow.py", "--n", "3", TERM="dumb")
    assert "\x1b" not in text
    assert "add succeeded in" in text
