"""A compiled document as rules read it: its templates, calls and values, whatever shape the data has."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, KeysView, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

KINDS: Final = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
LEAVES: Final = ("container", "script", "containerSet", "resource", "data", "http", "suspend", "plugin")
WITH_PODS: Final = ("container", "script", "containerSet", "resource", "data")
LOOPS: Final = ("withItems", "withParam", "withSequence")
LONG_IN_GO: Final = "<>&\u2028\u2029"
"""Characters that Go's JSON writes as six bytes."""

ALWAYS_IN_GO: Final = len('"creationTimestamp":null,,"status":{"startedAt":null,"finishedAt":null}')

CallKind: TypeAlias = Literal["task", "step"]
Fields: TypeAlias = Mapping[Any, Any]
NOTHING: Final[Fields] = {}


def mapping(value: Any) -> Fields:
    """The value if it is a mapping, else an empty one."""
    return value if type(value) is dict or isinstance(value, Mapping) else NOTHING


def mappings(value: Any) -> list[Fields]:
    """The mappings in a list."""
    if not isinstance(value, (list, tuple)):
        return []
    return [item for item in value if type(item) is dict or isinstance(item, Mapping)]


def text(value: Any) -> str:
    """The value if it is text, else empty text."""
    return value if isinstance(value, str) else ""


def json_bytes(data: Any) -> int:
    """Bytes of a value as the controller writes it in JSON.

    Example:
        >>> json_bytes({"a": "<é>"})
        22
    """
    return _bytes_of(json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str, skipkeys=True))


def _bytes_of(written: str) -> int:
    size = len(written) if written.isascii() else len(written.encode(errors="surrogatepass"))
    return size + sum(written.count(character) * (6 - len(character.encode())) for character in LONG_IN_GO)


class Value(NamedTuple):
    """A text that Argo hands on.

    Attributes:
        role: What it is of the thing called ``name``, such as ``the default of``; empty when it is that thing.
    """

    where: str
    role: str
    name: Any
    value: Any

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"{self.role} {self.name!r}" if self.role else str(self.name)


