"""Whether an attempt deserves another, when, and with how much memory."""

from __future__ import annotations

import math

from couler.backends.local.work import Failure
from couler.core.ir.model import Retry
from couler.core.ir.quantities import amount


def size(quantity: str) -> int:
    """Bytes of a Kubernetes quantity, rounded up.

    >>> size("1.5Ki")
    1536
    """
    return math.ceil(amount(quantity))


def deserves(retry: Retry | None, failure: Failure, failures: int) -> bool:
    """Whether the attempt that failed as the ``failures``-th may be followed by another."""
    if retry is None or failures > retry.limit:
        return False
    on = retry.on
    if on is None:
        return True
    kinds = failure.kinds or (failure.kind,)
    return (
        (on.out_of_memory and failure.kind == "OutOfMemory")
        or (on.timeout and failure.kind == "Timeout")
        or (on.lost and failure.lost)
        or (failure.exit_code is not None and failure.exit_code in on.exit_codes)
        or any(kind in on.errors for kind in kinds)
    )


def delay(retry: Retry, failures: int, chance: float) -> float:
    """Seconds to wait after the ``failures``-th failure; ``chance`` in 0…1 varies it within the jitter."""
    backoff = retry.backoff
    if not backoff.initial:
        return 0.0
    maximum = float("inf") if backoff.maximum is None else backoff.maximum
    try:
        seconds = min(maximum, backoff.initial * backoff.factor ** (failures - 1))
    except OverflowError:
        seconds = maximum
    return float(seconds * (1 + backoff.jitter * (2 * chance - 1)))


def escalated(retry: Retry | None, memory: int, failure: Failure) -> int:
    """Memory of the next attempt in bytes: more after out of memory when the step says so."""
    if retry is None or retry.escalation is None or failure.kind != "OutOfMemory":
        return memory
    more = int(memory * retry.escalation.memory_factor)
    limit = retry.escalation.memory_maximum
    return more if limit is None else max(memory, min(more, size(limit)))
