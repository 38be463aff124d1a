"""Airflow's DAG files as workflows of couler, with a report of what became of each construct.

A file is read, never executed: its statements are followed as far as they say themselves what they make.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from couler.backends.airflow.importer.report import CODES, Finding, Report, summary, told
from couler.backends.airflow.importer.statements import Reader
from couler.backends.airflow.importer.values import Dag
from couler.backends.airflow.importer.workflows import workflow_of
from couler.core.errors import TextFormError
from couler.core.ir.model import Workflow

Form = Literal["python", "ir"]


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file was.

    Attributes:
        workflows: One for each DAG.
        report: What became of each construct.
    """

    workflows: tuple[Workflow, ...]
    report: tuple[Finding, ...]


def import_dags(text: str, file: str = "dag.py", name: str = "", told: Mapping[str, Any] = {}) -> Imported:
    r"""Read a DAG file without executing it.

    Args:
        text: The file.
        file: Its name, for the report.
        name: Only the DAG of this id.
        told: Expressions of the file with what they come to when it runs.

    Raises:
        TextFormError: It is no Python, or holds no DAG, or none of this name.

    >>> text = "from airflow import DAG\nwith DAG('a', schedule='@daily'): pass"
    >>> import_dags(text).workflows[0].schedule.cron
    ('0 0 * * *',)
    """
    report = Report(file)
    dags = read_dags(text, report, told)
    names = ", ".join(f"'{dag.id}'" for dag in dags)
    chosen = [dag for dag in dags if name in ("", dag.id)]
    if not chosen:
        raise TextFormError(f"{file} holds no DAG '{name}', but {names}", "leave --name out, or give one of them")
    workflows = tuple(workflow_of(dag, text, report) for dag in chosen)
    return Imported(workflows, tuple(report.found))


def read_dags(text: str, report: Report, told: Mapping[str, Any] = {}) -> list[Dag]:
    """The DAGs of a file as they were declared.

    Raises:
        TextFormError: It is no Python, or holds no DAG.
    """
    reader = _read(text, report, told)
    if reader.dags:
        return reader.dags
    if reader.uncalled:
        called = reader.uncalled[0].function
        named = called.name if called is not None else "dag"
        raise TextFormError(
            f"{report.file} holds no DAG: '{named}' is decorated with @dag and never called",
            f"call it at the end of the file: {named}()",
        )
    raise TextFormError(f"{report.file} holds no DAG of Airflow", "give a file with DAG(...) or @dag")


def unknown_expressions(text: str, file: str = "dag.py") -> list[str]:
    """What reading cannot tell of a file: expressions that `couler.backends.airflow.importer.executing.ask` takes."""
    return list(_read(text, Report(file), {}).asked)


def _read(text: str, report: Report, told: Mapping[str, Any]) -> Reader:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise TextFormError(f"{report.file}:{line} is no Python: {error}", "give a DAG file of Airflow") from None
    reader = Reader(report, told)
    reader.read(tree)
    return reader


def written(imported: Imported, form: Form = "python") -> str:
    """The workflows as Python, or in couler's text form."""
    if form == "ir":
        from couler.core.ir.text import to_yaml  # only here, as below

        return "---\n".join(map(to_yaml, imported.workflows))
    from couler.core.render import render

    return render(*imported.workflows)


__all__ = [
    "CODES",
    "Finding",
    "Form",
    "Imported",
    "import_dags",
    "read_dags",
    "summary",
    "told",
    "unknown_expressions",
    "written",
]
