"""Texts with Jinja's templates as values of the workflow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from couler.backends.airflow.importer.references import References
from couler.backends.airflow.importer.values import Task
from couler.core.ir import model as ir

Part = str | ir.Value | ir.SecretRef

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def parts_of(text: str, task: Task, references: References) -> list[Part]:
    """A text cut at its templates; those without a meaning become parameters that stand for them."""
    if any(match[1] is None and not match[0].startswith("{#") for match in _TEMPLATE.finditer(text)):
        references.report.add("AIRFLOW033", task.line, text.strip())
        return [text]
    return list(_cut(text, task, references))


def _cut(text: str, task: Task, references: References) -> Iterator[Part]:
    end = 0
    for match in _TEMPLATE.finditer(text):
        if match.start() > end:
            yield text[end : match.start()]
        end = match.end()
        if match[1] is not None:
            yield _meaning(match[1].strip().strip("-").strip(), task, references)
    if end < len(text):
        yield text[end:]


def _meaning(expression: str, task: Task, references: References) -> Part:
    try:
        node = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return references.missing(expression, task.line)
    found = references.expression(node, task)
    if found is None:
        return references.missing(expression, task.line)
    code = "AIRFLOW032" if isinstance(found, ir.SecretRef) else "AIRFLOW030"
    references.report.add(code, task.line, f"{{{{ {expression} }}}}")
    return found


def is_template(text: str) -> bool:
    """Whether Jinja would change a text."""
    return _TEMPLATE.search(text) is not None


def as_value(text: str, task: Task, references: References) -> ir.Value:
    """A text as one value: a text again, in which secrets cannot stand."""
    parts: list[ir.Value] = []
    for part in parts_of(text, task, references):
        if isinstance(part, str):
            parts.append(ir.Constant(value=part))
        elif isinstance(part, ir.SecretRef):
            references.report.add("AIRFLOW033", task.line, f"{text.strip()}: secrets are given as variables only")
            return ir.Constant(value=text)
        else:
            parts.append(part)
    if not parts or all(isinstance(part, ir.Constant) for part in parts):
        return ir.Constant(value="".join(str(part.value) for part in parts if isinstance(part, ir.Constant)))
    whole = len(parts) == 1 and (_is_native(task, references) or _is_text(parts[0], references))
    return parts[0] if whole else ir.Concat(parts=tuple(parts))


def _is_native(task: Task, references: References) -> bool:
    """Whether a template that is a whole text keeps the type of its value."""
    name = "render_template_as_native_obj"
    return task.arguments.get(name, references.dag.arguments.get(name)) is True


def _is_text(value: ir.Value, references: References) -> bool:
    if isinstance(value, ir.RunRef):
        return True
    return isinstance(value, ir.ParameterRef) and not value.path and references.parameters[value.name].type == "str"
