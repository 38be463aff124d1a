"""Signatures of workflow functions: parameters with types, defaults, help texts and choices."""

from __future__ import annotations

from couler.core.ir import model as ir
from couler.core.render.annotations import annotation
from couler.core.render.code import Code, Items
from couler.core.render.literals import literal, text
from couler.core.render.names import is_usable


def has_signature(parameters: tuple[ir.Parameter, ...]) -> bool:
    """Whether a Python function can have these parameters."""
    names = [parameter.name for parameter in parameters]
    usable = all(is_usable(name) and not name.startswith("__") for name in names) and len(set(names)) == len(names)
    return usable and all(annotation(parameter.type) is not None for parameter in parameters)


def signature(name: str, parameters: tuple[ir.Parameter, ...]) -> Items:
    """``name(a: int, b: str = "x")``; what is required after a default can be given by name only."""
    parts: list[tuple[str, Code]] = []
    had_default = False
    starred = False
    for parameter in parameters:
        default = _default(parameter)
        if default is None and had_default and not starred:
            parts.append(("", "*"))
            starred = True
        had_default = had_default or default is not None
        typed = annotation(parameter.type)
        before = f"{parameter.name}: {typed}" if typed else parameter.name
        if default is None:
            parts.append(("", before))
        else:
            parts.append((f"{before} = " if typed else f"{before}=", default))
    return Items(f"def {name}(", tuple(parts), ")")


def _default(parameter: ir.Parameter) -> Code | None:
    default = None if parameter.default is None else literal(parameter.default.value)
    if not parameter.help and not parameter.choices:
        return default
    parts: list[tuple[str, Code]] = [] if default is None else [("", default)]
    if parameter.help:
        parts.append(("help=", text(parameter.help)))
    if parameter.choices:
        parts.append(("choices=", literal(parameter.choices)))
    return Items("couler.param(", tuple(parts), ")")


def as_docstring(about: str) -> str:
    """The line of a docstring that says a description, or empty when a docstring would change it."""
    plain = about == about.strip() and about.isprintable() and "\\" not in about and '"' not in about
    return f'"""{about}"""' if about and plain and len(about) <= 90 else ""
