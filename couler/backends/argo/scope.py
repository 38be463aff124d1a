"""A workflow or a group as a DAG template: its tasks, what they wait for, when they run, and what they are given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from couler.backends.argo.attributes import attempts, describe
from couler.backends.argo.build import Build, merge_task
from couler.backends.argo.families import Families
from couler.backends.argo.files import is_file_type, location
from couler.backends.argo.large import is_large, large_outputs
from couler.backends.argo.leaves import declared_base_names, leaf, shapes_of, varying_texts
from couler.backends.argo.names import NameTable, parameter_name, task_name, task_names
from couler.backends.argo.units import (
    ABSENT,
    ITEMS,
    STATUS,
    Given,
    Holes,
    Items,
    Result,
    ScopeTypes,
    Text,
    Unit,
    arguments_of,
    inputs_of,
    outputs_of,
)
from couler.backends.argo.values import (
    Source,
    argument,
    claims,
    condition_expression,
    conjunction,
    native,
    wire_expression,
)
from couler.backends.argo.wire import json_of, literal, member, quoted, wire
from couler.backends.argo.wrappers import END, exporting, loop, mapping, output_source, pause, shell
from couler.core.errors import EngineError
from couler.core.ir.graph import links, needed, references_in, statuses
from couler.core.ir.graph import outputs_of as declared_outputs
from couler.core.ir.model import (
    Condition,
    Constant,
    ContainerTask,
    FirstOf,
    FunctionTask,
    GroupOutput,
    GroupTask,
    ItemRef,
    ListOf,
    Output,
    OutputRef,
    Parameter,
    ParameterRef,
    Step,
    StoredFile,
    Value,
)


class Scope(ScopeTypes):
    """The steps that see each other.

    Args:
        steps: The steps.
        parameters: Parameters of the workflow or the group.
        outputs: Outputs of the workflow or the group.
        build: What is being built.
        top: Whether it is the workflow itself, whose parameters are seen everywhere.
        loops: Loops around it.
        exports: Outputs that exit handlers read: step to output to global name.
        path: What stands before the names of its steps in their paths.
        forgiven: Whether failures in it are outcomes of a step around it.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        parameters: Sequence[Parameter],
        outputs: Sequence[GroupOutput],
        build: Build,
        *,
        top: bool,
        loops: int = 0,
        exports: Mapping[str, Mapping[str, str]] | None = None,
        path: str = "",
        forgiven: bool = False,
    ) -> None:
        self.path = path
        self.forgiven = forgiven
        self.steps = {step.name: step for step in steps}
        self.parameters = {parameter.name: parameter for parameter in parameters}
        self.build = build
        self.top = top
        self.loops = loops
        self.exports = exports or {}
        self.outputs = outputs
        self.tasks = task_names(self.steps)
        found = {step.name: links(step) for step in steps}
        self.upstream = {name: upstream for name, (_, upstream) in found.items()}
        self._task_names = NameTable(self.tasks.values())
        self._choices: list[dict[str, Any]] = []
        self._in_outputs = False
        depths = _depths(self.upstream)
        self.fail_fast = build.stops and max(depths.values(), default=0) < len(depths)
        self.wanted_items = _wanted_items(steps)
        self.read = _read_outputs([refs for refs, _ in found.values()], steps, outputs)
        self._shapes = shapes_of(steps)
        self.varying = varying_texts(self._shapes.values())
        self._guards: dict[str, tuple[str, ...]] = {}
        self._origins: dict[str, frozenset[str]] = {}
        self._of_containers: dict[int, Mapping[str, Output]] = {}
        for step, output, name in declared_base_names(steps):
            build.base_names[id(self), step, output] = name
        self.units = self._all_units()
        self.certain = self._find_certain(depths)

    @cached_property
    def large(self) -> Mapping[str, frozenset[str]]:
        """Outputs that may be kept as artifacts, by step."""
        if not self.build.passes_large():
            return {}
        return large_outputs(tuple(self.steps.values()), self.outputs, self.exports)

    def _all_units(self) -> dict[str, Unit]:
        if not self.varying or self.build.tells_failures or self.exports:
            return {name: self._unit(step) for name, step in self.steps.items()}
        families = Families(self, self.build, self._shapes, self.varying, self.read)
        return {name: families.unit(step, self._unit) for name, step in self.steps.items()}

    def _find_certain(self, ordered: Iterable[str]) -> set[str]:
        """Steps that run and give all outputs unless something fails, as far as can be seen at once.

        Args:
            ordered: The steps, each after those that it waits for.
        """
        found: set[str] = set()
        for name in ordered:
            step, unit = self.steps[name], self.units[name]
            if (
                step.when is None
                and step.after_condition is None
                and not unit.has_status
                and not step.allow_failure
                and found.issuperset(self.upstream[name])
                and True not in [result.may_lack for result in unit.results.values()]
            ):
                found.add(name)
        return found

    # --- the template --------------------------------------------------------------------------------------------

    def body(self) -> dict[str, Any]:
        """``dag`` and ``outputs`` of the template, and what holds for both."""
        dag: dict[str, Any] = {} if self.build.stops else {"failFast": False}
        if target := self._target():
            dag["target"] = target
        tasks = [self._task(step) for step in self.steps.values()]
        dag["tasks"] = [*tasks, *self._choices] or [{"name": END, "template": pause(self.build)}]
        body: dict[str, Any] = {"failFast": True} if self.fail_fast else {}
        body["dag"] = dag
        self._in_outputs = True
        return {**body, **self._outputs()}

    def results(self) -> dict[str, Result]:
        """How the outputs of the template are read."""
        return {
            output.name: Result(type=self._type_of_output(output), may_lack=bool(claims(output.value, self)))
            for output in self.outputs
            if not self._is_file(output)
        }

    def files(self) -> dict[str, str]:
        """The files that the template gives."""
        return {output.name: self._type_of_output(output) for output in self.outputs if self._is_file(output)}

    def _outputs(self) -> dict[str, Any]:
        parameters: list[dict[str, Any]] = []
        artifacts: list[dict[str, Any]] = []
        for output in self.outputs:
            name = parameter_name(output.name)
            if self._is_file(output):
                artifacts.append(self._file_output(name, output.value))
                continue
            exists = conjunction(claims(output.value, self))
            text = wire_expression(output.value, self)
            text = f"{exists} ? {text} : '{ABSENT}'" if exists else text
            parameters.append({"name": name, "valueFrom": {"expression": text}})
        return outputs_of(parameters, artifacts)

    def _is_file(self, output: GroupOutput) -> bool:
        kind = self._type_of_output(output)
        if isinstance(output.value, ListOf) and ("file" in kind or "folder" in kind):
            raise EngineError(
                f"the output '{output.name}' is a list of files, which Argo cannot gather",
                "give each file an output of its own, or store them at a URL",
            )
        return is_file_type(kind)

    def _type_of_output(self, output: GroupOutput) -> str:
        return output.type if output.type != "any" else self.type_of(output.value)

    def _target(self) -> str:
        """Tasks that decide how the template ends, where a failure could hide behind a task that reacts to it."""
        tested = {
            name
            for step in self.steps.values()
            for name in (test.step for test in statuses(step.after_condition))
            if name in self.steps and not self.steps[name].allow_failure
        }
        if self.build.stops or not tested:
            return ""
        waited_for = {name for names in self.upstream.values() for name in names}
        return " ".join(self.tasks[name] for name in self.steps if name in tested or name not in waited_for)

    # --- one task ------------------------------------------------------------------------------------------------

    def _task(self, step: Step) -> dict[str, Any]:
        unit = self.units[step.name]
        task: dict[str, Any] = {"name": self.tasks[step.name], "template": unit.template}
        if depends := self._depends(step):
            task["depends"] = depends
        if step.name not in self.certain and (guards := self.guards(step.name)):
            task["when"] = f"{{{{={conjunction(guards)}}}}}"
        arguments: dict[str, Any] = {}
        if unit.parameters:
            given = unit.parameters.items()
            arguments["parameters"] = [{"name": name, "value": self._argument(value)} for name, value in given]
        if unit.artifacts:
            before = len(self._choices)
            files = unit.artifacts.items()
            arguments["artifacts"] = [self._file_argument(name, value, step) for name, value in files]
            if chosen := [choice["name"] for choice in self._choices[before:]]:
                task["depends"] = " && ".join([*filter(None, [task.get("depends")]), *chosen])
        if arguments:
            task["arguments"] = arguments
        merge_task(step, task)
        return task

    def _depends(self, step: Step) -> str:
        return self._waits_for(step, self._upstream_tasks(step))

    def _upstream_tasks(self, step: Step) -> list[str]:
        """Steps of the scope that a step waits for."""
        return [name for name in self.upstream[step.name] if name in self.tasks]

    def _waits_for(self, step: Step, names: Iterable[str]) -> str:
        """``depends`` of a step that waits for others beside it."""
        if step.after_condition is None:
            return " && ".join([self.tasks[name] for name in names])
        terms = []
        for name in names:
            task = self.tasks[name]
            terms.append(f"({task} || {task}.Failed || {task}.Errored)" if self._survives(step, name) else task)
        return " && ".join(terms)

    def _survives(self, step: Step, name: str) -> bool:
        """Whether a step may run after another has failed, whose failure is not allowed, because it asks for that."""
        if self.build.stops or step.after_condition is None or self.steps[name].allow_failure:
            return False
        return any(test.step == name for test in statuses(step.after_condition))

    def _argument(self, value: Given) -> str:
        if isinstance(value, Text):
            return value.text
        if type(value) is OutputRef and value.default is None and not value.path:
            source = self.output(value.step, value.output)
            if source.form == "json" and not source.expression:  # the most frequent, as `argument` writes it
                return f"{{{{{source.tag}}}}}"
        return self._items_argument(value.step) if isinstance(value, Items) else argument(value, self)

    def _items_argument(self, step: Step) -> str:
        """The items of a map as a list of their JSON texts."""
        assert step.foreach is not None
        lists = step.foreach.lists
        if len(lists) == 1:
            value = next(iter(lists.values()))
            if isinstance(value, Constant):
                return wire([wire(item) for item in value.value])
            tag = self._items_tag(value)
            return f"{{{{{tag}}}}}" if tag else f"{{{{={self._items_expression(value)}}}}}"
        texts = {name: f"fromJSON({self._items_expression(value)})" for name, value in lists.items()}
        first = next(iter(texts.values()))
        same = " && ".join(f"len({text}) == len({first})" for text in list(texts.values())[1:])
        parts = " + ',' + ".join(f"{quoted(wire(name) + ':')} + {text}[#]" for name, text in texts.items())
        item = rf"'\u007b' + {parts} + '\u007d'"
        failure = quoted("lists that are mapped together need equal lengths")
        return f"{{{{={same} ? {json_of(f'map(0..(len({first}) - 1), {item})')} : sprig.fail({failure})}}}}"

    def _items_tag(self, value: Value) -> str:
        """The variable that holds the JSON texts of a list's items, if a step gives them."""
        if not isinstance(value, OutputRef) or value.path or value.default is not None:
            return ""
        if value.step not in self.units or value.output not in self.units[value.step].items:
            return ""
        return f"tasks.{self.tasks[value.step]}.outputs.parameters.{ITEMS}{parameter_name(value.output)}"

    def _items_expression(self, value: Value) -> str:
        if isinstance(value, Constant):
            return quoted(wire([wire(item) for item in value.value]))
        tag = self._items_tag(value)
        return member(tag) if tag else json_of(f"map({native(value, self)}, toJson(#))")

    def _file_output(self, name: str, value: Value) -> dict[str, Any]:
        if isinstance(value, FirstOf):
            return {"name": name, "fromExpression": self._first_file(value)}
        if isinstance(value, StoredFile):
            return {"name": name, **location(value)}
        artifact: dict[str, Any] = {"name": name, "from": f"{{{{{self._file_tag(value)}}}}}"}
        return {**artifact, "optional": True} if is_large(value) or conjunction(claims(value, self)) else artifact

    def _file_argument(self, name: str, value: Value, step: Step) -> dict[str, Any]:
        if not isinstance(value, FirstOf):
            return self._file_output(name, value)
        task = self._task_names.add(f"{self.tasks[step.name]}-{task_name(name)}")
        self._choices.append(self._choice(task, value))
        return {"name": name, "from": f"{{{{tasks.{task}.outputs.artifacts.chosen}}}}"}

    def _choice(self, name: str, value: FirstOf) -> dict[str, Any]:
        """A task that hands on the first file that exists: arguments of Argo cannot choose, outputs can."""
        names = [f"file-{index}" for index in range(len(value.options))]
        text = f"inputs.artifacts['{names[-1]}']"
        for other in reversed(names[:-1]):
            text = f"inputs.parameters.chosen == '{other}' ? inputs.artifacts['{other}'] : {text}"
        body = {
            **inputs_of(["chosen"], [{"name": other, "optional": True} for other in names]),
            "dag": {"tasks": [{"name": END, "template": pause(self.build)}]},
            "outputs": {"artifacts": [{"name": "chosen", "fromExpression": text, "optional": True}]},
        }
        chosen = quoted(names[-1])
        for other, option in reversed(list(zip(names[:-1], value.options[:-1], strict=True))):
            exists = conjunction(claims(option, self))
            chosen = f"({exists} ? {quoted(other)} : {chosen})" if exists else quoted(other)
        beside = self._beside()
        steps = dict.fromkeys(self.tasks[option.step] for option in value.options if option.step in beside)
        files = [
            {"name": other, "from": f"{{{{{self._file_tag(option)}}}}}", "optional": True}
            for other, option in zip(names, value.options, strict=True)
        ]
        return {
            "name": name,
            "template": self.build.templates.add("first-file", body),
            **({"depends": " && ".join(steps)} if steps else {}),
            **arguments_of({"chosen": f"{{{{={chosen}}}}}"}, files),
        }

    def _beside(self) -> Container[str]:
        """Steps whose tasks stand in the same template as what is being written."""
        return self.tasks

    def _first_file(self, value: FirstOf) -> str:
        text = ""
        for option in reversed(value.options):
            path = member(self._file_tag(option))
            exists = conjunction(claims(option, self))
            text = f"({exists} ? {path} : {text})" if text and exists else path
        return text

    def _file_tag(self, value: Value) -> str:
        match value:
            case OutputRef() if value.step in self.tasks:
                return f"tasks.{self.tasks[value.step]}.outputs.artifacts.{parameter_name(value.output)}"
            case ParameterRef():
                return f"inputs.artifacts.{parameter_name(value.name)}"
            case ItemRef():
                raise EngineError("Argo cannot map over files", "map over their URLs, or over numbers that name them")
        raise EngineError(f"Argo cannot take a file from a value of kind '{value.kind}'", "give the output of a step")

    # --- when a task runs ------------------------------------------------------------------------------------------

    def guards(self, name: str) -> tuple[str, ...]:
        """Expressions that must all hold, else the step is skipped."""
        if name in self.certain:
            return ()
        found = self._guards.get(name)
        if found is None:
            found = self._guards[name] = tuple(dict.fromkeys(self._find_guards(self.steps[name])))
        return found

    def _find_guards(self, step: Step) -> Iterable[str]:
        origins = self._soft_origins_of_after(step)
        for origin in sorted(origins, key=list(self.steps).index) if origins else ():
            yield f"({self._status_is(origin, 'failed')}) == false"
        for value in needed(step):
            yield from claims(value, self)
        if step.after_condition is not None:
            yield self._condition(step.after_condition)
        if step.when is not None and not is_per_item(step):
            for operand in references_in(step.when):
                yield from claims(operand, self)
            yield self._condition(step.when)

    def _condition(self, condition: Condition) -> str:
        text = condition_expression(condition, self)
        return text if condition.kind in ("all", "not") else f"({text})"

    def _soft_origins_of_after(self, step: Step) -> frozenset[str]:
        """Steps whose allowed failure keeps a step from running because of what it is ordered after."""
        found: set[str] = set()
        for name in step.after:
            if name in self.steps:
                found |= self._origins_of(name) | ({name} if self.steps[name].allow_failure else set())
        return frozenset(found)

    def _origins_of(self, name: str) -> frozenset[str]:
        """Steps whose allowed failure keeps this one from running."""
        found = self._origins.get(name)
        if found is None:
            step = self.steps[name]
            names = set(self._soft_origins_of_after(step))
            if step.after_condition is None:
                for producer in _producers(step):
                    if producer in self.steps:
                        names |= self._origins_of(producer)
                        names |= {producer} if self.steps[producer].allow_failure else set()
            found = self._origins[name] = frozenset(names)
        return found

    def _skippable(self, name: str) -> bool:
        return bool(self.guards(name))

    def exists(self, step: str, output: str) -> tuple[str, ...]:
        """Expressions that all hold when an output exists."""
        if step in self.certain:
            return ()
        unit = self.units[step]
        found = []
        if self._skippable(step):
            found.append(f"{member(f'tasks.{self.tasks[step]}.status')} != 'Skipped'")
        if unit.has_status and not self.steps[step].foreach:
            found.append(f"({self._own_status(step)} ?? '') == 'succeeded'")
        result = unit.results.get(output)
        if result is not None and result.may_lack and not unit.has_status:
            path = member(f"tasks.{self.tasks[step]}.{result.path(output)}")
            found.append(f"({path} ?? '{ABSENT}') != '{ABSENT}'")
        return tuple(found)

    def _own_status(self, step: str) -> str:
        return member(f"tasks.{self.tasks[step]}.outputs.parameters.{STATUS}")

    def _status_is(self, step: str, wanted: str) -> str:
        status = member(f"tasks.{self.tasks[step]}.status")
        if wanted == "ended":
            return "true"
        if wanted == "skipped":
            return f"{status} == 'Skipped'"
        if self.units[step].has_status:
            return f"{status} != 'Skipped' && ({self._own_status(step)} ?? '') == '{wanted}'"
        if wanted == "failed":
            return "false" if self.build.stops else f"({status} == 'Failed' || {status} == 'Error')"
        return f"{status} == 'Succeeded'"

    # --- what can be seen -------------------------------------------------------------------------------------------

    def whole(self, value: Value) -> Source | None:
        """Everything is taken apart here."""
        return None

    def parameter(self, name: str) -> Source:
        """A parameter of the workflow or the group."""
        kind = self.parameters[name].type if name in self.parameters else "any"
        if not self.top:
            return Source(f"inputs.parameters.{parameter_name(name)}", type=kind)
        tag = f"workflow.parameters.{parameter_name(name)}"
        return Source(tag, type=kind, expression=self._from_outside(tag))

    def output(self, step: str, output: str) -> Source:
        """An output of a step."""
        result = self.units[step].results.get(output) or Result()
        exists = () if step in self.certain else self.exists(step, output)
        return output_source(self.tasks[step], output, result, exists)

    def item(self, name: str) -> Source:
        """Only templates inside a map see an item."""
        raise EngineError(f"the item '{name}' cannot be used here")

    def round(self) -> Source:
        """Only templates inside a loop see the round."""
        raise EngineError("the number of the round cannot be used here")

    def loop_output(self, output: str) -> Source:
        """Only the condition of a loop sees the last round."""
        raise EngineError(f"the output '{output}' of the last round cannot be used here")

    def run(self, field: str) -> Source:
        """A fact about the run; the status exists only when all steps have ended."""
        found = run_fact(field, self.build)
        return found._replace(expression=self._from_outside(found.tag)) if found.tag else found

    def _from_outside(self, tag: str) -> str:
        """Expressions of outputs see nothing but the template, so that other values are put into their text."""
        return f"{{{{=toJson({member(tag)})}}}}" if self._in_outputs else ""

    def status(self, step: str, wanted: str) -> str:
        """An expression for how a step ended."""
        return f"({self._status_is(step, wanted)})"

    def type_of(self, value: Value) -> str:
        """Type of a value, as far as it is declared."""
        if type(value) is OutputRef and not value.path and value.default is None:
            step = self.steps.get(value.step)
            found = self._outputs_of(step).get(value.output) if step is not None else None
            return found.type if found is not None else "any"
        if type(value) is ParameterRef and not value.path and value.name in self.parameters:
            return self.parameters[value.name].type
        return "any"

    def _outputs_of(self, step: Step) -> Mapping[str, Output]:
        """Declared outputs of a step; containers that declare the same share these."""
        if step.foreach is not None or type(step.task) is not ContainerTask:
            return declared_outputs(step)
        found = self._of_containers.get(id(step.outputs))
        if found is None:
            found = self._of_containers[id(step.outputs)] = declared_outputs(step)
        return found

    def global_parameter(self, name: str) -> Source | None:
        """Parameters of the workflow are seen in every template; those of a group are not."""
        return self.parameter(name) if self.top else None

    # --- the unit of a step -----------------------------------------------------------------------------------------

    def _unit(self, step: Step) -> Unit:
        build = self.build
        items = self.wanted_items.get(step.name, frozenset())
        allowed = step.allow_failure
        per_item = step.foreach is not None and is_per_item(step)
        apart = allowed or per_item
        direct = isinstance(step.task, FunctionTask) and step.loop is None and not apart
        read, told = self.read.get(step.name, set()), self.exports.get(step.name, {})
        if isinstance(step.task, GroupTask):
            unit = self._group(step, step.task)
            if build.tells_failures and step.loop is not None:
                build.note(
                    f"exit handlers are told of failed steps in '{self.path}{step.name}', and not of the loop itself "
                    "when it reaches its bound"
                )
        else:
            plain = step.foreach is None and step.loop is None
            mapped = direct and step.foreach is not None
            wanted = items if plain else frozenset()
            unit = leaf(step, self, build, mapped=mapped, items=wanted, varying=self.varying)
            if build.tells_failures and not self.forgiven and not allowed:
                build.failing[unit.template] = f"{self.path}{step.name}"
            if any(
                result.form == "parsed" or (result.form == "text" and (name in read or step.loop is not None or told))
                for name, result in unit.results.items()
            ):
                if step.loop is not None:
                    unit = shell(step, unit, build)
                apart = True
        if step.loop is not None:
            unit = loop(step, unit, self, build, self.loops + 1 + _loops_inside(step))
        if step.foreach is not None:
            if not direct:
                unit = self._item_shell(step, unit, allowed)
            unit = mapping(step, unit, self, build, items)
        elif allowed or (apart and step.loop is None):
            unit = shell(step, unit, build, allowed=allowed)
        return exporting(step, unit, build, told) if told else unit

    def _item_shell(self, step: Step, unit: Unit, allowed: bool) -> Unit:
        if not is_per_item(step):
            return shell(step, unit, self.build, allowed=allowed, mapped=True)
        assert step.foreach is not None
        assert step.when is not None
        holes = Holes(self, len(step.foreach.lists) > 1, taken=unit.parameters)
        when = f"{{{{={condition_expression(step.when, holes)}}}}}"
        return shell(step, unit, self.build, allowed=allowed, mapped=True, when=when, holes=holes)

    def _group(self, step: Step, task: GroupTask) -> Unit:
        loops = self.loops + (1 if step.loop is not None else 0)
        from couler.backends.argo.divided import DividedScope  # it is a scope itself

        forgiven = self.forgiven or step.allow_failure
        path = f"{self.path}{step.name}/"
        inner = DividedScope(
            task.steps, task.parameters, task.outputs, self.build, top=False, loops=loops, path=path, forgiven=forgiven
        )
        given = {one.name: one.value for one in step.inputs}
        parameters: dict[str, Given] = {}
        artifacts: dict[str, Value] = {}
        for parameter in task.parameters:
            value = given.get(parameter.name, parameter.default)
            if value is None:
                raise EngineError(f"step '{step.name}' gives no value for the parameter '{parameter.name}'")
            name = parameter_name(parameter.name)
            if is_file_type(parameter.type):
                artifacts[name] = value
            else:
                parameters[name] = self._whole_item(step, value)
        body = {
            **inputs_of(parameters, [{"name": name} for name in artifacts]),
            **inner.body(),
        }
        if step.timeout is not None:
            raise EngineError(
                f"step '{step.name}' is a nested workflow with a time limit, which Argo does not have",
                "set the limit on the steps inside it, or on the whole workflow",
            )
        describe(step, body, self.build)
        attempts(step, body, self.build)
        if self.build.tells_failures and "retryStrategy" in body:
            self.build.note(
                f"exit handlers are told of failed steps in '{self.path}{step.name}' also when a further attempt "
                "succeeds: Argo does not tell these apart"
            )
        self.build.merge_options(step, body)
        name = self.build.templates.add(task_name(step.name), body)
        return Unit(name, parameters, artifacts, inner.results(), inner.files())

    def _whole_item(self, step: Step, value: Value) -> Value:
        """A plain item as such; parts of it and items of several lists keep their path."""
        if isinstance(value, ItemRef) and step.foreach is not None and len(step.foreach.lists) == 1 and not value.path:
            return ItemRef(name="")
        return value


