"""What the pods of a run have written, and go on writing."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from couler.backends.argo.client.answers import explained
from couler.backends.remote.retrying import AnswerError, Patience
from couler.backends.remote.runs import is_wanted
from couler.core.errors import NotFoundError

if TYPE_CHECKING:
    from couler.backends.argo.client.connection import Connection
    from couler.backends.argo.client.server import Server
    from couler.runs import AttemptRecord

_LOG = "/api/v1/namespaces/{namespace}/pods/{pod}/log"
_ARCHIVED = "main-logs"
_QUIET = 3600.0
_PAUSE = 1.0
_TRIES = 30
Line = tuple[str, str]
Attempts = Callable[[], "list[AttemptRecord]"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where logs are.

    Attributes:
        connection: The cluster with the pods.
        server: An argo-server, which has the archived logs of pods that are gone; None without one.
        run: Id of the run, for messages.
        workflow: Name of its workflow object.
    """

    connection: Connection
    server: Server | None
    run: str
    workflow: str


class PodGoneError(Exception):
    """The pod exists no more."""


def read(
    source: Source, attempts: Attempts, step: str | None, follow: bool, has_ended: Callable[[], bool]
) -> Iterator[Line]:
    """Pairs of step path and line.

    Args:
        source: Where to read.
        attempts: Gives the attempts so far.
        step: Path of one step; what lies inside it counts too.
        follow: Go on until the run has ended.
        has_ended: Says whether it has.

    Raises:
        NotFoundError: All pods are gone, and no server has their logs.
    """
    if follow:
        yield from _following(source, attempts, step, has_ended)
        return
    wanted = [attempt for attempt in attempts() if attempt.process and is_wanted(attempt.path, step)]
    gone = 0
    for attempt in wanted:
        try:
            for line in _lines(source, attempt, follow=False):
                yield attempt.path, line
        except PodGoneError:
            gone += 1
    if wanted and gone == len(wanted):
        raise NotFoundError(
            f"the pods of run '{source.run}' are gone, and their logs with them",
            "keep logs with archiveLogs in Argo's artifact repository, and name an argo-server with --server",
        )


def _following(source: Source, attempts: Attempts, step: str | None, has_ended: Callable[[], bool]) -> Iterator[Line]:
    """Lines of all pods as they come, each pod read by a thread of its own."""
    lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
    readers: dict[str, threading.Thread] = {}
    ended = False
    while not ended:
        ended = has_ended()
        for attempt in attempts():
            if attempt.process and attempt.process not in readers and is_wanted(attempt.path, step):
                readers[attempt.process] = threading.Thread(target=_pump, args=(source, attempt, lines), daemon=True)
                readers[attempt.process].start()
        yield from _available(lines, 0.0 if ended else _PAUSE)
    while any(reader.is_alive() for reader in readers.values()):
        yield from _available(lines, 0.1)
    yield from _available(lines, 0.0)


def _pump(source: Source, attempt: AttemptRecord, lines: queue.SimpleQueue[Line]) -> None:
    try:
        for line in _lines(source, attempt, follow=True):
            lines.put((attempt.path, line))
    except PodGoneError:
        return


def _available(lines: queue.SimpleQueue[Line], pause: float) -> Iterator[Line]:
    """What is in the queue, or comes within the pause."""
    try:
        yield lines.get(timeout=pause) if pause else lines.get_nowait()
        while True:
            yield lines.get_nowait()
    except queue.Empty:
        return


def _lines(source: Source, attempt: AttemptRecord, *, follow: bool) -> Iterator[str]:
    try:
        yield from pod_lines(source.connection, attempt.process, follow=follow)
    except PodGoneError:
        if source.server is None:
            raise
        yield from _archived(source.server, source.workflow, attempt)


def _archived(server: Server, workflow: str, attempt: AttemptRecord) -> Iterator[str]:
    """The log that Argo stored: an artifact of the node, whose id ends as the name of its pod does."""
    number = attempt.process.rpartition("-")[2]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log"
        try:
            server.artifact(workflow, f"{workflow}-{number}", _ARCHIVED, file)
        except NotFoundError:
            raise PodGoneError from None
        with file.open(encoding="utf-8", errors="replace") as lines:
            yield from (line.rstrip("\n") for line in lines if not _is_of_argo(line))


def pod_lines(connection: Connection, pod: str, *, follow: bool) -> Iterator[str]:
    """Lines of a pod's main container; after a lost connection it goes on behind the last one.

    Raises:
        PodGoneError: There is no such pod.
    """
    path = _LOG.format(namespace=connection.namespace, pod=pod)
    last = ""
    patience, failures = Patience(), 0
    while True:
        query = {"container": "main", "timestamps": "true", "follow": str(follow).lower()}
        if last:
            query["sinceTime"] = last.partition(".")[0].rstrip("Z") + "Z"
        try:
            with connection.lines(path, query, _QUIET) as lines:
                for line in lines:
                    stamp, _, text = line.decode("utf-8", "replace").rstrip("\r").partition(" ")
                    if last and stamp <= last:
                        continue
                    last, failures = stamp, 0
                    if not _is_of_argo(text):
                        yield text
            return
        except AnswerError as error:
            if error.code == 404:
                raise PodGoneError from None
            if error.code == 400 and not follow:
                return  # it has not begun to write
            failures += 1
            if (error.code != 400 and not error.is_transient) or failures > _TRIES:
                raise explained(error, f"read the log of pod '{pod}'", connection.where) from error
            connection.waiting.sleep(patience.delay(failures, connection.waiting.chance()))


def _is_of_argo(text: str) -> bool:
    """Whether Argo's own executor wrote a line into the container's log."""
    return text.startswith("time=") and " argo=true" in text
