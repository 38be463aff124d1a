"""Shows a run while it goes: a live tree on a terminal, a line a step in a pipe, or JSON lines."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from couler.core.ir.graph import walk
from couler.core.ir.model import Step, SuspendTask, Workflow
from couler.views.status import declared_path, look, seconds_text

Observer = Callable[[Any], None]


class Event(Protocol):
    """What the engine tells; `couler.runs.records.EventRecord` is one."""

    @property
    def run(self) -> str:
        """Id of the run."""
        ...

    @property
    def time(self) -> float:
        """Epoch seconds."""
        ...

    @property
    def kind(self) -> str:
        """What happened."""
        ...

    @property
    def path(self) -> str:
        """The step instance; empty for the run itself."""
        ...

    @property
    def data(self) -> Any:
        """Details."""
        ...


@dataclass(slots=True)
class StepState:
    """What is known of a step while the run goes."""

    path: str
    status: str = "pending"
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    message: str = ""

    def learn(self, event: Event) -> None:
        """Take over what an event says."""
        self.status = str(event.data.get("status") or self.status)
        self.message = str(event.data.get("message") or "")
        self.attempts = int(event.data.get("attempts") or self.attempts)
        if self.status == "running":
            self.started, self.ended = event.time if self.started is None else self.started, None
        elif self.status != "pending":
            self.ended = event.time


class Waiting:
    """Knows which steps wait for a person, and says how to answer them."""

    def __init__(self, workflow: Workflow) -> None:
        self.steps = {path for path, step in walk(workflow) if _waits(step)}

    def hint(self, run: str, state: StepState) -> tuple[str, str]:
        """What it waits for, and what to type; both empty when the step does not wait."""
        if state.status != "running" or declared_path(state.path) not in self.steps:
            return "", ""
        message = f" ({_last_line(state.message)})" if state.message else ""
        return f"{state.path} waits for a person{message}", f"couler resume {run} --approve {state.path}"


def _waits(step: Step) -> bool:
    return isinstance(step.task, SuspendTask) and step.task.duration is None


class Lines:
    """One plain line for each step that ends, that starts another attempt, or that waits for a person."""

    def __init__(self, workflow: Workflow, stream: TextIO) -> None:
        self.stream = stream
        self.waiting = Waiting(workflow)
        self.steps: dict[str, StepState] = {}

    def __call__(self, event: Event) -> None:
        """Print what changed."""
        if event.kind == "note":
            _write(self.stream, f"note: {event.data.get('message')}")
        if not event.path:
            return
        state = self.steps.setdefault(event.path, StepState(event.path))
        before = (state.status, state.attempts)
        state.learn(event)
        if (state.status, state.attempts) == before:
            return
        text = self._running(event, state) if state.status in ("pending", "running") else _ended(event, state)
        if text:
            _write(self.stream, f"{_clock(event.time)} {text}")

    def _running(self, event: Event, state: StepState) -> str:
        if state.attempts > 1:
            return f"{state.path} runs again, attempt {state.attempts}"
        what, command = self.waiting.hint(event.run, state)
        return f"{what}: `{command}` or `--reject`" if what else ""


def _ended(event: Event, state: StepState) -> str:
    text = f"{state.path} {look(state.status).word}"
    if state.started is not None and state.status in ("succeeded", "failed"):
        text += f" in {seconds_text(event.time - state.started)}"
    return f"{text}: {_last_line(state.message)}" if state.message else text


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
