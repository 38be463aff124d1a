"""Drives one run: gives work to worker processes, hears how it ended, and writes every transition down first."""

from __future__ import annotations

import heapq
import itertools
import random
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from couler.backends.local import admission, ends
from couler.backends.local.admission import Capacity, Share
from couler.backends.local.background import Background
from couler.backends.local.crew import Crew
from couler.backends.local.interrupts import Interrupts
from couler.backends.local.journal import Journal
from couler.backends.local.layout import RunFolder
from couler.backends.local.machine import Machine
from couler.backends.local.pool import WorkerProcess, hello
from couler.backends.local.processes import signal_tree
from couler.backends.local.requests import Requests
from couler.backends.local.tasks import Tasks
from couler.backends.local.work import Outcome, Work
from couler.core.errors import CoulerError
from couler.runs import RunStore

POLL = 0.25
HELD_AT_MOST = 64
PATIENCE = 100


@dataclass(slots=True)
class Running:
    """An attempt on a worker; when ``is_done``, its files are being stored and the worker may do something else."""

    work: Work
    message: dict[str, Any]
    worker: WorkerProcess
    share: Share
    claims: list[str]
    started: float
    timed_out: bool = False
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How a run may use the machine.

    Attributes:
        workers: Worker processes at most.
        grace: Seconds between asking a process to end and ending it.
    """

    total: Share
    workers: int
    grace: float = 5.0


class Scheduler:
    """The loop of one run. Not shared by threads."""

    def __init__(
        self,
        machine: Machine,
        store: RunStore,
        folder: RunFolder,
        tasks: Tasks,
        journal: Journal,
        limits: Limits,
        warm: WorkerProcess | None = None,
    ) -> None:
        self.machine = machine
        self.store = store
        self.folder = folder
        self.tasks = tasks
        self.journal = journal
        self.limits = limits
        self.capacity = Capacity(limits.total)
        self.selector = selectors.DefaultSelector()
        greeting = hello(folder.root, folder.scratch, journal.run_id)
        self.crew = Crew(self.selector, greeting, folder.workers, limits.workers)
        self.running: dict[str, Running] = {}
        self.jobs: dict[WorkerProcess, Running] = {}
        self.held: deque[Work] = deque()
        self.impatience = 0
        self.claimed: set[str] = set()
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.next_poll = 0.0
        self.requests = Requests(store, machine, journal)
        self.suspended = False
        self.chance = random.Random()
        self.background = Background(self.selector)
        self.preparing: set[str] = set()
        self.beside = 0  # daemons, which take no place from other steps
        self.interrupts = Interrupts()
        if warm is not None:
            self.crew.adopt(warm)

    def run(self) -> None:
        """Drive the run to its end. Ctrl-C cancels the run and is raised again when all has ended.

        The state on disk is clean afterwards, also when this raises.
        """
        with self.interrupts.heard():
            try:
                self._start_timeout()
                self.machine.begin(time.time())
                while not self._is_over():
                    self._turn()
                    if self.interrupts.count:
                        self._interrupted()
            finally:
                self._close()
        if self.interrupts.by_keyboard:
            raise KeyboardInterrupt

    def _interrupted(self) -> None:
        """The first signal asks the steps to end, the second ends them at once."""
        self.machine.stop(time.time(), "interrupted")
        if self.interrupts.count > 1:
            for running in list(self.running.values()):
                self._end_by_force(running)

    def _is_over(self) -> bool:
        return self.machine.finished and not self.machine.changes

    def _turn(self) -> None:
        starts = self._admit()
        self._take_over()
        self.journal.flush()
        for running in starts:
            self._give(running)
        self._show_suspension()
        if not self.machine.finished:
            self._wait()

    # --- starting ------------------------------------------------------------------------------------------------

    def _admit(self) -> list[Running]:
        """Choose what starts now."""
        starts: list[Running] = []
        self._release_cancelled()
        while len(self.running) + len(self.preparing) - self.beside < self._most() and self.capacity.cpu > 1e-9:
            work = self._next_work()
            if work is None:
                break
            running = self._prepare(work)
            if running is not None:
                starts.append(running)
        return starts

    def _most(self) -> int:
        parallelism = self.machine.workflow.parallelism
        return self.limits.workers if parallelism is None else min(parallelism, self.limits.workers)

    def _release_cancelled(self) -> None:
        """Give work that waits for resources back when it must no longer start."""
        if any(work.leaf.is_closed() for work in self.held):
            for work in self.held:
                self.machine.ready.append(work.leaf)
            self.held.clear()

    def _next_work(self) -> Work | None:
        """The next work that fits: what has waited longest first, but small work may pass big work for a while."""
        for index, work in enumerate(self.held):
            if self._fits(work):
                del self.held[index]
                self.impatience = 0 if index == 0 else self.impatience + 1
                return work
            if self.impatience >= PATIENCE:
                return None
        while len(self.held) < HELD_AT_MOST:
            taken = self.machine.take(time.time())
            if taken is None:
                return None
            if self._fits(taken):
                self.impatience += bool(self.held)
                return taken
            self.held.append(taken)
        return None

    def _fits(self, work: Work) -> bool:
        share = admission.share_of(work.step, work.memory, self.limits.total)
        return self.capacity.fits(share) and self.claimed.isdisjoint(self.tasks.host_paths(work.step))

    def _prepare(self, work: Work) -> Running | None:
        """Get ready what a step needs; slow things beside the loop."""
        now = time.time()
        share = admission.share_of(work.step, work.memory, self.limits.total)
        claims = [] if work.step.daemon else self.tasks.host_paths(work.step)
        self.beside += work.step.daemon
        share = self.capacity.take(share)
        work.devices = share.devices
        self.claimed.update(claims)
        self.machine.started(work.leaf, now)
        if self.tasks.is_slow(work):
            self.preparing.add(work.path)
            self.background.submit(
                lambda: (self.tasks.message(work), self.tasks.python(work.step)),
                lambda result: self._prepared(work, share, claims, result),
            )
            return None
        try:
            message, python = self.tasks.message(work), self.tasks.python(work.step)
        except (CoulerError, OSError) as error:
            self._not_prepared(work, share, claims, error)
            return None
        return self._begin(work, share, claims, message, python)

    def _prepared(self, work: Work, share: Share, claims: list[str], result: Any) -> None:
        self.preparing.discard(work.path)
        if isinstance(result, Exception):
            self._not_prepared(work, share, claims, result)
        elif work.leaf.killed:
            self._let_go(work, share, claims)
            self.machine.ended(work.leaf, Outcome("cancelled"), time.time())
        else:
            self._give(self._begin(work, share, claims, *result))

    def _begin(self, work: Work, share: Share, claims: list[str], message: dict[str, Any], python: str) -> Running:
        worker = self.crew.get(python, fresh=bool(share.devices), beside=self.beside)
        running = Running(work, message, worker, share, claims, time.time())
        self.running[work.path] = running
        self.jobs[worker] = running
        return running

    def _not_prepared(self, work: Work, share: Share, claims: list[str], error: Exception) -> None:
        if not isinstance(error, CoulerError | OSError):
            raise error
        self._let_go(work, share, claims)
        self._ended_without_start(work, error, time.time())

    def _let_go(self, work: Work, share: Share, claims: list[str]) -> None:
        self.beside -= work.step.daemon
        self.capacity.give_back(share)
        self.claimed.difference_update(claims)

    def _ended_without_start(self, work: Work, error: Exception, now: float) -> None:
        outcome = Outcome("failed", failure=ends.of_engine(error))
        self.journal.attempted(work, outcome, None, now, now, 0)
        self.machine.ended(work.leaf, outcome, now, self.chance.random())

    def _give(self, running: Running) -> None:
        timeout = running.work.step.timeout
        if timeout is not None:
            self._at(running.started + timeout, lambda: self._time_is_over(running))
        running.worker.give(running.message)

    # --- ending --------------------------------------------------------------------------------------------------

    def _hear(self, worker: WorkerProcess) -> None:
        running = self.jobs.get(worker)
        if worker not in self.crew.members:
            return
        answer = worker.receive() if worker.answered() else None
        if answer is None:
            self._worker_died(worker, running)
        elif running is not None and "up" in answer:
            self.machine.daemon_up(running.work.leaf, time.time())
        elif running is not None:
            self._answered(worker, running, answer)

    def _answered(self, worker: WorkerProcess, running: Running, answer: dict[str, Any]) -> None:
        del self.jobs[worker]
        if answer.get("retire") or running.share.devices:
            self.crew.retire(worker)
        else:
            self.crew.rest(worker)
        if "outputs" in answer and "error" not in answer and self.tasks.keeps_files(running.work.step):
            running.is_done = True
            self.background.submit(
                lambda: self.tasks.outcome(running.work, running.message, answer),
                lambda result: self._stored(running, answer, result),
            )
        else:
            self._attempt_ended(running, self.tasks.outcome(running.work, running.message, answer), answer)

    def _stored(self, running: Running, answer: dict[str, Any], result: Any) -> None:
        if isinstance(result, CoulerError | OSError):
            result = Outcome("failed", failure=ends.of_engine(result))
        elif isinstance(result, Exception):
            raise result
        self._attempt_ended(running, result, answer)

    def _worker_died(self, worker: WorkerProcess, running: Running | None) -> None:
        code = self.crew.retire(worker)
        self.jobs.pop(worker, None)
        if running is not None:
            failure = ends.death(code, running.timed_out, running.work.step.timeout)
            self._attempt_ended(running, Outcome("failed", failure=failure), None)

    def _attempt_ended(self, running: Running, outcome: Outcome, answer: dict[str, Any] | None) -> None:
        work, now = running.work, time.time()
        del self.running[work.path]
        self._let_go(work, running.share, running.claims)
        if work.step.secrets or running.claims:
            self.tasks.clean_up(work)
        if work.leaf.killed and outcome.status == "failed":
            outcome = Outcome("succeeded" if work.leaf.killed == "succeeded" else "cancelled")  # a daemon ends so
        self.journal.attempted(work, outcome, answer, running.started, now, running.worker.pid)
        self.machine.ended(work.leaf, outcome, now, self.chance.random())

    # --- time ----------------------------------------------------------------------------------------------------

    def _at(self, when: float, call: Callable[[], None]) -> None:
        heapq.heappush(self.timers, (when, next(self.order), call))

    def _start_timeout(self) -> None:
        timeout = self.machine.workflow.timeout
        if timeout is not None:
            text = f"the workflow ran longer than {timeout:g} s"
            self._at(time.time() + timeout, lambda: self.machine.stop(time.time(), text, "failed"))

    def _time_is_over(self, running: Running) -> None:
        if self._goes_on(running) and not running.timed_out:
            running.timed_out = True
            self._end_container(running)
            self._worker_died(running.worker, running)

    def _goes_on(self, running: Running) -> bool:
        return self.running.get(running.work.path) is running and not running.is_done

    def _end_container(self, running: Running) -> None:
        command = running.message.get("after_kill")
        if command is not None:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def _take_over(self) -> None:
        """Take what the state machine wants: things to write down, times to wait for, processes to end."""
        machine = self.machine
        if machine.changes:
            changes, machine.changes = machine.changes, []
            self.journal.changed(changes, time.time())
        if machine.timers:
            timers, machine.timers = machine.timers, []
            for when, call in timers:
                self._at(when, lambda call=call: machine.fire(call, time.time()))  # type: ignore[misc]
        if machine.kills:
            kills, machine.kills = machine.kills, []
            for leaf in kills:
                running = self.running.get(leaf.path)
                if running is not None and not running.is_done:
                    self._ask_to_end(running)

    def _ask_to_end(self, running: Running) -> None:
        signal_tree(running.worker.pid, signal.SIGTERM)
        self._at(time.time() + self.limits.grace, lambda: self._end_by_force(running))

    def _end_by_force(self, running: Running) -> None:
        if self._goes_on(running):
            self._end_container(running)
            self._worker_died(running.worker, running)

    def _wait(self) -> None:
        now = time.time()
        if self.machine.has_work() and not self.machine.running and not self.held:
            timeout = 0.0
        else:
            timeout = self.next_poll - now
            if self.timers:
                timeout = min(timeout, self.timers[0][0] - now)
        for key, _ in self.selector.select(max(0.0, timeout)):
            if key.data is self.background:
                self.background.deliver()
            else:
                self._hear(key.data)
        now = time.time()
        while self.timers and self.timers[0][0] <= now:
            heapq.heappop(self.timers)[2]()
        if now >= self.next_poll:
            self.next_poll = now + POLL
            self.requests.serve(now)

    def _show_suspension(self) -> None:
        """The run counts as suspended while nothing goes on but waiting for people."""
        machine = self.machine
        waits = bool(machine.suspended) and not self.held and not machine.waiting
        waits = waits and all(leaf.step.daemon for leaf in machine.running.values())
        if waits != self.suspended:
            self.suspended = waits
            self.store.update_run(self.journal.run_id, status="suspended" if waits else "running")

    def _close(self) -> None:
        self.background.close()
        self.crew.close()
        self.selector.close()
