"""What a compiled step is to its surroundings: a template, what it must be given, and how its outputs are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from couler.backends.argo.names import NameTable, parameter_name
from couler.backends.argo.values import Form, Source
from couler.core.ir.json import EMPTY
from couler.core.ir.model import (
    FirstOf,
    ItemRef,
    OutputRef,
    ParameterRef,
    RoundRef,
    Step,
    Value,
)

_encode = json.JSONEncoder(ensure_ascii=False).encode
ABSENT = "absent"
"""Text of an output of a group that comes from a skipped step; no JSON, so it is no value."""
STATUS = "couler-status"
"""Output of a step whose failure is allowed: ``succeeded``, ``skipped`` or ``failed``."""
UNWRITTEN = "couler-unwritten"
"""What stands for a default that Argo would evaluate."""
ITEMS = "couler-items-"
"""Prefix of outputs that hold a list as the JSON texts of its items."""


@dataclass(frozen=True, slots=True)
class Result:
    """How an output of a unit is read.

    Attributes:
        form: See `couler.backends.argo.values.Source`.
        type: Type of the value.
        stdout: It is the standard output, not a parameter.
        may_lack: It may be `ABSENT`.
        default: The text that `UNWRITTEN` stands for.
    """

    form: Form = "json"
    type: str = "any"
    stdout: bool = False
    may_lack: bool = False
    default: str = ""

    def path(self, name: str) -> str:
        """Where it is, below the name of a task."""
        return "outputs.result" if self.stdout else f"outputs.parameters.{parameter_name(name)}"


@dataclass(frozen=True, eq=False)
class Items:
    """What a map gets instead of a value: the items of a step, as a list of their JSON texts."""

    step: Step


class Text(NamedTuple):
    """What a template gets instead of a value: a piece of text that it puts into its container as it is."""

    text: str


Given: TypeAlias = "Value | Items | Text"


class Unit(NamedTuple):
    """A template and its interface.

    Attributes:
        template: Name of the template.
        parameters: Input parameter to the value that it gets in the scope of the step.
        artifacts: Input artifact to the file that it gets.
        results: Values that it gives.
        files: Files that it gives: name to type.
        has_status: It never fails, and says by `STATUS` how its step ended.
        items: Outputs that it also gives in the form of `ITEMS`.
    """

    template: str
    parameters: Mapping[str, Given] = EMPTY
    artifacts: Mapping[str, Value] = EMPTY
    results: Mapping[str, Result] = EMPTY
    files: Mapping[str, str] = EMPTY
    has_status: bool = False
    items: frozenset[str] = frozenset()


class Templates:
    """The templates of a workflow; equal ones are shared."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self._names = NameTable()
        self._by_content: dict[str, str] = {}

    def reserve(self, name: str) -> str:
        """A free name, for a template that refers to itself."""
        return self._names.add(name)

    def add(self, name: str, body: Mapping[str, Any], *, own: bool = False) -> str:
        """The name of a template with this body; ``own`` makes one that nobody else shares."""
        if own:
            name = self._names.add(name)
            self.found.append({"name": name, **body})
            return name
        key = _encode(body)
        found = self._by_content.get(key)
        if found is None:
            found = self._by_content[key] = self._names.add(name)
            self.found.append({"name": found, **body})
        return found

    def put(self, name: str, body: Mapping[str, Any]) -> None:
        """Add a template under a reserved name."""
        self.found.append({"name": name, **body})


