"""Types of values: their texts, which fits which, and whether a value fits one.

A type text is ``any``, ``null``, ``bool``, ``int``, ``float``, ``str``, ``list``, ``list[T]``, ``object``, ``file`` or
``folder``, or several joined by ``|``. An int fits float; a bool is no int.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from couler.core.errors import near
from couler.core.ir.json import Json

NAMES = ("any", "bool", "int", "float", "str", "list", "object", "file", "folder", "null")
"""Every simple type, in the order in which a normal text shows them."""

MAXIMUM_DEPTH = 50
"""Lists within lists that a type text may have."""

FILE_MARK = "$file"
"""Key of the object that stands for a file at run time; its ``kind`` is ``file`` or ``folder``."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One alternative of a type; ``item`` is the type of a list's items, None when they may be anything."""

    name: str
    item: Type | None = None

    def __str__(self) -> str:
        return f"{self.name}[{self.item}]" if self.item is not None else self.name


@dataclass(frozen=True, slots=True)
class Type:
    """A type: a value fits it when it fits one of the alternatives."""

    alternatives: tuple[Atom, ...]

    def __str__(self) -> str:
        return " | ".join(map(str, self.alternatives))

    @property
    def is_any(self) -> bool:
        """Whether everything fits."""
        return self.alternatives[0].name == "any"


ANY = Type((Atom("any"),))


@lru_cache(maxsize=4096)
def parse(text: str) -> Type:
    """The type that a text names, in normal form.

    Raises:
        ValueError: The text names no type; the message shows the bad part.

    >>> str(parse("null|list[ int ]"))
    'list[int] | null'
    >>> parse("list[integer]")
    Traceback (most recent call last):
    ValueError: unknown type 'integer'; did you mean 'int'?
    """
    if text.count("[") > MAXIMUM_DEPTH:
        raise ValueError(f"lists are nested more than {MAXIMUM_DEPTH} deep in a type; use list")
    parts = _split(text)
    atoms = {atom for part in parts for atom in _atoms(part.strip(), text)}
    if any(atom.name == "any" for atom in atoms):
        return ANY
    return Type(tuple(sorted(atoms, key=lambda atom: (NAMES.index(atom.name), str(atom)))))


