"""How long Airflow's own code takes to read DAG files and to write down what it stores of them; run by its Python.

python benchmarks/peers/airflow_peer.py REPEATS FILE FILE ...
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time


def main() -> None:
    """CPU seconds of the fastest reading and writing of each file, as a line of JSON."""
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow prints warnings to standard output
    repeats, files = int(sys.argv[1]), sys.argv[2:]
    for file in files:
        _once(file)
    found: dict[str, tuple[float, float]] = dict.fromkeys(files, (9e9, 9e9))
    for _ in range(repeats):
        for file in files:
            gc.collect()
            parse, store = _once(file)
            found[file] = min(found[file][0], parse), min(found[file][1], store)
    print(json.dumps(found), file=said)


def _once(file: str) -> tuple[float, float]:
    from airflow.dag_processing.dagbag import DagBag  # type: ignore[import-not-found]
    from airflow.serialization.serialized_objects import DagSerialization  # type: ignore[import-not-found]

    start = time.process_time()
    bag = DagBag(dag_folder=file, safe_mode=False)
    parsed = time.process_time()
    if bag.import_errors:
        raise SystemExit(f"{file}: {bag.import_errors}")
    for dag in bag.dags.values():
        json.dumps(DagSerialization.to_dict(dag))
    return parsed - start, time.process_time() - parsed


if __name__ == "__main__":
    main()
