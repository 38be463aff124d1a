"""Measure building and checking large workflows through the Python front end, with Hera beside it.

    python benchmarks/setup_peers.py hera   # once
    python benchmarks/dsl_build.py

Each step takes the outputs of the three steps before it, a number and a workflow parameter, and asks for resources
and retries. Building ends with the object that goes to an engine. Hera takes long, so it is measured at 10,000 only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

import machine
from local_engine import run_peer

RESULTS = Path(__file__).resolve().parent / "results" / "dsl_build.json"
SIZES = {"couler": (1_000, 10_000, 100_000), "hera": (1_000, 10_000)}


def measure(repeats: int, only: str, before: list[dict]) -> list[dict[str, object]]:
    """Seconds to build workflows of each size; contenders not asked for keep the numbers of the last time."""
    import setup_peers

    rows: list[dict[str, object]] = []
    for name, sizes in SIZES.items():
        if only and name != only:
            rows += [row for row in before if row["name"] == name]
            continue
        python = Path(sys.executable) if name == "couler" else setup_peers.python_of(name)
        if python is None:
            print(f"{name}: not installed, left out (benchmarks/setup_peers.py installs it)", file=sys.stderr)
            continue
        for size in sizes:
            found = run_peer(python, name, "build", repeats, {}, size)
            if found:
                seconds = round(statistics.median(found["seconds"]), 3)
                rows.append(
                    {"name": name, "version": found["version"], "steps": size, "seconds": seconds, "runs": repeats}
                )
                print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=[*SIZES], default="")
    arguments = parser.parse_args()
    before = json.loads(RESULTS.read_text(encoding="utf-8"))["build"] if RESULTS.exists() else []
    results = {"build": measure(arguments.repeats, arguments.only, before), "machine": machine.facts()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
