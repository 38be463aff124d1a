"""The operators that a DAG is made of.

A step ends as Airflow's states say, and in XComs of its own: ``return_value`` is a JSON text with its outputs,
``ended`` tells skips from cancellations, and ``error`` is why it failed. JSON travels as text so that nothing in it is
taken for one of Airflow's own objects.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from couler.runner.function import is_file, plain
from couler.runner.value_types import kind_of, mismatch

from . import files, outside, processes, version
from .processes import AttemptError
from .values import (
    MISSING,
    Condition,
    Given,
    Item,
    Last,
    NoValueError,
    Output,
    Parameter,
    Round,
    Run,
    Stored,
    Value,
    as_text,
    holds,
    is_missing,
    producers,
    resolve,
)
from .version import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    AirflowTaskTimeout,
    ApprovalOperator,
    BaseOperator,
    HITLTimeoutError,
    RetryDecision,
    RetryPolicy,
    TimeDeltaTrigger,
)

BAD = ("failed", "cancelled")
ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
LONGEST_ITEM = 100
"""Characters of an item that Airflow shows in the place of its index."""
MOST_ITEMS = 1024
"""Items of a map: more are refused by Airflow itself, unless ``core.max_map_length`` is raised."""


class Step(BaseOperator):
    """A step: it decides whether it runs, gets its values, runs, and hands on what it gives.

    Args:
        step: Path of the step in the workflow.
        inputs: Name to value.
        when: It is skipped when this does not hold.
        after: Tasks that must have ended without failure.
        after_status: It is skipped when this condition over the ends of other tasks does not hold.
        allow_failure: Its failure is an outcome, and does not fail the run.
        item: JSON text of the items of its map.
        items_of: The task that has the items of its map, when it has them not itself.
        on: It runs only when the run ``succeeded``, or ``failed``; empty is always. Of an exit handler.
        previous: The task of the round before, of a round of a loop.
        again: When that round is followed by this one; later rounds depend on nothing else.
        carry: Input to the output of the round before that it gets.
        number: Of the round.
        workflow: Name of the workflow.
        stop: Nothing new starts after a failure.
        limit: Bytes of JSON that a value may have.
        store: URL of the folder for files between steps.
        python: Interpreter of functions and Python scripts.
    """

    template_fields: Sequence[str] = ()
    ui_color = "#e8f1fa"

    def __init__(
        self,
        *,
        step: str = "",
        inputs: Mapping[str, Any] | None = None,
        when: Condition | None = None,
        after: Sequence[str] = (),
        after_status: Condition | None = None,
        allow_failure: bool = False,
        item: Any = None,
        items_of: str = "",
        on: str = "",
        previous: str = "",
        again: Condition | None = None,
        carry: Mapping[str, str] | None = None,
        number: int = 0,
        workflow: str = "",
        stop: bool = True,
        limit: int = 1 << 20,
        store: str = "",
        python: str = "",
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.step = step or self.task_id
        self.inputs = dict(inputs or {})
        self.when = when
        self.after = tuple(after)
        self.after_status = after_status
        self.allow_failure = allow_failure
        self.item = item
        self.items_of = items_of
        self.on = on
        self.previous = previous
        self.again = again
        self.carry = dict(carry or {})
        self.number = number
        self.workflow = workflow
        self.stop = stop
        self.limit = limit
        self.store = store
        self.python = python or sys.executable

    def needed(self) -> Iterable[Any]:
        """Values without which the step is skipped."""
        return (value for name, value in self.inputs.items() if not (self.number and name in self.carry))

    @property
    def shown_item(self) -> str:
        """The item of a map, for people."""
        items = json.loads(self.item) if isinstance(self.item, str) else {}
        shown = as_text(next(iter(items.values())) if len(items) == 1 else items)
        return "".join(one if one.isprintable() else "?" for one in shown[:LONGEST_ITEM])

    def pre_execute(self, context: Any) -> None:
        """Skip the step when it is not to run."""
        here = Here(self, context)
        try:
            verdict, soft = here.verdict()
        except NoValueError as problem:
            here.tell_error(str(problem))
            raise AirflowFailException(str(problem)) from None
        if verdict:
            here.give_up(verdict, soft)

    def execute(self, context: Any) -> Any:
        """Run, and give the outputs."""
        here = Here(self, context)
        try:
            return here.packed(self.perform(here))
        except AirflowTaskTimeout:
            processes.kill_all()
            assert self.execution_timeout is not None
            failure = AttemptError(
                f"ran longer than {self.execution_timeout.total_seconds():g} s and was ended",
                ("Timeout", "TimeoutError"),
            )
        except NoValueError as problem:
            failure = AttemptError(str(problem), ("NoValueError",))
        except AttemptError as failed:
            failure = failed
        here.tell_error(str(failure))
        raise version.raised(failure, self, context)

    def perform(self, here: Here) -> Mapping[str, Any]:
        """Do what the step does, and give its outputs."""
        raise NotImplementedError

    def on_kill(self) -> None:
        """End what runs."""
        processes.kill_all()


class Here:
    """One attempt of a step: what it can see of the run."""

    def __init__(self, step: Step, context: Any) -> None:
        self.step = step
        self.context = context
        self.ti = context["ti"]
        self.run_id = context["run_id"]
        self.dag = step.dag
        self._outputs: dict[str, Any] = {}
        self._states: dict[str, str | None] | None = None
        self._items: Any = None
        group = step.get_closest_mapped_task_group()
        self._group = f"{group.group_id}." if group is not None else None

    # --- what others gave ------------------------------------------------------------------------------------------

    def pull(self, task: str, key: str = "return_value") -> Any:
        """What another task left, of the same item when it stands in the same map."""
        beside = self._group is not None and task.startswith(self._group)
        index = self.ti.map_index if beside else -1
        return self.ti.xcom_pull(task_ids=task, key=key, map_indexes=index)

    def push(self, key: str, value: Any) -> None:
        """Leave something for others."""
        self.ti.xcom_push(key=key, value=json.dumps(value))

    def give_up(self, status: str, soft: bool) -> NoReturn:
        """End without having run, and leave how that is to be taken."""
        self.push("ended", {"status": status, "soft": soft})
        raise AirflowSkipException(status)

    def packed(self, outputs: Mapping[str, Any]) -> str:
        """Outputs as the text that travels; those of an item of a map with its index."""
        index = self.ti.map_index
        return json.dumps({"outputs": dict(outputs), **({"index": index} if index >= 0 else {})})

    def outputs_of(self, task: str) -> Mapping[str, Any] | None:
        """Outputs of a task; None when it gave none."""
        if task not in self._outputs:
            text = self.pull(task)
            self._outputs[task] = json.loads(text)["outputs"] if isinstance(text, str) else None
        return self._outputs[task]

    def lookup(self, value: Value) -> Any:
        """What a reference comes to."""
        match value:
            case Output():
                return (self.outputs_of(value.task) or {}).get(value.name, MISSING)
            case Parameter():
                return self._parameter(value.name)
            case Given():
                return (self.outputs_of(value.task) or {}).get(value.name, MISSING)
            case Item():
                return self.items().get(value.name, MISSING)
            case Last():
                return (self.outputs_of(self.step.previous) or {}).get(value.name, MISSING)
            case Round():
                return self.step.number
            case Run():
                return self._fact(value.field)
            case Stored():
                return value.record()
        raise TypeError(f"{value!r} is no reference")

    def _parameter(self, name: str) -> Any:
        params = self.context["params"]
        if name not in params:
            raise NoValueError(f"the parameter '{name}' has no value")
        return plain(params[name])

    def _fact(self, field: str) -> Any:
        if field == "id":
            return self.run_id
        if field == "name":
            return self.step.workflow
        end = json.loads(self.pull("end", "outcome") or "{}")
        return end.get(field, "failed" if field == "status" else [])

    def items(self) -> Mapping[str, Any]:
        """The items of the step's map by name."""
        if self._items is None:
            text = self.pull(self.step.items_of, "item") if self.step.items_of else self.step.item
            self._items = json.loads(text) if isinstance(text, str) else {}
        return self._items

    def value(self, value: Any) -> Any:
        """What a value comes to."""
        return resolve(value, self.lookup)

    def text(self, value: Any) -> str:
        """A value as an argument."""
        found = self.value(value)
        if found is MISSING:
            raise NoValueError("an argument has no value, because the step that gives it was skipped")
        return as_text(found)

    def inputs(self) -> dict[str, Any]:
        """Inputs of the step by name."""
        found = {}
        for name, value in self.step.inputs.items():
            carried = self.step.number and self.step.carry.get(name)
            found[name] = self.lookup(Last(carried)) if carried else self.value(value)
            if found[name] is MISSING:
                raise NoValueError(f"input '{name}' has no value")
        return found

    # --- how others ended ------------------------------------------------------------------------------------------

    def state(self, task: str) -> str | None:
        """Airflow's state of a task that this one comes after."""
        if self._states is None:
            wanted = {*self.step.upstream_task_ids, *self.step.after}
            self._states = version.states(self.context, wanted)
        if task not in self._states and f"{task}_{self.ti.map_index}" not in self._states:
            self._states.update(version.states(self.context, [task]))
        beside = self._group is not None and task.startswith(self._group)
        return self._states.get(f"{task}_{self.ti.map_index}" if beside else task)

    def status(self, task: str) -> str:
        """How a task ended, as couler says it."""
        return self.ending(task)[0]

    def ending(self, task: str) -> tuple[str, bool]:
        """How a task ended, and whether that leaves the run unharmed."""
        state = self.state(task)
        if state == "success":
            return "succeeded", False
        if state == "failed":
            return "failed", bool(getattr(self.dag.task_dict.get(task), "allow_failure", False))
        if state == "skipped":
            ended = json.loads(self.pull(task, "ended") or "{}")
            return ended.get("status", "skipped"), ended.get("soft", False)
        return ("cancelled", False) if state in ("upstream_failed", "removed") else ("pending", False)

    def tell_error(self, message: str) -> None:
        """Leave why the step failed."""
        self.push("error", message)

    def error_of(self, task: str) -> str:
        """Why a task failed, with a colon before it; empty when nobody knows."""
        text = self.pull(task, "error")
        return f": {json.loads(text)}" if text else ""

    # --- whether the step runs -----------------------------------------------------------------------------------

    def verdict(self) -> tuple[str, bool]:
        """``skipped`` or ``cancelled``, or empty when the step may run; and whether that leaves the run unharmed."""
        step = self.step
        if step.number:
            return ("", False) if self._goes_on() else ("over", True)
        start = step.task_id.rpartition(".")[0] + ".start"
        if start in step.upstream_task_ids and self.status(start) != "succeeded":
            return "over", True
        if step.on and self._fact("status") != step.on:
            return "skipped", False
        if step.stop and self._something_failed():
            return "cancelled", False
        for task in step.after:
            status, soft = self.ending(task)
            if status in BAD:
                return "cancelled", soft
        weak = False
        for task in () if step.is_teardown else self._producers():
            status, soft = self.ending(task)
            if status in BAD:
                weak = True
                if not soft and step.after_status is None:
                    return "cancelled", False
        if step.after_status is not None and holds(step.after_status, self.lookup, self.status) is not True:
            return "skipped", False
        absent = ("cancelled", True) if weak else ("skipped", False)
        if step.when is not None:
            held = holds(step.when, self.lookup, self.status)
            if held is not True:
                return absent if held is MISSING else ("skipped", False)
        if any(is_missing(value, self.lookup) for value in step.needed()):
            return absent
        return "", False

    def _goes_on(self) -> bool:
        """Whether the round before is followed by this one."""
        step = self.step
        if self.status(step.previous) != "succeeded":
            return False
        return step.again is not None and holds(step.again, self.lookup, self.status) is True

    def _producers(self) -> list[str]:
        """Tasks whose outputs the step reads, in the order in which it names them."""
        step = self.step
        read = [*step.needed(), *filter(None, [step.when, step.after_status])]
        return list(dict.fromkeys(task for value in read for task in producers(value)))

    def _something_failed(self) -> bool:
        """Whether a step in this scope, or in one around it, has failed and fails the run by it.

        Steps of other items of a map are in other scopes; what they come to is not.
        """
        own = f"{self.step.task_group.group_id or ''}." if self.step.task_group is not None else "."
        inside: list[str] = []
        outside: list[str] = []
        for task in self.dag.tasks:
            group = task.task_group.group_id if task.task_group is not None else None
            around = group is None or own.startswith(f"{group}.")
            if around and not getattr(task, "allow_failure", False) and not task.is_teardown:
                in_map = self._group is not None and task.task_id.startswith(self._group)
                (inside if in_map else outside).append(task.task_id)
                if in_map and task.task_id == f"{self._group}end":
                    outside.append(task.task_id)
        every = len(outside) == len(self.dag.tasks)
        if inside and version.any_failed(self.context, inside, self.ti.map_index):
            return True
        return bool(every or outside) and version.any_failed(self.context, None if every else outside, None)