def run_fact(field: str, build: Build) -> Source:
    """Where Argo says something about the run."""
    if field == "id":
        return Source("workflow.name", "text", "str")
    if field == "name":
        return Source("", "text", "str", expression=quoted(build.workflow_name))
    if field == "status":
        return Source("", "text", "str", expression="(workflow.status == 'Succeeded' ? 'succeeded' : 'failed')")
    paths = literal(list(dict.fromkeys(build.failing.values())))
    names = literal(build.failing or {"": ""})
    mine = f"#.templateName in {names} && !(#.displayName matches '[(][0-9]+[)]$')"  # that is one attempt of several
    failures = f"filter(fromJSON(fromJSON(workflow.failures)) ?? [], {mine})"
    failed = f"filter({paths}, # in map({failures}, {names}[#.templateName]))"
    return Source("", "json", "list[str]", expression=json_of(failed))


def is_per_item(step: Step) -> bool:
    """Whether the condition of a step is decided for each item."""
    return step.when is not None and any(type(ref) is ItemRef for ref in references_in(step.when))


def _producers(step: Step) -> set[str]:
    """Steps without whose outputs a step is not run."""
    refs = (ref for value in needed(step) for ref in references_in(value))
    return {ref.step for ref in refs if isinstance(ref, OutputRef) and ref.default is None}