def _split(text: str) -> list[str]:
    """The alternatives of a text: what stands between ``|`` outside brackets."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "|" and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    if depth != 0:
        raise ValueError(f"brackets do not match in the type {text!r}")
    return [*parts, text[start:]]


def _atoms(part: str, whole: str) -> tuple[Atom, ...]:
    if part.startswith("list[") and part.endswith("]"):
        item = parse(part[5:-1])
        return (Atom("list", None if item.is_any else item),)
    if part in NAMES:
        return (Atom(part),)
    if not part:
        raise ValueError(f"a type is missing in {whole!r}")
    within = "" if part == whole.strip() else f" in {whole!r}"
    raise ValueError(f"unknown type {part!r}{within}; {near(part, NAMES, 'types')}")


def normalise(text: str) -> str:
    """The one text for equal types.

    Raises:
        ValueError: The text names no type.

    >>> normalise("null|int|list[any]")
    'int | list | null'
    """
    return str(parse(text))


@lru_cache(maxsize=4096)
def list_of(text: str) -> str:
    """The text of a list of that type; a text that names no type stays as it is inside.

    >>> list_of("int"), list_of("any")
    ('list[int]', 'list')
    """
    return "list" if text == "any" else f"list[{text}]"


@lru_cache(maxsize=4096)
def union_of(*texts: str) -> str:
    """The type of a value that has one of these types.

    >>> union_of("null", "int", "null")
    'int | null'
    """
    return normalise(" | ".join(texts))


@lru_cache(maxsize=16384)
def accepts(consumer: str, producer: str) -> bool:
    """Whether every value of the producer's type may go where the consumer's type is expected.

    ``any`` fits everything in both directions, and an int fits float.

    Raises:
        ValueError: One of the texts names no type.

    >>> accepts("float", "int"), accepts("int", "float"), accepts("int", "int | null"), accepts("list[int]", "list")
    (True, False, False, True)
    """
    return _fits(parse(consumer), parse(producer))


def _fits(consumer: Type, producer: Type) -> bool:
    if consumer.is_any or producer.is_any:
        return True
    return all(any(_atom_fits(want, have) for want in consumer.alternatives) for have in producer.alternatives)


def _atom_fits(want: Atom, have: Atom) -> bool:
    if want.name == "list" == have.name:
        return want.item is None or have.item is None or _fits(want.item, have.item)
    return want.name == have.name or (want.name == "float" and have.name == "int")


@lru_cache(maxsize=16384)
def may_equal(left: str, right: str) -> bool:
    """Whether some value of one type can equal some value of the other; numbers are one kind.

    >>> may_equal("int", "float | null"), may_equal("int", "str")
    (True, False)
    """
    return _overlap(parse(left), parse(right))


def _overlap(left: Type, right: Type) -> bool:
    if left.is_any or right.is_any:
        return True
    return any(_atoms_overlap(a, b) for a in left.alternatives for b in right.alternatives)


def _atoms_overlap(left: Atom, right: Atom) -> bool:
    # lists of different items still share the empty list
    return left.name == right.name or {left.name, right.name} == {"int", "float"}


def mismatch(type: str, value: Json) -> str:
    """Why a value does not fit a type, or the empty string.

    Raises:
        ValueError: The text names no type.

    >>> mismatch("int", "5")
    "expected int, got str '5'"
    >>> mismatch("list[int]", [1, True])
    'at [1]: expected int, got bool true'
    """
    return "" if type == "any" else _mismatch(parse(type), value, "")


def _mismatch(wanted: Type, value: Json, path: str) -> str:
    kind = kind_of(value)
    item_trouble = ""
    for atom in wanted.alternatives:
        if atom.name == "any" or (atom.name == "float" and kind == "int"):
            return ""
        if atom.name == "folder" and kind == "file" and "url" in value:
            return ""  # whether a URL leads to a file or to a folder shows when it is opened
        if atom.name != kind:
            continue
        if atom.item is None:
            return ""
        item_trouble = _items_mismatch(atom.item, value, path)
        if not item_trouble:
            return ""
    if item_trouble and len(wanted.alternatives) == 1:
        return item_trouble
    at = f"at {path}: " if path else ""
    return f"{at}expected {wanted}, got {described(value)}"


def _items_mismatch(item: Type, values: Json, path: str) -> str:
    for index, value in enumerate(values):
        trouble = _mismatch(item, value, f"{path}[{index}]")
        if trouble:
            return trouble
    return ""


def kind_of(value: Json) -> str:
    """The simple type of a value, such as ``int``; of a file at run time ``file`` or ``folder``."""
    kind = type(value)
    if kind in _KINDS:
        return _KINDS[kind]
    if isinstance(value, Mapping):
        return ("folder" if value.get("kind") == "folder" else "file") if value.get(FILE_MARK) is True else "object"
    if isinstance(value, (list, tuple)):
        return "list"
    for base, name in _KINDS.items():
        if isinstance(value, base):
            return name
    raise ValueError(f"a value of type {kind.__module__}.{kind.__qualname__} is not JSON")


_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "list",
    tuple: "list",
}


def described(value: Json, width: int = 60) -> str:
    """A value for a message: its type and the beginning of its text.

    >>> described("5"), described(True), described(None), described([1, 2])
    ("str '5'", 'bool true', 'null', 'list [1,2]')
    """
    kind = kind_of(value)
    if kind in ("null", "file", "folder"):
        return kind
    text = repr(value) if kind == "str" else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"{kind} {text if len(text) <= width else text[: width - 1] + '…'}"


def infer(value: Json) -> str:
    """The narrowest type of a value.

    Raises:
        ValueError: The value is not JSON.

    >>> infer(5), infer([1, 2.5, 1]), infer([]), infer({"a": 1})
    ('int', 'list[int | float]', 'list', 'object')
    """
    kind = kind_of(value)
    if kind != "list" or not value:
        return kind
    return list_of(union_of(*sorted({infer(item) for item in value})))
