"""What people ask of a run that goes on: to stop it, and answers to steps that wait for them."""

from __future__ import annotations

from couler.backends.local.journal import Journal
from couler.backends.local.machine import Machine
from couler.runs import RequestRecord, RunStore


class Requests:
    """Takes the requests to one run from the store and does what they ask."""

    def __init__(self, store: RunStore, machine: Machine, journal: Journal) -> None:
        self._store = store
        self._machine = machine
        self._journal = journal
        self._unanswered: list[RequestRecord] = []

    def serve(self, now: float) -> None:
        """Do what was asked; an answer to a step that does not wait yet is kept until it does."""
        requests = [*self._unanswered, *self._store.take_requests(self._journal.run_id)]
        self._unanswered = []
        for request in requests:
            if self._is_done(request, str(request.data.get("message") or ""), now):
                self._journal.tell(f"request-{request.kind}", now, request.path, **dict(request.data))
            else:
                self._unanswered.append(request)

    def _is_done(self, request: RequestRecord, message: str, now: float) -> bool:
        if request.kind == "stop":
            self._machine.stop(now, message or "stopped on request")
            return True
        if request.kind == "approve":
            return self._machine.approve(request.path, now)
        return self._machine.reject(request.path, message, now)
