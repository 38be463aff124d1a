"""Pausing the garbage collector."""

from __future__ import annotations

import gc
import weakref

import pytest

from couler.core import collector
from couler.core.collector import collector_paused


class _Knot:
    def __init__(self) -> None:
        self.itself = self


def test_it_is_paused_inside_only_and_blocks_may_nest() -> None:
    with collector_paused():
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_was_made_is_not_looked_at_when_the_block_ends() -> None:
    seen: list[str] = []
    gc.callbacks.append(lambda phase, info: seen.append(phase))
    try:
        with collector_paused():
            kept = [[] for _ in range(2 * collector.MANY)]
        kept.append([[] for _ in range(100)])
    finally:
        gc.callbacks.pop()
    assert seen == []


def test_garbage_goes_away_when_much_was_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "AT_MOST", collector.MANY)
    with collector_paused():
        kept = [[] for _ in range(2 * collector.MANY)]
        knot = weakref.ref(_Knot())
    assert kept
    assert knot() is not None
    with collector_paused():
        assert knot() is None


def test_frozen_objects_of_others_stay_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with collector_paused():
            kept = [[] for _ in range(2 * collector.MANY)]
        assert kept
        assert gc.get_freeze_count() >= frozen > 0
    finally:
        gc.unfreeze()
