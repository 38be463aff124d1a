"""A plain process pool of the standard library: isolation, no state, no scheduling. The floor of what is possible."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor

from measure import main


def add_one(number: int) -> int:
    return number + 1


def chain(size: int):
    def run() -> int:
        number = 0
        for _ in range(size):
            number = pool.submit(add_one, number).result()
        return number

    return run, size


def fan(size: int):
    def run() -> int:
        return sum(pool.map(add_one, range(size)))

    return run, sum(range(1, size + 1))


if __name__ == "__main__":
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        main("", {"chain": chain, "fan": fan})