def _loops_inside(step: Step) -> int:
    if not isinstance(step.task, GroupTask):
        return 0
    return max(
        ((1 if inner.loop is not None else 0) + _loops_inside(inner) for inner in step.task.steps),
        default=0,
    )


def _wanted_items(steps: Sequence[Step]) -> dict[str, frozenset[str]]:
    """Outputs over which a map runs, by step."""
    found: dict[str, set[str]] = {}
    for step in steps:
        if step.foreach is not None:
            for value in step.foreach.lists.values():
                if isinstance(value, OutputRef) and not value.path and value.default is None:
                    found.setdefault(value.step, set()).add(value.output)
    return {name: frozenset(outputs) for name, outputs in found.items()}


def _read_outputs(
    read: Iterable[Iterable[Value]], steps: Sequence[Step], outputs: Sequence[GroupOutput]
) -> dict[str, set[str]]:
    """Outputs that something in the scope reads, by step; ``read`` are the references of each step."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    conditions = [step.after_condition for step in steps if step.after_condition is not None]
    groups = [*read, *map(references_in, [*conditions, *(output.value for output in outputs)])]
    for group in groups:
        for ref in group:
            if type(ref) is OutputRef:
                found[ref.step].add(ref.output)
    return dict(found)


def _depths(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How long the longest chain to each step is; each comes after those that it waits for."""
    longest: dict[str, int] = {}
    for start in needs:
        waiting = [start]
        while waiting:
            name, depth, missing = waiting[-1], 0, []
            for other in needs[name]:
                if other in longest:
                    depth = max(depth, longest[other])
                elif other in needs:
                    missing.append(other)
            waiting.extend(missing)
            if not missing:
                waiting.pop()
                longest[name] = depth + 1
    return longest
