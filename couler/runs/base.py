"""The run store as a promise: what a store does, who may share it, and what must never happen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from couler.runs.records import AttemptRecord, Changes, EventRecord, RequestRecord, RunRecord, StepRecord


class RunStore(ABC):
    """Where runs live: their steps, attempts, events, and the requests to them.

    Who may share it: any number of processes may open one store, and all threads of a process may use one object.
    A run is *driven* by one process at a time (its ``owner``); the others read it, and reach its driver by `request`.
    After a fork the child may go on using the object; it gets connections of its own.

    What a store promises:

    - A call that returned is stored: it survives the death of the process (``kill -9``) at any later moment.
    - A call that raised changed nothing, and the store can be used again as soon as the cause is gone.
    - Readers see whole batches of `record`, never a part of one, and never wait for a writer to finish its run.
    - Values come back unchanged, whatever they contain: NUL and lone surrogates in text, ``1`` apart from ``1.0``,
      integers of any size, the order of keys.

    What must never happen: a lost or half-stored batch, an event that a reader who asks for ``after=n`` overlooks, a
    request that is taken twice, a run changed by a batch for another, and a password in a message.

    Every method raises `StoreError` when the store cannot be read or written, and `NotFoundError`, with the near names,
    for a run that it does not have.
    """

    @abstractmethod
    def create_run(self, run: RunRecord) -> None:
        """Add a run.

        Raises:
            StoreError: A run with this id exists.
        """

    @abstractmethod
    def update_run(self, run_id: str, **fields: Any) -> None:
        """Change fields of a run, named as in `RunRecord`; ``id`` stays.

        Raises:
            TypeError: A field has no such name.

        Example:
            >>> store.update_run("wf-1", status="failed", ended=1700000000.0)  # doctest: +SKIP
        """

    @abstractmethod
    def run(self, run_id: str) -> RunRecord:
        """The run with exactly this id."""

    @abstractmethod
    def runs(
        self, *, limit: int = 50, workflow: str | None = None, status: str | None = None, engine: str | None = None
    ) -> list[RunRecord]:
        """Runs that match every given argument, the newest first, at most ``limit``."""

    @abstractmethod
    def resolve(self, reference: str) -> str:
        """The id of the run that a person means: a whole id, its unique beginning, or ``@latest``.

        Raises:
            NotFoundError: No run fits, or several do; the message names them.
        """

    @abstractmethod
    def record(self, run_id: str, changes: Changes) -> None:
        """Store one transition of a run: all of it or nothing.

        This is the hot path of the local engine, called at each change of each step.

        Raises:
            StoreError: A record belongs to another run, or a value is not JSON.
        """

    @abstractmethod
    def steps(self, run_id: str) -> list[StepRecord]:
        """The step instances of a run, in the order in which they were first recorded."""

    @abstractmethod
    def step(self, run_id: str, path: str) -> StepRecord:
        """One step instance.

        Raises:
            NotFoundError: The run has no such step; the hint offers the near name.
        """

    @abstractmethod
    def attempts(self, run_id: str, path: str | None = None) -> list[AttemptRecord]:
        """The attempts of a run, or of one step instance, in the order in which they were first recorded."""

    @abstractmethod
    def events(self, run_id: str, after: int = 0) -> list[EventRecord]:
        """The events of a run whose ``sequence`` is larger than ``after``, in order.

        Whoever polls with the last sequence that it saw gets every event once.
        """

    @abstractmethod
    def request(
        self,
        run_id: str,
        kind: str,
        path: str = "",
        data: Mapping[str, Any] | None = None,
        *,
        time: float | None = None,
    ) -> RequestRecord:
        """Leave a request for the process that drives the run.

        Args:
            run_id: The run.
            kind: One of ``stop``, ``approve``, ``reject``.
            path: The step instance that is meant; empty for the whole run.
            data: What goes with it, such as who approved and why.
            time: When, in seconds since the epoch; None means now.
        """

    @abstractmethod
    def take_requests(self, run_id: str) -> list[RequestRecord]:
        """Claim and remove the requests to a run, oldest first; each is given to exactly one caller."""

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Remove a run with all that belongs to it."""

    @abstractmethod
    def history(self, workflow: str, step_path: str, *, limit: int = 100) -> list[AttemptRecord]:
        """Attempts at a step in all runs of a workflow, the newest first, at most ``limit``."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections. Closing twice is fine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
