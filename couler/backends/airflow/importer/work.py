"""What is known while one DAG is translated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from couler.backends.airflow.importer import plain
from couler.backends.airflow.importer.references import References
from couler.backends.airflow.importer.templates import as_value, is_template
from couler.backends.airflow.importer.values import Decorated, Made, Output, Task, Unknown
from couler.core.ir import model as ir


class Unknowable(Exception):  # noqa: N818 - it is an answer
    """A step that fails stands for the task.

    Attributes:
        code: Of the report.
        detail: What it is about.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(slots=True)
class Work:
    """What is known while a DAG is translated.

    Attributes:
        text: The DAG file.
        untyped: Steps whose annotations disagree with what they are given.
        choices: Branch to whether it gives a list of tasks, and not one.
        extra: Steps that tasks need besides their own.
        stubs: Tasks that were not translated.
    """

    text: str
    references: References
    untyped: set[str]
    choices: dict[Task, bool] = field(default_factory=dict)
    extra: list[ir.Step] = field(default_factory=list)
    stubs: set[Task] = field(default_factory=set)

    def tell(self, code: str, task: Task, detail: str = "") -> None:
        """Add to the report."""
        self.references.report.add(code, task.line, detail)

    def value(self, value: Any, task: Task) -> ir.Value | None:
        """An argument that Airflow renders, as a value."""
        if isinstance(value, str) and is_template(value):
            return as_value(value, task, self.references)
        if isinstance(value, list | tuple) and any(isinstance(one, str) and is_template(one) for one in value):
            items = [self.value(one, task) for one in value]
            return None if None in items else ir.ListOf(items=tuple(one for one in items if one is not None))
        return self.references.given(value, task)

    def text_of(self, task: Task) -> Callable[[Any], ir.Value]:
        """Reads the texts of a command."""

        def read(value: Any) -> ir.Value:
            found = self.value(value, task)
            if found is None:
                self.tell("AIRFLOW070", task, getattr(value, "text", "") or str(value))
                return ir.Constant(value="")
            plainly = isinstance(found, ir.Constant) and not isinstance(found.value, str)
            return ir.Constant(value=str(found.value)) if plainly and isinstance(found, ir.Constant) else found

        return read


def shown(value: Any) -> str:
    """A value for the report."""
    if isinstance(value, Unknown):
        return value.text
    if isinstance(value, Output):
        return f"{value.task.id} ({value.key})"
    if isinstance(value, Decorated | Made):
        return value.kind
    return str(value) if plain.is_plain(value) else type(value).__name__.lower()
