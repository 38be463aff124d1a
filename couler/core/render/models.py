"""Parts of the IR as the calls of their constructors: what is written when no verb of couler says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from couler.core.ir import model as ir
from couler.core.render.code import Code, Items, listed
from couler.core.render.literals import literal, text

_PUBLIC = frozenset(["CachePolicy", "Resources", "Retry", "SecretUse", "Sidecar", "Toleration", "Volume"])


def constructed(part: Any) -> Code:
    """The code that makes a part of the IR, without fields that have their default.

    >>> from couler.core.render.code import one_line
    >>> one_line(constructed(ir.ParameterRef(name="rate")))
    'ir.ParameterRef(name="rate")'
    """
    if isinstance(part, ir.SecretRef):
        return Items("couler.secret(", (("", text(part.name)), ("", text(part.key))), ")")
    if isinstance(part, BaseModel):
        return _model(part)
    if isinstance(part, tuple) and any(isinstance(item, BaseModel) for item in part):
        return Items("(", tuple(("", constructed(item)) for item in part), ")", comma=True)
    if isinstance(part, Mapping) and any(isinstance(item, BaseModel) for item in part.values()):
        return Items("{", tuple((f"{text(key)}: ", constructed(item)) for key, item in part.items()), "}")
    return literal(part)


def _model(part: BaseModel) -> Code:
    kind = type(part)
    name = f"couler.{kind.__name__}" if kind.__name__ in _PUBLIC else f"ir.{kind.__name__}"
    values = part.__dict__
    fields = []
    for key, field in kind.model_fields.items():
        value = values[key]
        if key in ("kind", "location", "api_version") or (not field.is_required() and value == field.default):
            continue
        fields.append((f"{key}=", constructed(value)))
    return Items(f"{name}(", tuple(fields), ")")


def constructed_list(parts: tuple[BaseModel, ...]) -> Code:
    """A list of parts."""
    return listed([constructed(part) for part in parts])
