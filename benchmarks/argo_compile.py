"""Measure how long a large workflow takes from the program to the text for Argo, and how much memory.

    python benchmarks/setup_peers.py hera   # once
    python benchmarks/argo_compile.py
    python benchmarks/argo_compile.py --sizes 1000 --repeats 1 --only couler-yaml couler-json

Each contender and size has a process of its own, so that the peak of memory is its own. Peers are measured at sizes
that they come through in reasonable time. The last row is ``couler compile`` of ten steps as a whole process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import setup_peers

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "argo_compile.json"
SIZES = (1_000, 10_000, 100_000)
LARGEST = {"hera": 10_000, "dicts-libyaml": 10_000}
"""Contender to the largest size at which it is measured."""
CONTENDERS = ("couler-yaml", "couler-json", "f-strings", "dicts-libyaml", "hera")
PROGRAM = """
import couler

with couler.new_workflow("ten") as workflow:
    step = None
    for index in range(10):
        args = ["--index", str(index), *([step] if step is not None else [])]
        step = couler.run_container(image="alpine:3.20", command=["echo"], args=args, step_name=f"step-{index}")
"""


def measure(contenders: list[str], sizes: list[int], repeats: int) -> list[dict[str, object]]:
    """A row for each contender and size."""
    rows: list[dict[str, object]] = []
    for name in contenders:
        python = setup_peers.python_of("hera") if name == "hera" else Path(sys.executable)
        if python is None:
            print(f"{name}: not installed, left out (benchmarks/setup_peers.py installs it)", file=sys.stderr)
            continue
        for size in sizes:
            if size <= LARGEST.get(name, size):
                rows += _row(python, name, size, repeats)
    return rows


def _row(python: Path, name: str, size: int, repeats: int) -> list[dict[str, object]]:
    command = [str(python), str(HERE / "peers" / "argo_peer.py"), name, str(size), str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name} {size}: failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}", file=sys.stderr)
        return []
    found = json.loads(done.stdout.strip().splitlines()[-1])
    seconds = found.pop("seconds")
    row = {"name": name, "steps": size, **found, "seconds": round(statistics.median(seconds), 3), "runs": repeats}
    row["cpu"] = round(row["cpu"], 3)
    print(f"{name:14} {size:>8,} steps {row['seconds']:8.3f} s  {row['cpu']:8.3f} s CPU  "
          f"{row['megabytes']:7.2f} MB  peak {row['peak_mib']:7.1f} MiB", flush=True)  # fmt: skip
    return [row]


def whole_process(repeats: int) -> float:
    """Seconds of ``couler compile`` of ten steps."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "ten.py"
        program.write_text(PROGRAM, encoding="utf-8")
        command = [sys.executable, "-m", "couler", "compile", str(program), "--engine", "argo"]
        seconds = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            subprocess.run(command, cwd=folder, capture_output=True, check=True)
            seconds.append(time.perf_counter() - start)
    return round(statistics.median(seconds[1:]), 3)


def main() -> None:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[*SIZES])
    parser.add_argument("--only", choices=CONTENDERS, nargs="+", default=[*CONTENDERS])
    parser.add_argument("--dry", action="store_true", help="print only, and keep the results of the last time")
    arguments = parser.parse_args()
    rows = measure(arguments.only, arguments.sizes, arguments.repeats)
    process = whole_process(arguments.repeats)
    print(f"couler compile of ten steps, the whole process: {process} s")
    results = {"compile": rows, "whole_process_of_ten_steps_s": process, "machine": machine.facts()}
    if not arguments.dry:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
