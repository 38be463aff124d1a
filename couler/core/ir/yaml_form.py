"""JSON data as YAML and back, so that no reader of any YAML version takes a text for something else.

Writing needs no YAML package: a text is written plain only when it begins like a word, is no word that some version
of YAML takes for a bool, null or number, and holds nothing that needs quotes; otherwise it is quoted as in JSON, or,
when it has several lines, stands in a literal block if it survives there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from couler.core.errors import TextFormError

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+(-][A-Za-z0-9_./@+,()-]*)*")
_RETYPED = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NOT_IN_BLOCK = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_JSON = json.JSONEncoder(ensure_ascii=False)
_LONGEST_KEY = 120
_STEP = "  "


def write_yaml(data: Mapping[str, Any]) -> str:
    r"""JSON data as a YAML document in block style.

    >>> print(write_yaml({"a": ["1e3", 2, "first\nsecond\n"]}), end="")
    a:
      - "1e3"
      - 2
      - |
        first
        second
    """
    if not data:
        return "{}\n"
    lines: list[str] = []
    _mapping(data, "", "", lines, {})
    return "".join(lines)


def _mapping(data: Mapping[str, Any], start: str, indent: str, lines: list[str], known: dict[str, str]) -> None:
    """Write a mapping; ``start`` begins its first line, ``indent`` the others; ``known`` are texts written before."""
    for key, value in data.items():
        name = known.get(key) or _text(key, known)
        if type(value) is str and value in known and len(name) <= _LONGEST_KEY:
            lines.append(f"{start}{name}: {known[value]}\n")
        elif len(name) <= _LONGEST_KEY:
            _entry(f"{start}{name}:", value, indent, lines, known)
        else:
            lines.append(f"{start}? {name}\n")
            _entry(f"{indent}:", value, indent, lines, known)
        start = indent


def _entry(start: str, value: Any, indent: str, lines: list[str], known: dict[str, str]) -> None:
    """Write one entry of a mapping, whose key has been written into ``start``."""
    kind = type(value)
    if kind is str:
        _scalar(f"{start} ", value, indent + _STEP, lines, known)
    elif value and (kind is dict or isinstance(value, Mapping)):
        lines.append(f"{start}\n")
        inner = indent + _STEP
        _mapping(value, inner, inner, lines, known)
    elif value and isinstance(value, (list, tuple)):
        lines.append(f"{start}\n")
        inner = indent + _STEP
        _sequence(value, inner, inner, lines, known)
    else:
        lines.append(f"{start} {_flow(value)}\n")


def _sequence(
    data: list[Any] | tuple[Any, ...], start: str, indent: str, lines: list[str], known: dict[str, str]
) -> None:
    inner = indent + _STEP
    for item in data:
        first = f"{start}- "
        if item and (type(item) is dict or isinstance(item, Mapping)):
            _mapping(item, first, inner, lines, known)
        elif item and isinstance(item, (list, tuple)):
            _sequence(item, first, inner, lines, known)
        elif isinstance(item, str):
            _scalar(first, item, inner, lines, known)
        else:
            lines.append(f"{first}{_flow(item)}\n")
        start = indent


def _scalar(start: str, value: str, indent: str, lines: list[str], known: dict[str, str]) -> None:
    if "\n" in value and value[0] not in " \t\n" and not _NOT_IN_BLOCK.search(value):
        _block(start, value, indent, lines)
    else:
        lines.append(f"{start}{known.get(value) or _text(value, known)}\n")


def _block(start: str, text: str, indent: str, lines: list[str]) -> None:
    """A literal block; the sign after ``|`` says how many line ends the text has."""
    ends = len(text) - len(text.rstrip("\n"))
    lines.append(f"{start}|{'-' if ends == 0 else '' if ends == 1 else '+'}\n")
    lines.extend(f"{indent}{line}\n" if line else "\n" for line in text.removesuffix("\n").split("\n"))


def _text(value: str, known: dict[str, str]) -> str:
    """A text on one line; short ones are remembered."""
    text = _flow(value)
    if len(text) < _LONGEST_KEY:
        known[value] = text
    return text


def _flow(value: Any) -> str:
    """A scalar or an empty collection on one line."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _RETYPED else _quoted(value)
    return json.dumps(value, allow_nan=False)


