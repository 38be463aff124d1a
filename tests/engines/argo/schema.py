"""What the API server would say to an Argo document: the full CRDs, read strictly, with their rules in Python.

The CRDs are those of Argo 4.1.2. On top of what they say, unknown fields are refused (the server would prune them),
templates written inline are checked like the others, and names, labels and annotations follow Kubernetes' own rules.
"""

from __future__ import annotations

import functools
import lzma
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

DATA = Path(__file__).resolve().parents[2] / "data" / "argo"
FILES = {
    "Workflow": "crd-workflows.yaml.xz",
    "WorkflowTemplate": "crd-workflowtemplates.yaml.xz",
    "ClusterWorkflowTemplate": "crd-workflowtemplates.yaml.xz",
    "CronWorkflow": "crd-cronworkflows.yaml.xz",
}
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NAME_LIMIT = 253
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
LABEL_LIMIT = 63
ANNOTATIONS_LIMIT = 256 * 1024
METADATA = {"name", "generateName", "namespace", "labels", "annotations", "finalizers", "ownerReferences"}

# --- rules that the CRDs state in CEL, by their exact text -----------------------------------------------------

LOCATIONS = ("s3", "git", "http", "artifactory", "hdfs", "raw", "oss", "gcs", "azure", "plugin")
TEMPLATE_TYPES = (
    "container", "script", "dag", "steps", "resource", "suspend", "containerSet", "data", "http", "plugin",
)  # fmt: skip