class Holes:
    """The view from inside a template: what comes from outside becomes an input of the template.

    Args:
        scope: The view of the scope in which the step stands; it knows types and what is visible everywhere.
        zipped: Whether the current item holds the items of several lists.
        taken: Names that inputs have already.
        anonymous: Whether inputs are numbered and not named, so that many steps can share the template.
    """

    def __init__(
        self, scope: ScopeTypes, zipped: bool = False, taken: Iterable[str] = (), *, anonymous: bool = False
    ) -> None:
        self._anonymous = anonymous
        self.parameters: dict[str, Value] = {}
        self._scope = scope
        self._zipped = zipped
        self._names = NameTable(taken)
        self._by_value: dict[Value, str] = {}

    def named(self, name: str, value: Value) -> str:
        """A hole with a name of its own; gives the name of the parameter."""
        name = self._names.add(parameter_name(name))
        self.parameters[name] = value
        return name

    def hole(self, name: str, value: Value) -> Source:
        """The input that holds a value; equal values share one."""
        found = self._by_value.get(value)
        if found is None:
            found = self._by_value[value] = self.named("value" if self._anonymous else name, value)
        return Source(f"inputs.parameters.{found}", type=self._scope.type_of(value))

    def whole(self, value: Value) -> Source | None:
        """Joins and values with defaults are decided outside."""
        if isinstance(value, FirstOf):
            return self.hole(value.options[0].step if value.options else "first", value)
        if isinstance(value, OutputRef) and value.default is not None:
            return self.hole(_ref_name(value), value)
        return None

    def parameter(self, name: str) -> Source:
        """Parameters of the workflow are seen everywhere, those of groups are handed in."""
        found = self._scope.global_parameter(name)
        return found if found is not None else self.hole(name, ParameterRef(name=name))

    def output(self, step: str, output: str) -> Source:
        """Outputs are handed in whole; paths into them are followed inside."""
        ref = OutputRef(step=step, output=output)
        return self.hole(_ref_name(ref), ref)

    def item(self, name: str) -> Source:
        """The item, or the items of several lists in one object."""
        found = self.hole("item", ItemRef(name=""))
        return Source(found.tag, prefix=(name,)) if self._zipped else found

    def round(self) -> Source:
        """The number of the round."""
        found = self.hole("round", RoundRef())
        return Source(found.tag, type="int")

    def loop_output(self, output: str) -> Source:
        """Never asked for: only the condition of a loop sees the outputs of the last round."""
        raise AssertionError(output)

    def run(self, field: str) -> Source:
        """A fact about the run."""
        return self._scope.run(field)

    def status(self, step: str, wanted: str) -> str:
        """Never asked for: only the scope sees statuses."""
        raise AssertionError(step)


class ScopeTypes:
    """What `Holes` asks of the scope around it.

    Attributes:
        read: Outputs that something in the scope reads, by step.
        exports: Outputs that exit handlers read: step to output to global name.
    """

    read: Mapping[str, set[str]] = {}
    exports: Mapping[str, Mapping[str, str]] = {}

    @property
    def large(self) -> Mapping[str, frozenset[str]]:
        """Outputs that may be kept as artifacts, by step; see `couler.backends.argo.large.large_outputs`."""
        raise NotImplementedError

    def type_of(self, value: Value) -> str:
        """Type of a value."""
        raise NotImplementedError

    def global_parameter(self, name: str) -> Source | None:
        """A parameter that is seen in every template, or None."""
        raise NotImplementedError

    def run(self, field: str) -> Source:
        """A fact about the run."""
        raise NotImplementedError


def _ref_name(ref: OutputRef) -> str:
    return ref.step if ref.output == "result" else f"{ref.step}-{ref.output}"


def inputs_of(parameters: Iterable[str], artifacts: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """``inputs`` of a template, or nothing."""
    inputs: dict[str, Any] = {}
    names = [{"name": name} for name in parameters]
    files = list(artifacts)
    if names:
        inputs["parameters"] = names
    if files:
        inputs["artifacts"] = files
    return {"inputs": inputs} if inputs else {}


def outputs_of(parameters: list[dict[str, Any]], artifacts: list[dict[str, Any]]) -> dict[str, Any]:
    """``outputs`` of a template, or nothing."""
    outputs: dict[str, Any] = {}
    if parameters:
        outputs["parameters"] = parameters
    if artifacts:
        outputs["artifacts"] = artifacts
    return {"outputs": outputs} if outputs else {}


def arguments_of(parameters: Mapping[str, str], artifacts: list[dict[str, Any]]) -> dict[str, Any]:
    """``arguments`` of a task, or nothing."""
    arguments: dict[str, Any] = {}
    if parameters:
        arguments["parameters"] = [{"name": name, "value": value} for name, value in parameters.items()]
    if artifacts:
        arguments["artifacts"] = artifacts
    return {"arguments": arguments} if arguments else {}


def passed_on(unit: Unit, **own: str) -> dict[str, Any]:
    """``arguments`` that hand a template's own inputs on to a task inside it; ``own`` are given otherwise."""
    parameters = {name: own.get(name, f"{{{{inputs.parameters.{name}}}}}") for name in unit.parameters}
    files = [{"name": name, "from": f"{{{{inputs.artifacts.{name}}}}}"} for name in unit.artifacts]
    return arguments_of(parameters, files)
