"""Calls and references that never end, or wait for a value that does not come."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any, Final, NamedTuple

from couler.backends.argo.preflight.reading import LOOPS, Call, Document, Template, mapping, text

REFERENCE: Final = re.compile(
    r"\b(?:tasks|steps)(?:\.([-\w]+)|\[\\?['\"]([^'\"\\]+)\\?['\"]\])"
    r"\.outputs\.(result|parameters)(?:\.([-\w]+)|\[\\?['\"]([^'\"\\]+)\\?['\"]\])?"
)
STATUS: Final = re.compile(r"\b(?:tasks|steps)(?:\.([-\w]+)|\[\\?['\"]([^'\"\\]+)\\?['\"]\])\.status\b")
LONE_TAG: Final = re.compile(r"\{\{[^=][^{}]*\}\}")
PLAIN_TAG: Final = re.compile(r"\{\{(?:tasks|steps)\.([-\w]+)\.[-\w.]+\}\}")
ALWAYS: Final = frozenset(("", "true", "{{=true}}", "{{= true }}"))
ITEM: Final = re.compile(r"\bitem\b")
BRANCHING: Final = re.compile(r"!|\.(Failed|Errored|Skipped|Omitted|AllFailed|AnySucceeded)\b")
FAILED: Final = re.compile(r"\.(Failed|Errored)\b")
NAMES_OF_FAILED: Final = re.compile(rf"(?<![-\w])([-\w]+){FAILED.pattern}")
CONDITIONS: Final = ("when", *LOOPS)
"""Fields of a call that may take outputs, besides its arguments."""
STDOUT: Final = " standard output"
NAME_IN_DEPENDS: Final = re.compile(r"([a-zA-Z0-9][-a-zA-Z0-9]*)(\.[A-Za-z]+)?")


class Reference(NamedTuple):
    """A value that a call or an output of its template takes from another call.

    Attributes:
        producer: Name of the call that it is taken from.
        output: The name of a parameter; empty for all parameters, and `STDOUT` for standard output.
        is_guarded: Whether something is said for the case that there is no value.
        is_awaited: Whether the controller waits until there is a value; what a template gives back is taken as it is.
    """

    producer: str
    output: str
    is_guarded: bool
    is_awaited: bool = True

    @property
    def is_named(self) -> bool:
        """Whether it is one declared parameter."""
        return self.output not in ("", STDOUT)


def endless_calls(document: Document) -> Iterator[tuple[str, str]]:
    """Templates that call themselves, with nothing on the way that could stop it."""
    parents = {template.name: template for template in document.templates if template.is_parent}
    circles = _circles({template.name: parents.keys() & template.called for template in parents.values()})
    if circles:
        circles = _circles({template.name: _always_called(document, template) for template in parents.values()})
    for template in document.templates:
        if template.name in circles:
            yield template.where, "the template calls itself, and no call on the way has a condition"


def _always_called(document: Document, template: Template) -> set[str]:
    """Templates with calls that one calls under no condition."""
    called = [document.called(call) for call in template.calls if not _is_optional(call)]
    return {one.name for one in called if one is not None and one.is_parent}


def _circles(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Names on arrows that lead back to them, or between such names."""
    return _without_ends(_turned(_without_ends(_turned(edges))))


