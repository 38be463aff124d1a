"""Metaflow: a process per step, state in its local data store."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import main

CHAIN_STEP = """
    @step
    def step{index}(self):
        self.number += 1
        self.next(self.{following})
"""

CHAIN = """from metaflow import FlowSpec, step

class BenchFlow(FlowSpec):
    @step
    def start(self):
        self.number = 0
        self.next(self.step0)
{steps}
    @step
    def end(self):
        print("RESULT=%d" % self.number)

if __name__ == "__main__":
    BenchFlow()
"""

FAN = """from metaflow import FlowSpec, step

class BenchFlow(FlowSpec):
    @step
    def start(self):
        self.items = list(range({size}))
        self.next(self.leaf, foreach="items")

    @step
    def leaf(self):
        self.number = self.input + 1
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.number for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("RESULT=%d" % self.total)

if __name__ == "__main__":
    BenchFlow()
"""


def execute(source: str) -> int:
    folder = Path(tempfile.mkdtemp())
    (folder / "flow.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "flow.py", "--no-pylint", "run", "--max-workers", str(os.cpu_count())]
    environment = {**os.environ, "USERNAME": "bench", "METAFLOW_HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"RESULT=(\d+)", done.stdout)
    if found is None:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return int(found.group(1))


def chain(size: int):
    names = [f"step{index}" for index in range(size)] + ["end"]
    steps = "".join(CHAIN_STEP.format(index=index, following=names[index + 1]) for index in range(size))
    return lambda: execute(CHAIN.format(steps=steps)), size


def fan(size: int):
    return lambda: execute(FAN.format(size=size)), sum(range(1, size + 1))


if __name__ == "__main__":
    main("metaflow", {"chain": chain, "fan": fan})