class Call(NamedTuple):
    """A task of a DAG or a step of a list of steps.

    Attributes:
        template: Name of the template called in the same document; empty when it is another's or stands inline.
        parameters: The parameters among its arguments.
    """

    kind: CallKind
    name: str
    where: str
    data: Fields
    template: str
    parameters: list[Fields]
    depends: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template and the calls in it. Inline templates have a name of their own here, with a blank in it."""

    name: str
    where: str
    data: Fields
    calls: tuple[Call, ...]
    inputs: list[Fields]
    outputs: list[Fields]
    called: KeysView[str]
    """Names of the templates that its calls run."""
    fields_of_calls: frozenset[Any]
    """Every field that one of its calls has."""
    handed_on: str | None
    """What its calls give as arguments, one text after another; None where a call holds more than names and texts."""

    @property
    def rest(self) -> Fields:
        """Its data without those tasks that hold nothing but names and texts."""
        if self.handed_on is None or "dag" not in self.data:
            return self.data
        return {**self.data, "dag": {**mapping(self.data["dag"]), "tasks": ()}}

    @property
    def is_parent(self) -> bool:
        """Whether it calls others."""
        return "dag" in self.data or "steps" in self.data

    @property
    def is_inline(self) -> bool:
        """Whether it stands in a call."""
        return " " in self.name

    def containers(self) -> Iterator[tuple[str, Fields]]:
        """Where and what: everything in it that runs a command."""
        for field in ("container", "script"):
            if field in self.data and isinstance(self.data[field], Mapping):
                yield f"{self.where}, {field}", self.data[field]
        for field in ("containerSet", "initContainers", "sidecars"):
            group = self.data.get(field)
            for container in mappings(mapping(group).get("containers") if field == "containerSet" else group):
                yield f"{self.where}, {field} {text(container.get('name'))}", container


@dataclass(frozen=True)
class Document:
    """An object of Argo's.

    Attributes:
        version: Version of Argo that it is written for, as numbers.
        spec: The specification of the workflow, also of a CronWorkflow's.
        templates: All templates, those that stand inline after the one that holds them.
        remembered: What rules have found out and others need too.
    """

    kind: str
    name: str
    version: tuple[int, ...]
    data: Fields
    metadata: Fields
    spec: Fields
    templates: tuple[Template, ...]
    by_name: Mapping[str, Template]
    remembered: dict[str, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)

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

    @property
    def title(self) -> str:
        """Kind and name."""
        return f"{self.kind} {self.name}".rstrip()

    @property
    def arguments(self) -> list[Fields]:
        """The parameters of the workflow."""
        return mappings(mapping(self.spec.get("arguments")).get("parameters"))

    @functools.cached_property
    def size(self) -> int:
        """Bytes of the object as JSON."""
        try:
            written = self._written
        except TypeError:
            return json_bytes(self.data)
        return _bytes_of(written) - written.count("\n")

    @functools.cached_property
    def _written(self) -> str:
        """The object as JSON with the end of a line, which texts in it cannot have, behind each sign between values."""
        return json.dumps(self.data, ensure_ascii=False, separators=(",\n", ":\n"), check_circular=False)

    @property
    def text(self) -> str:
        """The object as JSON on one line, with its end.

        Raises:
            TypeError: Something in it is no JSON.
        """
        line = self._written.replace("\n", " ")
        line += "\n"  # in place: it is long
        return line

    @functools.cached_property
    def kept_size(self) -> int:
        """Bytes of a workflow as the controller keeps it: it writes some empty fields that nobody wrote."""
        size = self.size + _empty(("arguments",), self.spec)
        for template in self.templates:
            size += _empty(("inputs", "outputs", "metadata"), template.data)
            size += len('"arguments":{},') * sum("arguments" not in call.data for call in template.calls)
            for _, container in template.containers():
                size += _empty(("resources",), container) + len('"name":"",') * ("name" not in container)
        return size + ALWAYS_IN_GO

    @functools.cached_property
    def given(self) -> list[Value]:
        """Arguments of calls and hooks, where tags are meant, but for printable texts without expressions."""
        holders = [
            (call.where, call.parameters)
            for template in self.templates
            if template.handed_on is None or not _is_plain(template.handed_on)
            for call in template.calls
        ]
        for where, holder in self.hook_holders:
            for name, hook in mapping(holder["hooks"]).items():
                place = f"{where}, hook {name}" if where else f"hook {name}"
                holders.append((place, mappings(mapping(mapping(hook).get("arguments")).get("parameters"))))
        return [
            Value(where, "the value of", parameter.get("name"), parameter.get("value"))
            for where, parameters in holders
            for parameter in parameters
            if not _is_plain(parameter.get("value"))
        ]

    @functools.cached_property
    def constants(self) -> list[Value]:
        """What is data, where no tag is meant: values of the workflow's parameters, defaults, choices and items."""
        holders = [("arguments", self.arguments)]
        holders += [(template.where, template.inputs) for template in self.templates]
        found = [value for where, held in holders for parameter in held for value in _of_parameter(where, parameter)]
        for template in self.templates:
            for parameter in template.outputs:
                default = mapping(parameter.get("valueFrom")).get("default")
                if default is not None:
                    found.append(Value(template.where, "the default of the output", parameter.get("name"), default))
            for call in template.calls if "withItems" in template.fields_of_calls else ():
                if "withItems" in call.data and isinstance(call.data["withItems"], list | tuple):
                    items = map(_as_inserted, call.data["withItems"])
                    found += [Value(call.where, "", f"item {index}", item) for index, item in enumerate(items)]
        return found

    @functools.cached_property
    def hook_holders(self) -> list[tuple[str, Fields]]:
        """Where and what: the workflow and calls that have hooks."""
        holders = [template for template in self.templates if "hooks" in template.fields_of_calls]
        calls = [call for template in holders for call in template.calls if "hooks" in call.data]
        own = [("", self.spec)] if "hooks" in self.spec else []
        return [*own, *((call.where, call.data) for call in calls)]

    def default(self, field: str) -> Fields:
        """What ``templateDefaults`` says of a field."""
        return mapping(mapping(self.spec.get("templateDefaults")).get(field))

    def called(self, call: Call) -> Template | None:
        """The template that a call runs, if it stands in this document."""
        return self.by_name.get(_name_of_called(call))


