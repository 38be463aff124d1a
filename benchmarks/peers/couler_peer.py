"""couler: steps in worker processes, state in SQLite at every transition."""

from __future__ import annotations

import json
import sys
import tempfile

import psutil
from measure import main

import couler

ROOT = tempfile.mkdtemp()  # one run store for all runs, as in a project; it is made in the run that is not counted


@couler.step
def add_one(number: int) -> int:
    return number + 1


@couler.step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@couler.step(cpu=1, memory="1Gi", retry=2)
def work(index: int, rate: float, a: int, b: int, c: int) -> int:
    return index + a + b + c


def execute(workflow) -> int:
    return couler.run(workflow, root=ROOT).outputs["result"]


def chain_of(size: int):
    @couler.workflow
    def chain():
        number = add_one(0)
        for _ in range(size - 1):
            number = add_one(number)
        return number

    return chain.build()


def chain(size: int):
    built = chain_of(size)
    return lambda: execute(built), size


def fan(size: int):
    @couler.workflow
    def fan():
        return total([add_one(index) for index in range(size)])

    built = fan.build()
    return lambda: execute(built), sum(range(1, size + 1))


def build(size: int):
    @couler.workflow
    def many(rate: float = 0.1):
        made = [0, 0, 0]
        for index in range(size):
            made.append(work(index, rate, made[-1], made[-2], made[-3]))
        return made[-1]

    def run() -> int:
        workflow = many.build()
        couler.validate(workflow)
        return len(workflow.steps)

    return run, size


def measure_memory(size: int) -> dict[str, object]:
    """MiB of this process, which drives the run: with the workflow built, after ten steps, and after the last one."""
    after: dict[int, float] = {}
    ended = 0

    def watch(event) -> None:
        nonlocal ended
        ended += bool(event.path) and event.data.get("status") == "succeeded"
        if ended in (10, size) and ended not in after:
            after[ended] = mebibytes()

    workflow = chain_of(size)
    built = mebibytes()
    assert couler.run(workflow, root=ROOT, observer=watch).outputs["result"] == size
    return {"steps": size, "built_mib": built, "first_mib": after[10], "last_mib": after[size]}


def mebibytes() -> float:
    """Memory of this process now."""
    return round(psutil.Process().memory_info().rss / 2**20, 1)


if __name__ == "__main__":
    if sys.argv[1] == "memory":
        print(json.dumps(measure_memory(int(sys.argv[2]))))
    else:
        main("couler", {"chain": chain, "fan": fan, "build": build})
