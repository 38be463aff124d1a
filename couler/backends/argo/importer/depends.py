"""Argo's ``depends`` as order and conditions over statuses, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping

from couler.core.dsl import status_text
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir


def ended_well(name: str, tolerant: Mapping[str, bool]) -> ir.Condition:
    """What a bare name says: the step succeeded or was skipped, or ended anyhow where it may fail."""
    if tolerant.get(name):
        return ir.StatusIs(step=name, status="ended")
    options = tuple(ir.StatusIs(step=name, status=status) for status in ("succeeded", "skipped"))
    return ir.AnyOf(parts=options)


def order_after(names: list[str], tolerant: Mapping[str, bool]) -> tuple[tuple[str, ...], ir.Condition | None]:
    """``after`` and ``after_condition`` of a step that waits for all of some others."""
    plain = tuple(dict.fromkeys(name for name in names if not tolerant.get(name)))
    rest = [ended_well(name, tolerant) for name in dict.fromkeys(names) if tolerant.get(name)]
    if not rest:
        return plain, None
    return plain, rest[0] if len(rest) == 1 else ir.AllOf(parts=tuple(rest))


def read_depends(text: str, tolerant: Mapping[str, bool]) -> tuple[tuple[str, ...], ir.Condition | None]:
    """``after`` and ``after_condition`` for what a ``depends`` says.

    Raises:
        DefinitionError: It is not of the form that couler knows.
    """
    condition = status_text.parse(text)
    names = status_text.plain_names(condition)
    if names is not None:
        return order_after(names, tolerant)
    built = _with_tolerant(condition._build(lambda raw: ir.Constant(value=raw)), tolerant)
    if not isinstance(built, ir.AllOf):
        return (), built
    plain = [name for part in built.parts if (name := _bare_name(part))]
    rest = tuple(part for part in built.parts if not _bare_name(part))
    return tuple(dict.fromkeys(plain)), rest[0] if len(rest) == 1 else ir.AllOf(parts=rest)


def _bare_name(condition: ir.Condition) -> str:
    """The name that says the whole condition, or nothing."""
    match condition:
        case ir.AnyOf(parts=(ir.StatusIs(step=name), ir.StatusIs())) if condition == ended_well(name, {}):
            return name
        case _:
            return ""


def _with_tolerant(condition: ir.Condition, tolerant: Mapping[str, bool]) -> ir.Condition:
    match condition:
        case ir.AnyOf() if name := _bare_name(condition):
            return ended_well(name, tolerant)
        case ir.AllOf() | ir.AnyOf():
            parts = tuple(dict.fromkeys(_with_tolerant(part, tolerant) for part in condition.parts))
            return parts[0] if len(parts) == 1 else condition.model_copy(update={"parts": parts})
        case ir.Not():
            return ir.Not(part=_with_tolerant(condition.part, tolerant))
        case _:
            return condition


def write_depends(after: tuple[str, ...], condition: ir.Condition | None, tolerant: Mapping[str, bool]) -> str:
    """The ``depends`` that says ``after`` and ``after_condition``."""
    parts = list(after)
    if condition is not None:
        inner = _status(condition, tolerant)
        parts.append(f"({inner})" if parts and isinstance(condition, ir.AnyOf) and " || " in inner else inner)
    return " && ".join(parts)


def _status(condition: ir.Condition, tolerant: Mapping[str, bool]) -> str:
    match condition:
        case ir.StatusIs(status="ended"):
            name = condition.step
            every = " || ".join(f"{name}.{word}" for word in ("Succeeded", "Failed", "Errored", "Skipped", "Omitted"))
            return name if tolerant.get(name) else f"({every})"
        case ir.StatusIs():
            return f"{condition.step}.{condition.status.capitalize()}"
        case ir.AnyOf() if name := _bare_name(condition):
            return name
        case ir.AllOf() | ir.AnyOf():
            sign = " && " if isinstance(condition, ir.AllOf) else " || "
            written = [(part, _status(part, tolerant)) for part in condition.parts]
            return sign.join(f"({text})" if f"{sign[1]}{sign[2]}" not in text and " " in text else text
                             for _, text in written)  # fmt: skip
        case ir.Not():
            inner = _status(condition.part, tolerant)
            return f"!({inner})" if " " in inner else f"!{inner}"
        case _:
            raise DefinitionError(f"a condition of the kind '{condition.kind}' cannot be written as `depends`")


def statuses_told_apart(text: str) -> bool:
    """Whether a ``depends`` asks for outcomes that couler has as well; it takes failures and errors for one.

    >>> statuses_told_apart("a.Failed || a.Errored"), statuses_told_apart("a.Errored")
    (True, False)
    """
    asked: dict[str, set[str]] = {}
    for name, status in re.findall(r"([^\s&|!()]+)\.([A-Z]\w+)", text):
        asked.setdefault(status, set()).add(name)
    failed, skipped = asked.get("Failed", set()), asked.get("Skipped", set())
    errors, omissions = asked.get("Errored", set()), asked.get("Omitted", set())
    others = asked.keys() & {"Daemoned", "AnySucceeded", "AllFailed"}
    return errors <= failed and omissions <= skipped and not others