def _empty(fields: tuple[str, ...], data: Fields) -> int:
    return sum(len(f'"{field}":{{}},') for field in fields if field not in data)


def _templates(spec: Fields) -> Iterator[Template]:
    waiting = [
        (text(data.get("name")), f"template {text(data.get('name'))}".rstrip(), data)
        for data in reversed(mappings(spec.get("templates")))
    ]
    while waiting:
        name, where, data = waiting.pop()
        calls = tuple(_calls(where, data))
        inputs, outputs = (mappings(mapping(data.get(side)).get("parameters")) for side in ("inputs", "outputs"))
        called = dict.fromkeys([_name_of_called(call) for call in calls]).keys()
        fields = frozenset().union(*[call.data for call in calls])
        yield Template(name, where, data, calls, inputs, outputs, called, fields, _handed_on(calls, fields))
        waiting += [
            (_inline_name(call), call.where, call.data["inline"])
            for call in (reversed(calls) if "inline" in fields else ())
            if isinstance(call.data.get("inline"), Mapping)
        ]


_USUAL: Final = frozenset(("name", "template", "depends", "when", "arguments"))
BETWEEN: Final = " | "
"""What stands between texts that are searched together, so that no tag is found over the end of one."""


def _handed_on(calls: Iterable[Call], fields: frozenset[Any]) -> str | None:
    """See `Template`."""
    parameters = [parameter for call in calls for parameter in call.parameters]
    arguments = [call.data["arguments"] for call in calls if "arguments" in call.data]
    try:
        is_usual = fields <= _USUAL and frozenset().union(*arguments) <= {"parameters"}
        _, values = (BETWEEN.join([parameter[field] for parameter in parameters]) for field in ("name", "value"))
    except (KeyError, TypeError):  # a parameter has no name or value, or one that is no text
        return None
    return values if is_usual and sum(map(len, parameters)) == 2 * len(parameters) else None


def _name_of_called(call: Call) -> str:
    return call.template or _inline_name(call)


def _inline_name(call: Call) -> str:
    return f"in {call.where}"


def _calls(where: str, data: Fields) -> Iterator[Call]:
    if "dag" in data:
        for task in mappings(mapping(data["dag"]).get("tasks")):
            yield _call("task", where, task)
    if "steps" in data and isinstance(data["steps"], list | tuple):
        for group in data["steps"]:
            for step in mappings(group if isinstance(group, list | tuple) else [group]):
                yield _call("step", where, step)


def _call(kind: CallKind, where: str, data: Fields) -> Call:
    name = text(data.get("name"))
    parameters = mappings(mapping(data["arguments"]).get("parameters")) if "arguments" in data else []
    depends = text(data.get("depends"))
    return Call(kind, name, f"{where}, {kind} {name}", data, text(data.get("template")), parameters, depends)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and "{{=" not in value and value.isprintable()


def _of_parameter(where: str, parameter: Fields) -> Iterator[Value]:
    name = parameter.get("name")
    for field in ("value", "default"):
        if field in parameter and parameter[field] is not None:
            yield Value(where, f"the {field} of", name, parameter[field])
    if "enum" in parameter and isinstance(parameter["enum"], list | tuple):
        for choice in parameter["enum"]:
            yield Value(where, "a choice of", name, choice)


def _as_inserted(item: Any) -> str:
    """What stands in the place of ``{{item}}``."""
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, default=str, skipkeys=True)
