"""Which texts of a document are lists: those that a loop takes its items from, back to where they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from couler.backends.argo.importer.reading import as_text, items_of

Place = tuple[str, str, str]
"""``input``, ``output`` or ``parameter``; the template, empty for the workflow; the name."""

_TAG = re.compile(r"\{\{\s*([^={}]+?)\s*\}\}")
_OUTPUT = re.compile(r"(?:steps|tasks)\.([^.]+)\.outputs\.(?:parameters\.)?([^.]+)")


def calls_of(template: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The calls of a template with steps or tasks."""
    if template.get("dag"):
        return items_of(template["dag"].get("tasks"))
    found: list[Mapping[str, Any]] = []
    for group in template.get("steps") or ():
        found += items_of(group if isinstance(group, list) else [group])
    return found


def types_in(templates: Mapping[str, Mapping[str, Any]], entry: str) -> dict[Place, str]:
    """Places whose text is read as JSON: ``list``, or ``any`` for what each item of a loop gives to the next one."""
    callers = list(_calls(templates))
    found: dict[Place, str] = {}
    pending = [place for name, call in callers if call.get("withParam")
               for place in _source(as_text(call["withParam"]), name, templates)]  # fmt: skip
    while pending:
        place = pending.pop()
        if place in found:
            continue
        found[place] = "list"
        pending += _behind(place, templates, callers, entry)
    return found | dict.fromkeys(_items(templates, callers), "any")


def is_loop(call: Mapping[str, Any]) -> bool:
    """Whether a call runs once per item."""
    return any(call.get(word) is not None for word in ("withItems", "withParam", "withSequence"))


def _items(templates: Mapping[str, Mapping[str, Any]], callers: list[tuple[str, Mapping[str, Any]]]) -> Iterator[Place]:
    """Outputs of looped calls that another loop goes over."""
    for name, call in callers:
        match = _TAG.fullmatch(as_text(call.get("withParam")).strip())
        output = _OUTPUT.fullmatch(match[1]) if match is not None else None
        for one in calls_of(templates[name]) if output is not None else ():
            if (
                output is not None
                and one.get("name") == output[1]
                and one.get("template") in templates
                and is_loop(one)
            ):
                yield "output", str(one["template"]), output[2]


def _calls(templates: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, template in templates.items():
        yield from ((name, call) for call in calls_of(template))


def _behind(
    place: Place,
    templates: Mapping[str, Mapping[str, Any]],
    callers: list[tuple[str, Mapping[str, Any]]],
    entry: str,
) -> Iterator[Place]:
    """Places from which the text at a place comes as it is."""
    kind, template, name = place
    if kind == "input":
        if template == entry:
            yield "parameter", "", name
        for caller, call in callers:
            if call.get("template") == template:
                for item in items_of((call.get("arguments") or {}).get("parameters")):
                    if item.get("name") == name:
                        yield from _source(as_text(item.get("value")), caller, templates)
    elif kind == "output":
        for item in items_of((templates[template].get("outputs") or {}).get("parameters")):
            if item.get("name") == name:
                yield from _source(as_text((item.get("valueFrom") or {}).get("parameter")), template, templates)


def _source(text: str, template: str, templates: Mapping[str, Mapping[str, Any]]) -> Iterator[Place]:
    """The place that a text names when it is one tag and nothing else."""
    match = _TAG.fullmatch(text.strip())
    if match is None:
        return
    tag = match[1]
    kind, _, name = tag.rpartition(".")
    if kind == "inputs.parameters":
        yield "input", template, name
    elif kind == "workflow.parameters":
        yield "parameter", "", name
    elif output := _OUTPUT.fullmatch(tag):
        for call in calls_of(templates[template]):
            if call.get("name") == output[1] and call.get("template") in templates and not is_loop(call):
                yield "output", str(call["template"]), output[2]