def _at_most_one(fields: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda self: sum(field in self for field in fields) <= 1


def _count(holder: str, fields: tuple[str, ...]) -> str:
    return " + ".join(f"(has({holder}.{field}) ? 1 : 0)" for field in fields) + " <= 1"


def _is_parent(template: Mapping[str, Any]) -> bool:
    return "steps" in template or "dag" in template


RULES: dict[str, Callable[[Any], bool]] = {
    _count("self", LOCATIONS): _at_most_one(LOCATIONS),
    "!has(self.realtime) || !self.realtime || !self.value.contains('resourcesDuration.')": lambda gauge: (
        not gauge.get("realtime") or "resourcesDuration." not in gauge["value"]
    ),
    "!has(self.depends) || !has(self.dependencies)": lambda task: "depends" not in task or "dependencies" not in task,
    "!has(self.depends) || !has(self.continueOn)": lambda task: "depends" not in task or "continueOn" not in task,
    "!(has(self.depends) || has(self.dependencies)) || !self.name.matches('^[0-9]')": lambda task: (
        not ("depends" in task or "dependencies" in task) or not re.match("[0-9]", task["name"])
    ),
    "!(has(self.count) && has(self.end))": lambda sequence: not ("count" in sequence and "end" in sequence),
    "(has(self.manifest) && !has(self.manifestFrom)) || (!has(self.manifest) && has(self.manifestFrom)) || "
    "(!has(self.manifest) && !has(self.manifestFrom))": _at_most_one(("manifest", "manifestFrom")),
    f"self.all(t, {_count('t', TEMPLATE_TYPES)})": lambda templates: all(map(_at_most_one(TEMPLATE_TYPES), templates)),
    'self.all(t, !(has(t.timeout) && t.timeout != "" && (has(t.steps) || has(t.dag))))': lambda templates: (
        not any(template.get("timeout") and _is_parent(template) for template in templates)
    ),
    "self.all(t, !(has(t.activeDeadlineSeconds) && (has(t.steps) || has(t.dag))))": lambda templates: (
        not any("activeDeadlineSeconds" in template and _is_parent(template) for template in templates)
    ),
}


def problems(document: Mapping[str, Any]) -> list[str]:
    """All that the API server would refuse, as ``path: reason``; empty when it takes the document.

    Example:
        >>> problems({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "a"},
        ...     "spec": {"entrypont": "main"}})
        ["spec: unknown field 'entrypont'"]
    """
    kind = document.get("kind")
    if kind not in FILES:
        return [f"kind: {kind!r} is none of {', '.join(FILES)}"]
    found = [f"{_path(error)}: {error.message}" for error in checker(kind).iter_errors(document)]
    if document.get("apiVersion") != "argoproj.io/v1alpha1":
        found.append(f"apiVersion: {document.get('apiVersion')!r} is not 'argoproj.io/v1alpha1'")
    return found + list(_metadata_problems(document.get("metadata")))


@functools.cache
def schema(kind: str) -> dict[str, Any]:
    """The schema in the CRD of a kind."""
    if kind == "ClusterWorkflowTemplate":
        return schema("WorkflowTemplate")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    crd = yaml.load(lzma.decompress((DATA / FILES[kind]).read_bytes()), loader)
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


@functools.cache
def checker(kind: str) -> Any:
    """A jsonschema validator for a kind that also knows Kubernetes' own keywords."""
    return _VALIDATOR(schema(kind))


# --- keywords --------------------------------------------------------------------------------------------------


def _properties(validator: Any, properties: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, parent)
    for field in instance:
        if field not in properties:
            yield ValidationError(f"unknown field {field!r}")
    if "inline" in instance and "inline" in properties:
        yield from validator.descend(instance["inline"], _template_schema(), path="inline")
    if "withItems" in instance and "withItems" in properties and not isinstance(instance["withItems"], list):
        yield ValidationError("not a list", path=["withItems"])


def _type(validator: Any, types: Any, instance: Any, parent: Any) -> Iterator[ValidationError]:
    yield from Draft202012Validator.VALIDATORS["type"](validator, types, instance, parent)
    if types == "object" and parent.keys() == {"type", "description"} and instance:
        yield ValidationError(f"takes no fields, and has {instance!r}")


def _rules(_: Any, rules: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    for rule in rules:
        try:
            holds = RULES[rule["rule"]](instance)
        except (AttributeError, KeyError, TypeError):
            if rule["rule"] not in RULES:
                raise
            continue  # the shape is wrong, and said so elsewhere
        if not holds:
            yield ValidationError(rule["message"])


def _list_type(_: Any, list_type: str, instance: Any, parent: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, list) or list_type == "atomic":
        return
    fields = parent.get("x-kubernetes-list-map-keys")
    seen: list[Any] = []
    for item in instance:
        identity = [item.get(field) for field in fields] if fields and isinstance(item, dict) else item
        if identity in seen:
            yield ValidationError(f"repeats {identity}")
        seen.append(identity)


_VALIDATOR = validators.extend(
    Draft202012Validator,
    {
        "properties": _properties,
        "type": _type,
        "x-kubernetes-validations": _rules,
        "x-kubernetes-list-type": _list_type,
    },
)


def _template_schema() -> dict[str, Any]:
    found: dict[str, Any] = schema("Workflow")["properties"]["spec"]["properties"]["templates"]["items"]
    return found


def _path(error: ValidationError) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return text.removeprefix(".") or "document"


# --- metadata --------------------------------------------------------------------------------------------------


def _metadata_problems(metadata: Any) -> Iterator[str]:
    if not isinstance(metadata, dict):
        return
    for field in metadata.keys() - METADATA:
        yield f"metadata: unknown or read-only field {field!r}"
    if not metadata.get("name") and not metadata.get("generateName"):
        yield "metadata: neither name nor generateName"
    for field, suffix in (("name", ""), ("generateName", "x")):
        name = metadata.get(field)
        if name is not None and not (
            isinstance(name, str) and len(name) <= NAME_LIMIT and SUBDOMAIN.fullmatch(name + suffix)
        ):
            yield f"metadata.{field}: {name!r} is no DNS subdomain of at most {NAME_LIMIT} characters"
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            if not isinstance(value, str):
                yield f"metadata.{field}.{key}: {value!r} is no text"
            elif field == "labels" and (len(value) > LABEL_LIMIT or not LABEL.fullmatch(value)):
                yield f"metadata.labels.{key}: {value!r} is no label value"
    annotations = metadata.get("annotations") or {}
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        yield f"metadata.annotations: more than {ANNOTATIONS_LIMIT} bytes"
