"""Templates around templates: a step that may fail, a step for each item, a step again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from couler.backends.argo.build import Build, called_template
from couler.backends.argo.names import parameter_name, task_name
from couler.backends.argo.units import (
    ABSENT,
    ITEMS,
    STATUS,
    UNWRITTEN,
    Given,
    Holes,
    Items,
    Result,
    ScopeTypes,
    Text,
    Unit,
    inputs_of,
    outputs_of,
    passed_on,
)
from couler.backends.argo.values import Source, argument, condition_expression, wire_of
from couler.backends.argo.wire import json_of, member, quoted, wire
from couler.core.errors import EngineError
from couler.core.ir.graph import references_in
from couler.core.ir.model import Constant, GroupTask, ItemRef, Loop, RoundRef, Step, Value

RUN = "run"
CHECK = "check"
"""A task that is skipped, or fails because an output is not what it should be."""
END = "end"
"""A task that succeeds at once, after a failure too: Argo judges a template by its last tasks."""
ITEM = "item"
ROUND = "round"
NEXT = "next"
COUNTER = "couler-round"
DEEPEST = 90
"""Templates within each other that a loop may use: Argo allows 100 in all."""
WIDEST = 150
"""Rounds in one template."""


def output_source(task: str, name: str, result: Result, exists: tuple[str, ...] = ()) -> Source:
    """Where an output of a task is read."""
    tag = f"tasks.{task}.{result.path(name)}"
    expression = ""
    if result.default:
        expression = f"({member(tag)} == '{UNWRITTEN}' ? {quoted(result.default)} : {member(tag)})"
    return Source(tag, result.form, result.type, exists, expression)


def _wire_of(task: str, name: str, result: Result) -> str:
    """The JSON text of an output of a task; `ABSENT` where a group gave none."""
    return wire_of(output_source(task, name, result))


def _checks(name: str, result: Result, limit: int) -> Iterator[str]:
    """Expressions that fail, with the reason, when an output of `RUN` is too large or of the wrong type."""
    if result.form == "json":
        return
    read = output_source(RUN, name, result).read
    if result.stdout:
        failure = f"the standard output is larger than the {limit:,} bytes that a value may have"
        yield f"(len({read}) < {limit} || sprig.fail({quoted(f'{failure}; write it to a file output instead')}))"
    kind = result.type.partition("[")[0]
    if result.form == "parsed":
        failure = quoted(f"the output '{name}' should be {result.type} in JSON")
        kinds = _TYPES.get(kind)
        right = f"type(fromJSON({read})) in {kinds}" if kinds else f"type(fromJSON({read})) != ''"
        yield f"({right} || sprig.fail({failure}))"


_TYPES = {
    "int": "['int', 'float']",
    "float": "['int', 'float']",
    "bool": "['bool']",
    "list": "['array']",
    "object": "['map']",
    "null": "['nil']",
}
"""Type of couler to what Argo's expressions call values of it."""


# --- a step in a template of its own ---------------------------------------------------------------------------------


