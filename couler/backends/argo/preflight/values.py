"""Values that Argo would retype, evaluate, or fail to carry."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

from couler.backends.argo.preflight.reading import Document, mapping, mappings, text

EVALUATED: Final = re.compile(
    r"\{\{\s*(=|workflow\.|inputs\.|outputs\.|tasks\.|steps\.|item\b|pod\.|node\.|retries\b|lastRetry\.|cronworkflow\.)"
)
SUSPECT: Final = re.compile("[\x00-\x07\x0b\x0e-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]")
PRINTED: Final = frozenset("LMNPS")
"""First letters of the categories of characters that Go prints as they are."""
EXPRESSION: Final = re.compile(r"\{\{=(.*?)\}\}", re.DOTALL)
LITERAL: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`", re.DOTALL)
PAIRS: Final = {")": "(", "]": "[", "}": "{"}


def not_text(document: Document) -> Iterator[tuple[str, str]]:
    """Values of parameters that are no text."""
    for where, name, value in (*_given(document), *_data(document)):
        if value is not None and not isinstance(value, str):
            yield where, f"{name} is {value!r}, and not text"


def evaluated(document: Document) -> Iterator[tuple[str, str]]:
    """Data with braces that Argo evaluates."""
    for where, name, value in _data(document):
        found = EVALUATED.search(text(value))
        if found:
            yield where, f"{name} holds {_around(text(value), found.start())}, which Argo evaluates"


def unprintable(document: Document) -> Iterator[tuple[str, str]]:
    """Values with characters on which Argo's replacement fails."""
    for where, name, value in (*_given(document), *_data(document)):
        character = next((found[0] for found in SUSPECT.finditer(text(value)) if _breaks(found[0])), None)
        if character is not None:
            yield where, f"{name} holds the character U+{ord(character):04X}"


def _breaks(character: str) -> bool:
    return ord(character) < 0x10000 or unicodedata.category(character)[0] not in PRINTED


def torn_expressions(document: Document) -> Iterator[tuple[str, str]]:
    """Expressions that end before their author thinks: ``}}`` in a literal or of two nested maps."""
    for where, name, value in (*_given(document), *_conditions(document)):
        for expression in EXPRESSION.findall(text(value)):
            if not _is_whole(expression):
                yield where, f"the expression in {name} ends within a literal or a bracket: {{{{={expression[:60]}}}}}"


def _is_whole(expression: str) -> bool:
    stripped = LITERAL.sub("", expression)
    waiting: list[str] = []
    for character in stripped:
        if character in "([{":
            waiting.append(character)
        elif character in PAIRS and (not waiting or waiting.pop() != PAIRS[character]):
            return False
    return not waiting and not any(quote in stripped for quote in "'\"`")


def _given(document: Document) -> Iterator[tuple[str, str, Any]]:
    """Place, name and value of arguments in calls and of values computed in templates, where tags are meant."""
    for template in document.templates:
        for call in template.calls:
            yield from _values(call.where, call.data.get("arguments"))
            for name, hook in mapping(call.data.get("hooks")).items():
                yield from _values(f"{call.where}, hook {name}", mapping(hook).get("arguments"))
    for name, hook in mapping(document.spec.get("hooks")).items():
        yield from _values(f"hook {name}", mapping(hook).get("arguments"))


def _data(document: Document) -> Iterator[tuple[str, str, Any]]:
    """Place, name and value of what is data, where no tag is meant."""
    for parameter in mappings(mapping(document.spec.get("arguments")).get("parameters")):
        yield from _parameter("arguments", parameter)
    for template in document.templates:
        for parameter in template.parameters("inputs"):
            yield from _parameter(template.where, parameter)
        for parameter in template.parameters("outputs"):
            default = mapping(parameter.get("valueFrom")).get("default")
            yield template.where, f"the default of the output {parameter.get('name')!r}", default
        for call in template.calls:
            items = call.data.get("withItems")
            for index, item in enumerate(items if isinstance(items, list | tuple) else ()):
                yield call.where, f"item {index}", _as_inserted(item)


def _parameter(where: str, parameter: Mapping[Any, Any]) -> Iterator[tuple[str, str, Any]]:
    name = repr(parameter.get("name"))
    yield where, f"the value of {name}", parameter.get("value")
    yield where, f"the default of {name}", parameter.get("default")
    choices = parameter.get("enum")
    for choice in choices if isinstance(choices, list | tuple) else ():
        yield where, f"a choice of {name}", choice


def _values(where: str, arguments: Any) -> Iterator[tuple[str, str, Any]]:
    for parameter in mappings(mapping(arguments).get("parameters")):
        yield where, f"the value of {parameter.get('name')!r}", parameter.get("value")


def _conditions(document: Document) -> Iterator[tuple[str, str, Any]]:
    for template in document.templates:
        for parameter in template.parameters("outputs"):
            yield template.where, repr(parameter.get("name")), mapping(parameter.get("valueFrom")).get("parameter")
        for call in template.calls:
            yield call.where, "when", call.data.get("when")
            yield call.where, "withParam", call.data.get("withParam")


def _as_inserted(item: Any) -> str:
    """What stands in the place of ``{{item}}``."""
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, default=str, skipkeys=True)


def _around(value: str, start: int) -> str:
    return repr(value[start : start + 30])
