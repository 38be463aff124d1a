"""Show a run while it goes, where somebody watches: a picture in a notebook, a line a step on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from couler.views.status import look, seconds_text

if TYPE_CHECKING:
    from couler.driver.handle import Run
    from couler.runs import EventRecord

REFRESH = 0.25
"""Least time between two pictures in a notebook, in seconds."""


def watcher(run: Run) -> Callable[[EventRecord], None] | None:
    """The observer for whoever watches, or None when nobody does."""
    shell = _notebook()
    if shell is not None:
        return _Picture(run)
    return _line if sys.stderr is not None and sys.stderr.isatty() else None


def _notebook() -> Any:
    """The shell of a notebook kernel; None in a terminal and outside of IPython."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return shell if shell is not None and hasattr(shell, "kernel") else None


class _Picture:
    """The run's HTML in the cell's output, replaced as the run goes."""

    def __init__(self, run: Run) -> None:
        from IPython.display import display  # only in a notebook, where it is loaded already

        self._run = run
        self._handle = display(run, display_id=True)  # type: ignore[no-untyped-call]
        self._shown = time.monotonic()

    def __call__(self, event: EventRecord) -> None:
        now = time.monotonic()
        if event.kind == "run-ended" or now - self._shown >= REFRESH:
            self._handle.update(self._run)
            self._shown = now


def _line(event: EventRecord) -> None:
    if event.kind == "note":
        print(f"note: {event.data.get('message')}", file=sys.stderr)  # noqa: T201 - the terminal's user watches
        return
    status = event.data.get("status", "")
    if not event.path or status in ("", "pending", "running"):
        return
    took = event.data.get("seconds")
    text = f"{time.strftime('%H:%M:%S', time.localtime(event.time))} {event.path} {look(status).word}"
    text += f" in {seconds_text(took)}" if isinstance(took, (int, float)) else ""
    message = str(event.data.get("message") or "").strip()
    print(text + (f": {message.splitlines()[-1]}" if message else ""), file=sys.stderr)  # noqa: T201 - the terminal's user watches
