"""What steps have written, read from Airflow's logs of their tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from couler.backends.airflow.client.connection import Connection
from couler.backends.airflow.client.runs import place
from couler.backends.airflow.client.snapshot import instance_of
from couler.backends.remote.runs import is_wanted
from couler.core.errors import NotFoundError

if TYPE_CHECKING:
    from couler.runs import AttemptRecord

_PAUSE = 1.0
_OWN = ("task.stdout", "task.stderr")
"""Names under which Airflow keeps what a task prints."""
_BASE = "[base] "
"""Before lines of a container in a pod."""
Line = tuple[str, str]


class Logs:
    """Reads the logs of one run; of each only what is new since.

    Args:
        connection: The server.
        dag: Id of the DAG.
        run_id: Id of the run.
    """

    def __init__(self, connection: Connection, dag: str, run_id: str) -> None:
        self.connection = connection
        self.dag = dag
        self.run_id = run_id
        self._seen: dict[str, int] = {}
        self._over: set[str] = set()

    def read(
        self,
        attempts: Callable[[], list[AttemptRecord]],
        step: str | None,
        follow: bool,
        has_ended: Callable[[], bool],
    ) -> Iterator[Line]:
        """Pairs of step path and line.

        Args:
            attempts: Gives the attempts so far.
            step: Path of one step; what lies inside it counts too.
            follow: Go on until the run has ended.
            has_ended: Says whether it has.
        """
        while True:
            ended = not follow or has_ended()
            for attempt in attempts():
                if is_wanted(attempt.path, step) and attempt.process not in self._over:
                    yield from ((attempt.path, line) for line in self._fresh(attempt))
            if ended:
                return
            self.connection.waiting.sleep(_PAUSE)

    def _fresh(self, attempt: AttemptRecord) -> list[str]:
        (task, index), number = instance_of(attempt.process)
        where = place(self.dag, self.run_id, "taskInstances", task, "logs", number)
        query = {"map_index": str(index), "full_content": "true"}
        try:
            found = self.connection.ask("GET", where, query=query, doing=f"read the log of task '{task}'")
        except NotFoundError:
            return []
        lines = lines_of(found["content"])
        seen = self._seen.get(attempt.process, 0)
        self._seen[attempt.process] = len(lines)
        if attempt.ended is not None:
            self._over.add(attempt.process)
        return lines[seen:]


def lines_of(content: list[Mapping[str, Any]]) -> list[str]:
    """What a task has printed, without what Airflow says around it.

    >>> lines_of([{"event": "Filling up the DagBag", "logger": "airflow"}, {"event": "hello", "logger": "task.stdout"}])
    ['hello']
    """
    found = []
    for one in content:
        text = str(one["event"])
        if one.get("logger") in _OWN:
            found.append(text)
        elif text.startswith(_BASE):
            found.append(text.removeprefix(_BASE))
    return found
