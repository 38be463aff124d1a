"""Kedro: nodes in one process by the sequential runner, data sets in memory, no state kept."""

from __future__ import annotations

import logging
import warnings

warnings.simplefilter("ignore")

from kedro.io import DataCatalog, MemoryDataset  # noqa: E402
from kedro.pipeline import node, pipeline  # noqa: E402
from kedro.runner import SequentialRunner  # noqa: E402
from measure import main  # noqa: E402

logging.disable(logging.WARNING)


def add_one(number: int) -> int:
    return number + 1


def total(*numbers: int) -> int:
    return sum(numbers)


def execute(nodes, inputs: dict[str, int], result: str) -> int:
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in inputs.items()})
    return SequentialRunner().run(pipeline(nodes), catalog)[result].load()


def chain(size: int):
    nodes = [node(add_one, f"n{i}", f"n{i + 1}", name=f"step{i}") for i in range(size)]
    return lambda: execute(nodes, {"n0": 0}, f"n{size}"), size


def fan(size: int):
    nodes = [node(add_one, f"n{i}", f"m{i}", name=f"step{i}") for i in range(size)]
    nodes.append(node(total, [f"m{i}" for i in range(size)], "total", name="total"))
    return lambda: execute(nodes, {f"n{i}": i for i in range(size)}, "total"), sum(range(1, size + 1))


if __name__ == "__main__":
    main("kedro", {"chain": chain, "fan": fan})
