"""Pausing Python's garbage collector while many objects are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 10_000
"""Objects that are worth passing over."""

AT_MOST = 2_000_000
"""Objects passed over before the collector looks at them all."""

_passed_over = 0


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection inside the block: with 100,000 steps it would take half of the time and find nothing."""
    if not gc.isenabled():
        yield
        return
    _catch_up()
    gc.disable()
    try:
        yield
    finally:
        _pass_over()
        gc.enable()


def _pass_over() -> None:
    """Count what was made among the old objects, so that the collector does not go through all of it at once now."""
    global _passed_over
    made = gc.get_count()[0]
    if made >= MANY and not gc.get_freeze_count():  # what others have frozen must stay frozen
        _passed_over += made
        gc.freeze()
        gc.unfreeze()  # moves to the oldest generation


def _catch_up() -> None:
    """Look for garbage among what was passed over, once it is much."""
    global _passed_over
    if _passed_over > AT_MOST:
        _passed_over = 0
        gc.collect()
