"""The worker processes of a run: idle ones are given work first, new ones start when needed."""

from __future__ import annotations

from pathlib import Path
from selectors import EVENT_READ, BaseSelector
from typing import Any

from couler.backends.local.pool import WorkerProcess
from couler.backends.local.spares import SPARES


class Crew:
    """Workers and the selector that hears them; each is registered with itself as data.

    Args:
        hello: What each worker is told first.
        register: Folder for notes of the processes.
        most: Workers to keep, so that idle ones of another interpreter make room.
    """

    def __init__(self, selector: BaseSelector, hello: dict[str, Any], register: Path, most: int) -> None:
        self._selector = selector
        self._hello = hello
        self._register = register
        self._most = most
        self._idle: list[WorkerProcess] = []
        self.members: set[WorkerProcess] = set()

    def get(self, python: str, *, fresh: bool, beside: int) -> WorkerProcess:
        """An idle worker or a new one.

        Args:
            python: Its interpreter.
            fresh: It must not have had work before: for steps with GPUs, which a process chooses once in its life.
            beside: How many of the members do not count.
        """
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index].python == python and not (fresh and self._idle[index].used):
                return self._idle.pop(index)
        if len(self.members) - beside >= self._most and self._idle:
            self.retire(self._idle[0])
        worker = SPARES.recruit(self._hello, python, self._register, fresh=fresh)
        self._join(worker)
        return worker

    def adopt(self, worker: WorkerProcess) -> None:
        """Take over a worker that is starting."""
        self._join(worker)
        self._idle.append(worker)

    def _join(self, worker: WorkerProcess) -> None:
        self.members.add(worker)
        self._selector.register(worker.link, EVENT_READ, worker)
        if worker.watch >= 0:
            self._selector.register(worker.watch, EVENT_READ, worker)

    def rest(self, worker: WorkerProcess) -> None:
        """The worker has nothing to do."""
        self._idle.append(worker)

    def retire(self, worker: WorkerProcess) -> int:
        """End a worker with all that it started, and give its exit code."""
        return worker.close(idle=self._leave(worker))

    def _leave(self, worker: WorkerProcess) -> bool:
        """Take a worker off the lists; whether it was idle."""
        idle = worker in self._idle
        if idle:
            self._idle.remove(worker)
        self.members.discard(worker)
        self._selector.unregister(worker.link)
        if worker.watch >= 0:
            self._selector.unregister(worker.watch)
        return idle

    def close(self) -> None:
        """Keep idle workers for the next run, and end the others."""
        for worker in list(self.members):
            if worker in self._idle and not worker.answered():
                self._leave(worker)
                if not SPARES.keep(worker):
                    worker.close(idle=True)
            else:
                self.retire(worker)
