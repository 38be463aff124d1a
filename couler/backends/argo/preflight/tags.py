"""Tags that name what a template does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from couler.backends.argo.preflight.reading import BETWEEN, Document, Template, mapping, mappings, text

_CALL: Final = re.compile(r"\{\{\s*((?:steps|tasks)\.[^.}\s]+)\.")
_INPUT: Final = re.compile(r"\{\{\s*inputs\.((?:parameters|artifacts)\.[^.}\s]+)\s*\}\}")
_OF_WORKFLOW: Final = re.compile(r"\{\{\s*workflow\.parameters\.([^.}\s]+)\s*\}\}")


def broken(document: Document) -> Iterator[tuple[str, str]]:
    """Tags that name a step, an input or a parameter of the workflow that is not there."""
    is_whole = document.kind in ("Workflow", "CronWorkflow") and "workflowTemplateRef" not in document.spec
    known = {text(one.get("name")) for one in document.arguments} if is_whole else None
    for template in document.templates:
        texts: list[str] = []
        _gather(template.rest, texts)
        if template.handed_on is not None:
            texts.append(template.handed_on)
            names = BETWEEN.join([part for call in template.calls for part in (call.name, call.template, call.depends)])
            conditions = [text(call.data["when"]) for call in template.calls if "when" in call.data]
            texts += [part for part in (names, *conditions) if "{{" in part]
        if not texts:
            continue
        whole = BETWEEN.join(texts)
        calls = {f"{call.kind}s.{call.name}" for call in template.calls}
        for call in sorted(set(_CALL.findall(whole)) - calls):
            yield template.where, f"a tag names {call!r}, which this template does not have"
        inputs = {f"{kind}.{name}" for kind in ("parameters", "artifacts") for name in _names(template, kind)}
        for kind_and_name in sorted(set(_INPUT.findall(whole)) - inputs):
            name = kind_and_name.partition(".")[2]
            yield template.where, f"a tag names the input {name!r}, which this template does not have"
        for name in sorted(set(_OF_WORKFLOW.findall(whole)) - known) if known is not None else ():
            yield template.where, f"a tag names the parameter {name!r}, which the workflow does not have"


def _names(template: Template, kind: str) -> list[str]:
    return [text(one.get("name")) for one in mappings(mapping(template.data.get("inputs")).get(kind))]


def _gather(value: Any, texts: list[str]) -> None:
    """Add every text with braces in a value; templates that stand in calls are looked at by themselves."""
    if type(value) is dict or isinstance(value, Mapping):
        for field, inner in value.items():
            if type(inner) is str:
                if "{{" in inner:
                    texts.append(inner)
            elif field != "inline":
                _gather(inner, texts)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _gather(item, texts)
    elif isinstance(value, str) and "{{" in value:
        texts.append(value)
