"""The state machine alone: random workflows, executed in imagination and in any order."""

from __future__ import annotations

import random
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couler.backends.local.machine import Machine
from couler.backends.local.retrying import delay, escalated
from couler.backends.local.work import Failure, Outcome, Previous
from couler.core.ir.graph import upstream
from couler.core.ir.model import (
    Backoff,
    Compare,
    Constant,
    Escalation,
    ForEach,
    FunctionTask,
    GroupOutput,
    GroupTask,
    Input,
    ItemRef,
    Loop,
    LoopOutputRef,
    OutputRef,
    Parameter,
    ParameterRef,
    Resources,
    Retry,
    Step,
    SuspendTask,
    Workflow,
)

TASK = FunctionTask(source="", entry="f")
ENDED = ("succeeded", "failed", "skipped", "cached", "cancelled")


class Imagined:
    """Executes a machine: outcomes are a function of path and attempt, the order of ends is drawn by chance."""

    def __init__(self, machine: Machine, outcome: Any, seed: int = 0, width: int = 3) -> None:
        self.machine = machine
        self.outcome = outcome
        self.chance = random.Random(seed)
        self.width = width
        self.now = 0.0
        self.statuses: dict[str, str] = {}
        self.outputs: dict[str, Any] = {}
        self.started: list[str] = []
        self.ends: list[str] = []
        self.timers: list[Any] = []

    def run(self) -> Imagined:
        machine, running = self.machine, []
        machine.begin(self.now)
        while not machine.finished:
            while len(running) < self.width:
                work = machine.take(self.now)
                if work is None:
                    break
                machine.started(work.leaf, self.now)
                self.started.append(work.path)
                running.append(work)
            self._listen()
            if running:
                work = running.pop(self.chance.randrange(len(running)))
                self.now += 1
                machine.ended(work.leaf, self.outcome(work), self.now)
            elif self.timers and not machine.finished:
                self.timers.sort(key=lambda timer: timer[0])
                self.now, call = self.timers.pop(0)
                machine.fire(call, self.now)
            self._listen()
        assert not running
        self._listen()
        return self

    def _listen(self) -> None:
        for change in self.machine.changes:
            before = self.statuses.get(change.path)
            if before == change.status == "running":  # a group starts again, with all that is inside
                for path in [path for path in self.statuses if path.startswith(f"{change.path}/")]:
                    del self.statuses[path]
            assert before not in ENDED, f"{change.path} ended twice: {before}, then {change.status}"
            self.statuses[change.path] = change.status
            if change.status in ENDED:
                self.ends.append(change.path)
            if change.outputs is not None:
                self.outputs[change.path] = change.outputs
        self.machine.changes.clear()
        self.timers += self.machine.timers
        self.machine.timers.clear()


