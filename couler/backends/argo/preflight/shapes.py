"""Fields that do not work where they stand, or not without another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from couler.backends.argo.preflight.reading import LEAVES, LOOPS, Document, Fields, Template, mapping, text
from couler.backends.argo.schema import NEWEST, SINCE, problems_of

DURATION: Final = re.compile(r"[-+]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|[-+]?0")
TAG: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
CACHE_KEY: Final = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
LONGEST_KEY: Final = 253
FACTOR: Final = re.compile(r"\d+")
ONLY_ON_LEAVES: Final = ("timeout", "activeDeadlineSeconds", "pendingTimeout")


def newer_fields(document: Document) -> Iterator[tuple[str, str]]:
    """Fields that the version of Argo does not have, and would drop without a word."""
    version = ".".join(map(str, document.version))
    if version != NEWEST:
        for problem in problems_of(document.kind, document.data, version):
            if SINCE in problem:
                yield "", problem


def endless_retries(document: Document) -> Iterator[tuple[str, str]]:
    """Retries without a limit."""
    for where, strategy in _strategies(document):
        if strategy.get("limit") in (None, ""):
            yield where, "retryStrategy has no limit"


def broken_factors(document: Document) -> Iterator[tuple[str, str]]:
    """Factors of backoffs that are no whole numbers."""
    for where, strategy in _strategies(document):
        factor = mapping(strategy.get("backoff")).get("factor")
        if factor is not None and not FACTOR.fullmatch(str(factor)) and "{{" not in str(factor):
            yield where, f"the factor of the backoff is {factor!r}"


def _strategies(document: Document) -> Iterator[tuple[str, Fields]]:
    holders: list[tuple[str, Fields]] = [
        ("", document.spec),
        ("templateDefaults", mapping(document.spec.get("templateDefaults"))),
        *((template.where, template.data) for template in document.templates),
    ]
    for where, holder in holders:
        if isinstance(holder.get("retryStrategy"), Mapping):
            yield where, holder["retryStrategy"]


def without_command(document: Document) -> Iterator[tuple[str, str]]:
    """Containers whose command Argo has to look up in the registry."""
    for template in document.templates:
        for where, container in template.containers():
            field = where.removeprefix(f"{template.where}, ")
            if not container.get("command") and not document.default(field).get("command"):
                yield where, "the container has no command"


def limits_on_parents(document: Document) -> Iterator[tuple[str, str]]:
    """Time limits on templates that call others."""
    for template in document.templates:
        for field in ONLY_ON_LEAVES:
            if template.is_parent and template.data.get(field) not in (None, ""):
                yield template.where, f"{field} stands on a {_kind(template)} template"


def parallelism_on_leaves(document: Document) -> Iterator[tuple[str, str]]:
    """Limits of parallelism on templates that call none."""
    for template in document.templates:
        if template.data.get("parallelism") is not None and not template.is_parent:
            yield template.where, "parallelism stands on a template that calls no others"


def durations(document: Document) -> Iterator[tuple[str, str]]:
    """Timeouts that are no durations."""
    for template in document.templates:
        for field in ("timeout", "pendingTimeout"):
            value = template.data.get(field)
            is_literal = value not in (None, "") and "{{" not in str(value)
            if is_literal and not DURATION.fullmatch(str(value)):
                yield template.where, f"{field} is {value!r}"


def kinds_of_templates(document: Document) -> Iterator[tuple[str, str]]:
    """Templates that are several things at once, or nothing."""
    has_default = any(document.default(kind) for kind in LEAVES)
    for template in document.templates:
        kinds = [kind for kind in (*LEAVES, "dag", "steps") if template.data.get(kind) is not None]
        if len(kinds) > 1:
            yield template.where, f"the template is {' and '.join(kinds)} at once"
        elif not kinds and not has_default:
            yield template.where, "the template is neither container nor script, DAG, steps or any other kind"


def _kind(template: Template) -> str:
    return "DAG" if "dag" in template.data else "steps"


def mixed_dependencies(document: Document) -> Iterator[tuple[str, str]]:
    """DAGs that say in two ways which tasks come first."""
    for template in document.templates:
        fields = template.fields_of_calls if "dag" in template.data else ()
        for other in ("dependencies", "continueOn"):
            if "depends" in fields and other in fields:
                yield template.where, f"tasks use both depends and {other}"


def sequences(document: Document) -> Iterator[tuple[str, str]]:
    """Sequences with both a count and an end, and tasks with several loops."""
    for template in document.templates:
        for call in () if template.fields_of_calls.isdisjoint(LOOPS) else template.calls:
            loops = [field for field in LOOPS if call.data.get(field)]
            if not loops:
                continue
            sequence = mapping(call.data.get("withSequence"))
            if sequence.get("count") is not None and sequence.get("end") is not None:
                yield call.where, "withSequence has both count and end"
            if len(loops) > 1:
                yield call.where, f"the {call.kind} has both {' and '.join(loops)}"


def hooks(document: Document) -> Iterator[tuple[str, str]]:
    """Hooks that do not say when they run."""
    for where, holder in document.hook_holders:
        for name, hook in mapping(holder.get("hooks")).items():
            if name != "exit" and not mapping(hook).get("expression"):
                yield where, f"the hook {name!r} has no expression"


def caches(document: Document) -> Iterator[tuple[str, str]]:
    """Caches with keys or ages that Argo does not take."""
    for template in document.templates:
        memoize = template.data.get("memoize")
        if not isinstance(memoize, Mapping):
            continue
        for field in ("key", "cache", "maxAge"):
            if not memoize.get(field):
                yield template.where, f"memoize has no {field}"
        key, age = text(memoize.get("key")), text(memoize.get("maxAge"))
        fixed = TAG.sub("0", key)
        if key and not CACHE_KEY.fullmatch(fixed):
            yield template.where, f"the key of memoize is {key!r}, and may have letters, digits and hyphens only"
        if len(fixed) > LONGEST_KEY:
            yield template.where, f"the key of memoize has {len(fixed)} characters, and may have {LONGEST_KEY}"
        if age and "{{" not in age and not DURATION.fullmatch(age):
            yield template.where, f"maxAge of memoize is {age!r}, and is a duration such as '24h'"


def arguments_without_value(document: Document) -> Iterator[tuple[str, str]]:
    """Parameters of a workflow that need a value when it is started."""
    if document.kind == "Workflow":
        yield from _without_value(document)


def schedules_without_value(document: Document) -> Iterator[tuple[str, str]]:
    """Parameters of a workflow on a schedule that nothing gives a value."""
    if document.kind == "CronWorkflow":
        yield from _without_value(document)


def _without_value(document: Document) -> Iterator[tuple[str, str]]:
    if document.spec.get("workflowTemplateRef"):
        return
    for parameter in document.arguments:
        if all(parameter.get(field) is None for field in ("value", "valueFrom", "default")):
            yield "arguments", f"the parameter {parameter.get('name')!r} has no value"


def broken_calls(document: Document) -> Iterator[tuple[str, str]]:
    """Calls of templates that do not exist."""
    entry = document.spec.get("entrypoint")
    if not document.spec.get("workflowTemplateRef"):
        if document.kind in ("Workflow", "CronWorkflow") and not entry:
            yield "", "the workflow has no entrypoint"
        for field in ("entrypoint", "onExit"):
            name = text(document.spec.get(field))
            if name and name not in document.by_name and "{{" not in name:
                yield "", f"{field} is {name!r}, and no template is called so"
    for template in document.templates:
        if template.called <= document.by_name.keys():
            continue
        for call in template.calls:
            if call.template and "{{" not in call.template and call.template not in document.by_name:
                yield call.where, f"it calls {call.template!r}, and no template is called so"
            elif not any(call.data.get(field) for field in ("template", "templateRef", "inline")):
                yield call.where, "it calls no template"
