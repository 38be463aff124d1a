"""What the run store remembers, as frozen values.

Times are seconds since the epoch. JSON fields hold plain Python values (None, bool, int, float, str, list, dict) and
come back exactly as they went in, except that tuples come back as lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

RunStatus: TypeAlias = Literal["pending", "running", "suspended", "succeeded", "failed", "cancelled"]
StepStatus: TypeAlias = Literal["pending", "running", "succeeded", "failed", "skipped", "cached", "cancelled"]
RequestKind: TypeAlias = Literal["stop", "approve", "reject"]

ENDED: tuple[RunStatus, ...] = ("succeeded", "failed", "cancelled")
"""Statuses of a run that goes on no more."""

REQUEST_KINDS: tuple[str, ...] = get_args(RequestKind)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a workflow on an engine.

    Attributes:
        id: Unique in the store; people may type any unique beginning of it.
        workflow: Name of the workflow.
        engine: Name of the engine, such as ``local``.
        status: One of `RunStatus`.
        parameters: Values of the workflow's parameters.
        outputs: Values of the workflow's outputs; None before the end.
        document: The workflow in its JSON text form.
        message: Why the run has this status, for people.
        options: What the engine was asked for, such as the number of processes.
        remote: The engine's own name of the run, such as an Argo workflow's; empty for the local engine.
        owner: Who drives the run (host and process), so that others can tell whether it still lives.
    """

    id: str
    workflow: str
    engine: str
    status: str
    created: float
    started: float | None = None
    ended: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] | None = None
    document: str = ""
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    remote: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step instance of a run.

    Attributes:
        run: Id of the run.
        path: Path of the instance, such as ``train``, ``search/train``, ``train[3]`` or ``improve#2/eval``.
        status: One of `StepStatus`.
        attempts: How many attempts were started.
        outputs: Values of the outputs; None before they exist.
        details: What the engine wants to remember, such as a cache key or the name of a pod.
    """

    run: str
    path: str
    status: str
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    outputs: Mapping[str, Any] | None = None
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt at a step instance, with the resources that it used.

    Attributes:
        number: Counts the attempts of the instance.
        exit_code: Exit code of the process; None when there was none, negative for a signal.
        error: Kind of the error, such as ``ValueError`` or ``OutOfMemory``; empty after success.
        peak_memory: Bytes.
        cpu_seconds: Processor time, in seconds.
        wall_seconds: Time from start to end, in seconds.
        host: Machine or node.
        process: Process id, pod or container on that machine.
    """

    run: str
    path: str
    number: int
    status: str
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    error: str = ""
    message: str = ""
    peak_memory: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    host: str = ""
    process: str = ""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened in a run.

    Attributes:
        kind: What happened, such as ``step-started``.
        path: The step instance; empty for the run itself.
        sequence: Given by the store, rising within a run; 0 before it is stored.
    """

    run: str
    time: float
    kind: str
    path: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A wish of somebody outside for the process that drives the run.

    Attributes:
        id: Given by the store; later requests have larger ones.
        kind: One of `RequestKind`.
        path: The step instance that is meant; empty for the whole run.
    """

    id: int
    run: str
    time: float
    kind: str
    path: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one transition of a run changes: stored together or not at all.

    Steps and attempts replace what the store has under the same key; events are added in this order.
    """

    steps: Sequence[StepRecord] = ()
    attempts: Sequence[AttemptRecord] = ()
    events: Sequence[EventRecord] = ()