# --- what runs something -------------------------------------------------------------------------------------------


class Process(Step):
    """A step that runs as a process of the worker.

    Args:
        outputs: What it declares: name, type, path and perhaps default.
        types: Inputs to their types, unless these may be anything.
        file_inputs: Inputs that are files, and the paths at which they appear.
        env: Variables.
        secrets: Variable to the name and key of a secret.
        packages: What it needs of the Python package index.
        working_dir: Folder, seen from that of the step.
    """

    def __init__(
        self,
        *,
        outputs: Sequence[Mapping[str, Any]] = (),
        types: Mapping[str, str] | None = None,
        file_inputs: Mapping[str, str] | None = None,
        env: Mapping[str, Any] | None = None,
        secrets: Mapping[str, tuple[str, str]] | None = None,
        secret_files: Mapping[str, tuple[str, str]] | None = None,
        packages: Sequence[str] = (),
        working_dir: str = "",
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.outputs = [dict(output) for output in outputs]
        self.types = dict(types or {})
        self.file_inputs = dict(file_inputs or {})
        self.env = dict(env or {})
        self.secrets = dict(secrets or {})
        self.secret_files = dict(secret_files or {})
        self.packages = tuple(packages)
        self.working_dir = working_dir

    def needed(self) -> Iterable[Any]:
        yield from super().needed()
        yield from self.env.values()

    def perform(self, here: Here) -> Mapping[str, Any]:
        with self.desk() as folder:
            task = self.task(here, folder)
            outputs = dict(self.run(here, task))
            for output in self.outputs:
                name, kind = output["name"], output["type"]
                if is_file(kind):
                    path = self.place(folder, output["path"] or name)
                    outputs[name] = files.keep(path, kind, self.store)
                    if "store" in output:
                        outside.store(path, output["store"], _secret)
                elif name in outputs:
                    _check(f"output '{name}'", kind, outputs[name])
            return outputs

    def task(self, here: Here, folder: Path) -> processes.Task:
        """What to run, with its files in its folder."""
        inputs = here.inputs()
        for name, kind in self.types.items():
            _check(f"input '{name}'", kind, inputs[name])
        takes = {**{name: "" for name, value in inputs.items() if files.is_record(value)}, **self.file_inputs}
        for name, path in takes.items():
            inputs[name] = self._appear(inputs[name], self.place(folder, path or f"inputs/{name}"), bool(path))
        env = {name: here.text(value) for name, value in self.env.items()} | self.hidden(folder)
        env.update(COULER_STEP=self.step, COULER_ATTEMPT=str(here.ti.try_number))
        return processes.Task(
            self.step, folder, inputs, list(takes), self.outputs, env, self.limit, self.python, self.packages,
            self.working_dir,
        )  # fmt: skip

    def desk(self) -> AbstractContextManager[Path]:
        """The folder of one attempt, while it lasts."""
        return processes.folder_of(self.step)

    def place(self, folder: Path, path: str) -> Path:
        """Where a file lies that has this path for the step."""
        return folder / path

    def hidden(self, folder: Path) -> dict[str, str]:
        """Variables that are secrets; files that are secrets are in the folder then."""
        for path, secret in self.secret_files.items():
            target = self.place(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_secret(*secret), encoding="utf-8")
            target.chmod(0o600)
        return {name: _secret(*secret) for name, secret in self.secrets.items()}

    def _appear(self, value: Any, path: Path, exact: bool) -> Any:
        if isinstance(value, list):
            return [self._appear(item, path / str(index), False) for index, item in enumerate(value)]
        if not files.is_record(value):
            return value
        target = path if exact else path / value["name"]
        if "stored" in value:
            outside.fetch(value["stored"], target, _secret)
        else:
            files.appear(value, target, self.store)
        return {"$path": str(target)}

    def run(self, here: Here, task: processes.Task) -> Mapping[str, Any]:
        """Run it and give its outputs."""
        raise NotImplementedError


def _check(what: str, kind: str, value: Any) -> None:
    if problem := mismatch(kind, value):
        raise AttemptError(f"{what}: {problem}", ("TypeError",))


def _secret(name: str, key: str) -> str:
    """A secret: a field of the connection of that name, or the variable ``NAME.KEY``."""
    try:
        connection = version.connection(name)
        found = getattr(connection, key, None) or connection.extra_dejson.get(key)
    except Exception:  # Airflow has several ways to say that there is none
        found = version.variable(f"{name}.{key}")
    if found is None:
        raise AttemptError(
            f"there is no secret '{name}' with the key '{key}'; make an Airflow connection '{name}' that has it, or a "
            f"variable '{name}.{key}'",
            ("SecretError",),
        )
    version.mask_secret(found)
    return str(found)


class Function(Process):
    """A Python function in a process of its own; ``source`` is the file that defines ``entry``."""

    def __init__(self, *, source: str | Path, entry: str, image: str = "", **arguments: Any) -> None:
        super().__init__(**arguments)
        self.image = image
        self.source = str(source)
        self.entry = entry

    def run(self, here: Here, task: processes.Task) -> Mapping[str, Any]:
        return processes.run_function(task, Path(self.source).read_text(encoding="utf-8"), self.entry)


class Container(Process):
    """A command on the worker, in the place of its image; its standard output is ``result``."""

    def __init__(self, *, image: str = "", command: Sequence[Any] = (), args: Sequence[Any] = (), **arguments: Any):
        super().__init__(**arguments)
        self.image = image
        self.command = tuple(command)
        self.args = tuple(args)

    def needed(self) -> Iterable[Any]:
        yield from super().needed()
        yield from self.command
        yield from self.args

    def run(self, here: Here, task: processes.Task) -> Mapping[str, Any]:
        return processes.run_command(task, [here.text(word) for word in (*self.command, *self.args)])


class Script(Container):
    """A script; ``source`` is the file with its text, ``command`` what interprets it."""

    def __init__(self, *, source: str | Path, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.source = str(source)

    def run(self, here: Here, task: processes.Task) -> Mapping[str, Any]:
        command = [here.text(word) for word in self.command]
        if Path(command[0]).name in ("python", "python3"):
            command[0] = self.python
        return processes.run_command(task, [*command, self.source, *(here.text(word) for word in self.args)])


SHORT = 2
"""Seconds that a pause spends on its worker; a longer one leaves the worker to others."""


class Pause(Step):
    """A pause of so many seconds; it fails when they are more than it may take at ``most``."""

    def __init__(self, *, seconds: float, most: float | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.seconds = seconds
        self.most = seconds if most is None else most

    def perform(self, here: Here) -> Mapping[str, Any]:
        seconds = min(self.seconds, self.most)
        if seconds > SHORT:
            self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=seconds)), method_name="resumed")
        time.sleep(seconds)
        self.judge()
        return {}

    def resumed(self, context: Any, event: Any = None) -> Any:
        """Go on after the pause."""
        here = Here(self, context)
        try:
            self.judge()
        except AttemptError as failure:
            here.tell_error(str(failure))
            raise version.raised(failure, self, context) from None
        return here.packed({})

    def judge(self) -> None:
        """Fail when the time limit came first."""
        if self.most < self.seconds:
            raise AttemptError(f"nobody approved within {self.most:g} s", ("Timeout", "TimeoutError"))


