"""Ctrl-C and termination, noted instead of raised: an exception in the middle of a transition would lose it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Counts signals while `heard`.

    Attributes:
        count: Signals so far.
        by_keyboard: Whether one of them was Ctrl-C.
    """

    def __init__(self) -> None:
        self.count = 0
        self.by_keyboard = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Note signals in this block; only the main thread can, and ignored signals stay ignored."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        chosen = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
        for number in chosen:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            for number in chosen:
                signal.signal(number, before[number])

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self.by_keyboard |= number == signal.SIGINT
