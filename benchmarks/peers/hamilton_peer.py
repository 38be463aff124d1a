"""Hamilton: functions in one process, no state kept."""

from __future__ import annotations

import os
import tempfile
import warnings

os.environ["HAMILTON_TELEMETRY_ENABLED"] = "false"
warnings.simplefilter("ignore")

import importlib.util  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from hamilton import base, driver  # noqa: E402
from measure import main  # noqa: E402


def module(source: str):
    path = Path(tempfile.mkdtemp()) / "flow.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("flow", path)
    made = sys.modules["flow"] = importlib.util.module_from_spec(spec)  # Hamilton looks its functions up there
    spec.loader.exec_module(made)
    return made


def execute(made, name: str, inputs: dict[str, int]) -> int:
    flow = driver.Builder().with_modules(made).with_adapters(base.DefaultAdapter()).build()
    return flow.execute([name], inputs=inputs)[name]


def chain(size: int):
    steps = [f"def n{i + 1}(n{i}: int) -> int:\n    return n{i} + 1\n" for i in range(size)]
    made = module("\n".join(steps))
    return lambda: execute(made, f"n{size}", {"n0": 0}), size


def fan(size: int):
    steps = [f"def m{i}(start: int) -> int:\n    return {i} + 1\n" for i in range(size)]
    names = ", ".join(f"m{i}: int" for i in range(size))
    adding = " + ".join(f"m{i}" for i in range(size))
    made = module("\n".join([*steps, f"def total({names}) -> int:\n    return {adding}\n"]))
    return lambda: execute(made, "total", {"start": 0}), sum(range(1, size + 1))


if __name__ == "__main__":
    main("apache-hamilton", {"chain": chain, "fan": fan})
