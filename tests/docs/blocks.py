"""Read the fenced blocks of a Markdown page, and play them in order as a reader would type them.

    python tests/docs/blocks.py PAGE

- A ``python`` block with ``title="name.py"`` is written to that file; other titled blocks too.
- Other ``python`` blocks run, in one namespace for the whole page; each has a file, so that functions have a source.
- ``sh`` blocks run in bash, in the same folder; the first failing command fails the page.
- A ``text`` block right after a block that ran is its output: each line must appear, in this order; ``…`` stands
  for anything.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
SET_UP = re.compile(r"^python3 -m venv \.venv && \.venv/bin/pip install [^&]*&& ", re.MULTILINE)
EXECUTED = ("python", "sh")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its title, its text and the line of the page where the text starts."""

    language: str
    title: str
    text: str
    line: int
    follows: bool
    """Only blank lines stand between this block and the one before."""


def blocks_of(page: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    found: list[Block] = []
    end = -1
    for match in FENCE.finditer(page):
        language = match["info"].strip().split(" ")[0]
        title = re.search(r'title="([^"]*)"', match["info"])
        indent = len(match["indent"])
        text = "".join(line[indent:] for line in match["body"].splitlines(keepends=True))
        line = page.count("\n", 0, match.start("body")) + 1
        follows = end >= 0 and not page[end : match.start()].strip()
        found.append(Block(language, title[1] if title else "", text, line, follows))
        end = match.end()
    return found


class PageError(Exception):
    """A block did not do what the page says."""


class Player:
    """Plays the blocks of one page in the current folder."""

    def __init__(self) -> None:
        self.module = types.ModuleType("page")
        sys.modules["page"] = self.module
        self.output: str | None = None

    def play(self, block: Block) -> None:
        """Run, write or compare one block.

        Raises:
            PageError: It failed, or printed something else than the page says.
        """
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
            self.output = None
        elif block.language == "python":
            self.output = self.run_python(block)
        elif block.language == "sh":
            self.output = run_shell(block)
        elif block.language == "text":
            if block.follows and self.output is not None:
                compare(block.text, self.output)
        else:
            self.output = None

    def run_python(self, block: Block) -> str:
        """Run a block in the page's namespace; returns what it printed."""
        path = Path(f"block_{block.line}.py").resolve()
        path.write_text(block.text, encoding="utf-8")
        self.module.__file__ = str(path)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.text, str(path), "exec"), vars(self.module))
        return printed.getvalue()


def run_shell(block: Block) -> str:
    """Run a block in bash, without the set-up that the test's own environment stands for; returns what it printed."""
    script = SET_UP.sub("", block.text).replace(".venv/bin/", "")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PageError(f"exit code {done.returncode}:\n{done.stdout}")
    return done.stdout


def compare(expected: str, output: str) -> None:
    """Each expected line must match a line of the output, in order.

    Raises:
        PageError: A line is missing.
    """
    lines = iter(output.splitlines())
    for wanted in expected.splitlines():
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in wanted.strip().split("…")))
        if wanted.strip() and not any(pattern.fullmatch(line.strip()) for line in lines):
            raise PageError(f"the page shows this line, which was not printed:\n  {wanted}\nprinted was:\n{output}")


def play_page(path: Path) -> None:
    """Play a page in the current folder; stops with the line of the block that failed."""
    player = Player()
    for block in blocks_of(path.read_text(encoding="utf-8")):
        try:
            player.play(block)
        except Exception as error:
            raise SystemExit(f"{path.name}:{block.line}: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    sys.path.insert(0, str(Path.cwd()))
    play_page(Path(sys.argv[1]))