def _quoted(text: str) -> str:
    """A text in double quotes, where JSON and YAML mean the same."""
    text = _JSON.encode(text)
    return text if text.isprintable() else _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


# --- reading ---------------------------------------------------------------------------------------------------


DEEPEST = 300
"""Lists and objects within each other that a document may have."""


def read_yaml(text: str) -> Any:
    """The data in one YAML document, by the core schema of YAML 1.2.

    Raises:
        TextFormError: The text is no YAML, holds several documents, aliases, tags that are not JSON's, or a key twice.
    """
    import yaml  # most programs never read YAML

    try:
        return _Reader().read(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise TextFormError(f"the document is not YAML: {_reason(error)}") from None


def _reason(error: Any) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} at {_at(mark)}" if mark is not None else str(problem)


def _at(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


class _Reader:
    """Builds data from the events of the YAML parser, without recursion, so that no document exhausts the stack."""

    def __init__(self) -> None:
        self._root: Any = None
        self._documents = 0
        self._open: list[Any] = []
        self._keys: list[str | None] = []  # of each open object the key that waits for its value

    def read(self, events: Iterable[Any]) -> Any:
        for event in events:
            match type(event).__name__:
                case "ScalarEvent":
                    self._put(_scalar_value(event), event, event.value)
                case "MappingStartEvent":
                    self._start({}, event, "map")
                case "SequenceStartEvent":
                    self._start([], event, "seq")
                case "MappingEndEvent" | "SequenceEndEvent":
                    self._open.pop()
                    self._keys.pop()
                case "AliasEvent":
                    where = _at(event.start_mark)
                    raise TextFormError(f"anchors and aliases are not read ({where})", "write the value out again")
                case "DocumentStartEvent":
                    self._documents += 1
                    if self._documents > 1:
                        raise TextFormError(f"a second document begins at {_at(event.start_mark)}", "write one a file")
                case _:
                    pass
        return self._root

    def _start(self, container: Any, event: Any, tag: str) -> None:
        _check_tag(event, tag)
        self._put(container, event, None)
        if len(self._open) >= DEEPEST:
            raise TextFormError("the document is nested too deeply")
        self._open.append(container)
        self._keys.append(None)

    def _put(self, value: Any, event: Any, text: str | None) -> None:
        """Place a value where it belongs; ``text`` is how a scalar is written, which makes it a key."""
        if not self._open:
            self._root = value
        elif isinstance(self._open[-1], list):
            self._open[-1].append(value)
        elif (key := self._keys[-1]) is not None:
            self._open[-1][key] = value
            self._keys[-1] = None
        elif text is None:
            raise TextFormError(f"a key is a text, but at {_at(event.start_mark)} stands a list or an object")
        elif text in self._open[-1]:
            where = f"the key {text!r} stands twice in one object ({_at(event.start_mark)})"
            raise TextFormError(where, "remove or rename one of them")
        else:
            self._keys[-1] = text


def _check_tag(event: Any, allowed: str) -> None:
    if event.tag not in (None, "!", f"tag:yaml.org,2002:{allowed}"):
        raise TextFormError(f"the tag {event.tag!r} is not read ({_at(event.start_mark)})", "write plain JSON values")


def _scalar_value(event: Any) -> Any:
    if event.tag is None and event.implicit[0]:  # without quotes: our reading of 1.2 decides, not the package's of 1.1
        return plain_scalar(event.value)
    _check_tag(event, "str")
    return event.value


_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def plain_scalar(text: str) -> Any:
    """What an unquoted text means in the core schema of YAML 1.2.

    >>> [plain_scalar(text) for text in ["on", "1e3", "0o14", "~", "true", "2001-01-01"]]
    ['on', 1000.0, 12, None, True, '2001-01-01']
    """
    if text in _NULL:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return _whole(text)
    if _OTHER_INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NO_NUMBER.fullmatch(text):
        raise TextFormError(f"{text} is not JSON", "use null for a missing number")
    return text


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python reads no more than 4300 digits
        raise TextFormError(f"the number {text[:20]}… has too many digits", "write it as a string") from None
