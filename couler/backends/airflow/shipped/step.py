"""What all operators of a DAG share: whether a step runs, its values, and how it ends.

A step ends as Airflow's states say, and in XComs of its own: ``return_value`` is a JSON text with its outputs,
``ended`` tells skips from cancellations, and ``error`` is why it failed. JSON travels as text so that nothing in it is
taken for one of Airflow's own objects.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from couler.runner.function import plain

from . import processes, version
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
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseOperator,
)

BAD = ("failed", "cancelled")
LONGEST_ITEM = 100
"""Characters of an item that Airflow shows in the place of its index."""


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


def allows_failure(task: Any) -> bool:
    """Whether the failure of a task is an outcome; a mapped one has its arguments beside it."""
    given = getattr(task, "partial_kwargs", {}).get("allow_failure", False)
    return bool(getattr(task, "allow_failure", given))


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
            return "failed", allows_failure(self.dag.task_dict.get(task))
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
            if around and not allows_failure(task) and not task.is_teardown:
                in_map = self._group is not None and task.task_id.startswith(self._group)
                (inside if in_map else outside).append(task.task_id)
                if in_map and task.task_id == f"{self._group}end":
                    outside.append(task.task_id)
        every = len(outside) == len(self.dag.tasks)
        if inside and version.any_failed(self.context, inside, self.ti.map_index):
            return True
        return bool(every or outside) and version.any_failed(self.context, None if every else outside, None)
