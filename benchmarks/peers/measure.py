"""What every peer's script does: run a shape some times and print the seconds of each run as JSON.

    python benchmarks/peers/luigi_peer.py chain 100 5

A chain is ``size`` steps, each adding one to the number of the step before. A fan is ``size`` steps that do not
depend on each other and one that adds up what they give. The script's own start, imports and one small run come
before the clock starts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

Shape = Callable[[int], tuple[Callable[[], object], int]]
"""Takes a size; returns what to time, and the value that it must give."""


def main(package: str, shapes: dict[str, Shape]) -> None:
    """Measure the shape named on the command line and print one line of JSON."""
    shape, size, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    run_checked(*shapes[shape](3))
    seconds = [run_checked(*shapes[shape](size)) for _ in range(repeats)]
    print("\n" + json.dumps({"version": version(package) if package else "", "seconds": seconds}))


def run_checked(run: Callable[[], object], expected: int) -> float:
    """Seconds of one run, whose result must be right."""
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    if result != expected:
        raise SystemExit(f"expected {expected}, got {result!r}")
    return seconds
