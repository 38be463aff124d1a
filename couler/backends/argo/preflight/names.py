"""Names that Argo, Kubernetes or the language of ``depends`` do not take."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

from couler.backends.argo.preflight.reading import WITH_PODS, Call, Document, Fields, Template, mapping, mappings, text

FIELD_NAME: Final = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
VALUE_NAME: Final = re.compile(r"[-a-zA-Z0-9_]+")
FILE_NAME: Final = re.compile(r"[-a-zA-Z0-9_{}.]+")
OBJECT_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LONGEST: Final = 128
LONGEST_OBJECT: Final = {"CronWorkflow": 52}
LONGEST_LABEL: Final = 63
KEYWORDS: Final = frozenset(
    [
        "in",
        "not",
        "and",
        "or",
        "matches",
        "contains",
        "startsWith",
        "endsWith",
        "true",
        "false",
        "nil",
        "let",
        "if",
        "else",
    ],
)
RESERVED: Final = frozenset(("wait", "supervisor"))
LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
WORD: Final = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")


def length(document: Document) -> Iterator[tuple[str, str]]:
    """Names of objects that do not fit into a label."""
    name = text(document.metadata.get("name"))
    longest = LONGEST_OBJECT.get(document.kind, LONGEST_LABEL)
    if len(name) > longest:
        yield "", f"the name has {len(name)} characters, and a {document.kind}'s may have {longest}"


def characters(document: Document) -> Iterator[tuple[str, str]]:
    """Names of objects with characters that Kubernetes does not take."""
    name, stem = text(document.metadata.get("name")), text(document.metadata.get("generateName"))
    if name and not OBJECT_NAME.fullmatch(name):
        yield "", f"the name {name!r} has characters that names of objects may not have"
    elif stem and not name and not OBJECT_NAME.fullmatch(f"{stem}x"):
        yield "", f"the start of the name {stem!r} has characters that names of objects may not have"


def templates_and_tasks(document: Document) -> Iterator[tuple[str, str]]:
    """Names of templates, tasks and steps that the schema refuses."""
    for template in document.templates:
        if not template.is_inline:
            yield from _field_name(template.where, template.name, "the template")
        for call in template.calls:
            if not FIELD_NAME.fullmatch(call.name) or len(call.name) > LONGEST:
                yield from _field_name(call.where, call.name, f"the {call.kind}") if "{{" not in call.name else ()


def _field_name(where: str, name: str, what: str) -> Iterator[tuple[str, str]]:
    if len(name) > LONGEST:
        yield where, f"the name of {what} has {len(name)} characters, and may have {LONGEST}"
    if not FIELD_NAME.fullmatch(name):
        yield where, f"{what} is called {name!r}, and may have letters, digits and hyphens only"


def uppercase(document: Document) -> Iterator[tuple[str, str]]:
    """Templates whose pods would have capital letters in their names."""
    for template in document.templates:
        if not template.is_inline and template.name != template.name.lower() and _has_pods(template):
            yield template.where, f"the template is called {template.name!r}, with capital letters"


def _has_pods(template: Template) -> bool:
    return any(field in template.data for field in WITH_PODS)


def keywords(document: Document) -> Iterator[tuple[str, str]]:
    """Tasks whose name is a word of the expression language and that others depend on."""
    for template in document.templates:
        suspects = [call for call in template.calls if call.name in KEYWORDS]
        named = {word for call in template.calls for word in _depended_on(call)} if suspects else set()
        for call in suspects:
            if call.name in named:
                yield call.where, f"the task is called {call.name!r}, and others depend on it"


def _depended_on(call: Call) -> Iterator[str]:
    yield from WORD.findall(call.depends)
    dependencies = call.data.get("dependencies")
    yield from map(text, dependencies if isinstance(dependencies, list | tuple) else ())


def leading_digits(document: Document) -> Iterator[tuple[str, str]]:
    """Tasks that begin with a digit where ``depends`` or ``dependencies`` is used."""
    for template in document.templates:
        suspects = [call for call in template.calls if call.kind == "task" and call.name[:1].isdigit()]
        is_for_all = bool(suspects) and any(call.data.get("depends") for call in template.calls)
        for call in suspects:
            if is_for_all or call.data.get("dependencies"):
                yield call.where, f"the name {call.name!r} begins with a digit"


def values_and_files(document: Document) -> Iterator[tuple[str, str]]:
    """Names of parameters and artifacts that the schema refuses."""
    for where, what, names in _suspect_parts(document):
        rule = VALUE_NAME if what == "parameter" else FILE_NAME
        for name in names:
            if not (isinstance(name, str) and rule.fullmatch(name)):
                yield where, f"the {what} is called {name!r}, and may have letters, digits, hyphens and _ only"


def _suspect_parts(document: Document) -> list[tuple[str, str, list[Any]]]:
    """Where, what, and the names of the parameters or artifacts there, where these are not plainly good."""
    found: list[tuple[str, str, list[Any]]] | None = document.remembered.get("suspect parts")
    if found is None:
        named = ((where, what, [part.get("name") for part in parts]) for where, what, parts in _parts(document))
        found = document.remembered["suspect parts"] = [part for part in named if not _are_plain(part[2])]
    return found


def _are_plain(names: list[Any]) -> bool:
    """Whether each is a good name that stands there once."""
    texts = [name for name in names if type(name) is str and VALUE_NAME.fullmatch(name)]
    return len(set(texts)) == len(names)


def _name_plainly(calls: Iterable[Call]) -> bool:
    """As `_are_plain`, of all parameters of calls that hold nothing but names and texts."""
    names = [[parameter["name"] for parameter in call.parameters] for call in calls]
    every = set(chain.from_iterable(names))
    return _are_plain([*every]) and sum(map(len, map(set, names))) == sum(map(len, names))


def _parts(document: Document) -> Iterator[tuple[str, str, list[Fields]]]:
    """Where, what, and the parameters or artifacts there; without those of calls that are plainly good."""
    yield "arguments", "parameter", document.arguments
    yield "arguments", "artifact", mappings(mapping(document.spec.get("arguments")).get("artifacts"))
    for template in document.templates:
        yield template.where, "parameter", template.inputs
        yield template.where, "parameter", template.outputs
        for side in ("inputs", "outputs"):
            if side in template.data:
                yield template.where, "artifact", mappings(mapping(template.data[side]).get("artifacts"))
        if template.handed_on is not None and _name_plainly(template.calls):
            continue
        for call in template.calls:
            if call.parameters:
                yield call.where, "parameter", call.parameters
            if files := mapping(call.data.get("arguments")).get("artifacts"):
                yield call.where, "artifact", mappings(files)


def twice(document: Document) -> Iterator[tuple[str, str]]:
    """Templates, tasks and parameters of one name."""
    named = [template.name for template in document.templates if not template.is_inline]
    yield from (("", f"{count} templates are called {name!r}") for name, count in _repeated(named))
    for template in document.templates:
        for name, count in _repeated([call.name for call in template.calls]):
            yield template.where, f"{count} tasks are called {name!r}"
    for where, what, names in _suspect_parts(document):
        for name, count in _repeated([text(name) for name in names]):
            yield where, f"{count} {what}s are called {name!r}"


def _repeated(names: list[str]) -> list[tuple[str, int]]:
    if len(set(names)) == len(names):
        return []
    return [(name, count) for name, count in Counter(names).items() if count > 1]


def containers(document: Document) -> Iterator[tuple[str, str]]:
    """Containers with names that Argo keeps for itself."""
    for template in document.templates:
        for where, container in template.containers():
            name = text(container.get("name"))
            if name in RESERVED or name.startswith("artifact-plugin-"):
                yield where, f"the container is called {name!r}"


def main_container(document: Document) -> Iterator[tuple[str, str]]:
    """Container sets that exchange files or values and have no container ``main``."""
    for template in document.templates:
        held = mapping(template.data.get("containerSet"))
        names = {text(container.get("name")) for container in mappings(held.get("containers"))}
        inputs, outputs = mapping(template.data.get("inputs")), mapping(template.data.get("outputs"))
        is_exchanging = inputs.get("artifacts") or outputs.get("artifacts") or outputs.get("parameters")
        if held and is_exchanging and "main" not in names:
            yield template.where, "the containers have outputs or input files, and none is called 'main'"


def labels(document: Document) -> Iterator[tuple[str, str]]:
    """Labels that Kubernetes does not take, on the object, on runs of it and on pods."""
    outer = mapping(mapping(document.data.get("spec")).get("workflowMetadata"))
    holders = [("", document.metadata), ("workflowMetadata", outer)]
    holders += [(field, mapping(document.spec.get(field))) for field in ("workflowMetadata", "podMetadata")]
    holders += [(template.where, mapping(template.data.get("metadata"))) for template in document.templates]
    chosen = [("", document.spec), *((template.where, template.data) for template in document.templates)]
    holders += [(where, {"labels": data["nodeSelector"]}) for where, data in chosen if "nodeSelector" in data]
    for where, holder in holders:
        for key, value in mapping(holder.get("labels")).items():
            if not _is_label_key(text(key)):
                yield where, f"the label {key!r} has a name that labels may not have"
            if "{{" not in text(value) and not _is_label(text(value)):
                yield where, f"the label {key!r} has the value {value!r}, which labels may not have"


def _is_label_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return bool(name) and _is_label(name) and (not slash or bool(OBJECT_NAME.fullmatch(prefix)))


def _is_label(value: str) -> bool:
    return len(value) <= LONGEST_LABEL and LABEL.fullmatch(value) is not None