def shell(
    step: Step,
    unit: Unit,
    build: Build,
    *,
    allowed: bool = False,
    mapped: bool = False,
    when: str = "",
    holes: Holes | None = None,
) -> Unit:
    """A template with the step as its only task.

    Args:
        step: The step.
        unit: What is wrapped.
        build: What is being built.
        allowed: Its failure is an outcome: the template succeeds, by its task `END`, and says by `STATUS` how the step
            ended.
        mapped: Outputs get an equals sign before them, so that Argo gathers them as texts.
        when: Condition of the task, over the template's own inputs.
        holes: Inputs that the condition needs besides those of the unit.
    """
    task: dict[str, Any] = {"name": RUN, "template": unit.template, **passed_on(unit)}
    if when:
        task["when"] = when
    tasks = [task]
    checks = [check for name, result in unit.results.items() for check in _checks(name, result, build.limit)]
    if checks:
        text = f"{{{{=!({' && '.join(checks)})}}}}"
        tasks.append({"name": CHECK, "template": pause(build), "depends": f"{RUN}.Succeeded", "when": text})
    if allowed:
        ended = f"({RUN} || {RUN}.Failed || {RUN}.Errored)"
        ended += f" && ({CHECK} || {CHECK}.Omitted || {CHECK}.Errored)" if checks else ""
        tasks.append({"name": END, "template": pause(build), "depends": ended})
    status = member(f"tasks.{RUN}.status")
    fine = f"{status} == 'Succeeded'" if allowed or when else ""
    if fine and any(result.form != "json" for result in unit.results.values()):
        fine += f" && {member(f'tasks.{CHECK}.status')} == 'Skipped'"
    parameters = []
    for name, result in unit.results.items():
        text = _wire_of(RUN, name, result)
        if mapped and result.may_lack:
            text = f"({text} == '{ABSENT}' ? 'null' : {text})"
        if fine:
            text = f"{fine} ? {text} : '{'null' if mapped else ABSENT}'"
        if mapped:
            text = f"'=' + ({text})"
        parameters.append({"name": parameter_name(name), "valueFrom": {"expression": text}})
    parameters += [
        {"name": f"{ITEMS}{name}", "valueFrom": {"expression": _items_of(RUN, name)}} for name in sorted(unit.items)
    ]
    if allowed:
        status_text = f"{fine} ? 'succeeded' : {status} == 'Skipped' ? 'skipped' : 'failed'"
        parameters.append({"name": STATUS, "valueFrom": {"expression": status_text}})
    artifacts = _passed_files(unit, RUN, optional=bool(fine))
    given: dict[str, Given] = dict(unit.parameters)
    if holes is not None:
        given.update(holes.parameters)
    body = {
        **inputs_of(given, [{"name": name} for name in unit.artifacts]),
        "dag": {"tasks": tasks},
        **outputs_of(parameters, artifacts),
    }
    results = {
        name: Result(type=result.type, may_lack=(result.may_lack or bool(fine)) and not mapped)
        for name, result in unit.results.items()
    }
    if not allowed:
        results = {name: replace(result, may_lack=unit.results[name].may_lack) for name, result in results.items()}
    name = build.templates.add(f"{task_name(step.name)}-{RUN}", body, own=build.tells_failures)
    if not allowed:
        build.fails_with(name, unit.template)
    else:
        build.failing.pop(unit.template, None)
    return Unit(name, given, unit.artifacts, results, unit.files, allowed, unit.items)


def exporting(step: Step, unit: Unit, build: Build, names: Mapping[str, str]) -> Unit:
    """A template that tells exit handlers the outputs of a step.

    It consists of steps: Argo tells all of their outputs when they have ended, but those of a DAG only when the DAG
    around it has succeeded.

    Args:
        step: The step.
        unit: What is wrapped; its values are JSON.
        build: What is being built.
        names: Output to the name under which exit handlers read it.
    """
    values = [parameter_name(name) for name in unit.results] + [f"{ITEMS}{name}" for name in sorted(unit.items)]
    values += [STATUS] if unit.has_status else []
    parameters: list[dict[str, Any]] = [
        {"name": name, "valueFrom": {"parameter": f"{{{{steps.{RUN}.outputs.parameters.{name}}}}}"}} for name in values
    ]
    for parameter in parameters:
        if parameter["name"] in names:
            parameter["globalName"] = names[parameter["name"]]
    for name in (name for name in map(parameter_name, unit.files) if name in names):
        _check_told(step, name)
        exists = {"name": f"{EXISTS}{name}", "globalName": names[name]}  # conditions see values only
        parameters.append({**exists, "valueFrom": {"expression": quoted("true")}})
    body = {
        **inputs_of(unit.parameters, [{"name": name} for name in unit.artifacts]),
        "steps": [[{"name": RUN, "template": unit.template, **passed_on(unit)}]],
        **outputs_of(parameters, _passed_files(unit, RUN, kind="steps")),
    }
    name = build.templates.add(f"{task_name(step.name)}-{RUN}", body, own=True)
    build.fails_with(name, unit.template)
    return unit._replace(template=name)


EXISTS = "couler-exists-"
"""Prefix of outputs that tell exit handlers that there is a file."""


