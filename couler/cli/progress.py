"""Shows a run while it goes: a live tree on a terminal, a line a step in a pipe, or JSON lines."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from couler.core.ir.model import Workflow
from couler.views.status import LOOKS, look, seconds_text

Observer = Callable[[Any], None]


class Event(Protocol):
    """What the engine tells; `couler.runs.records.EventRecord` is one."""

    @property
    def run(self) -> str:
        """Id of the run."""

    @property
    def time(self) -> float:
        """Epoch seconds."""

    @property
    def kind(self) -> str:
        """What happened."""

    @property
    def path(self) -> str:
        """The step instance; empty for the run itself."""

    @property
    def data(self) -> Any:
        """Details."""


@dataclass(slots=True)
class StepState:
    """What is known of a step while the run goes."""

    path: str
    status: str = "pending"
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    message: str = ""

    def learn(self, event: Event) -> bool:
        """Take over what an event says; whether the status changed."""
        status = status_of(event)
        if not status:
            return False
        changed, self.status = status != self.status, status
        self.message = str(event.data.get("message") or event.data.get("error") or "")
        if status == "running":
            self.started = self.started or event.time
            self.attempts = int(event.data.get("attempt") or event.data.get("number") or self.attempts + 1)
        elif status != "pending":
            self.ended = event.time
        return changed


def status_of(event: Event) -> str:
    """The status that the step or run has after the event; empty when the event says nothing of it."""
    told = event.data.get("status")
    if isinstance(told, str) and told in LOOKS:
        return told
    word = event.kind.rpartition("-")[2]
    word = {"started": "running", "ended": "", "ready": "pending"}.get(word, word)
    return word if word in LOOKS else ""


class Lines:
    """One plain line for each step that ends, and for each that fails and tries again."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.steps: dict[str, StepState] = {}

    def __call__(self, event: Event) -> None:
        """Print what changed."""
        if not event.path:
            return
        state = self.steps.setdefault(event.path, StepState(event.path))
        if state.learn(event) and state.status not in ("pending", "running"):
            self._print(event, state)
        elif event.kind.endswith(("retrying", "retry")):
            _write(self.stream, f"{_clock(event.time)} {event.path} tries again: {_last_line(state.message)}")

    def _print(self, event: Event, state: StepState) -> None:
        text = f"{_clock(event.time)} {event.path} {look(state.status).word}"
        if state.started is not None and state.status in ("succeeded", "failed"):
            text += f" in {seconds_text(event.time - state.started)}"
        if state.message:
            text += f": {_last_line(state.message)}"
        _write(self.stream, text)


class JsonLines:
    """Each event as one JSON object on a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __call__(self, event: Event) -> None:
        """Print it."""
        data = dataclasses.asdict(event) if dataclasses.is_dataclass(event) else vars(event)
        _write(self.stream, json.dumps(data, ensure_ascii=False, default=str))


def _clock(when: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""


def _write(stream: TextIO, line: str) -> None:
    """Print a line; a reader that has gone must not end the run."""
    try:
        stream.write(line.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8") + "\n")
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def progress(workflow: Workflow, *, show: bool, log_format: str, output: str) -> Iterator[Observer | None]:
    """An observer of a run, for as long as the block lasts.

    Args:
        workflow: What runs.
        show: False for ``--no-progress``.
        log_format: ``json`` for one object a line.
        output: Unless ``table``, standard output belongs to the result, and progress goes to standard error.
    """
    stream = sys.stdout if output == "table" else sys.stderr
    if not show:
        yield None
    elif log_format == "json":
        yield JsonLines(stream)
    elif stream.isatty() and os.environ.get("TERM") != "dumb":
        from couler.cli.live import live_tree  # rich, only for terminals

        with live_tree(workflow, stream) as observer:
            yield observer
    else:
        yield Lines(stream)