class Approval(Step, ApprovalOperator):
    """A pause until a person approves; it fails when the person rejects, or after so many seconds."""

    template_fields = ()

    def __init__(self, *, subject: str, most: float | None = None, **arguments: Any) -> None:
        timeout = None if most is None else timedelta(seconds=most)
        super().__init__(subject=subject, fail_on_reject=True, response_timeout=timeout, **arguments)
        self.most = most

    execute = ApprovalOperator.execute

    def execute_complete(self, context: Any, event: Any) -> Any:
        """Go on, or fail."""
        here = Here(self, context)
        try:
            super().execute_complete(context, event)
        except HITLTimeoutError:
            here.tell_error(f"nobody approved within {self.most:g} s")
            raise
        except Exception:
            here.tell_error("rejected")
            raise
        return here.packed({})


# --- groups, maps and loops ------------------------------------------------------------------------------------------


class Start(Step):
    """The start of a group: works out the group's parameters.

    Args:
        at_once: The most items of its map at a time; 0 is no bound.
    """

    template_fields = ("item",)

    def __init__(self, *, at_once: int = 0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.at_once = at_once

    def pre_execute(self, context: Any) -> None:
        """Skip the group when it is not to run; put it off while as many items run as may."""
        super().pre_execute(context)
        if self.at_once:
            here = Here(self, context)
            end = self.task_id.removesuffix("start") + "end"
            ended = sum(state in ENDED for state in version.states(context, [end]).values())
            if (ahead := here.ti.map_index + 1 - self.at_once - ended) > 0:
                raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=min(2 * ahead, 60)))

    def perform(self, here: Here) -> Mapping[str, Any]:
        if isinstance(self.item, str):
            here.ti.xcom_push(key="item", value=self.item)
        return here.inputs()


