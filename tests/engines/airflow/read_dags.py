"""Read DAG files as Airflow does, without a database and a server; run by Airflow's Python, knows nothing of couler.

Standard input: a JSON list of paths. Standard output: a JSON object with a report for each path, see ``dagbag.Report``.
"""

import json
import os
import sys


def main() -> None:
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow prints warnings to standard output
    json.dump({path: report(path) for path in json.load(sys.stdin)}, said)


def report(path: str) -> dict[str, object]:
    from airflow.dag_processing.dagbag import DagBag  # type: ignore[import-not-found]

    bag = DagBag(dag_folder=path, safe_mode=False)
    found, errors = {}, list(bag.import_errors.values())
    for name, dag in bag.dags.items():
        try:
            found[name] = round_trip(dag)
        except Exception as error:
            errors.append(f"{name} does not survive serialisation: {error!r}")
    warned = [text for texts in bag.captured_warnings.values() for text in texts]
    return {"errors": errors, "warnings": warned, "dags": found}


def round_trip(dag: object) -> dict[str, object]:
    """What Airflow stores of a DAG, after it was written and read back without loss of tasks and edges."""
    from airflow.serialization.serialized_objects import DagSerialization  # type: ignore[import-not-found]

    written: dict[str, dict[str, object]] = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    again = DagSerialization.from_dict(written)
    if edges(again) != edges(dag):
        raise ValueError(f"tasks and edges changed from {edges(dag)} to {edges(again)}")
    return written["dag"]


def edges(dag) -> dict[str, list[str]]:  # type: ignore[no-untyped-def] # of two classes, both Airflow's
    return {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}


if __name__ == "__main__":
    main()
