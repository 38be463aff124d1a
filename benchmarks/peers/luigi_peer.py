"""Luigi: tasks in the worker's own process, state as one file per task."""

from __future__ import annotations

import json
import tempfile
import warnings

warnings.simplefilter("ignore")

import luigi  # noqa: E402
from measure import main  # noqa: E402


class Step(luigi.Task):
    folder = luigi.Parameter()
    index = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget(f"{self.folder}/{self.index}.json")

    def write(self, value: int) -> None:
        with self.output().open("w") as file:
            json.dump(value, file)


def read(target) -> int:
    with target.open() as file:
        return json.load(file)


class Link(Step):
    def requires(self):
        return Link(self.folder, self.index - 1) if self.index > 1 else []

    def run(self):
        self.write((read(self.input()) if self.index > 1 else 0) + 1)


class Leaf(Step):
    def run(self):
        self.write(self.index + 1)


class Total(Step):
    def requires(self):
        return [Leaf(self.folder, index) for index in range(self.index)]

    def run(self):
        self.write(sum(read(target) for target in self.input()))


def build(task) -> int:
    luigi.build([task], local_scheduler=True, workers=1, log_level="ERROR")
    return read(task.output())


def chain(size: int):
    return lambda: build(Link(tempfile.mkdtemp(), size)), size


def fan(size: int):
    return lambda: build(Total(tempfile.mkdtemp(), size)), sum(range(1, size + 1))


if __name__ == "__main__":
    main("luigi", {"chain": chain, "fan": fan})
