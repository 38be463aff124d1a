"""When a failed attempt is followed by another."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from .processes import AttemptError
from .version import RetryDecision, RetryPolicy


class Again(RetryPolicy):
    """When a failed attempt is followed by another, and after how long.

    Args:
        initial: Seconds before the second attempt.
        factor: By which they grow.
        maximum: Most of them.
        jitter: Fraction by which they vary.
        on: Names of errors, and exit codes, that deserve another attempt; ``lost`` is what was none of the task's own
            doing. All do without it.
    """

    def __init__(
        self,
        initial: float = 0,
        factor: float = 2,
        maximum: float | None = None,
        jitter: float = 0,
        on: Sequence[str | int] | None = None,
    ) -> None:
        self.initial = initial
        self.factor = factor
        self.maximum = maximum
        self.jitter = jitter
        self.on = on

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        kinds = {exception.exit_code, *exception.kinds} if isinstance(exception, AttemptError) else {"lost"}
        if self.on is not None and not kinds & {*self.on}:
            return RetryDecision.fail("this failure is not one to try again after")
        seconds = self.initial * self.factor ** (try_number - 1)
        if self.maximum is not None:
            seconds = min(seconds, self.maximum)
        seconds *= 1 + self.jitter * random.uniform(-1, 1)
        return RetryDecision.retry(timedelta(seconds=seconds))
