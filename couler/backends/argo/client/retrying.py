"""Which answers of a cluster deserve another attempt, and how long to wait for it.

Transient are 408, 429, 500, 502, 503 and 504, time-outs and broken connections, "etcdserver: request timed out",
exceeded quota, and conflicts with a change that somebody else made meanwhile. Everything else is final.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from couler.core.errors import EngineError, EngineUnreachableError, NotFoundError

T = TypeVar("T")

TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_FINAL_WORDS = ("request is too large",)
_TRANSIENT_WORDS = ("etcdserver: request timed out", "exceeded quota", "the object has been modified", "i/o timeout")


class AnswerError(Exception):
    """A cluster or server refused, or gave no answer at all.

    Args:
        code: Status of HTTP; 0 when there was no answer.
        reason: Kubernetes' word, such as ``AlreadyExists``; empty when unknown.
        message: Its sentence.
        wait: Seconds that the answer asks to wait; 0 when it does not.
    """

    def __init__(self, code: int, reason: str, message: str, wait: float = 0.0) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.wait = wait

    @property
    def is_transient(self) -> bool:
        """Whether the same request may well succeed a little later.

        >>> AnswerError(503, "", "").is_transient, AnswerError(403, "Forbidden", "no").is_transient
        (True, False)
        >>> AnswerError(403, "Forbidden", "exceeded quota: workflows").is_transient
        True
        """
        if any(words in self.message for words in _FINAL_WORDS):
            return False
        if self.code == 0 or self.code in TRANSIENT:
            return True
        return any(words in self.message for words in _TRANSIENT_WORDS)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on: waits grow from ``first`` by ``factor`` to ``cap`` seconds, ``total`` seconds in all.

    A wait is shortened by up to half, by chance, so that many clients do not come back at the same moment.
    """

    total: float = 60.0
    first: float = 0.2
    factor: float = 2.0
    cap: float = 10.0

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds before attempt ``attempt + 1``; ``chance`` is in 0…1.

        >>> [Patience().delay(attempt, 0.0) for attempt in (1, 2, 3, 20)]
        [0.2, 0.4, 0.8, 10.0]
        """
        longest = min(self.cap, self.first * self.factor ** min(attempt - 1, 60))
        return longest * (1 - chance / 2)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Time and chance, handed in so that tests need not wait."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


PATIENCE = Patience()
WAITING = Waiting()


def persist(call: Callable[[], T], patience: Patience = PATIENCE, waiting: Waiting = WAITING) -> T:
    """What a call gives, called again while its answers are transient and there is patience.

    Raises:
        AnswerError: The answer is final, or the patience is at its end.
    """
    end = waiting.clock() + patience.total
    attempt = 0
    while True:
        try:
            return call()
        except AnswerError as error:
            attempt += 1
            pause = max(patience.delay(attempt, waiting.chance()), min(error.wait, patience.cap))
            if not error.is_transient or waiting.clock() + pause > end:
                raise
            waiting.sleep(pause)


def explained(error: AnswerError, doing: str, where: str) -> EngineError | NotFoundError:
    """The error for people: what could not be done, why, and what to do about it.

    Args:
        error: The last answer.
        doing: What was tried, such as ``create workflow train-1a2b``.
        where: The cluster or server, such as ``https://host:6443 (namespace default)``.
    """
    text = f"cannot {doing} at {where}: {error.message or error.reason or error.code}"
    if error.code == 0:
        return EngineUnreachableError(text, "`couler doctor --engine argo` says what to check")
    if error.code == 404:
        return NotFoundError(text, _not_found_hint(error))
    if error.is_transient:
        return EngineUnreachableError(text, f"{_TRANSIENT_HINTS.get(error.code, 'try again later')}")
    return EngineError(text, _HINTS.get(error.code, "`couler doctor --engine argo` checks the cluster and your rights"))


def _not_found_hint(error: AnswerError) -> str:
    if "could not find the requested resource" in error.message or error.message.startswith("404 page"):
        return "Argo Workflows seems not to be installed there: `couler doctor --engine argo`"
    return "look at --namespace and --context; `couler list --engine argo` shows the runs there"


_TRANSIENT_HINTS = {
    403: "a quota of the namespace is used up: delete old runs with `couler delete`, or ask for more",
    409: "somebody else changes it at the same time; try again",
}
_HINTS = {
    401: "the cluster does not know you: log in again, or choose another --context or --kubeconfig",
    403: "you lack a right there: `couler doctor --engine argo` names it, and the rule to ask for",
    400: "the document is not what the cluster expects: `couler compile --engine argo` shows it",
    409: "it exists already: start a new run",
    413: "the document is larger than the cluster takes: pass large values as files",
    500: "the document is larger than the cluster takes: pass large values as files",
    422: "the cluster refuses the document: `couler compile --engine argo` shows it",
}
