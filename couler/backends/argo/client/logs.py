"""What the pods of a run have written, and go on writing."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from couler.backends.argo.client.retrying import AnswerError, Patience, explained

if TYPE_CHECKING:
    from couler.backends.argo.client.connection import Connection
    from couler.runs import AttemptRecord

_POD = "/api/v1/namespaces/{namespace}/pods/{pod}"
_QUIET = 3600.0
_PAUSE = 1.0
Line = tuple[str, str]


def read(
    connection: Connection,
    attempts: Callable[[], list[AttemptRecord]],
    step: str | None,
    follow: bool,
    has_ended: Callable[[], bool],
) -> Iterator[Line]:
    """Pairs of step path and line.

    Args:
        connection: The cluster.
        attempts: Gives the attempts so far.
        step: Path of one step; what lies inside it counts too.
        follow: Go on until the run has ended.
        has_ended: Says whether it has.
    """
    if follow:
        yield from _following(connection, attempts, step, has_ended)
        return
    for attempt in attempts():
        if is_wanted(attempt.path, step):
            for line in pod_lines(connection, attempt.process, follow=False):
                yield attempt.path, line


def is_wanted(path: str, step: str | None) -> bool:
    """Whether a step is the one that was asked for, or lies inside it.

    >>> is_wanted("train[3]", "train"), is_wanted("train-2", "train")
    (True, False)
    """
    return step is None or path == step or path.startswith((f"{step}/", f"{step}[", f"{step}#"))


def _following(
    connection: Connection, attempts: Callable[[], list[AttemptRecord]], step: str | None, has_ended: Callable[[], bool]
) -> Iterator[Line]:
    """Lines of all pods as they come, each pod read by a thread of its own."""
    lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
    readers: dict[str, threading.Thread] = {}
    while True:
        ended = has_ended()
        for attempt in attempts():
            if attempt.process and attempt.process not in readers and is_wanted(attempt.path, step):
                arguments = (connection, attempt, lines)
                readers[attempt.process] = threading.Thread(target=_pump, args=arguments, daemon=True)
                readers[attempt.process].start()
        if ended:
            break
        yield from _available(lines, _PAUSE)
    for reader in readers.values():
        while reader.is_alive():
            yield from _available(lines, 0.1)
    yield from _available(lines, 0.0)


def _pump(connection: Connection, attempt: AttemptRecord, lines: queue.SimpleQueue[Line | None]) -> None:
    for line in pod_lines(connection, attempt.process, follow=True):
        lines.put((attempt.path, line))
    lines.put(None)


def _available(lines: queue.SimpleQueue[Line | None], pause: float) -> Iterator[Line]:
    """What is in the queue, or comes within the pause."""
    try:
        line = lines.get(timeout=pause) if pause else lines.get_nowait()
        while True:
            if line is not None:
                yield line
            line = lines.get_nowait()
    except queue.Empty:
        return


def pod_lines(connection: Connection, pod: str, *, follow: bool) -> Iterator[str]:
    """Lines of a pod's main container; after a lost connection it goes on behind the last one.

    A pod that exists no more gives none.
    """
    path = _POD.format(namespace=connection.namespace, pod=pod) + "/log"
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
                    if stamp <= last and last:
                        continue
                    last, failures = stamp, 0
                    if not _is_of_argo(text):
                        yield text
            return
        except AnswerError as error:
            if error.code == 404 or (error.code == 400 and not follow):
                return  # the pod is gone, or has not begun to write
            if error.code != 400 and not error.is_transient:
                raise explained(error, f"read the log of pod '{pod}'", connection.where) from error
            failures += 1
            if failures > 30:
                return
            connection.waiting.sleep(patience.delay(failures, connection.waiting.chance()))


def _is_of_argo(text: str) -> bool:
    """Whether Argo's own executor wrote a line into the container's log."""
    return text.startswith("time=") and " argo=true" in text