def _check_told(step: Step, output: str) -> None:
    """Refuse files of what is no pod: Argo tells exit handlers the files of pods only."""
    if isinstance(step.task, GroupTask) or called_template(step):
        kind = "a nested workflow" if isinstance(step.task, GroupTask) else "a template of another object"
        raise EngineError(
            f"an exit handler reads the file '{output}' of step '{step.name}', which is {kind}: Argo tells "
            "exit handlers the files of containers, scripts and functions only",
            "store the file at a URL, and hand on the URL",
        )


def pause(build: Build) -> str:
    """A template that succeeds at once and needs no pod."""
    if not build.pause:
        build.pause = build.templates.add(END, {"suspend": {"duration": "0"}})
    return build.pause


def _items_of(task: str, name: str) -> str:
    return member(f"tasks.{task}.outputs.parameters.{ITEMS}{name}")


def _passed_files(unit: Unit, task: str, *, optional: bool = False, kind: str = "tasks") -> list[dict[str, Any]]:
    found = []
    for name in unit.files:
        artifact: dict[str, Any] = {
            "name": parameter_name(name),
            "from": f"{{{{{kind}.{task}.outputs.artifacts.{parameter_name(name)}}}}}",
        }
        if optional:
            artifact["optional"] = True
        found.append(artifact)
    return found


# --- a step for each item --------------------------------------------------------------------------------------------


def mapping(step: Step, unit: Unit, scope: ScopeTypes, build: Build, items: frozenset[str]) -> Unit:
    """A template that runs another once per item and gathers the outputs in the order of the items.

    Args:
        step: The step, which has a ``foreach``.
        unit: What runs for an item; its outputs have the equals sign before them.
        scope: The scope of the step.
        build: What is being built.
        items: Outputs over which other maps run.
    """
    foreach = step.foreach
    assert foreach is not None
    task: dict[str, Any] = {"name": ITEM, "template": unit.template}
    view = _MapView(scope, len(foreach.lists) > 1, unit.parameters)
    own = {name: argument(value, view) for name, value in unit.parameters.items() if _mentions(value, ItemRef)}
    parameters: dict[str, Given] = {name: value for name, value in unit.parameters.items() if name not in own}
    parameters.update(view.holes.parameters)
    constant = _known_items(step)
    if constant is not None:
        task["withItems"] = constant
    else:
        task["withParam"] = "{{inputs.parameters.couler-items}}"
        parameters["couler-items"] = Items(step)
    task.update(passed_on(unit, **own))
    skipped = f"{member(f'tasks.{ITEM}.status')} == 'Skipped'"
    outputs = []
    for name in unit.results:
        texts = f"map(fromJSON({member(f'tasks.{ITEM}.outputs.parameters.{parameter_name(name)}')}), #[1:])"
        gathered = f"{skipped} ? '[]' : '[' + join({texts}, ',') + ']'"
        outputs.append({"name": parameter_name(name), "valueFrom": {"expression": gathered}})
        if name in items:
            listed = f"{skipped} ? '[]' : {json_of(texts)}"
            outputs.append({"name": f"{ITEMS}{parameter_name(name)}", "valueFrom": {"expression": listed}})
    body: dict[str, Any] = inputs_of(parameters, [{"name": name} for name in unit.artifacts])
    if foreach.parallelism is not None:
        body["parallelism"] = foreach.parallelism
    dag: dict[str, Any] = {} if build.stops else {"failFast": False}
    body.update({"dag": {**dag, "tasks": [task]}, **outputs_of(outputs, [])})
    name = build.templates.add(f"{task_name(step.name)}-map", body, own=build.tells_failures)
    build.fails_with(name, unit.template)
    results = {name: Result(type=f"list[{result.type}]") for name, result in unit.results.items()}
    return Unit(name, parameters, unit.artifacts, results, {}, items=items & frozenset(unit.results))


