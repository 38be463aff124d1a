"""Write the page that says how every argument of Airflow is reached: ``docs/airflow-fields.md``.

python docs/airflow_fields.py --write    # after a change of a way or of Airflow's arguments
python docs/airflow_fields.py --check    # fails when the page is out of date
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "airflow-fields.md"
HEAD = """\
# Arguments of Airflow

Every argument that Airflow {version} and its providers offer to DAGs, to tasks of any kind, and to Python and container
tasks, and how a couler workflow reaches it. A test compiles workflows and finds in them what each row says.

*Option* means raw data: `engine_options={{"airflow": {{"ARGUMENT": …}}}}`. On a step these are arguments of its
operator, on a group those of every task in it, and on the workflow those of the DAG. Options are checked against the
arguments below and merged last. Durations are seconds; parts of pods are written as Kubernetes does.

Of the {constructs} arguments that say what a DAG or task is, couler's own words reach {words:.0%} and options
{option:.0%}; {not_:.0%} take Python objects, which stay for the written file. The other {workings}, marked with *, say
how Airflow does its work (connections, polling, logs, templates), or Airflow has deprecated them.
"""


def page() -> str:
    """The page as it should be."""
    from couler.backends.airflow.names import VERSIONS
    from tests.engines.airflow.reach import TITLES, rows, shares

    found = list(rows())
    share = shares(found)
    workings = sum(row.workings for row in found)
    head = HEAD.format(
        version=VERSIONS[0], constructs=len(found) - workings, workings=workings, words=share["words"],
        option=share["option"], not_=share["not"],
    )  # fmt: skip
    parts = [head]
    for kind, title in TITLES.items():
        lines = [f"## {title}\n", "| argument | reached by |", "| --- | --- |"]
        for row in found:
            if row.kind == kind:
                said = f"not: {row.words}" if row.by == "not" else row.words
                lines.append(f"| `{row.name}`{' *' if row.workings else ''} | {said} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is out of date."""
    sys.path.insert(0, str(ROOT))
    wanted = page()
    if arguments == ["--write"]:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted:
        sys.stderr.write(f"{PAGE.relative_to(ROOT)} is out of date; run `python docs/airflow_fields.py --write`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
