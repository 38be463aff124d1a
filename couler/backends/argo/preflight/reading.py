"""A compiled document as rules read it: its templates and calls, whatever shape the data has."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

KINDS: Final = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
LEAVES: Final = ("container", "script", "containerSet", "resource", "data", "http", "suspend", "plugin")
WITH_PODS: Final = ("container", "script", "containerSet", "resource", "data")
LOOPS: Final = ("withItems", "withParam", "withSequence")

LONG_IN_GO: Final = "<>&\u2028\u2029"
"""Characters that Go's JSON writes as six bytes."""

CallKind: TypeAlias = Literal["task", "step"]


def mapping(value: Any) -> Mapping[Any, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> Iterator[Mapping[Any, Any]]:
    """The mappings in a list."""
    if isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, Mapping):
                yield item


def text(value: Any) -> str:
    """The value if it is text, else empty text."""
    return value if isinstance(value, str) else ""


def json_bytes(data: Any) -> int:
    """Bytes of a value as the controller writes it in JSON.

    Example:
        >>> json_bytes({"a": "<é>"})
        22
    """
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str, skipkeys=True)
    encoded = written.encode(errors="surrogatepass")
    return len(encoded) + sum(written.count(character) * (6 - len(character.encode())) for character in LONG_IN_GO)


@dataclass(frozen=True, slots=True)
class Call:
    """A task of a DAG or a step of a list of steps."""

    kind: CallKind
    name: str
    where: str
    data: Mapping[Any, Any]

    @property
    def template(self) -> str:
        """Name of the template called in the same document; empty when it is another's or stands inline."""
        return text(self.data.get("template"))

    @property
    def is_loop(self) -> bool:
        """Whether it runs once per item."""
        return any(self.data.get(field) is not None for field in LOOPS)


@dataclass(frozen=True, slots=True)
class Template:
    """A template and the calls in it. Inline templates have a name of their own here, with a blank in it."""

    name: str
    where: str
    data: Mapping[Any, Any]
    calls: tuple[Call, ...]

    @property
    def is_parent(self) -> bool:
        """Whether it calls others."""
        return "dag" in self.data or "steps" in self.data

    @property
    def is_inline(self) -> bool:
        """Whether it stands in a call."""
        return " " in self.name

    def parameters(self, side: Literal["inputs", "outputs"]) -> Iterator[Mapping[Any, Any]]:
        """Its input or output parameters."""
        return mappings(mapping(self.data.get(side)).get("parameters"))

    def containers(self) -> Iterator[tuple[str, Mapping[Any, Any]]]:
        """Where and what: everything in it that runs a command."""
        for field in ("container", "script"):
            if isinstance(self.data.get(field), Mapping):
                yield f"{self.where}, {field}", self.data[field]
        groups = (
            ("containers", mapping(self.data.get("containerSet")).get("containers")),
            ("initContainers", self.data.get("initContainers")),
            ("sidecars", self.data.get("sidecars")),
        )
        for field, group in groups:
            for container in mappings(group):
                yield f"{self.where}, {field} {text(container.get('name'))}", container


@dataclass(frozen=True)
class Document:
    """An object of Argo's.

    Attributes:
        version: Version of Argo that it is written for, as numbers.
        spec: The specification of the workflow, also of a CronWorkflow's.
        templates: All templates, those that stand inline after the one that holds them.
    """

    kind: str
    name: str
    version: tuple[int, ...]
    data: Mapping[Any, Any]
    metadata: Mapping[Any, Any]
    spec: Mapping[Any, Any]
    templates: tuple[Template, ...]
    by_name: Mapping[str, Template]

    @property
    def title(self) -> str:
        """Kind and name."""
        return f"{self.kind} {self.name}".rstrip()

    @functools.cached_property
    def size(self) -> int:
        """Bytes of the object as JSON."""
        return json_bytes(self.data)

    @classmethod
    def of(cls, data: Any, version: str) -> Document | None:
        """Read an object; None when it is not one of Argo's four kinds."""
        kind = mapping(data).get("kind")
        if kind not in KINDS:
            return None
        metadata = mapping(data.get("metadata"))
        outer = mapping(data.get("spec"))
        spec = mapping(outer.get("workflowSpec")) if kind == "CronWorkflow" else outer
        templates = tuple(_templates(spec))
        return cls(
            kind,
            text(metadata.get("name")) or text(metadata.get("generateName")),
            tuple(int(part) for part in version.split(".")),
            data,
            metadata,
            spec,
            templates,
            {template.name: template for template in reversed(templates)},
        )

    def default(self, field: str) -> Mapping[Any, Any]:
        """What ``templateDefaults`` says of a field."""
        return mapping(mapping(self.spec.get("templateDefaults")).get(field))

    def called(self, call: Call) -> Template | None:
        """The template that a call runs, if it stands in this document."""
        if isinstance(call.data.get("inline"), Mapping):
            return self.by_name.get(_inline_name(call))
        return self.by_name.get(call.template)


def _templates(spec: Mapping[Any, Any]) -> Iterator[Template]:
    waiting = [
        (text(data.get("name")), f"template {text(data.get('name'))}".rstrip(), data)
        for data in mappings(spec.get("templates"))
    ]
    while waiting:
        name, where, data = waiting.pop(0)
        calls = tuple(_calls(where, data))
        yield Template(name, where, data, calls)
        waiting[:0] = [
            (_inline_name(call), call.where, call.data["inline"])
            for call in calls
            if isinstance(call.data.get("inline"), Mapping)
        ]


def _inline_name(call: Call) -> str:
    return f"in {call.where}"


def _calls(where: str, data: Mapping[Any, Any]) -> Iterator[Call]:
    for task in mappings(mapping(data.get("dag")).get("tasks")):
        name = text(task.get("name"))
        yield Call("task", name, f"{where}, task {name}", task)
    groups = data.get("steps")
    for group in groups if isinstance(groups, list | tuple) else ():
        for step in mappings(group if isinstance(group, list | tuple) else [group]):
            name = text(step.get("name"))
            yield Call("step", name, f"{where}, step {name}", step)
