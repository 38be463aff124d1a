"""Prefect: tasks in threads of one process, state in the temporary API server that it starts by itself."""

from __future__ import annotations

import os
import tempfile
import warnings

os.environ.update(
    PREFECT_HOME=tempfile.mkdtemp(),
    PREFECT_LOGGING_LEVEL="CRITICAL",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="120",
    DO_NOT_TRACK="1",
)
warnings.simplefilter("ignore")

from measure import main  # noqa: E402
from prefect import flow, task  # noqa: E402


@task
def add_one(number: int) -> int:
    return number + 1


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@flow
def chain_flow(size: int) -> int:
    number = 0
    for _ in range(size):
        number = add_one(number)
    return number


@flow
def fan_flow(size: int) -> int:
    return total(add_one.map(range(size)))


def chain(size: int):
    return lambda: chain_flow(size), size


def fan(size: int):
    return lambda: fan_flow(size), sum(range(1, size + 1))


if __name__ == "__main__":
    main("prefect", {"chain": chain, "fan": fan})
