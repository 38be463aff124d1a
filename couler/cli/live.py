"""The tree of a run on a terminal, redrawn while it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from couler.cli.output import can_draw
from couler.cli.progress import Event, Observer, StepState, Waiting
from couler.core.ir.model import Workflow
from couler.views.status import counts_text, look
from couler.views.tree import Row, rows

_SHARE = 20
"""Drawing takes at most one part in so many of the time."""


class LiveTree:
    """What rich draws: as many lines as fit, those that run or failed before others."""

    def __init__(self, workflow: Workflow, plain: bool = False) -> None:
        self.workflow = workflow
        self.plain = plain
        self.waiting = Waiting(workflow)
        self.run = ""
        self._drawn: list[Text] = []
        self._redraw_at = 0.0
        self.steps: dict[str, StepState] = {}
        self.notes: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Remember what an event says."""
        self.run = event.run
        if event.kind == "note":
            self.notes.append(str(event.data.get("message")))
        if event.path:
            with self.lock:
                self.steps.setdefault(event.path, StepState(event.path)).learn(event)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The tree of this moment, or of a little earlier when it is so large that drawing would slow the run down."""
        began = time.monotonic()
        if began >= self._redraw_at:
            self._drawn = list(self._draw(options.size.height))
            self._redraw_at = began + _SHARE * (time.monotonic() - began)
        yield from self._drawn

    def hurry(self) -> None:
        """Draw afresh the next time."""
        self._redraw_at = 0.0

    def _draw(self, height: int) -> Iterator[Text]:
        with self.lock:
            known = rows(self.workflow, dict(self.steps), now=time.time())
            counts = counts_text(step.status for step in self.steps.values())
            hints = [hint for step in self.steps.values() if any(hint := self.waiting.hint(self.run, step))][:3]
        yield Text(f"{self.workflow.name}  {counts}", style="bold", no_wrap=True, overflow="ellipsis")
        for note in self.notes:
            yield Text(f"note: {note}", style="yellow", no_wrap=True, overflow="ellipsis")
        for row in fitting(known, max(3, height - 3 - len(self.notes) - 2 * len(hints))):
            yield self._line(row)
        for what, command in hints:
            yield Text(f"{what}; type in another terminal, with --approve or --reject:", style="magenta")
            yield Text(f"  {command}", no_wrap=True, overflow="ignore")

    def _line(self, row: Row) -> Text:
        shown = look(row.status or "pending")
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(row.guide, style="dim")
        line.append(f"{shown.plain if self.plain else shown.glyph} ", style=shown.style)
        line.append(row.label, style="" if row.status in ("running", "failed") else shown.style)
        line.append(f"  {row.note}" if row.note else "", style="red" if row.status == "failed" else "dim")
        return line


def fitting(known: tuple[Row, ...], most: int) -> tuple[Row, ...]:
    """At most ``most`` of the rows, in their order: failed and running ones, then the last that ended."""
    if len(known) <= most:
        return known
    weight = {"failed": 0, "running": 1, "suspended": 1, "cancelled": 3, "pending": 4}
    order = sorted(range(len(known)), key=lambda index: (weight.get(known[index].status, 2), -index))
    kept = sorted(order[: most - 1])
    hidden = len(known) - len(kept)
    return (*(known[index] for index in kept), Row("", "", f"… {hidden:,} more", "", ""))


@contextmanager
def live_tree(workflow: Workflow, stream: TextIO) -> Iterator[Observer]:
    """A tree that lives as long as the block and stays on the screen after it."""
    console = Console(file=stream, highlight=False)
    tree = LiveTree(workflow, plain=not can_draw(stream))
    with Live(tree, console=console, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False):
        try:
            yield tree
        finally:
            tree.hurry()
