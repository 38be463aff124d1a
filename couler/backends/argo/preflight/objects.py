"""Names of Kubernetes objects, and places for pods, that the API server refuses when a step's pod is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from couler.backends.argo.preflight.reading import Document, Fields, mapping
from couler.backends.argo.schema import problems_of


class Form(NamedTuple):
    """What names of one kind look like: the pattern, the most characters, and the rule in words."""

    pattern: re.Pattern[str]
    longest: int
    words: str


_AROUND: Final = "with letters or digits around them"
_LABEL: Final = Form(
    re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"), 63, f"small letters, digits and '-', {_AROUND} (DNS-1123 label)"
)
_SUBDOMAIN: Final = Form(
    re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"), 253,
    f"small letters, digits, '-' and '.', {_AROUND} (DNS-1123 subdomain)",
)  # fmt: skip
_KEY: Final = Form(re.compile(r"(?!\.\.?$)[-._a-zA-Z0-9]+"), 253, "letters, digits, '-', '_' and '.'")

NAMES: Final[Mapping[str, tuple[str, Form]]] = {
    "metadata.namespace": ("namespace", _LABEL),
    "serviceAccountName": ("service account", _SUBDOMAIN),
    "priorityClassName": ("priority class", _SUBDOMAIN),
    "podPriorityClassName": ("priority class", _SUBDOMAIN),
    "secretName": ("secret", _SUBDOMAIN),
    "secretRef.name": ("secret", _SUBDOMAIN),
    "secretKeyRef.name": ("secret", _SUBDOMAIN),
    "secretKeyRef.key": ("key of a secret", _KEY),
    "imagePullSecrets.name": ("secret", _SUBDOMAIN),
    "claimName": ("volume claim", _SUBDOMAIN),
    "configMap.name": ("config map", _SUBDOMAIN),
    "configMapRef.name": ("config map", _SUBDOMAIN),
    "configMapKeyRef.name": ("config map", _SUBDOMAIN),
    "configMapKeyRef.key": ("key of a config map", _KEY),
    "artifactRepositoryRef.configMap": ("config map", _SUBDOMAIN),
    "templateRef.name": ("template", _SUBDOMAIN),
    "workflowTemplateRef.name": ("template", _SUBDOMAIN),
} | {
    f"{field}.{part}": (what, form)
    for field in (
        "accessKeySecret", "secretKeySecret", "sessionTokenSecret", "serviceAccountKeySecret", "accountKeySecret",
        "usernameSecret", "passwordSecret", "sshPrivateKeySecret", "krbCCacheSecret", "krbKeytabSecret",
    )
    for part, what, form in (("name", "secret", _SUBDOMAIN), ("key", "key of a secret", _KEY))
}  # fmt: skip
"""Field, alone or behind the one that holds it, to what it names and what such names look like."""

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution": ("nodeSelectorTerms",),
    "nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution": ("weight", "preference"),
    "podAffinity.requiredDuringSchedulingIgnoredDuringExecution": ("topologyKey",),
    "podAffinity.preferredDuringSchedulingIgnoredDuringExecution": ("weight", "podAffinityTerm"),
    "podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution": ("topologyKey",),
    "podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution": ("weight", "podAffinityTerm"),
    "preferredDuringSchedulingIgnoredDuringExecution.podAffinityTerm": ("topologyKey",),
    "nodeSelectorTerms.matchExpressions": ("key", "operator"),
    "nodeSelectorTerms.matchFields": ("key", "operator"),
    "preference.matchExpressions": ("key", "operator"),
    "preference.matchFields": ("key", "operator"),
    "labelSelector.matchExpressions": ("key", "operator"),
    "namespaceSelector.matchExpressions": ("key", "operator"),
}
"""Parts of an affinity to the fields that each must have."""

_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "nodeSelectorTerms.matchExpressions": (*_OPERATORS, "Gt", "Lt"),
    "nodeSelectorTerms.matchFields": ("In", "NotIn"),
    "preference.matchExpressions": (*_OPERATORS, "Gt", "Lt"),
    "preference.matchFields": ("In", "NotIn"),
    "labelSelector.matchExpressions": _OPERATORS,
    "namespaceSelector.matchExpressions": _OPERATORS,
}
"""Parts of an affinity to the operators that they take."""

_HOLDERS: Final = frozenset(name.partition(".")[0] for name in NAMES if "." in name)
_FIELDS: Final = frozenset(name for name in NAMES if "." not in name)
_OTHERS: Final = frozenset(("annotations", "inline", "labels", "parameters", "plugin", "templates"))
"""Fields in which names of fields are data, or which are looked at by themselves."""


def names(document: Document) -> Iterator[tuple[str, str]]:
    """Names of objects that no object can have."""
    parts = [("", document.data), *((template.where, template.rest) for template in document.templates)]
    for where, data in parts:
        for place, fields in _mappings(data):
            holder = place.rpartition(".")[2]
            if holder not in _HOLDERS and _FIELDS.isdisjoint(fields):
                continue
            for field, given in fields.items():
                what, form = NAMES.get(f"{holder}.{field}") or NAMES.get(field) or ("", _KEY)
                if what and isinstance(given, str) and given and "{{" not in given and (wrong := _wrong(given, form)):
                    yield where, f"{field} names the {what} {given!r}, and {wrong}"


def _wrong(name: str, form: Form) -> str:
    if len(name) > form.longest:
        return f"it has {len(name)} characters, of which {form.longest} are allowed"
    return "" if form.pattern.fullmatch(name) else f"such names have {form.words}"


def affinities(document: Document) -> Iterator[tuple[str, str]]:
    """Affinities with unknown fields, without required ones, or with operators that do not exist."""
    version = ".".join(map(str, document.version))
    parts = [("", document.spec), *((template.where, template.data) for template in document.templates)]
    for where, data in parts:
        affinity = mapping(data.get("affinity"))
        yield from ((where, f"affinity.{problem}") for problem in problems_of("Affinity", affinity, version))
        for place, fields in _mappings(affinity, "affinity"):
            part = ".".join(place.split(".")[-2:])
            for field in REQUIRED.get(part, ()):
                if fields.get(field) in (None, "", 0, [], ()):
                    yield where, f"{place} has no {field!r}"
            operator = fields.get("operator")
            if operator is not None and part in WORDS and operator not in WORDS[part]:
                yield where, f"{place} has the operator {operator!r}, which is none of {', '.join(WORDS[part])}"
            if operator in ("In", "NotIn") and part in WORDS and not fields.get("values"):
                yield where, f"{place} has the operator {operator!r} and no 'values'"


def _mappings(value: Any, place: str = "") -> list[tuple[str, Fields]]:
    """Every mapping in a value with the dotted path of its field; items of a list are at the place of the list."""
    found: list[tuple[str, Fields]] = []
    _gather(value, place, found)
    return found


def _gather(value: Any, place: str, found: list[tuple[str, Fields]]) -> None:
    if type(value) is dict or isinstance(value, Mapping):
        found.append((place, value))
        for field, inner in value.items():
            if type(inner) is not str and field not in _OTHERS:
                _gather(inner, f"{place}.{field}" if place else str(field), found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _gather(item, place, found)
