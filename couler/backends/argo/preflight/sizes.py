"""How much fits: numbers of templates, tasks and inputs, and bytes of objects, annotations and arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from couler.backends.argo.preflight.reading import Document, Template, json_bytes, mapping, mappings, text

TEMPLATES: Final = 200
TASKS: Final = 200
INPUTS: Final = 500
METRICS: Final = 100
KIB: Final = 1024
CONTROLLER: Final = 1024 * KIB
ETCD: Final = 1536 * KIB
ANNOTATIONS: Final = 256 * KIB
ARGUMENT: Final = 128 * KIB
"""Longest argument or variable of a process on Linux, with its closing zero."""
CARRIED: Final = 131072
"""Longest template or list of arguments that Argo puts into a variable."""
OFFLOADING_SINCE: Final = (3, 7)
WARNED: Final = 0.75


def templates(document: Document) -> Iterator[tuple[str, str]]:
    """More templates than a workflow may have."""
    count = sum(1 for template in document.templates if not template.is_inline)
    if count > TEMPLATES:
        yield "", f"{count} templates, and a workflow may have {TEMPLATES}"


def tasks(document: Document) -> Iterator[tuple[str, str]]:
    """More tasks than a DAG may have, or none."""
    for template in document.templates:
        if isinstance(template.data.get("dag"), Mapping):
            count = len(template.calls)
            if count > TASKS:
                yield template.where, f"{count} tasks, and a DAG may have {TASKS}"
            elif count == 0:
                yield template.where, "no tasks, and a DAG has at least one"


def inputs(document: Document) -> Iterator[tuple[str, str]]:
    """More input parameters than a template may have."""
    for template in document.templates:
        count = len(template.inputs)
        if count > INPUTS:
            yield template.where, f"{count} input parameters, and a template may have {INPUTS}"


def metrics(document: Document) -> Iterator[tuple[str, str]]:
    """More metrics than a workflow or template may have."""
    holders = [("", document.spec), *((template.where, template.data) for template in document.templates)]
    for where, holder in holders:
        count = len(mappings(mapping(holder.get("metrics")).get("prometheus")))
        if count > METRICS:
            yield where, f"{count} metrics, and there may be {METRICS}"


def too_big_to_send(document: Document) -> Iterator[tuple[str, str]]:
    """Objects that etcd does not take."""
    size = document.size
    if size > ETCD:
        yield "", f"{size:,} bytes as JSON, and an object may have {ETCD:,}"


def too_big_to_run(document: Document) -> Iterator[tuple[str, str]]:
    """Workflows that the controller gives up on."""
    is_sent = document.kind in ("Workflow", "CronWorkflow") and document.size <= ETCD
    if is_sent and document.kept_size > CONTROLLER:
        yield "", f"{document.kept_size:,} bytes as the controller keeps it, and a workflow may have {CONTROLLER:,}"


def nearly_too_big(document: Document) -> Iterator[tuple[str, str]]:
    """Workflows that leave little room for the state of their steps."""
    is_workflow = document.kind in ("Workflow", "CronWorkflow")
    is_small = document.size <= CONTROLLER
    if is_workflow and is_small and CONTROLLER * WARNED < document.kept_size <= CONTROLLER:
        kept = f"{document.kept_size:,} bytes as the controller keeps it"
        yield "", f"{kept}, of {CONTROLLER:,} that hold the workflow and the state of its steps"


def annotation_bytes(document: Document) -> Iterator[tuple[str, str]]:
    """Annotations of an object or of its pods that are too long together."""
    of_pods = mapping(document.spec.get("podMetadata"))
    holders = [("", document.metadata), ("podMetadata", of_pods)]
    holders += [(template.where, mapping(template.data.get("metadata"))) for template in document.templates]
    for where, holder in holders:
        held = mapping(holder.get("annotations"))
        size = sum(_bytes(key) + _bytes(value) for key, value in held.items())
        if size > ANNOTATIONS:
            yield where, f"annotations of {size:,} bytes, and there may be {ANNOTATIONS:,}"


def _bytes(value: Any) -> int:
    return len(str(value).encode(errors="surrogatepass"))


def arguments(document: Document) -> Iterator[tuple[str, str]]:
    """Arguments and variables that no process of Linux can be given."""
    for template in document.templates:
        for where, container in template.containers():
            for field in ("command", "args"):
                for index, value in enumerate(_list(container.get(field))):
                    if _bytes(value) >= ARGUMENT:
                        yield where, f"{field}[{index}] has {_bytes(value):,} bytes, and may have {ARGUMENT - 1:,}"
            for variable in mappings(container.get("env")):
                name = text(variable.get("name"))
                size = _bytes(name) + 1 + _bytes(variable.get("value", ""))
                if size >= ARGUMENT:
                    yield where, f"the variable {name} has {size:,} bytes with its name, and may have {ARGUMENT - 1:,}"


def carried(document: Document) -> Iterator[tuple[str, str]]:
    """Templates that versions of Argo before 3.7 cannot hand to their own container."""
    if document.version >= OFFLOADING_SINCE:
        return
    for template in document.templates:
        size = json_bytes(template.data)
        if size >= CARRIED and not template.is_parent:
            yield template.where, f"{size:,} bytes as JSON, and Argo before 3.7 hands on {CARRIED - 1:,}"


def applied(document: Document) -> Iterator[tuple[str, str]]:
    """Objects that ``kubectl apply`` cannot keep a copy of."""
    size = document.size
    if document.kind != "Workflow" and ANNOTATIONS < size <= ETCD:
        yield "", f"{size:,} bytes as JSON, and `kubectl apply` keeps {ANNOTATIONS:,}"


def depth(document: Document) -> Iterator[tuple[str, str]]:
    """Chains of calls that are deeper than the controller follows."""
    heights = _heights(document)
    deepest = max(document.templates, key=lambda template: heights.get(template.name, 0), default=None)
    if deepest is not None and heights.get(deepest.name, 0) > DEPTH:
        yield deepest.where, f"calls go {heights[deepest.name]} templates deep from here, and may go {DEPTH}"


DEPTH: Final = 99


def _heights(document: Document) -> dict[str, int]:
    """How many templates deep the calls of each go, where no template calls itself."""
    heights: dict[str, int] = {}
    open_names: set[str] = set()
    waiting: list[tuple[Template, bool]] = [(template, False) for template in document.templates]
    while waiting:
        template, is_finished = waiting.pop()
        below = [name for name in template.called if name in document.by_name]
        if is_finished:
            open_names.discard(template.name)
            heights[template.name] = 1 + max((heights.get(name, 0) for name in below), default=0)
        elif template.name not in heights and template.name not in open_names:
            open_names.add(template.name)
            waiting.append((template, True))
            waiting += [(document.by_name[name], False) for name in below]
    return heights


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
