"""Dagster: ops in one process; events and runs in SQLite, or in memory with ``STATE=memory``."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings

warnings.simplefilter("ignore")

from dagster import DagsterInstance, In, job, op  # noqa: E402
from measure import main  # noqa: E402

logging.disable(logging.CRITICAL)
if os.environ.get("STATE") == "memory":
    INSTANCE = DagsterInstance.ephemeral()
else:
    INSTANCE = DagsterInstance.local_temp(tempfile.mkdtemp(), overrides={"telemetry": {"enabled": False}})


@op
def zero() -> int:
    return 0


@op
def add_one(number: int) -> int:
    return number + 1


@op(ins={"numbers": In(list[int])})
def total(numbers) -> int:
    return sum(numbers)


def chain(size: int):
    @job
    def pipeline():
        number = zero()
        for index in range(size):
            number = add_one.alias(f"step{index}")(number)

    def run() -> int:
        return pipeline.execute_in_process(instance=INSTANCE).output_for_node(f"step{size - 1}")

    return run, size


def fan(size: int):
    @job
    def pipeline():
        start = zero()
        total([add_one.alias(f"step{index}")(start) for index in range(size)])

    return lambda: pipeline.execute_in_process(instance=INSTANCE).output_for_node("total"), size


if __name__ == "__main__":
    main("dagster", {"chain": chain, "fan": fan})
