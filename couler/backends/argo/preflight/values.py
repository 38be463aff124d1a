"""Values that Argo would retype, evaluate, or fail to carry."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from couler.backends.argo.preflight.reading import Document, Value, mapping, text

EVALUATED: Final = re.compile(
    r"\{\{\s*(=|workflow\.|inputs\.|outputs\.|tasks\.|steps\.|item\b|pod\.|node\.|retries\b|lastRetry\.|cronworkflow\.)"
)
SUSPECT: Final = re.compile("[\x00-\x07\x0b\x0e-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]")
PRINTED: Final = frozenset("LMNPS")
"""First letters of the categories of characters that Go prints as they are."""
EXPRESSION: Final = re.compile(r"\{\{=(.*?)\}\}", re.DOTALL)
LITERAL: Final = re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\"|`[^`]*`", re.DOTALL)
SIGN: Final = re.compile(r"[()\[\]{}'\"`]")
PAIRS: Final = {")": "(", "]": "[", "}": "{"}


def not_text(document: Document) -> Iterator[tuple[str, str]]:
    """Values of parameters that are no text."""
    for found in (*document.given, *document.constants):
        if not isinstance(found.value, str) and found.value is not None:
            yield found.where, f"{found.title} is {found.value!r}, and not text"


def evaluated(document: Document) -> Iterator[tuple[str, str]]:
    """Data with braces that Argo evaluates."""
    for found in document.constants:
        value = text(found.value)
        match = EVALUATED.search(value) if "{{" in value else None
        if match:
            start = match.start()
            yield found.where, f"{found.title} holds {value[start : start + 30]!r}, which Argo evaluates"


def unprintable(document: Document) -> Iterator[tuple[str, str]]:
    """Values with characters on which Argo's replacement fails."""
    for found in (*document.given, *document.constants):
        value = text(found.value)
        if not value.isprintable():
            character = next((match[0] for match in SUSPECT.finditer(value) if _breaks(match[0])), None)
            if character is not None:
                yield found.where, f"{found.title} holds the character U+{ord(character):04X}"


def _breaks(character: str) -> bool:
    return ord(character) < 0x10000 or unicodedata.category(character)[0] not in PRINTED


def torn_expressions(document: Document) -> Iterator[tuple[str, str]]:
    """Expressions that end before their author thinks: ``}}`` in a literal or of two nested maps."""
    for found in (*document.given, *_conditions(document)):
        value = text(found.value)
        for expression in EXPRESSION.findall(value) if "{{=" in value else ():
            if not _is_whole(expression):
                shown = f"{{{{={expression[:60]}}}}}"
                yield found.where, f"the expression in {found.title} ends within a literal or a bracket: {shown}"


def _is_whole(expression: str) -> bool:
    waiting: list[str] = []
    for sign in SIGN.findall(LITERAL.sub("", expression)):
        if sign not in PAIRS:  # a quote among them waits for ever
            waiting.append(sign)
        elif not waiting or waiting.pop() != PAIRS[sign]:
            return False
    return not waiting


def _conditions(document: Document) -> Iterator[Value]:
    for template in document.templates:
        for parameter in template.outputs:
            source = mapping(parameter.get("valueFrom")).get("parameter")
            yield Value(template.where, "the output", parameter.get("name"), source)
        fields = [field for field in ("when", "withParam") if field in template.fields_of_calls]
        for call in template.calls if fields else ():
            for field in fields:
                if field in call.data:
                    yield Value(call.where, "", field, call.data[field])
