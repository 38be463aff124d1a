"""A scope with more steps than one DAG template holds: parts of it become templates of their own.

In a part a step sees the steps beside it as ever. What comes from other parts comes as inputs of the part: values as
JSON text or `ABSENT`, statuses in couler's words, and files. A part begins when all parts that it needs have ended.

Where branches go on after a failure, no part fails: a last task that runs in any case makes it succeed, steps that
must not run are held back by a gate before them, and a task beside the parts fails if a step did.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from couler.backends.argo.large import is_large
from couler.backends.argo.names import NameTable, parameter_name, task_name
from couler.backends.argo.parts import Part, bring, cut, wait
from couler.backends.argo.scope import Scope
from couler.backends.argo.units import ABSENT, Result, inputs_of, outputs_of
from couler.backends.argo.values import Source, conjunction, wire_expression
from couler.backends.argo.wire import member, quoted
from couler.backends.argo.wrappers import END, pause
from couler.core.ir.model import FirstOf, OutputRef, ParameterRef, Step, Value

FAILED = "couler-failed"
"""Output of a part: whether a step in it failed."""
Kind = Literal["value", "status", "items", "file"]


class DividedScope(Scope):
    """The steps that see each other, in parts where they are many; see `Scope`."""

    _home: Mapping[str, Part] = {}
    """Step to its part; empty while one template holds all."""
    _here: Part | None = None
    """The part that is being written."""

    def body(self) -> dict[str, Any]:
        """``dag`` and ``outputs`` of the template, and what holds for both."""
        helpers = {name: _files_to_choose(step) for name, step in self.steps.items()}
        if len(helpers) + sum(helpers.values()) <= self.build.most_tasks:
            return super().body()
        weights = {name: 1 + count for name, count in helpers.items()}
        steps, most, gated = list(self.steps.values()), self.build.most_tasks, not self.build.stops
        self._whole = cut(steps, self.upstream, weights, most, self._task_names, gated=gated)
        self._here = self._whole
        self._home = {step.name: part for part in self._whole.leaves() for step in part.steps}
        self._passed: dict[tuple[str, Kind, str], str] = {}
        self._given: dict[str, tuple[str, Kind, str]] = {}
        self._parameter_names = NameTable(parameter_name(parameter) for parameter in self.parameters)
        return self._body_of_parts()

    # --- templates ---------------------------------------------------------------------------------------------------

    def _body_of_parts(self) -> dict[str, Any]:
        tasks = {id(part): self._tasks_of(part) for part in self._whole.leaves()}
        self._in_outputs = True
        outputs = self._outputs()
        inner = [self._part(part, tasks) for part in self._whole.parts]
        if not self.build.stops:
            inner.append(self._judge())
        self._note()
        dag: dict[str, Any] = {"tasks": inner} if self.build.stops else {"failFast": False, "tasks": inner}
        return {**self._fails_fast(), "dag": dag, **outputs}

    def _name(self) -> str:
        return task_name(self.path.rstrip("/").rpartition("/")[2] or self.build.workflow_name)

    def _fails_fast(self) -> dict[str, Any]:
        return {"failFast": True} if self.fail_fast else {}

    def _tasks_of(self, part: Part) -> list[dict[str, Any]]:
        with self._in(part):
            before = len(self._choices)
            tasks = [self._task(step) for step in part.steps]
            return [*tasks, *self._choices[before:]]

    def _part(self, part: Part, tasks: Mapping[int, list[dict[str, Any]]]) -> dict[str, Any]:
        """The task that runs a part; the template of the part is made with it."""
        if part.parts:
            dag: dict[str, Any] = {"tasks": [self._part(inner, tasks) for inner in part.parts]}
            outputs = [_handed_on(name, inner) for name, inner in part.outputs.items()]
            files = [self._file_given(name, f"tasks.{inner.task}.outputs.artifacts.{name}")
                     for name, inner in part.given_files.items()]  # fmt: skip
            failed = f"'true' in [{', '.join(_failed(inner) for inner in part.parts)}]"
        else:
            statuses = [f"{member(f'tasks.{self.tasks[step.name]}')}.status" for step in part.steps]
            failed = f"any([{', '.join(statuses)}], # in ['Failed', 'Error'])"
            dag = {"tasks": tasks[id(part)]}
            if not self.build.stops:
                end = self._end(part, dag["tasks"])
                dag = {"failFast": False, "target": end["name"], "tasks": [*dag["tasks"], end]}
            with self._in(part):
                outputs = [{"name": name, "valueFrom": {"expression": self._text_given(name)}} for name in part.outputs]
                files = [self._file_given(name, self._file_tag(self._ref(name))) for name in part.given_files]
        if not self.build.stops:
            text = f"({failed}) ? 'true' : 'false'"
            outputs.append({"name": FAILED, "valueFrom": {"expression": text}})
        body = {
            **inputs_of(part.inputs, [self._file_taken(name) for name in part.files]),
            **self._fails_fast(),
            "dag": dag,
            **outputs_of(outputs, files),
        }
        name = self.build.templates.reserve(f"{self._name()}-{part.task}")
        self.build.templates.put(name, body)
        task: dict[str, Any] = {"name": part.task, "template": name}
        if part.needs:
            task["depends"] = " && ".join(part.needs)
        arguments: dict[str, Any] = {}
        if part.inputs:
            arguments["parameters"] = [{"name": name, "value": f"{{{{{tag}}}}}"} for name, tag in part.inputs.items()]
        if part.files:
            arguments["artifacts"] = [self._file_given(name, tag) for name, tag in part.files.items()]
        return {**task, "arguments": arguments} if arguments else task

    def _note(self) -> None:
        count = len(self._whole.leaves())
        self.build.note(
            f"{len(self.steps):,} steps are more than one template of Argo holds: they are {count} parts, and a part "
            "starts when the parts that it needs have ended"
            + ("; after a failure, the parts that run already go on to their ends" if self.fail_fast else "")
        )

    # --- where branches go on after a failure ------------------------------------------------------------------------

    def _end(self, part: Part, tasks: list[dict[str, Any]]) -> dict[str, Any]:
        """A task that runs when everything in a part has ended, however."""
        waited_for = {
            self.tasks[name] for step in part.steps for name in self.upstream[step.name] if name in self.tasks
        }
        last = [task["name"] for task in tasks[: len(part.steps)] if task["name"] not in waited_for]
        ended = [f"({name} || {name}.Failed || {name}.Errored || {name}.Omitted)" for name in last]
        return {"name": self._task_names.add(END), "template": pause(self.build), "depends": " && ".join(ended)}

    def _judge(self) -> dict[str, Any]:
        """A task that fails when a step in a part has failed, and is skipped otherwise."""
        failed = f"'true' in [{', '.join(_failed(part) for part in self._whole.parts)}]"
        return {
            "name": self._task_names.add("failures"),
            "template": pause(self.build),
            "depends": " && ".join(part.task for part in self._whole.parts),
            "when": f"{{{{=!(({failed}) == false || sprig.fail({quoted('a step failed')}))}}}}",
        }

    def _gate(self, step: Step, others: list[str]) -> str:
        """A task that is skipped when a step may run, as far as steps of other parts are asked."""
        blocked = []
        for name in others:
            status = member(self._tag(name, "status"))
            lenient = self._survives(step, name) or self.units[name].has_status
            blocked.append(f"{status} == 'cancelled'" if lenient else f"{status} in ['cancelled', 'failed']")
        gate = self._task_names.add(f"{self.tasks[step.name]}-gate")
        when = f"{{{{={' || '.join(blocked)}}}}}"
        self._choices.append({"name": gate, "template": pause(self.build), "when": when})
        return f"{gate}.Skipped"

    # --- what passes between parts -----------------------------------------------------------------------------------

    @contextmanager
    def _in(self, part: Part) -> Iterator[None]:
        before, self._here = self._here, part
        try:
            yield
        finally:
            self._here = before

    def _is_far(self, step: str) -> bool:
        return self._home.get(step) is not self._here

    def _tag(self, step: str, kind: Kind, output: str = "") -> str:
        """The variable in which something of a step of another part is seen."""
        assert self._here is not None
        key = step, kind, output
        name = self._passed.get(key)
        if name is None:
            wanted = {"status": "status", "items": f"{output}-items"}.get(kind, output)
            name = self._parameter_names.add(f"{self.tasks[step]}-{parameter_name(wanted)}")
            self._passed[key] = name
            self._given[name] = key
        return bring(self._here, self._home[step], name, file=kind == "file")

    def _ref(self, name: str) -> OutputRef:
        step, _, output = self._given[name]
        return OutputRef(step=step, output=output)

    def _text_given(self, name: str) -> str:
        """An expression for what a part gives to others."""
        step, kind, output = self._given[name]
        status = member(f"tasks.{self.tasks[step]}.status")
        if kind == "status":
            return self._status_given(step, status)
        claims = list(self.exists(step, output))
        if not self.build.stops:
            claims.insert(0, f"{status} == 'Succeeded'")
        exists = conjunction(claims)
        text = member(self._items_tag(self._ref(name))) if kind == "items" else wire_expression(self._ref(name), self)
        return f"{exists} ? {text} : '{ABSENT}'" if exists else text

    def _status_given(self, step: str, status: str) -> str:
        has_status = self.units[step].has_status
        good = f"({self._own_status(step)} ?? '')" if has_status else "'succeeded'"
        bad = "'cancelled'" if has_status else f"{status} == 'Omitted' ? 'cancelled' : 'failed'"
        rest = good if self.build.stops else f"{status} == 'Succeeded' ? {good} : {bad}"
        return f"{status} == 'Skipped' ? 'skipped' : {rest}"

    def _file_given(self, name: str, tag: str) -> dict[str, Any]:
        return {"name": name, "from": f"{{{{{tag}}}}}", **self._optional(name)}

    def _file_taken(self, name: str) -> dict[str, Any]:
        return {"name": name, **self._optional(name)}

    def _optional(self, name: str) -> dict[str, Any]:
        """Files of steps that may not have run may be missing."""
        if name not in self._given:
            return {}
        step, _, output = self._given[name]
        if is_large(self._ref(name)):
            return {"optional": True}
        with self._in(self._home[step]):
            return {"optional": True} if not self.build.stops or self.exists(step, output) else {}

    # --- what a step sees --------------------------------------------------------------------------------------------

    def _depends(self, step: Step) -> str:
        if not self._home:
            return super()._depends(step)
        home, here = self._home, self._here
        names = self._upstream_tasks(step)
        far = [name for name in names if home[name] is not here]
        if not far:
            return self._waits_for(step, names)
        depends = self._waits_for(step, [name for name in names if home[name] is here])
        for name in far:
            wait(home[step.name], home[name])
        if self.build.stops:
            return depends
        return " && ".join(filter(None, (depends, self._gate(step, far))))

    def guards(self, name: str) -> tuple[str, ...]:
        """Expressions that must all hold, else the step is skipped."""
        if not self._home or name in self.certain:
            return super().guards(name)
        with self._in(self._home[name]):
            return super().guards(name)

    def exists(self, step: str, output: str) -> tuple[str, ...]:
        """Expressions that all hold when an output exists."""
        if step in self.certain or not self._is_far(step):
            return super().exists(step, output)
        with self._in(self._home[step]):
            claims = super().exists(step, output)
        if not claims:
            return ()
        if output in self.units[step].files:
            return (f"{member(self._tag(step, 'status'))} == 'succeeded'",)
        return (f"{member(self._tag(step, 'value', output))} != '{ABSENT}'",)

    def output(self, step: str, output: str) -> Source:
        """An output of a step."""
        if self._home.get(step) is self._here:
            return super().output(step, output)
        if output in self.units[step].files:
            return Source("", exists=self.exists(step, output))
        result = self.units[step].results.get(output) or Result()
        return Source(self._tag(step, "value", output), "json", result.type, self.exists(step, output))

    def parameter(self, name: str) -> Source:
        """A parameter of the workflow or the group."""
        if self._here is not None and not self.top:
            bring(self._here, self._whole, parameter_name(name))
        return super().parameter(name)

    def _status_is(self, step: str, wanted: str) -> str:
        if not self._is_far(step) or wanted == "ended":
            return super()._status_is(step, wanted)
        if wanted == "failed" and self.build.stops and not self.units[step].has_status:
            return "false"
        return f"{member(self._tag(step, 'status'))} == '{wanted}'"

    def _items_tag(self, value: Value) -> str:
        tag = super()._items_tag(value)
        if not tag or not isinstance(value, OutputRef) or not self._is_far(value.step):
            return tag
        return self._tag(value.step, "items", value.output)

    def _file_tag(self, value: Value) -> str:
        if isinstance(value, OutputRef) and value.step in self.tasks and self._is_far(value.step):
            return self._tag(value.step, "file", value.output)
        if isinstance(value, ParameterRef) and self._here is not None:
            bring(self._here, self._whole, parameter_name(value.name), file=True)
        return super()._file_tag(value)

    def _beside(self) -> Container[str]:
        return [name for name, home in self._home.items() if home is self._here] if self._home else super()._beside()


def _files_to_choose(step: Step) -> int:
    """Tasks that may be added to a step, because it takes the first file that exists."""
    return sum([isinstance(given.value, FirstOf) for given in step.inputs])


def _failed(part: Part) -> str:
    return member(f"tasks.{part.task}.outputs.parameters.{FAILED}")


def _handed_on(name: str, part: Part) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"parameter": f"{{{{tasks.{part.task}.outputs.parameters.{name}}}}}"}}
