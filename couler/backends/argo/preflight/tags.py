"""Tags that name what a template does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from couler.backends.argo.preflight.reading import Document, Template, mapping, mappings, text

_TAG: Final = re.compile(r"\{\{\s*(?:(steps|tasks)\.([^.}\s]+)\.|inputs\.(parameters|artifacts)\.([^.}\s]+)\s*\}\})")
_OF_WORKFLOW: Final = re.compile(r"\{\{\s*workflow\.parameters\.([^.}\s]+)\s*\}\}")
_BETWEEN: Final = "}\n"
"""What stands between texts that are searched together, so that no tag is found over the end of one."""


def broken(document: Document) -> Iterator[tuple[str, str]]:
    """Tags that name a step, an input or a parameter of the workflow that is not there."""
    is_whole = document.kind in ("Workflow", "CronWorkflow") and "workflowTemplateRef" not in document.spec
    known = {text(one.get("name")) for one in document.arguments} if is_whole else None
    for template in document.templates:
        texts: list[str] = []
        _gather(template.data, texts)
        if not texts:
            continue
        whole = _BETWEEN.join(texts)
        calls = {(f"{call.kind}s", call.name) for call in template.calls}
        inputs = {kind: _names(template, kind) for kind in ("parameters", "artifacts")}
        missing: dict[str, None] = {}
        for kind_of_call, call, kind, name in _TAG.findall(whole):
            if call and (kind_of_call, call) not in calls:
                missing[f"a tag names '{kind_of_call}.{call}', which this template does not have"] = None
            elif kind and name not in inputs[kind]:
                missing[f"a tag names the input {name!r}, which this template does not have"] = None
        for name in _OF_WORKFLOW.findall(whole):
            if known is not None and name not in known:
                missing[f"a tag names the parameter {name!r}, which the workflow does not have"] = None
        yield from ((template.where, what) for what in missing)


def _names(template: Template, kind: str) -> set[str]:
    return {text(one.get("name")) for one in mappings(mapping(template.data.get("inputs")).get(kind))}


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