def _turned(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The same arrows the other way round."""
    turned: dict[str, set[str]] = {name: set() for name in edges}
    for name, others in edges.items():
        for other in others:
            turned[other].add(name)
    return turned


def _without_ends(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """What is left when names that no arrow leads to are taken away, again and again."""
    counts = dict.fromkeys(edges, 0)
    for others in edges.values():
        for other in others:
            counts[other] += 1
    waiting = [name for name, count in counts.items() if not count]
    gone = set(waiting)
    while waiting:
        for other in edges[waiting.pop()]:
            counts[other] -= 1
            if not counts[other]:
                gone.add(other)
                waiting.append(other)
    return {name: others - gone for name, others in edges.items() if name not in gone}


def missing_results(document: Document) -> Iterator[tuple[str, str]]:
    """Standard output, or all outputs at once, of tasks that may be skipped."""
    for where, consumer, producer, reference in _doubtful(document):
        if reference.is_awaited and not reference.is_named and not _is_list(producer):
            yield where, f"{consumer} takes {_shown(reference)} of {producer.name!r}, which may be skipped"


def missing_parameters(document: Document) -> Iterator[tuple[str, str]]:
    """Outputs of tasks that may be skipped, where no side has a default."""
    for where, consumer, producer, reference in _doubtful(document):
        is_ours = reference.is_named or not reference.is_awaited
        if is_ours and not _is_list(producer) and not _is_covered(document, producer, reference):
            yield where, f"{consumer} takes {_shown(reference)} of {producer.name!r}, which may be skipped"


def results_of_lists(document: Document) -> Iterator[tuple[str, str]]:
    """Outputs of tasks that run once per item of a list that may be empty, where nothing is said for that case."""
    for where, consumer, producer, reference in _doubtful(document):
        if _is_list(producer) and not (reference.is_named and _is_covered(document, producer, reference)):
            yield where, f"{consumer} takes {_shown(reference)} of {producer.name!r}, whose list may be empty"


def _is_covered(document: Document, producer: Call, reference: Reference) -> bool:
    return reference.is_guarded or _has_default(document.called(producer), reference.output)


def _shown(reference: Reference) -> str:
    return repr(reference.output) if reference.is_named else "the result" if reference.output else "all outputs"


def outputs_of_failures(document: Document) -> Iterator[tuple[str, str]]:
    """Outputs without a default of tasks that may fail while the workflow goes on."""
    for template in document.templates:
        producers = {call.name: call for call in template.calls}
        calls = template.calls if "continueOn" in template.fields_of_calls else ()
        going_on = {call.name for call in calls if _goes_on(call)}
        only = None if going_on else FAILED
        for where, consumer, depends, references in _references(document, template, producers, only):
            failing = going_on | {name for name, _ in NAMES_OF_FAILED.findall(depends)}
            for reference in references:
                called = document.called(producers[reference.producer])
                if reference.producer in failing and not _has_default(called, reference.output):
                    shown = _shown(reference)
                    yield where, f"{consumer} takes {shown} of {reference.producer!r}, which may have failed"


def _goes_on(producer: Call) -> bool:
    goes_on = mapping(producer.data.get("continueOn"))
    return bool(goes_on.get("failed") or goes_on.get("error"))


def _doubtful(document: Document) -> list[tuple[str, str, Call, Reference]]:
    """References to calls that may not have run when their value is taken."""
    found: list[tuple[str, str, Call, Reference]] | None = document.remembered.get("doubtful")
    if found is None:
        found = document.remembered["doubtful"] = list(_find_doubtful(document))
    return found


def _find_doubtful(document: Document) -> Iterator[tuple[str, str, Call, Reference]]:
    for template in document.templates:
        producers = _may_be_missing(template)
        if not producers:
            continue
        consumers = {call.where: call for call in template.calls}
        for where, consumer, depends, references in _references(document, template, producers):
            for reference in references:
                producer = producers[reference.producer]
                condition = _condition(consumers[where]) if where in consumers else ""
                if not _runs_only_after(condition, depends, producer):
                    yield where, consumer, producer, reference


def _may_be_missing(template: Template) -> dict[str, Call]:
    """Calls by name that may be skipped or, because of others, left out."""
    found = {call.name: call for call in template.calls if _is_optional(call)}
    waiting = [call for call in template.calls if ".Succeeded" in call.depends]
    while more := {call.name: call for call in waiting if call.name not in found and _is_left_out_with(found, call)}:
        found |= more
    return found


def _is_optional(call: Call) -> bool:
    return (
        ("when" in call.data and _is_conditional(call))
        or ("withParam" in call.data and _is_list(call))
        or _is_branch(call.depends)
    )


def _is_branch(depends: str) -> bool:
    return ("." in depends or "!" in depends) and BRANCHING.search(depends) is not None


def _is_conditional(call: Call) -> bool:
    """Whether the whole call may be skipped; a condition on the item skips single items."""
    condition = _condition(call)
    return condition not in ALWAYS and not (ITEM.search(condition) and any(field in call.data for field in LOOPS))


def _is_list(call: Call) -> bool:
    """Whether it runs once per item of a list that may be empty, and under no condition."""
    items = text(call.data.get("withParam")).strip()
    is_literal = items.startswith("[") and "{{" not in items and items.strip("[] \n")
    return bool(items) and not is_literal and not _is_conditional(call)


def _is_left_out_with(missing: Mapping[str, Call], call: Call) -> bool:
    named = NAME_IN_DEPENDS.findall(call.depends)
    return any(name in missing and state == ".Succeeded" for name, state in named)


def _runs_only_after(condition: str, depends: str, producer: Call) -> bool:
    """Whether a consumer runs only when its producer has run."""
    if condition not in ALWAYS and (condition == _condition(producer) or producer.name in _asked_for_status(condition)):
        return True
    if "||" in depends or "!" in depends:
        return False
    if producer.name in depends.split(" && "):
        return not _is_conditional(producer) and not _is_list(producer)
    named = dict(NAME_IN_DEPENDS.findall(depends))
    if named.get(producer.name) == ".Succeeded":
        return True
    return named.get(producer.name) == "" and not _is_conditional(producer) and not _is_list(producer)


def _condition(call: Call) -> str:
    return text(call.data.get("when")).strip()


def _references(
    document: Document, template: Template, producers: Container[str], only: re.Pattern[str] | None = None
) -> Iterator[tuple[str, str, str, list[Reference]]]:
    """Where, who, its ``depends``, and what it takes: of each call, and of the outputs of the template.

    Args:
        document: The document.
        template: The template.
        producers: Names of the calls of which something is taken.
        only: What the ``depends`` of those that are asked for holds; None for all of them.
    """
    conditions = [field for field in CONDITIONS if field in template.fields_of_calls]
    for call in template.calls:
        depends = call.depends
        if only is not None and not only.search(depends):
            continue
        found: list[Reference] = []
        for parameter in call.parameters:
            value = parameter.get("value")
            if type(value) is not str or ".outputs." not in value:
                continue
            lone = PLAIN_TAG.fullmatch(value)
            if (lone is None or lone[1] in producers) and (references := _in_text(value, producers)):
                is_lone = LONE_TAG.fullmatch(value) is not None
                if is_lone and _input_has_default(document.called(call), parameter.get("name")):
                    references = [reference._replace(is_guarded=True) for reference in references]
                found += references
        for field in conditions:
            if field in call.data:
                found += _in_text(text(call.data[field]), producers)
        if found:
            yield call.where, f"the {call.kind}", depends, found
    for parameter in template.outputs if only is None else ():
        source = mapping(parameter.get("valueFrom"))
        expression = text(source.get("expression"))
        taken = _in_text(f"{text(source.get('parameter'))} {expression}", producers)
        if taken:
            is_guarded = source.get("default") is not None or "?" in expression
            references = [one._replace(is_guarded=one.is_guarded or is_guarded, is_awaited=False) for one in taken]
            yield template.where, f"the output {parameter.get('name')!r}", "", references


def _in_text(value: str, producers: Container[str]) -> list[Reference]:
    """What a text takes of some calls."""
    found = []
    for dotted, quoted, kind, dotted_output, quoted_output in REFERENCE.findall(value) if ".outputs." in value else ():
        producer = dotted or quoted
        if producer in producers:
            output = STDOUT if kind == "result" else dotted_output or quoted_output
            is_guarded = "??" in value or "== nil" in value or "!= nil" in value or producer in _asked_for_status(value)
            found.append(Reference(producer, output, is_guarded))
    return found


def _asked_for_status(value: str) -> set[str]:
    """Calls whose status decides in a text."""
    return {dotted or quoted for dotted, quoted in STATUS.findall(value)} if ".status" in value else set()


def _has_default(producer: Template | None, output: str) -> bool:
    """Whether the template called gives an output a default; one of another document is trusted to."""
    if producer is None:
        return True
    return any(
        mapping(parameter.get("valueFrom")).get("default") is not None
        for parameter in producer.outputs
        if parameter.get("name") == output
    )


def _input_has_default(called: Template | None, name: Any) -> bool:
    if called is None:
        return True
    return any(parameter.get("default") is not None for parameter in called.inputs if parameter.get("name") == name)