class _MapView:
    """What the arguments for an item see: the item, and what comes from outside as inputs of the map."""

    def __init__(self, scope: ScopeTypes, zipped: bool, taken: Iterable[str]) -> None:
        self.holes = Holes(scope, taken=[*taken, "couler-items"])
        self._zipped = zipped
        self.whole = self.holes.whole
        self.parameter = self.holes.parameter
        self.output = self.holes.output
        self.round = self.holes.round
        self.loop_output = self.holes.loop_output
        self.run = self.holes.run
        self.status = self.holes.status

    def item(self, name: str) -> Source:
        """The item as Argo has it: the JSON text of it, or of an object with one item of each list."""
        return Source("item", prefix=(name,) if self._zipped and name else ())


def _mentions(value: Given, kind: type) -> TypeGuard[Value]:
    if isinstance(value, Items | Text):
        return False
    return type(value) is kind or any(type(ref) is kind for ref in references_in(value))


def _known_items(step: Step) -> list[str] | None:
    """The JSON texts of the items when all lists are known."""
    assert step.foreach is not None
    lists = step.foreach.lists
    values = {name: value.value for name, value in lists.items() if isinstance(value, Constant)}
    if len(values) < len(lists):
        return None
    for name, listed in values.items():
        if not isinstance(listed, list | tuple):
            raise EngineError(f"step '{step.name}' maps over '{name}', which is no list", "give it a list")
    if len(values) == 1:
        texts = [wire(item) for item in next(iter(values.values()))]
    else:
        texts = [wire(dict(zip(values, items, strict=True))) for items in zip(*values.values(), strict=True)]
    return texts or None


# --- a step again and again ------------------------------------------------------------------------------------------


def loop(step: Step, unit: Unit, scope: ScopeTypes, build: Build, depth: int) -> Unit:
    """A template that runs another, and then itself while the condition holds.

    Long loops have several rounds in each template, because Argo allows 100 templates within each other.

    Args:
        step: The step, which has a ``loop``.
        unit: One round.
        scope: The scope of the step.
        build: What is being built.
        depth: Loops within each other, this one and those inside.
    """
    given = step.loop
    assert given is not None
    return _LoopBuilder(step, given, unit, scope, build, depth).unit()


