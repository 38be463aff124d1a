"""Measure how long a large workflow takes to a DAG file, and how long Airflow takes to read that file.

    python benchmarks/airflow_compile.py

The DAG written by hand has the same tasks and edges, as BashOperators. Airflow is installed from the pins of
``tests/engines/airflow`` into an environment in the user's cache folder. What its DAG processor does with a file is
reading it and writing down what the scheduler needs to know; both are measured, in one process, after one reading.
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

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "peers")]

import layered  # noqa: E402

import couler  # noqa: E402
from tests.engines.airflow import installation  # noqa: E402

RESULTS = HERE / "results" / "airflow_compile.json"
COMPILED = (1_000, 10_000)
READ = (100, 1_000, 5_000)


def by_hand(size: int) -> str:
    """The DAG file as a person writes it."""
    lines = [
        '"""Layers of steps."""',
        "from datetime import timedelta",
        "from airflow.providers.standard.operators.bash import BashOperator",
        "from airflow.sdk import DAG",
        f'with DAG("by-hand-{size}", schedule=None) as dag:',
    ]
    for index in range(size):
        before = layered.needed(index)
        given = f" {{{{ ti.xcom_pull(task_ids='step-{before[0]}') }}}}" if before else ""
        lines.append(
            f'    step_{index} = BashOperator(task_id="step-{index}", bash_command="echo --index {index}{given}", '
            'env={"MODE": "fast"}, retries=2, retry_delay=timedelta(0))'
        )
        if before:
            lines.append(f"    [{', '.join(f'step_{other}' for other in before)}] >> step_{index}")
    return "\n".join(lines) + "\n"


def compiling(repeats: int) -> list[dict[str, object]]:
    """Seconds from the program to the DAG file."""
    rows: list[dict[str, object]] = []
    couler.compile(layered.workflow(60), "airflow")
    for size in COMPILED:
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            couler.compile(layered.workflow(size), "airflow")
            seconds.append(time.perf_counter() - start)
        rows.append({"steps": size, "seconds": round(statistics.median(seconds), 3), "runs": repeats})
        print(f"compile {size:>7,} steps {rows[-1]['seconds']:8.3f} s", flush=True)
    return rows


def reading(repeats: int) -> list[dict[str, object]]:
    """CPU seconds in which Airflow reads couler's file and the one by hand, and what it stores."""
    rows: list[dict[str, object]] = []
    python = installation.build() / "bin" / "python"
    for size in READ:
        with tempfile.TemporaryDirectory() as folder:
            files = {"couler": _written(Path(folder), size), "by hand": Path(folder) / "by_hand.py"}
            files["by hand"].write_text(by_hand(size), encoding="utf-8")
            settings = {
                "AIRFLOW_HOME": folder,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/nowhere/airflow.db",
            }
            command = [python, HERE / "peers" / "airflow_peer.py", str(repeats), *files.values()]
            done = subprocess.run(
                command,
                env={**installation.clean_environment(), **settings},
                capture_output=True,
                text=True,
                check=True,
            )
            found = json.loads(done.stdout)
        for name, file in files.items():
            parse, store = found[str(file)]
            rows.append({"name": name, "tasks": size, "parse_s": round(parse, 3), "store_s": round(store, 3)})
            print(f"read {name:8} {size:>6,} tasks: parse {parse:7.3f} s, store {store:7.3f} s", flush=True)
    return rows


def _written(folder: Path, size: int) -> Path:
    documents = couler.compile(layered.workflow(size), "airflow").documents
    for name, text in documents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return next(folder / name for name in documents if "/" not in name)


def main() -> None:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print only, and keep the results of the last time")
    arguments = parser.parse_args()
    results = {
        "compile": compiling(arguments.repeats),
        "read": reading(arguments.repeats),
        "machine": machine.facts(),
    }
    if not arguments.dry:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
