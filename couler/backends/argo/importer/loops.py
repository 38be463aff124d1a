"""``withItems``, ``withParam`` and ``withSequence`` as maps, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from couler.backends.argo.importer.reading import as_text
from couler.backends.argo.importer.tags import TAG, Reading, Writing
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.json import freeze, thaw


def read_loop(call: Mapping[str, Any], reading: Reading) -> ir.ForEach | None:
    """The map of a call; None when it has none, or none that is a list."""
    values: ir.Value | None = None
    if "withItems" in call and call["withItems"] is not None:
        values = _read_items(call["withItems"], reading)
    elif call.get("withParam") is not None:
        values = _read_param(as_text(call["withParam"]), reading)
    elif call.get("withSequence") is not None:
        found = read_sequence(call["withSequence"])
        values = None if found is None else ir.Constant(value=found)
    return None if values is None else ir.ForEach(lists={"item": values})


def _read_items(items: Any, reading: Reading) -> ir.Value | None:
    if not isinstance(items, list):
        return None
    if not TAG.search(f"{items}"):
        return ir.Constant(value=items)
    if all(isinstance(item, str) for item in items):
        return ir.ListOf(items=tuple(reading.value(item) for item in items))
    return None


def _read_param(text: str, reading: Reading) -> ir.Value | None:
    match = TAG.fullmatch(text.strip())
    if match is not None:
        return reading.reference(match[1].strip())
    if TAG.search(text):
        return None
    items = json_list(text)
    return None if items is None else ir.Constant(value=items)


def json_list(text: str) -> list[Any] | None:
    """The list that a text holds as JSON."""
    try:
        found = json.loads(text)
        return found if isinstance(found, list) and freeze(found) is not None else None
    except ValueError:
        return None


def read_sequence(sequence: Mapping[str, Any]) -> list[str] | None:
    """The texts of a sequence; None when they are not known before the run.

    >>> read_sequence({"start": "1", "end": "3"}), read_sequence({"count": 2, "format": "n%02X"})
    (['1', '2', '3'], ['n00', 'n01'])
    """
    bounds = {key: as_text(value) for key, value in sequence.items() if key != "format" and value is not None}
    if not all(text.lstrip("-").isdigit() for text in bounds.values()):
        return None
    start = int(bounds.get("start", 0))
    if "count" in bounds:
        numbers = range(start, start + int(bounds["count"]))
    else:
        end = int(bounds.get("end", start))
        numbers = range(start, end + 1) if end >= start else range(start, end - 1, -1)
    if len(numbers) > 10_000:
        return None
    try:
        return [(sequence.get("format") or "%d") % number for number in numbers]
    except (TypeError, ValueError):
        return None


def write_loop(foreach: ir.ForEach, raw: Mapping[str, Any], writing: Writing) -> dict[str, Any]:
    """The loop of a call; what was imported stands as long as it means the same list.

    Raises:
        DefinitionError: Argo has no loop over several lists.
    """
    if len(foreach.lists) != 1:
        raise DefinitionError(
            "a map over several lists cannot be written in the layout of an imported workflow",
            "`couler compile --engine argo` writes it in couler's own layout",
        )
    [values] = foreach.lists.values()
    if isinstance(values, ir.Constant):
        items = thaw(values.value)
        if "withSequence" in raw and read_sequence(raw["withSequence"]) == items:
            return {"withSequence": raw["withSequence"]}
        if "withParam" in raw and json_list(as_text(raw["withParam"])) == items:
            return {"withParam": raw["withParam"]}
        return {"withItems": items}
    if isinstance(values, ir.ListOf):
        return {"withItems": [writing.text(item) for item in values.items]}
    return {"withParam": writing.text(values)}