class Closing(Step):
    """The end of something that has several tasks: it runs whatever came of them, and judges."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(trigger_rule="all_done", **arguments)

    def pre_execute(self, context: Any) -> None:
        """Nothing: what comes of it is decided when it runs."""


class End(Closing):
    """The end of a group, or of the whole workflow: judges its steps and collects its outputs.

    Args:
        steps: Name of each step to the task that stands for it.
        outputs: Name to value.
    """

    def __init__(self, *, steps: Mapping[str, str], outputs: Mapping[str, Any], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.steps = dict(steps)
        self.outputs = dict(outputs)

    def perform(self, here: Here) -> Mapping[str, Any]:
        start = self.task_id.removesuffix("end") + "start"
        if start in self.dag.task_dict:
            status, soft = here.ending(start)
            if status != "succeeded":
                here.give_up(status, soft)
        endings = {name: here.ending(task) for name, task in self.steps.items()}
        failed = [name for name, (status, soft) in endings.items() if status == "failed" and not soft]
        status = "failed" if failed else "succeeded"
        all_failed = [name for name, (ended, _) in endings.items() if ended == "failed"]
        here.push("outcome", {"status": status, "failed_steps": all_failed})
        if failed:
            raise AttemptError(f"step '{failed[0]}' failed{here.error_of(self.steps[failed[0]])}", ("AttemptError",))
        if any(status == "cancelled" and not soft for status, soft in endings.values()):
            here.give_up("cancelled", False)
        found = {name: here.value(value) for name, value in self.outputs.items()}
        return {name: value for name, value in found.items() if value is not MISSING}


class Items(Step):
    """The items of a map, each as a JSON text."""

    def __init__(self, *, lists: Mapping[str, Any], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.lists = dict(lists)

    def needed(self) -> Iterable[Any]:
        yield from super().needed()
        yield from self.lists.values()

    def execute(self, context: Any) -> Any:
        here = Here(self, context)
        try:
            return self._items(here)
        except NoValueError as problem:
            here.tell_error(str(problem))
            raise AirflowFailException(str(problem)) from None

    def _items(self, here: Here) -> list[str]:
        lists = {name: here.value(value) for name, value in self.lists.items()}
        for name, found in lists.items():
            if not isinstance(found, list):
                raise NoValueError(f"map over '{name}' needs a list, got {kind_of(found)}")
        lengths = {name: len(found) for name, found in lists.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
            raise NoValueError(f"lists that are mapped together need equal lengths: {shown}")
        count = next(iter(lengths.values()))
        if count > MOST_ITEMS:
            raise NoValueError(
                f"the map has {count:,} items, and Airflow takes {MOST_ITEMS:,} (core.max_map_length); "
                "map over parts of the list"
            )
        here.push("count", count)
        return [json.dumps({name: found[index] for name, found in lists.items()}) for index in range(count)]


class Gather(Closing):
    """The end of a map: judges its items and gathers their outputs in their order.

    Args:
        over: The task that gave the items.
        each: The task that ended each item.
        names: Outputs.
    """

    def __init__(self, *, over: str, each: str, names: Sequence[str], allow_items: bool = False, **arguments: Any):
        super().__init__(**arguments)
        self.over = over
        self.each = each
        self.names = tuple(names)
        self.allow_items = allow_items

    def perform(self, here: Here) -> Mapping[str, Any]:
        status, soft = here.ending(self.over)
        if status != "succeeded":
            if status == "failed":
                raise AttemptError(here.error_of(self.over).removeprefix(": ") or "its items are not known")
            here.give_up(status, soft)
        count = json.loads(here.pull(self.over, "count"))
        states = version.states(here.context, [self.each])
        failed = [index for index in range(count) if states.get(f"{self.each}_{index}") == "failed"]
        if failed and not self.allow_items:
            text = here.ti.xcom_pull(task_ids=self.each, key="error", map_indexes=failed[0])
            message = f": {json.loads(text)}" if text else ""
            raise AttemptError(f"item {failed[0]} failed{message}")
        if not self.allow_items and any(
            states.get(f"{self.each}_{index}") == "upstream_failed" for index in range(count)
        ):
            here.give_up("cancelled", False)
        results: list[Mapping[str, Any] | None] = [None] * count
        for text in here.ti.xcom_pull(task_ids=[self.each], map_indexes=range(count)) if count else ():
            if isinstance(text, str):
                found = json.loads(text)
                results[found["index"]] = found["outputs"]
        return {name: [None if one is None else one.get(name) for one in results] for name in self.names}


class Rounds(Closing):
    """The end of a loop: gives the outputs of the last round.

    Args:
        rounds: The tasks that end each round.
        names: Outputs.
    """

    def __init__(self, *, rounds: Sequence[str], names: Sequence[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.rounds = tuple(rounds)
        self.names = tuple(names)

    def perform(self, here: Here) -> Mapping[str, Any]:
        last = ""
        for index, task in enumerate(self.rounds):
            status, soft = here.ending(task)
            if status == "failed":
                raise AttemptError(f"round {index} failed{here.error_of(task)}")
            if status != "succeeded":
                if not last or status == "cancelled":
                    here.give_up(status, soft)
                break
            last = task
        self.previous = last
        assert self.again is not None
        if last == self.rounds[-1] and holds(self.again, here.lookup, here.status) is True:
            raise AttemptError(
                f"the condition of the loop still holds after {len(self.rounds)} rounds, the most it may run"
            )
        outputs = here.outputs_of(last) or {}
        return {name: outputs[name] for name in self.names if name in outputs}


class Again(RetryPolicy):
    """When a failed attempt is followed by another, and after how long.

    Args:
        initial: Seconds before the second attempt.
        factor: By which they grow.
        maximum: Most of them.
        jitter: Fraction by which they vary.
        on: Names of errors, and exit codes, that deserve another attempt; ``lost`` is what was none of the task's own
            doing. All do without it.
    """

    def __init__(
        self,
        initial: float = 0,
        factor: float = 2,
        maximum: float | None = None,
        jitter: float = 0,
        on: Sequence[str | int] | None = None,
    ) -> None:
        self.initial = initial
        self.factor = factor
        self.maximum = maximum
        self.jitter = jitter
        self.on = on

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        kinds = {exception.exit_code, *exception.kinds} if isinstance(exception, AttemptError) else {"lost"}
        if self.on is not None and not kinds & {*self.on}:
            return RetryDecision.fail("this failure is not one to try again after")
        seconds = self.initial * self.factor ** (try_number - 1)
        if self.maximum is not None:
            seconds = min(seconds, self.maximum)
        seconds *= 1 + self.jitter * random.uniform(-1, 1)
        return RetryDecision.retry(timedelta(seconds=seconds))
