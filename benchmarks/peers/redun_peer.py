"""redun: tasks in threads of one process, calls and values in its SQLite database."""

from __future__ import annotations

import logging
import tempfile
import warnings

warnings.simplefilter("ignore")

from measure import main  # noqa: E402
from redun import Scheduler, task  # noqa: E402
from redun.config import Config  # noqa: E402

logging.disable(logging.CRITICAL)
redun_namespace = "bench"


@task()
def add_one(number: int, run: int) -> int:
    return number + 1


@task()
def total(numbers: list[int]) -> int:
    return sum(numbers)


def scheduler() -> Scheduler:
    database = f"sqlite:///{tempfile.mkdtemp()}/redun.db"
    made = Scheduler(config=Config({"backend": {"db_uri": database}}))
    made.load()
    return made


def chain(size: int):
    engine = scheduler()

    def run() -> int:
        number = 0
        for _ in range(size):
            number = add_one(number, 0)
        return engine.run(number)

    return run, size


def fan(size: int):
    engine = scheduler()
    return lambda: engine.run(total([add_one(i, 0) for i in range(size)])), sum(range(1, size + 1))


if __name__ == "__main__":
    main("redun", {"chain": chain, "fan": fan})
