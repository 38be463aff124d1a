"""How Argo puts values into texts: tags in two braces, in the JSON text of whole objects, pass after pass."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tests.conformance.readers.expr import ExpressionError, MissingError, Node, evaluate, parse, required, variables

Values = Mapping[str, Any]
"""Dotted variable to its text; None is the output of a task that was skipped."""

LATE = ("item", "retries", "lastRetry", "workflow.status", "workflow.failures")
"""Variables that come later than others, so that expressions wait for them."""


class SubstitutionError(Exception):
    """Argo would end the node with an error."""


class WaitsForEver(Exception):  # noqa: N818 - it is what Argo does
    """Argo would look again and again for a variable that never comes."""


def replaced(value: Any, values: Values, *, strict: bool = False) -> Any:
    """An object with the tags in all its texts replaced.

    Args:
        value: JSON.
        values: What tags stand for.
        strict: As in arguments and conditions of tasks: outputs of tasks must be known, and expressions must not fail.

    Raises:
        SubstitutionError: The result is no JSON, or an expression fails.
        WaitsForEver: A task or output does not exist.
    """
    text = json.dumps(value, ensure_ascii=False)
    if "{{" not in text:
        return value
    done = replaced_text(text, values, strict=strict)
    try:
        return json.loads(done)
    except ValueError:
        raise SubstitutionError("cannot finish template replacement because the result was invalid JSON") from None


def replaced_text(text: str, values: Values, *, strict: bool = False) -> str:
    """JSON text with its tags replaced."""
    parts = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            break
        parts.append(text[position:start])
        parts.append(_tag(text[start + 2 : end], values, strict))
        position = end + 2
    parts.append(text[position:])
    return "".join(parts)


def _tag(tag: str, values: Values, strict: bool) -> str:
    if tag.startswith("="):
        return _expression(tag, values, strict)
    name = tag.strip()
    if name not in values:
        before, _, nested = tag.rpartition("{{")
        if before and isinstance(values.get(nested), str):
            return f"{{{{{before}{_quoted_by_go(values[nested])}"
        if strict and name.startswith(("tasks.", "steps.")) and ".outputs.artifacts." not in name:
            raise WaitsForEver(name)
        return f"{{{{{tag}}}}}"
    value = values[name]
    if value is None:
        raise SubstitutionError(f"unable to substitute {{{{{tag}}}}}: output is an absent optional")
    return _quoted_by_go(value)


def _expression(tag: str, values: Values, strict: bool) -> str:
    standing = f"{{{{{tag}}}}}"
    try:
        node = _parsed(json.loads(f'"{tag[1:]}"'))
    except ValueError:
        if strict:
            raise SubstitutionError(f"cannot read {tag[:80]}") from None
        return standing
    except ExpressionError as error:
        if strict:
            raise SubstitutionError(f"failed to evaluate expression: {error}") from None
        return standing
    missing = [name for name in required(node) if not _is_known(name, values)]
    if strict and (lost := [name for name in missing if name.split(".")[0] in ("tasks", "steps")]):
        raise WaitsForEver(lost[0])
    late = [name for name in variables(node) if name not in values and (name in LATE or name.split(".")[0] in LATE)]
    if late and (missing or not strict):
        return standing
    lenient = not strict or bool(missing)
    try:
        result = evaluate(node, lambda name: lookup(name, values))
        if result is None:
            raise ExpressionError(f"failed to evaluate expression {tag[1:]!r}")
    except MissingError as error:
        if strict and str(error).startswith(("tasks", "steps")):
            raise WaitsForEver(str(error)) from None
        return standing
    except ExpressionError as error:
        if lenient:
            return standing
        raise SubstitutionError(str(error)) from None
    if isinstance(result, str):
        return json.dumps(result, ensure_ascii=False)[1:-1]
    return _quoted_by_go(json.dumps(result, ensure_ascii=False, separators=(",", ":"), sort_keys=True))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Node:
    return parse(text)


def _is_known(name: str, values: Values) -> bool:
    return name in values or any(known.startswith(f"{name}.") for known in values)


def lookup(name: str, values: Values) -> Any:
    """A variable of an expression; the objects on the way to variables exist, and other members of them are nil."""
    if name in values:
        return values[name]
    found = _below(name, values)
    if found:
        return found
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        prefix = ".".join(parts[:count])
        if prefix in values and values[prefix] is None:
            raise ExpressionError(f"cannot fetch {parts[count]} from nil")
        if any(known.startswith(f"{prefix}.") for known in values):
            if count == len(parts) - 1:
                return None
            raise ExpressionError(f"cannot fetch {parts[-1]} from nil")
    raise MissingError(name)


def _below(name: str, values: Values) -> dict[str, Any]:
    """The object that holds all variables whose names begin with another."""
    found: dict[str, Any] = {}
    for known, value in values.items():
        if known.startswith(f"{name}."):
            *way, last = known[len(name) + 1 :].split(".")
            place = found
            for part in way:
                inner = place.setdefault(part, {})
                place = inner if isinstance(inner, dict) else {}
            place[last] = value
    return found


_NOT_JSON = re.compile(r'["\\\x00-\x1f\x7f-\xa0\xad\ud800-\udfff\u2028\u2029\ufeff\ufffe\uffff\U00010000-\U0010ffff]')


def _quoted_by_go(text: str) -> str:
    """As strconv.Quote writes it, less the quotes; some of that is no JSON, which is a trap of Argo."""
    return _NOT_JSON.sub(_character, text)


_SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
    "\a": "\\a",
}


def _character(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
