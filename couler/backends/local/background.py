"""Slow calls beside the loop of the scheduler: storing large files, installing packages, fetching from afar."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from selectors import EVENT_READ, BaseSelector
from typing import Any

Then = Callable[[Any], None]


class Background:
    """Runs calls in threads and hands their results to the loop that waits on the selector.

    Attributes:
        pending: Calls whose result was not handed over yet.
    """

    def __init__(self, selector: BaseSelector) -> None:
        self._exit, self._entrance = os.pipe()
        self._selector = selector
        self._threads: ThreadPoolExecutor | None = None
        self._done: deque[tuple[Then, Any]] = deque()
        self.pending = 0
        selector.register(self._exit, EVENT_READ, self)

    def submit(self, call: Callable[[], Any], then: Then) -> None:
        """Run ``call`` in a thread; later the loop calls ``then`` with its result, or with the exception it raised."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="couler")
        self.pending += 1
        self._threads.submit(self._run, call, then)

    def _run(self, call: Callable[[], Any], then: Then) -> None:
        result: Any
        try:
            result = call()
        except Exception as error:
            result = error
        self._done.append((then, result))
        os.write(self._entrance, b".")

    def deliver(self) -> None:
        """Hand over the results that have come."""
        os.read(self._exit, 65536)
        while self._done:
            then, result = self._done.popleft()
            self.pending -= 1
            then(result)

    def close(self) -> None:
        """Wait for the calls that run, and forget their results."""
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        self._selector.unregister(self._exit)
        os.close(self._exit)
        os.close(self._entrance)
