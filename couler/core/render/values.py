"""Values as code: references become variables, and what no verb can say is constructed from the IR's own classes."""

from __future__ import annotations

from typing import Literal

from couler.core.dsl.expr import Output
from couler.core.ir import model as ir
from couler.core.ir.json import Json
from couler.core.render.code import Code, Items, call, listed, one_line
from couler.core.render.literals import literal, text
from couler.core.render.models import constructed
from couler.core.render.names import is_usable
from couler.core.render.scope import Known, Scope

Place = Literal["raw", "reference"]
"""``raw`` takes lists with references and stored files; ``reference`` takes plain JSON and single references only."""

_OF_OUTPUT = frozenset(dir(Output))
_RUN_VERBS = {"id": "run_id", "name": "workflow_name", "status": "run_status", "failed_steps": "failed_steps"}


def value_code(value: ir.Value, scope: Scope, *, wanted: str | None = None, place: Place = "raw") -> Code:
    """The code of a value.

    Args:
        value: The value.
        scope: Where it stands.
        wanted: The type that the code must have in the eyes of the builder; None when it does not matter.
        place: What may stand there.
    """
    if wanted is not None and wanted != type_seen(value, scope):
        return explicit_value(value, wanted)
    code = _said(value, scope, place)
    return explicit_value(value, wanted or type_seen(value, scope)) if code is None else code


def explicit_value(value: ir.Value, type_: str = "any") -> Code:
    """The value from its constructor, with its type."""
    if isinstance(value, ir.ItemRef) and (not value.path or type_ == "any"):
        named = [] if value.name == "item" else [text(value.name)]
        item = call("couler.explicit.item", *named, type=None if type_ == "any" else text(type_))
        return one_line(item) + _path(value.path)
    if isinstance(value, ir.RoundRef) and type_ == "int":
        return "couler.explicit.round_number()"
    more = [] if type_ == "any" else [text(type_)]
    return call("couler.explicit.value", constructed(value), *more)


def json_code(value: Json, scope: Scope) -> Code:
    """Plain JSON; a text of several lines gets a name at the top of the file."""
    if isinstance(value, str):
        return scope.module.text_or_name(f"{scope.label}_text", value, text(value))
    return literal(value)


def _said(value: ir.Value, scope: Scope, place: Place) -> Code | None:
    """The code in couler's verbs, or None."""
    match value:
        case ir.Constant():
            return json_code(value.value, scope)
        case ir.ParameterRef():
            found = scope.parameters.get(value.name)
            return None if found is None else found + _path(value.path)
        case ir.ItemRef():
            found = scope.items.get(value.name)
            return None if found is None else found + _path(value.path)
        case ir.OutputRef():
            return _output(value, scope)
        case ir.LoopOutputRef():
            return _loop_output(value, scope)
        case ir.RunRef():
            return f"couler.{_RUN_VERBS[value.field]}()"
        case ir.FirstOf():
            return _first_of(value, scope)
        case ir.Concat():
            return call("couler.concat", *[value_code(part, scope, place="reference") for part in value.parts])
        case ir.ListOf() if place == "raw" and _is_open(value):
            return listed([value_code(item, scope) for item in value.items])
        case ir.StoredFile() if place == "raw":
            return stored_file(value)
        case _:
            return None


def _output(value: ir.OutputRef, scope: Scope) -> Code | None:
    known = scope.steps.get(value.step)
    if known is None or value.output not in known.outputs:
        return None
    scope.used.add(value.step)
    code = _named_output(known, value.output) + _path(value.path)
    if value.default is None:
        return code
    default = json_code(value.default.value, scope)
    return Items(f"{code}.or_else(", (("", default),), ")")


def _named_output(known: Known, output: str) -> str:
    if output == known.first:
        return known.variable
    plain = is_usable(output) and not output.startswith("_") and output not in _OF_OUTPUT
    return f"{known.variable}.{output}" if plain else f"{known.variable}.output({text(output)})"


def _loop_output(value: ir.LoopOutputRef, scope: Scope) -> Code | None:
    if not scope.round_output:
        return None
    if value.output == scope.round_output:
        return "out" + _path(value.path)
    usable = is_usable(value.output) and not value.output.startswith("_") and value.output not in _OF_OUTPUT
    return f"out.{value.output}{_path(value.path)}" if usable else None


def _first_of(value: ir.FirstOf, scope: Scope) -> Code | None:
    options = [_output(option, scope) for option in value.options]
    if not options or any(option is None for option in options):
        return None
    default = None if value.default is None else json_code(value.default.value, scope)
    return call("couler.first_of", *[option for option in options if option is not None], default=default)


def stored_file(value: ir.StoredFile) -> Code:
    """A file outside the workflow."""
    if not all(is_usable(key) and key not in ("url", "credentials") for key in value.options):
        return constructed(value)
    credentials = constructed(value.credentials) if value.credentials else None
    parts: list[tuple[str, Code]] = [("", text(value.url))]
    parts += [("credentials=", credentials)] if credentials is not None else []
    parts += [(f"{key}=", text(item)) for key, item in value.options.items()]
    return Items("couler.stored_file(", tuple(parts), ")")


def _is_open(value: ir.Value) -> bool:
    """Whether a list holds something that is known only at run time, so that the builder makes a `ListOf` of it."""
    if not isinstance(value, ir.ListOf):
        return not isinstance(value, ir.Constant)
    return any(_is_open(item) for item in value.items)


def _path(path: ir.Path) -> str:
    return "".join(f"[{text(key) if isinstance(key, str) else key}]" for key in path)


# --- the type that the builder will see ------------------------------------------------------------------------


def type_seen(value: ir.Value, scope: Scope) -> str:
    """The type text that the builder works out for a value."""
    match value:
        case ir.ParameterRef():
            return _part_type(scope.types.get(value.name, "any"), value.path)
        case ir.ItemRef():
            return _part_type(scope.item_types.get(value.name, "any"), value.path)
        case ir.OutputRef():
            known = scope.steps.get(value.step)
            whole = known.outputs.get(value.output, "any") if known is not None else "any"
            if not value.path:
                return whole
            return element_type(whole) if len(value.path) == 1 and isinstance(value.path[0], int) else "any"
        case ir.FirstOf():
            types = list(dict.fromkeys(type_seen(option, scope) for option in value.options))
            return types[0] if len(types) == 1 else "any"
        case ir.Concat():
            return "str"
        case ir.ListOf() if _is_open(value):
            types = list(dict.fromkeys(type_seen(item, scope) for item in value.items))
            return f"list[{types[0]}]" if len(types) == 1 else "list"
        case ir.RoundRef():
            return "int"
        case ir.RunRef():
            return "list[str]" if value.field == "failed_steps" else "str"
        case _:
            return "any"


def element_type(type_: str) -> str:
    """Type of an item of a list."""
    return type_[5:-1] if type_.startswith("list[") and type_.endswith("]") else "any"


def _part_type(type_: str, path: ir.Path) -> str:
    for part in path:
        type_ = type_[5:-1] if isinstance(part, int) and type_.startswith("list[") else "any"
    return type_
