"""Which answers of a server deserve another attempt, and how long to wait for it.

Transient are 408, 429, 500, 502, 503 and 504, time-outs and broken connections, "etcdserver: request timed out",
exceeded quota, and conflicts with a change that somebody else made meanwhile. Everything else is final.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

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
