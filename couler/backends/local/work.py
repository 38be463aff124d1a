"""What passes between the state machine and whoever executes: work to do, how it ended, and what to write down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from couler.core.ir.model import Step

if TYPE_CHECKING:
    from couler.backends.local.activities import Leaf

Ended = Literal["succeeded", "failed", "skipped", "cached", "cancelled"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    Attributes:
        kind: Name of the error, such as ``ValueError``, ``ExitCode``, ``Timeout``, ``OutOfMemory`` or ``WorkerDied``.
        kinds: The kind and the names of its base classes: what ``RetryOn.errors`` may name.
        lost: The process or its machine vanished without an answer.
    """

    kind: str
    message: str
    kinds: tuple[str, ...] = ()
    exit_code: int | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended; ``failure`` is set exactly when ``status`` is ``failed``."""

    status: Literal["succeeded", "cached", "failed", "cancelled"]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(slots=True)
class Work:
    """One attempt to start, with everything resolved.

    Attributes:
        arguments: Command and arguments of a container, arguments of a script.
        memory: Bytes that the attempt asks for, after escalation; None when the step declares none.
        devices: Ids of the GPUs that are the attempt's alone.
    """

    leaf: Leaf
    path: str
    step: Step
    attempt: int
    inputs: dict[str, Any]
    arguments: list[str]
    env: dict[str, str]
    memory: int | None = None
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A transition of a step instance, to be written down."""

    path: str
    status: str
    started: float | None
    ended: float | None
    attempts: int = 0
    outputs: Mapping[str, Any] | None = None
    message: str = ""
    kind: str = "step"


@dataclass(frozen=True, slots=True)
class Previous:
    """How far a step instance had come when an earlier runner of the same run ended.

    Attributes:
        failures: Failed attempts that count against the limit of its retries.
    """

    status: str
    outputs: Mapping[str, Any] | None = None
    attempts: int = 0
    message: str = ""
    failures: int = 0
