"""What stands around groups, maps and loops, and at the end of the workflow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from couler.runner.value_types import kind_of

from . import version
from .processes import AttemptError
from .step import Here, Step, allows_failure
from .values import MISSING, NoValueError, holds
from .version import AirflowFailException, RetryDecision, RetryPolicy

ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
MOST_ITEMS = 1024
"""Items of a map: more are refused by Airflow itself, unless ``core.max_map_length`` is raised."""


LOOKS, LOOK = 100_000, 2
"""How often an item looks whether it is its turn, and after how many seconds for each one ahead of it."""


class NotYetError(Exception):
    """It is not the turn of an item of a map: as many run as may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"as many items run as may; looks again in {seconds:g} s")
        self.seconds = seconds


class Turns(RetryPolicy):
    """Further looks until it is the turn of an item. A task that is put off instead may be taken for lost."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        if isinstance(exception, NotYetError):
            return RetryDecision.retry(timedelta(seconds=exception.seconds))
        return RetryDecision.fail("the group's start failed")


class Start(Step):
    """The start of a group: works out the group's parameters.

    Args:
        at_once: The most items of its map at a time; 0 is no bound.
    """

    template_fields = ("item",)

    def __init__(self, *, at_once: int = 0, **arguments: Any) -> None:
        waits = {"retries": LOOKS, "retry_policy": Turns(), "retry_delay": timedelta(seconds=LOOK)} if at_once else {}
        super().__init__(**{**waits, **arguments})
        self.at_once = at_once

    def pre_execute(self, context: Any) -> None:
        """Skip the group when it is not to run; put it off while as many items run as may."""
        super().pre_execute(context)
        if self.at_once:
            here = Here(self, context)
            end = self.task_id.removesuffix("start") + "end"
            ended = sum(state in ENDED for state in version.states(context, [end]).values())
            if (ahead := here.ti.map_index + 1 - self.at_once - ended) > 0:
                raise NotYetError(min(LOOK * ahead, 60))

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
            if status == "failed":
                raise AttemptError(here.error_of(start).removeprefix(": ") or "the group did not start")
            if status != "succeeded":
                here.give_up(status, soft)
        endings = {name: here.ending(task) for name, task in self.steps.items()}
        failed = [name for name, (status, soft) in endings.items() if status == "failed" and not soft]
        status = "failed" if failed else "succeeded"
        if self.task_id == "end":
            here.push("outcome", {"status": status, "failed_steps": list(self.failed_steps(here))})
        if failed:
            raise AttemptError(f"step '{failed[0]}' failed{here.error_of(self.steps[failed[0]])}", ("AttemptError",))
        if any(status == "cancelled" and not soft for status, soft in endings.values()):
            here.give_up("cancelled", False)
        found = {name: here.value(value) for name, value in self.outputs.items()}
        return {name: value for name, value in found.items() if value is not MISSING}

    def failed_steps(self, here: Here) -> Iterator[str]:
        """Paths of the steps that failed, in the order in which they are declared, less what was allowed to."""
        tasks = self.dag.task_dict
        failed = {name for name, state in version.states(here.context, tasks).items() if state == "failed"}
        failed |= {name.rpartition("_")[0] for name in failed - tasks.keys()}

        def below(task: str, path: str) -> Iterator[str]:
            one = tasks[task]
            if task not in failed or allows_failure(one):
                return
            inner: list[str] = []
            if isinstance(one, End):
                inner = [found for name, face in one.steps.items() for found in below(face, f"{path}/{name}")]
            elif isinstance(one, Gather | Rounds):
                inner = [found for body in one.bodies for found in below(body, path)]
            yield from dict.fromkeys(inner) or [path]

        for name, face in self.steps.items():
            yield from below(face, name)


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
        if not self.allow_items and any(self._is_cancelled(here, states, index) for index in range(count)):
            here.give_up("cancelled", False)
        results: list[Mapping[str, Any] | None] = [None] * count
        for text in here.ti.xcom_pull(task_ids=[self.each], map_indexes=range(count)) if count else ():
            if isinstance(text, str):
                found = json.loads(text)
                results[found["index"]] = found["outputs"]
        return {name: [None if one is None else one.get(name) for one in results] for name in self.names}

    def _is_cancelled(self, here: Here, states: Mapping[str, str | None], index: int) -> bool:
        state = states.get(f"{self.each}_{index}")
        if state != "skipped":
            return state == "upstream_failed"
        ended = json.loads(here.ti.xcom_pull(task_ids=self.each, key="ended", map_indexes=index) or "{}")
        return ended.get("status") == "cancelled" and not ended.get("soft", False)

    @property
    def bodies(self) -> Sequence[str]:
        """The tasks that end its items."""
        return (self.each,)


class Rounds(Closing):
    """The end of a loop: gives the outputs of the last round.

    Args:
        rounds: The tasks that end each round.
        names: Outputs.
    """

    def __init__(self, *, rounds: Sequence[str], names: Sequence[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.rounds = self.bodies = tuple(rounds)
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
