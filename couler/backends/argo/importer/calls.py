"""Steps and tasks of a template as steps of the IR: their arguments, order, conditions and loops."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from couler.backends.argo.importer.built import Built, places, with_options
from couler.backends.argo.importer.conditions import Untranslatable, read_when
from couler.backends.argo.importer.depends import order_after, read_depends, statuses_told_apart
from couler.backends.argo.importer.difference import NOTHING, missing
from couler.backends.argo.importer.jobs import child
from couler.backends.argo.importer.library import key_of
from couler.backends.argo.importer.loops import json_list, read_loop
from couler.backends.argo.importer.process import Facts, Fields
from couler.backends.argo.importer.reading import as_text, items_of
from couler.backends.argo.importer.stores import read_location
from couler.backends.argo.importer.tags import NOWHERE, TAG, Reading, Writing
from couler.backends.argo.importer.types import calls_of
from couler.backends.argo.importer.writing import TemplateWriter, tested_for_failure
from couler.core.errors import CoulerError
from couler.core.ir import model as ir
from couler.core.ir.graph import order

if TYPE_CHECKING:
    from couler.backends.argo.importer.templates import TemplateReader

_SPELLED = ("when", "depends", "withParam", "withSequence")


class NestedReader:
    """Reads the calls of one template with steps or tasks."""

    def __init__(
        self,
        templates: TemplateReader,
        key: str,
        template: Mapping[str, Any],
        reading: Reading,
        facts: Facts,
        path: str,
    ) -> None:
        self._templates = templates
        self._key = key
        self._template = template
        self._reading = reading
        self._facts = facts
        self._path = path
        self._calls = calls_of(template)

    def read(self) -> tuple[tuple[ir.Step, ...], tuple[ir.GroupOutput, ...]]:
        """The calls as steps, and the outputs of the template."""
        self._note_layout()
        callees = {as_text(call.get("name")): self._callee(call) for call in self._calls}
        self._reading.outputs = {name: callee.outputs for name, callee in callees.items()}
        tolerant = {
            as_text(call.get("name")): (call.get("continueOn") or {}).get("failed") is True for call in self._calls
        }
        steps = [self._call(call, callees[as_text(call.get("name"))], tolerant) for call in self._calls]
        tested = tested_for_failure(steps)
        steps = [step.model_copy(update={"allow_failure": True}) if step.name in tested else step for step in steps]
        types = {step.name: _types(step, callees[step.name]) for step in steps}
        return _sorted(steps), tuple(self._outputs(types))

    def _note_layout(self) -> None:
        facts, groups = self._facts, self._template.get("steps")
        facts["kind"] = "dag" if self._template.get("dag") else "steps"
        if facts["kind"] == "steps":
            lists = [items_of(group if isinstance(group, list) else [group]) for group in groups or ()]
            facts["groups"] = [[as_text(call.get("name")) for call in group] for group in lists]
        elif any(call.get("dependencies") for call in self._calls):
            facts["dependencies"] = True

    # --- whom it calls

    def _callee(self, call: Mapping[str, Any]) -> Built:
        name = as_text(call.get("name"))
        where, target = f"{self._path}.{name}", as_text(call.get("template"))
        note = self._templates.note
        note("ARGO011", where)
        if isinstance(call.get("inline"), Mapping):
            self._facts.setdefault("inline", []).append(name)
            return self._templates.build_inline(f"{self._key}/{name}", call["inline"], where, self._reading.after_all)
        if target in self._templates.templates and not self._templates.is_open(target):
            if target != name:
                self._facts.setdefault("calls", {})[name] = target
            return self._templates.build(target, after_all=self._reading.after_all)
        reference = call.get("templateRef") or {}
        if (built := self._templates.build_other(reference, self._reading.after_all)) is not None:
            note("ARGO044", where, as_text(reference.get("name")))
            self._facts.setdefault("calls", {})[name] = key_of(reference)
            self._facts.setdefault("templateRefs", {})[name] = dict(reference)
            return built
        self._facts.setdefault("refs", []).append(name)
        if reference:
            note("ARGO042", where, as_text(reference.get("name")))
            inner = {"name": name, "templateRef": reference}
            spec: dict[str, Any] = {"entrypoint": name, "templates": [{"name": name, "steps": [[inner]]}]}
        else:
            note("ARGO041" if target in self._templates.templates else "ARGO040", where, target)
            spec = {"entrypoint": target}
        outputs = _mentioned(name, self._template)
        made = ir.Step(name=name, task=child(name, spec, outputs))
        return Built(made, outputs=dict(outputs), types=dict.fromkeys(outputs, "any"))

    # --- a call

    def _call(self, call: Mapping[str, Any], callee: Built, tolerant: Mapping[str, bool]) -> ir.Step:
        name = as_text(call.get("name"))
        where, note = f"{self._path}.{name}", self._templates.note
        fields: Fields = {"name": name, "allow_failure": tolerant[name]}
        foreach = read_loop(call, self._reading)
        if foreach is not None:
            fields["foreach"] = foreach
            note("ARGO024", where)
        elif any(call.get(word) is not None for word in ("withSequence", "withParam", "withItems")):
            note("ARGO025", where)
        fields["inputs"] = self._arguments(call, callee, replace(self._reading, item=foreach is not None))
        fields |= self._order(call, tolerant, where)
        if call.get("when") is not None:
            try:
                fields["when"] = read_when(as_text(call["when"]), self._reading)
                note("ARGO020", f"{where}.when")
            except Untranslatable as reason:
                note("ARGO021", f"{where}.when", str(reason))
        return callee.step.model_copy(update=fields)

    def _order(self, call: Mapping[str, Any], tolerant: Mapping[str, bool], where: str) -> Fields:
        name, facts = as_text(call.get("name")), self._facts
        if facts["kind"] == "steps":
            index = next(index for index, group in enumerate(facts["groups"]) if name in group)
            after, condition = order_after(facts["groups"][index - 1] if index else [], tolerant)
        elif call.get("depends"):
            text = as_text(call["depends"])
            try:
                after, condition = read_depends(text, tolerant)
            except CoulerError:
                self._templates.note("ARGO023", f"{where}.depends", text)
                return {}
            told_apart = statuses_told_apart(text)
            self._templates.note("ARGO022" if told_apart else "ARGO023", f"{where}.depends", text)
        else:
            after, condition = order_after([as_text(one) for one in call.get("dependencies") or ()], tolerant)
        fields: Fields = {"after": after} if after else {}
        return fields if condition is None else {**fields, "after_condition": condition}

    def _arguments(self, call: Mapping[str, Any], callee: Built, reading: Reading) -> tuple[ir.Input, ...]:
        task = callee.step.task
        if not isinstance(task, ir.GroupTask) and not (isinstance(task, ir.JobTask) and not callee.step.inputs):
            return callee.step.inputs
        arguments = call.get("arguments") or {}
        is_group = isinstance(task, ir.GroupTask)
        types = {one.name: one for one in task.parameters} if isinstance(task, ir.GroupTask) else {}
        given: dict[str, ir.Input] = {}
        for item in items_of(arguments.get("parameters")):
            name = as_text(item.get("name"))
            ident = callee.parameters.get(name, "" if is_group else name)
            if ident and item.get("value") is not None:
                type_ = types[ident].type if ident in types else "any"
                given[ident] = ir.Input(name=ident, value=_argument(item["value"], type_, reading), type=type_)
        for item in items_of(arguments.get("artifacts")):
            name = as_text(item.get("name"))
            if ident := callee.artifacts.get(name, "" if is_group else name):
                given[ident] = ir.Input(name=ident, value=self._file(item, reading), type="file")
        for ident, parameter in types.items():
            if ident not in given and (ident in callee.globals or parameter.default is None):
                given[ident] = ir.Input(name=ident, value=_unsaid(parameter, callee, reading), type=parameter.type)
        return tuple(given.values())

    @staticmethod
    def _file(item: Mapping[str, Any], reading: Reading) -> ir.Value:
        return reading.file(as_text(item["from"])) if item.get("from") else read_location(item)

    # --- outputs

    def _outputs(self, types: Mapping[str, Mapping[str, str]]) -> Iterator[ir.GroupOutput]:
        outputs = self._template.get("outputs") or {}
        names: set[str] = set()
        found = [(item, as_text((item.get("valueFrom") or {}).get("parameter")), "") for item in
                 items_of(outputs.get("parameters"))]  # fmt: skip
        found += [(item, as_text(item.get("from")), "file") for item in items_of(outputs.get("artifacts"))]
        for item, text, wanted in found:
            match, name = TAG.fullmatch(text.strip()), as_text(item.get("name"))
            value = self._reading.reference(match[1].strip()) if match is not None else None
            if value is None or name in names:
                continue
            seen = self._type_of(value, types)
            if wanted == "file" and seen not in ("file", "any"):
                continue
            names.add(name)
            yield ir.GroupOutput(name=name, value=value, type=wanted or seen)

    def _type_of(self, value: ir.Value, types: Mapping[str, Mapping[str, str]]) -> str:
        if isinstance(value, ir.OutputRef):
            return types.get(value.step, {}).get(value.output, "any")
        if isinstance(value, ir.ParameterRef):
            return "file" if value.name in self._reading.artifacts.values() else "any"
        return "str" if isinstance(value, (ir.Concat, ir.RunRef)) else "any"


def settled(
    templates: TemplateReader, key: str, template: Mapping[str, Any], scope: ir.Scope, writing: Writing, path: str
) -> tuple[ir.Step, ...]:
    """The steps with what the IR does not say of their calls, found by writing the calls again.

    How a condition or a loop was written is kept in the layout where it would be written in another way.
    """
    facts = templates.facts.setdefault(key, {})
    made = TemplateWriter(templates.facts).nested(scope, key, writing)
    rebuilt = {call["name"]: call for call in calls_of(made)}
    steps = []
    calls = {as_text(call.get("name")): call for call in calls_of(template)}
    for step in scope.steps:
        call = calls[step.name]
        rest = missing(call, rebuilt[step.name])
        rest = {} if rest is NOTHING else dict(rest)
        rest.pop("inline", None)
        if rest.pop("continueOn", None) is not None:
            facts.setdefault("continueOn", {})[step.name] = call["continueOn"]
        spelled = {word: rest.pop(word) for word in _SPELLED if word in rest and _is_translated(word, step)}
        if spelled:
            facts.setdefault("spelling", {})[step.name] = spelled
        for code, place in places(rest):
            templates.note(code, f"{path}.{step.name}.{place}")
        steps.append(with_options(step, {"task": rest}) if rest else step)
    return tuple(steps)


def _sorted(steps: list[ir.Step]) -> tuple[ir.Step, ...]:
    """Steps after those that they need; tasks may stand in any order."""
    try:
        return order(steps)
    except ValueError:
        return tuple(steps)


def _is_translated(word: str, step: ir.Step) -> bool:
    if word == "when":
        return step.when is not None
    if word == "depends":
        return bool(step.after) or step.after_condition is not None
    return step.foreach is not None


def _argument(given: Any, type_: str, reading: Reading) -> ir.Value:
    text = given if isinstance(given, str) else json.dumps(given) if isinstance(given, (list, dict)) else as_text(given)
    value = reading.value(text)
    if type_ == "list" and isinstance(value, ir.Constant):
        items = json_list(as_text(value.value))
        return ir.Constant(value=[] if items is None else items)
    return value


def _unsaid(parameter: ir.Parameter, callee: Built, reading: Reading) -> ir.Value:
    """The value of an input that the call does not give."""
    if parameter.name in callee.globals:
        known = reading.workflow_parameter(callee.globals[parameter.name])
        assert known is not None
        return ir.ParameterRef(name=known)
    if parameter.type == "file":
        return ir.StoredFile(url=NOWHERE)
    return ir.Constant(value=() if parameter.type == "list" else None)


def _types(step: ir.Step, callee: Built) -> dict[str, str]:
    if step.foreach is None:
        return callee.types
    return {name: f"list[{type_}]" for name, type_ in callee.types.items()}


def _mentioned(name: str, template: Mapping[str, Any]) -> dict[str, None]:
    """Outputs of a step that the rest of the template asks for."""
    pattern = rf"(?:steps|tasks)\.{re.escape(name)}\.outputs\.(?:(result)|(?:parameters|artifacts)\.([\w-]+))"
    found = re.findall(pattern, json.dumps(template, default=str))
    return dict.fromkeys(one or two for one, two in found)