def step(name: str, inputs: dict[str, Any] | None = None, **more: Any) -> Step:
    bound = tuple(Input(name=key, value=value) for key, value in (inputs or {}).items())
    return Step(name=name, task=more.pop("task", TASK), inputs=bound, **more)


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Steps with data, order, conditions, maps, loops, groups and allowed failures."""
    count = draw(st.integers(1, 9))
    steps = []
    for index in range(count):
        earlier = [f"s{before}" for before in range(index)]
        data = draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        after = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if earlier else []
        default = Constant(value=0) if draw(st.booleans()) else None
        inputs: dict[str, Any] = {name: OutputRef(step=name, default=default) for name in data}
        more: dict[str, Any] = {"after": tuple(after), "allow_failure": draw(st.integers(0, 5)) == 0}
        if draw(st.integers(0, 5)) == 0:
            more["when"] = Compare(operator="==", left=Constant(value=draw(st.integers(0, 1))), right=Constant(value=1))
        kind = draw(st.sampled_from(["plain", "plain", "map", "loop", "group", "group map"]))
        if "map" in kind:
            items = Constant(value=list(range(draw(st.integers(0, 4)))))
            more["foreach"] = ForEach(lists={"item": items}, parallelism=draw(st.sampled_from([None, 1, 2])))
            inputs["item"] = ItemRef()
        if kind == "loop":
            rounds = Compare(operator="<", left=LoopOutputRef(), right=Constant(value=0))
            more["loop"] = Loop(condition=rounds, max_iterations=2)
        if "group" in kind:
            inner = (step("a"), step("b", {"x": OutputRef(step="a")}), step("c", after=("a",)))
            outputs = (GroupOutput(name="result", value=OutputRef(step="b")),)
            parameters = tuple(Parameter(name=name) for name in inputs)
            more["task"] = GroupTask(steps=inner, outputs=outputs, parameters=parameters)
        if draw(st.integers(0, 4)) == 0:
            more["retry"] = Retry(limit=draw(st.integers(1, 2)), backoff=Backoff(initial=draw(st.integers(0, 1))))
        steps.append(step(f"s{index}", inputs, **more))
    return Workflow(name="w", steps=tuple(steps), on_failure=draw(st.sampled_from(["stop", "continue"])))


def outcomes(bad: float, seed: int) -> Any:
    """Each attempt fails with a fixed chance, decided by its path and number alone."""

    def decide(work: Any) -> Outcome:
        if random.Random(f"{seed} {work.path} {work.attempt}").random() < bad:
            return Outcome("failed", failure=Failure("ValueError", "imagined"))
        return Outcome("succeeded", {"result": len(work.path)})

    return decide


@settings(max_examples=300, deadline=None)
@given(workflows(), st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.4]))
def test_every_step_ends_once_and_after_what_it_needs(workflow, seed, bad):
    done = Imagined(Machine(workflow, {}, "r"), outcomes(bad, seed), seed).run()
    assert {path for path, status in done.statuses.items() if status not in ENDED} == set()
    assert {one.name for one in workflow.steps} <= set(done.statuses)
    for one in workflow.steps:
        starts = [
            index
            for index, path in enumerate(done.started)
            if path.split("/")[0].split("[")[0].split("#")[0] == one.name
        ]
        if starts:
            first = done.started[starts[0]]
            assert all(done.ends.index(before) < done.ends.index(first) for before in upstream(one))
            assert all(done.statuses[before] not in ("failed", "cancelled") for before in one.after)
    failed = [one.name for one in workflow.steps if done.statuses[one.name] == "failed" and not one.allow_failure]
    assert (done.machine.status == "failed") == bool(failed)


@settings(max_examples=150, deadline=None)
@given(workflows(), st.integers(0, 10**6), st.sampled_from([0.0, 0.3]))
def test_results_do_not_depend_on_the_order_of_ends(workflow, seed, bad):
    workflow = workflow.model_copy(update={"on_failure": "continue"})
    first = Imagined(Machine(workflow, {}, "r"), outcomes(bad, seed), 1, width=1).run()
    second = Imagined(Machine(workflow, {}, "r"), outcomes(bad, seed), 2, width=7).run()
    assert first.statuses == second.statuses
    assert first.outputs == second.outputs
    assert first.machine.status == second.machine.status


@settings(max_examples=150, deadline=None)
@given(workflows(), st.integers(0, 10**6), st.integers(0, 20))
def test_a_resume_from_any_moment_gives_the_same_and_repeats_nothing(workflow, seed, moment):
    whole = Imagined(Machine(workflow, {}, "r"), outcomes(0.0, seed), seed).run()
    ended = set(whole.ends[:moment])
    kept = {
        path: Previous(whole.statuses[path] if path in ended else "running", whole.outputs.get(path), 1)
        for path in [*whole.ends[:moment], *whole.ends[moment : moment + 2]]
    }
    again = Imagined(Machine(workflow, {}, "r", kept), outcomes(0.0, seed), seed + 1).run()
    assert again.machine.status == "succeeded"
    assert ended.isdisjoint(again.started)
    assert {**whole.statuses, **again.statuses} == whole.statuses
    assert again.outputs.items() <= whole.outputs.items()


def succeed(work: Any) -> Outcome:
    return Outcome("succeeded", {"result": "x" * 1000})


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 7), max_size=3)), min_size=1, max_size=8), st.data())
def test_a_daemon_ends_after_all_others_or_by_its_own_failure(shape, data):
    steps = [
        step(f"s{index}", daemon=daemon, after=tuple(f"s{other}" for other in sorted(before) if other < index))
        for index, (daemon, before) in enumerate(shape)
    ]
    machine = Machine(Workflow(name="w", steps=tuple(steps)), {}, "run")
    running: list[Any] = []
    ends: dict[str, str] = {}
    up: set[str] = set()
    fails = data.draw(st.sampled_from([None, *[one.name for one in steps]]))
    machine.begin(0.0)
    for _ in range(100):
        while (work := machine.take(0.0)) is not None:
            machine.started(work.leaf, 0.0)
            running.append(work)
        if machine.finished:
            break
        asked = [work for work in running if work.leaf in machine.kills]
        waiting = [work for work in running if work.path not in up]
        assert asked or waiting, "only daemons run, and nobody asked them to end"
        work = data.draw(st.sampled_from(asked or waiting))
        if work.step.daemon and not asked and work.path != fails:
            machine.daemon_up(work.leaf, 0.0)
            up.add(work.path)
            continue
        running.remove(work)
        if work.step.daemon and asked:
            assert all(other.step.daemon for other in running)
        bad = work.path == fails and not asked
        machine.ended(work.leaf, Outcome("failed", failure=Failure("E", "E")) if bad else Outcome("succeeded"), 0.0)
        ends[work.path] = "failed" if bad else "succeeded"
    assert machine.finished
    assert not running
    assert machine.status == ("failed" if "failed" in ends.values() else "succeeded")
    noted = {change.path: change.status for change in machine.changes}
    assert set(noted) == {one.name for one in steps}
    assert all(status in ENDED for status in noted.values())
    assert noted | ends == noted


def test_memory_stays_flat_in_the_steps_done():
    def peak(count: int) -> int:
        steps = [step("s0")] + [step(f"s{i}", {"x": OutputRef(step=f"s{i - 1}")}) for i in range(1, count)]
        machine = Machine(Workflow(name="w", steps=tuple(steps)), {}, "r")
        machine.begin(0)
        tracemalloc.start()
        while (work := machine.take(0)) is not None:
            machine.started(work.leaf, 0)
            machine.ended(work.leaf, Outcome("succeeded", {"result": "x" * 100_000}), 0)
            machine.changes.clear()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(400) < peak(40) + 1_000_000


def test_a_hundred_thousand_items_are_begun_one_by_one():
    mapped = step("m", {"x": ItemRef()}, foreach=ForEach(lists={"item": ParameterRef(name="items")}))
    workflow = Workflow(name="w", steps=(mapped,), parameters=(Parameter(name="items"),))
    machine = Machine(workflow, {"items": list(range(100_000))}, "r")
    begin = time.perf_counter()
    machine.begin(0)
    assert machine.take(0) is not None
    assert len(machine.ready) + len(machine.running) <= 1
    while (work := machine.take(0)) is not None:
        machine.started(work.leaf, 0)
        machine.ended(work.leaf, Outcome("succeeded", {"result": 1}), 0)
        machine.changes.clear()
    assert time.perf_counter() - begin < 20


def test_backoff_grows_to_its_maximum_within_its_jitter():
    retry = Retry(limit=9, backoff=Backoff(initial=1, factor=3, maximum=20, jitter=0.5))
    assert [delay(retry, number, 0.5) for number in (1, 2, 3, 4, 2000)] == [1, 3, 9, 20, 20]
    assert (delay(retry, 2, 0.0), delay(retry, 2, 1.0)) == (1.5, 4.5)


def test_memory_grows_only_after_running_out_of_it():
    retry = Retry(limit=9, escalation=Escalation(memory_factor=2, memory_maximum="3Gi"))
    gone, other = Failure("OutOfMemory", ""), Failure("ValueError", "")
    assert escalated(retry, 2**30, gone) == 2**31
    assert escalated(retry, 2**31, gone) == 3 * 2**30
    assert escalated(retry, 2**30, other) == 2**30


def test_the_next_attempt_asks_for_the_escalated_memory():
    one = step("s", resources=Resources(memory="1Gi"), retry=Retry(limit=2, escalation=Escalation()))
    asked = []

    def fail(work: Any) -> Outcome:
        asked.append(work.memory)
        return Outcome("failed", failure=Failure("OutOfMemory", "gone"))

    Imagined(Machine(Workflow(name="w", steps=(one,)), {}, "r"), fail).run()
    assert asked == [2**30, 2**31, 2**32]


@pytest.mark.parametrize(
    ("status", "ran"), [("succeeded", []), ("failed", []), ("cancelled", ["s"]), ("running", ["s"])]
)
def test_a_resume_keeps_what_had_ended(status, ran):
    workflow = Workflow(name="w", steps=(step("s"),))
    machine = Machine(workflow, {}, "r", {"s": Previous(status, {"result": 1}, 3, "why", 1)})
    done = Imagined(machine, succeed).run()
    assert done.started == ran
    assert machine.status == ("failed" if status == "failed" else "succeeded")


def test_a_retry_runs_failed_and_cancelled_steps_and_counts_their_attempts_on():
    workflow = Workflow(name="w", steps=(step("a"), step("b", after=("a",)), step("c")))
    before = {"a": Previous("failed", None, 2, "x", 2), "b": Previous("cancelled"), "c": Previous("succeeded", {})}
    numbers = {}

    def note(work: Any) -> Outcome:
        numbers[work.path] = work.attempt
        return Outcome("succeeded", {})

    Imagined(Machine(workflow, {}, "r", before, retry=True), note).run()
    assert numbers == {"a": 3, "b": 1}


def test_a_pause_waits_for_its_answer():
    workflow = Workflow(name="w", steps=(step("p", task=SuspendTask()), step("s", after=("p",))))
    machine = Machine(workflow, {}, "r")
    machine.begin(0)
    assert machine.take(0) is None
    assert not machine.approve("s", 1)
    assert machine.approve("p", 1)
    work = machine.take(1)
    assert work is not None
    assert work.path == "s"
