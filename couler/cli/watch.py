"""Chooses how a run is shown: a live tree on a terminal, lines in a pipe, JSON lines, or nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from couler.cli.progress import Event, JsonLines, Lines, Observer
from couler.core.ir.model import Workflow


@contextmanager
def progress(workflow: Workflow, *, show: bool, log_format: str, output: str) -> Iterator[Observer]:
    """An observer of a run, for as long as the block lasts.

    Args:
        workflow: What runs.
        show: False for ``--no-progress``.
        log_format: ``json`` for one object a line.
        output: Unless ``table``, standard output belongs to the result, and progress goes to standard error.
    """
    stream = sys.stdout if output == "table" else sys.stderr
    runs: set[str] = set()
    try:
        with _observer(workflow, show, log_format, stream) as observer:
            yield _remembering(runs, observer)
    except KeyboardInterrupt as error:
        for run in () if getattr(error, "__notes__", ()) else runs:  # an engine may have said what is right for it
            error.add_note(f"`couler retry {run}` goes on with it")
        raise


def _remembering(runs: set[str], observer: Observer | None) -> Observer:
    """The observer, noting which run it hears of."""

    def observe(event: Event) -> None:
        runs.add(event.run)
        if observer is not None:
            observer(event)

    return observe


@contextmanager
def _observer(workflow: Workflow, show: bool, log_format: str, stream: TextIO) -> Iterator[Observer | None]:
    if not show:
        yield None
    elif log_format == "json":
        yield JsonLines(stream)
    elif stream.isatty() and os.environ.get("TERM") != "dumb":
        from couler.cli.live import live_tree  # rich, only for terminals

        with live_tree(workflow, stream) as observer:
            yield observer
    else:
        yield Lines(workflow, stream)
