"""Type texts of the IR as Python annotations, and annotations in source text as type texts."""

from __future__ import annotations

import ast

from couler.core.ir.types import Atom, parse

_PLAIN = {
    "bool": "bool", "int": "int", "float": "float", "str": "str", "null": "None", "list": "list", "object": "dict",
    "file": "couler.InFile", "folder": "couler.InFolder",
}  # fmt: skip
_TEXTS = {
    "bool": "bool", "int": "int", "float": "float", "str": "str", "list": "list", "dict": "object", "Any": "any",
    "object": "any", "tuple": "list", "InFile": "file", "InFolder": "folder", "OutFile": "file", "OutFolder": "folder",
    "Path": "",
}  # fmt: skip


def annotation(type_: str) -> str | None:
    """The annotation that couler reads as this very type text; empty for ``any``, None when there is none.

    >>> annotation("list[int]|null"), annotation("any"), annotation("int | float")
    ('list[int] | None', '', None)
    """
    if type_ == "any":
        return ""
    try:
        atoms = parse(type_).alternatives
    except ValueError:
        return None
    parts = [_atom(atom) for atom in atoms]
    if None in parts or "|".join(str(atom) for atom in atoms) != type_:
        return None
    return " | ".join(part for part in parts if part is not None)


def _atom(atom: Atom) -> str | None:
    if atom.item is None:
        return _PLAIN.get(atom.name)
    inner = annotation("|".join(str(each) for each in atom.item.alternatives))
    return f"list[{inner}]" if inner else None


def type_text_of(node: ast.expr | None) -> str | None:
    """The type text of an annotation in source, as far as its names are the usual ones.

    >>> type_text_of(ast.parse("list[int] | None", mode="eval").body)
    'list[int]|null'
    """
    match node:
        case None:
            return "any"
        case ast.Constant(value=None):
            return "null"
        case ast.Name(id=name):
            return _TEXTS.get(name) or None
        case ast.Attribute(value=ast.Name(id="couler"), attr=name) if name.startswith(("In", "Out")):
            return _TEXTS.get(name)
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            item = type_text_of(inner)
            return None if item is None else f"list[{item}]"
        case ast.Subscript(value=ast.Name(id="dict")):
            return "object"
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            texts = [type_text_of(left), type_text_of(right)]
            return None if None in texts else "|".join(dict.fromkeys("|".join(map(str, texts)).split("|")))
        case _:
            return None