class _LoopBuilder:
    def __init__(self, step: Step, given: Loop, unit: Unit, scope: ScopeTypes, build: Build, depth: int) -> None:
        self.step = step
        self.loop = given
        self.round = unit
        self.build = build
        levels = max(1, DEEPEST // depth)
        self.width = -(-given.max_iterations // levels) if given.max_iterations > levels else 1
        if self.width > WIDEST:
            raise EngineError(
                f"step '{step.name}' may run {given.max_iterations:,} rounds, and Argo can hold {levels * WIDEST:,}",
                "lower max_iterations, or loop inside the step",
            )
        self.holes = Holes(scope, taken=[*unit.parameters, COUNTER])
        self.carried = {parameter_name(name): output for name, output in given.carry.items()}

    def unit(self) -> Unit:
        """The template; what a round gets from its number alone is no input of it."""
        name = self.build.templates.reserve(f"{task_name(self.step.name)}-loop")
        tasks = [self._round(index) for index in range(self.width)]
        following = self._next(name)
        given: dict[str, Given] = {
            key: value for key, value in self.round.parameters.items() if not _mentions(value, RoundRef)
        }
        given.update(self.holes.parameters)
        given[COUNTER] = Constant(value=0)
        following.update(
            passed_on(
                self.round._replace(parameters=given),
                **self._carried_from(self._last),
                **{COUNTER: f"{{{{=string({self._number(self.width)})}}}}"},
            )
        )
        body = {
            **inputs_of(given, [{"name": one} for one in self.round.artifacts]),
            "dag": {"tasks": [*tasks, following]},
            **self._outputs(),
        }
        self.build.templates.put(name, body)
        self.build.fails_with(name, self.round.template)
        results = {
            one: Result(type=result.type, may_lack=result.may_lack) for one, result in self.round.results.items()
        }
        return Unit(name, given, self.round.artifacts, results, self.round.files)

    def _task(self, index: int) -> str:
        return ROUND if self.width == 1 else f"{ROUND}-{index}"

    @property
    def _last(self) -> str:
        return self._task(self.width - 1)

    def _number(self, index: int) -> str:
        start = f"int(inputs.parameters['{COUNTER}'])"
        return start if index == 0 else f"{start} + {index}"

    def _round(self, index: int) -> dict[str, Any]:
        view = _LoopView(self, "", index)
        own = {
            name: argument(value, view) for name, value in self.round.parameters.items() if _mentions(value, RoundRef)
        }
        task: dict[str, Any] = {"name": self._task(index), "template": self.round.template}
        if index:
            before = self._task(index - 1)
            own.update(self._carried_from(before))
            task["depends"] = before
            task["when"] = f"{{{{={self._goes_on(index)}}}}}"
        task.update(passed_on(self.round, **own))
        return task

    def _carried_from(self, before: str) -> dict[str, str]:
        """Arguments that come from the round before."""
        found = {}
        for name, output in self.carried.items():
            if name not in self.round.parameters:  # nothing in the step reads it
                continue
            result = self.round.results[output]
            text = _wire_of(before, output, result)
            found[name] = (
                f"{{{{tasks.{before}.{result.path(output)}}}}}" if result.form == "json" else f"{{{{={text}}}}}"
            )
        return found

    def _goes_on(self, index: int) -> str:
        """The condition after the round before ``index``, which must have run."""
        before = self._task(index - 1)
        holds = condition_expression(self.loop.condition, _LoopView(self, before, index - 1))
        ran = f"{member(f'tasks.{before}.status')} == 'Succeeded' && " if self.width > 1 else ""
        bound = self.loop.max_iterations
        text = f"the condition of the loop still holds after {bound} rounds, the most it may run"
        return f"{ran}({holds}) && ({self._number(index)} < {bound} || sprig.fail({quoted(text)}))"

    def _next(self, name: str) -> dict[str, Any]:
        when = f"{{{{={self._goes_on(self.width)}}}}}"
        return {"name": NEXT, "template": name, "depends": self._last, "when": when}

    def _outputs(self) -> dict[str, Any]:
        parameters = [
            {"name": parameter_name(name), "valueFrom": {"expression": self._latest(name, result)}}
            for name, result in self.round.results.items()
        ]
        artifacts = [
            {"name": parameter_name(name), "fromExpression": self._latest_file(name)} for name in self.round.files
        ]
        return outputs_of(parameters, artifacts)

    def _latest(self, name: str, result: Result) -> str:
        texts = [_wire_of(self._task(index), name, result) for index in range(self.width)]
        return self._of_last(texts, _wire_of(NEXT, name, Result()))

    def _latest_file(self, name: str) -> str:
        path = f"outputs.artifacts.{parameter_name(name)}"
        texts = [member(f"tasks.{self._task(index)}.{path}") for index in range(self.width)]
        return self._of_last(texts, member(f"tasks.{NEXT}.{path}"))

    def _of_last(self, texts: list[str], following: str) -> str:
        """What the last of the tasks that ran gives."""
        tasks = [*(self._task(index) for index in range(1, self.width)), NEXT]
        found = texts[0]
        for task, text in zip(tasks, [*texts[1:], following], strict=True):
            found = f"({member(f'tasks.{task}.status')} == 'Succeeded' ? {text} : {found})"
        return found


class _LoopView:
    """What stands in a loop sees: outputs of a round, its number, and what comes from outside as inputs."""

    def __init__(self, builder: _LoopBuilder, task: str, index: int) -> None:
        holes = builder.holes
        self._task = task
        self._results = builder.round.results
        self._number = builder._number(index)
        self.whole = holes.whole
        self.parameter = holes.parameter
        self.output = holes.output
        self.item = holes.item
        self.run = holes.run
        self.status = holes.status

    def round(self) -> Source:
        """The number of the round."""
        return Source("", type="int", expression=f"string({self._number})")

    def loop_output(self, output: str) -> Source:
        """An output of the round that has just ended."""
        if output not in self._results:
            raise EngineError(
                f"the condition of a loop reads the output '{output}', which is no value on Argo",
                "test a value that the step returns",
            )
        return output_source(self._task, output, self._results[output])
