"""Maps, loops, groups, conditions, failures and exit handlers, with real processes."""

from __future__ import annotations

import pytest

from couler.core.errors import ParameterError, ResourceError
from couler.core.ir.model import (
    AllOf,
    Backoff,
    Compare,
    Constant,
    EnvVar,
    ExitHandler,
    FirstOf,
    ForEach,
    GroupOutput,
    GroupTask,
    Input,
    ItemRef,
    ListOf,
    Loop,
    LoopOutputRef,
    Not,
    Parameter,
    ParameterRef,
    Resources,
    Retry,
    RoundRef,
    RunRef,
    StatusIs,
    Step,
    StepDefaults,
    SuspendTask,
)
from tests.local.conftest import flow, function, out, value

DOUBLE = "def f(x):\n    return 2 * x\n"
BOOM = "def f(x=0):\n    raise ValueError('boom')\n"
ONE = "def f(x=0):\n    return 1\n"
ECHO = "def f(x):\n    return x\n"
SUM = "def f(xs):\n    return sum(x or 0 for x in xs)\n"


def group(name, *steps, inputs=None, outputs=None, **more):
    given = inputs or {}
    task = GroupTask(
        parameters=tuple(Parameter(name=key) for key in given),
        steps=steps,
        outputs=tuple(GroupOutput(name=key, value=value(ref)) for key, ref in (outputs or {}).items()),
    )
    bound = tuple(Input(name=key, value=value(ref)) for key, ref in given.items())
    return Step(name=name, task=task, inputs=bound, **more)


def over(listed, parallelism=None):
    return ForEach(lists={"item": value(listed)}, parallelism=parallelism)


def compare(left, operator, right):
    return Compare(left=value(left), operator=operator, right=value(right))


def test_a_map_gathers_in_item_order(run):
    source = "import time\ndef f(x):\n    time.sleep((5 - x) / 100)\n    return 2 * x\n"
    result = run(
        flow(
            function("m", source, {"x": ItemRef()}, foreach=over([1, 2, 3, 4, 5])),
            function("s", SUM, {"xs": out("m")}),
            outputs={"m": out("m"), "s": out("s")},
        )
    )
    assert result.outputs == {"m": [2, 4, 6, 8, 10], "s": 30}
    assert result.statuses["m[3]"] == "succeeded"


def test_an_empty_map_gives_an_empty_list_and_the_reducer_runs(run):
    result = run(
        flow(
            function("l", "def f():\n    return []\n"),
            function("m", DOUBLE, {"x": ItemRef()}, foreach=over(out("l"))),
            function("s", SUM, {"xs": out("m")}),
            outputs={"m": out("m"), "s": out("s")},
        )
    )
    assert result.outputs == {"m": [], "s": 0}


def test_lists_are_mapped_together(run):
    source = "def f(a, b):\n    return f'{a}{b}'\n"
    foreach = ForEach(lists={"a": Constant(value=[1, 2]), "b": Constant(value=["x", "y"])})
    result = run(
        flow(
            function("m", source, {"a": ItemRef(name="a"), "b": ItemRef(name="b")}, foreach=foreach),
            outputs={"m": out("m")},
        )
    )
    assert result.outputs == {"m": ["1x", "2y"]}


def test_lists_of_different_lengths_fail_the_map(run):
    foreach = ForEach(lists={"a": Constant(value=[1]), "b": Constant(value=[1, 2])})
    result = run(flow(function("m", DOUBLE, {"x": ItemRef(name="a")}, foreach=foreach)))
    assert result.error("m") == "lists that are mapped together need equal lengths: 'a' has 1, 'b' has 2"
    assert result.status == "failed"


def test_a_failed_item_fails_the_map_and_names_itself(run):
    source = "def f(x):\n    return 1 / x\n"
    result = run(
        flow(function("m", source, {"x": ItemRef()}, foreach=over([1, 0, 2], 1)), function("s", SUM, {"xs": out("m")}))
    )
    assert result.status == "failed"
    assert result.error("m") == "item 1 failed: ZeroDivisionError: division by zero"
    assert result.statuses["s"] == "cancelled"
    assert "m[2]" not in result.statuses


def test_an_allowed_failure_of_an_item_is_null(run):
    source = "def f(x):\n    return 1 / x\n"
    mapped = function("m", source, {"x": ItemRef()}, foreach=over([1, 0, 2]), allow_failure=True)
    result = run(flow(mapped, function("s", SUM, {"xs": out("m")}), outputs={"m": out("m"), "s": out("s")}))
    assert result.outputs == {"m": [1.0, None, 0.5], "s": 1.5}


def test_the_parallelism_of_a_map_is_a_bound(make, run, tmp_path):
    ledger = tmp_path / "ledger"
    source = f"""
        import os, time
        def f(x):
            fd = os.open("{ledger}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(fd, b"+")
            time.sleep(0.03)
            os.write(fd, b"-")
    """
    run(flow(function("m", source, {"x": ItemRef()}, foreach=over(list(range(4)), 1))), on=make(cpu=3))
    assert ledger.read_text() == "+-" * 4


def test_a_map_over_a_group_with_an_inner_chain(run):
    body = group(
        "g",
        function("a", DOUBLE, {"x": ParameterRef(name="n")}),
        function("b", DOUBLE, {"x": out("a")}),
        inputs={"n": ItemRef()},
        outputs={"r": out("b")},
        foreach=over([1, 2, 3]),
    )
    result = run(flow(body, outputs={"r": out("g", "r")}))
    assert result.outputs == {"r": [4, 8, 12]}
    assert result.statuses["g[1]/a"] == "succeeded"


def test_a_loop_carries_values_until_its_condition_fails(run):
    loop = Loop(condition=compare(LoopOutputRef(output="result"), "<", 20), max_iterations=10, carry={"x": "result"})
    result = run(flow(function("l", DOUBLE, {"x": 3}, loop=loop), outputs={"r": out("l")}))
    assert result.outputs == {"r": 24}
    assert [path for path in result.statuses if "#" in path] == ["l#0", "l#1", "l#2"]


def test_a_loop_that_reaches_its_bound_fails_and_says_so(run):
    loop = Loop(condition=compare(RoundRef(), ">=", 0), max_iterations=3)
    result = run(flow(function("l", DOUBLE, {"x": 3}, loop=loop)))
    assert result.error("l") == "the condition of the loop still holds after 3 rounds, the most it may run"


def test_a_loop_of_a_group_inside_a_map(run):
    loop = Loop(condition=compare(LoopOutputRef(output="r"), "<", 10), max_iterations=9, carry={"n": "r"})
    body = group(
        "g", function("a", DOUBLE, {"x": ParameterRef(name="n")}), inputs={"n": ItemRef()}, outputs={"r": out("a")},
        foreach=over([1, 5, 20]), loop=loop,
    )  # fmt: skip
    assert run(flow(body, outputs={"r": out("g", "r")})).outputs == {"r": [16, 10, 40]}


def test_skips_spread_along_data_but_not_along_order(run):
    result = run(
        flow(
            function("a", DOUBLE, {"x": 1}, when=compare(ParameterRef(name="p"), ">", 5)),
            function("needs", DOUBLE, {"x": out("a")}),
            function("ordered", ONE, after=("a",)),
            function("default", DOUBLE, {"x": out("a", default=Constant(value=21))}),
            function("b", DOUBLE, {"x": 2}, when=Not(part=compare(ParameterRef(name="p"), ">", 5))),
            function("join", DOUBLE, {"x": FirstOf(options=(out("a"), out("b")))}),
            parameters=(Parameter(name="p", type="int"),),
            outputs={"d": out("default"), "j": out("join")},
        ),
        {"p": 3},
    )
    assert result.outputs == {"d": 42, "j": 8}
    assert result.statuses == {
        "a": "skipped", "needs": "skipped", "ordered": "succeeded", "default": "succeeded", "b": "succeeded",
        "join": "succeeded",
    }  # fmt: skip


def test_a_failure_stops_the_run_by_default(run):
    result = run(flow(function("a", BOOM), function("b", ONE, after=("a",)), function("c", ONE, after=("b",))))
    assert result.statuses == {"a": "failed", "b": "cancelled", "c": "cancelled"}
    assert result.status == "failed"
    assert result.message == "step 'a' failed: ValueError: boom"


def test_independent_branches_go_on_when_asked(run):
    result = run(
        flow(
            function("a", BOOM),
            function("b", ONE, after=("a",)),
            function("c", ONE),
            function("d", ONE, after=("c",)),
            on_failure="continue",
        )
    )
    assert result.statuses == {"a": "failed", "b": "cancelled", "c": "succeeded", "d": "succeeded"}


def test_an_allowed_failure_is_an_outcome(run):
    result = run(
        flow(
            function("a", BOOM, allow_failure=True),
            function("plain", ONE, after=("a",)),
            function("rescue", ONE, after_condition=StatusIs(step="a", status="failed")),
            function("never", ONE, after_condition=StatusIs(step="a", status="succeeded")),
            function("data", DOUBLE, {"x": out("a")}),
            function("default", DOUBLE, {"x": out("a", default=Constant(value=4))}),
            outputs={"r": out("rescue"), "d": out("default")},
        )
    )
    assert result.status == "succeeded"
    assert result.outputs == {"r": 1, "d": 8}
    assert result.statuses == {
        "a": "failed", "plain": "cancelled", "rescue": "succeeded", "never": "skipped", "data": "cancelled",
        "default": "succeeded",
    }  # fmt: skip


def test_a_list_with_an_absent_item_is_absent(run):
    both = ListOf(items=(out("one"), out("two")))
    never = function("two", ONE, when=compare(1, "==", 2))
    result = run(flow(function("one", ONE), never, function("reads", ECHO, {"x": both})))
    assert result.statuses == {"one": "succeeded", "two": "skipped", "reads": "skipped"}


def test_an_exit_handler_that_needs_what_does_not_exist_is_skipped(run):
    handlers = [
        function("reads", ECHO, {"x": out("good")}),
        function("failed", ECHO, {"x": out("bad")}),
        function("cancelled", ECHO, {"x": out("late")}),
        function("default", ECHO, {"x": out("bad", default=Constant(value=3))}),
        function("either", ECHO, {"x": FirstOf(options=(out("bad"), out("good")))}),
        function("tests", ONE, when=compare(out("bad"), "==", 1)),
    ]
    steps = (function("good", ONE), function("bad", BOOM, after=("good",)), function("late", ONE, after=("bad",)))
    result = run(flow(*steps, exit_handlers=tuple(ExitHandler(step=step) for step in handlers)))
    assert {name: result.statuses[name] for name in ("reads", "failed", "cancelled", "default", "either", "tests")} == {
        "reads": "succeeded", "failed": "skipped", "cancelled": "skipped", "default": "succeeded",
        "either": "succeeded", "tests": "skipped",
    }  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), [(ONE, ["always", "good"]), (BOOM, ["always", "bad"])])
def test_exit_handlers_run_by_status_and_read_the_run(run, source, expected):
    told = "def f(status, failed):\n    return [status, failed]\n"
    facts = {"status": RunRef(field="status"), "failed": RunRef(field="failed_steps")}
    result = run(
        flow(
            function("s", source),
            exit_handlers=(
                ExitHandler(step=function("always", told, facts)),
                ExitHandler(step=function("good", DOUBLE, {"x": out("s")}), on="success"),
                ExitHandler(step=function("bad", BOOM), on="failure"),
            ),
        )
    )
    failed = source is BOOM
    assert result.status == ("failed" if failed else "succeeded")
    assert result.steps["always"].outputs == {"result": [result.status, ["s"] if failed else []]}
    assert [name for name in ("always", "good", "bad") if result.statuses[name] != "skipped"] == expected
    assert not failed or result.statuses["bad"] == "failed"


def test_a_wrong_type_at_run_time_is_told_at_the_producer(run):
    from couler.core.ir.model import Output

    step = function("s", "def f():\n    return '5'\n", outputs=(Output(name="result", type="int"),))
    assert run(flow(step)).error("s") == "output 'result': expected int, got str '5'"


def test_a_group_is_tried_again_as_a_whole(run, tmp_path):
    ledger = tmp_path / "ledger"
    count = f"""
        def f():
            with open("{ledger}", "a") as file:
                file.write("a")
            return len(open("{ledger}").read())
    """
    check = "def f(x):\n    assert x == 3\n    return x\n"
    body = group(
        "g", function("a", count), function("b", check, {"x": out("a")}), outputs={"r": out("b")},
        retry=Retry(limit=4, backoff=Backoff(initial=0.01)),
    )  # fmt: skip
    result = run(flow(body, outputs={"r": out("g", "r")}))
    assert (result.status, result.outputs) == ("succeeded", {"r": 3})


def test_the_time_limit_of_a_group_cancels_what_is_inside(run):
    slow = "import time\ndef f():\n    time.sleep(50)\n"
    result = run(flow(group("g", function("a", slow), timeout=0.5), function("b", ONE, after=("g",))))
    assert result.statuses == {"g": "failed", "g/a": "cancelled", "b": "cancelled"}
    assert result.error("g") == "step 'g' ran longer than 0.5 s"


def test_the_time_limit_of_the_workflow_fails_the_run_and_handlers_run(run):
    slow = "import time\ndef f():\n    time.sleep(50)\n"
    handler = ExitHandler(step=function("h", ONE), on="failure")
    result = run(flow(function("a", slow), timeout=0.5, exit_handlers=(handler,)))
    assert (result.status, result.message) == ("failed", "the workflow ran longer than 0.5 s")
    assert result.statuses == {"a": "cancelled", "h": "succeeded"}


def test_a_pause_of_a_duration_ends_by_itself(run):
    pause = Step(name="p", task=SuspendTask(duration=0.05))
    assert run(flow(pause, function("s", ONE, after=("p",)))).statuses == {"p": "succeeded", "s": "succeeded"}


def test_more_than_the_machine_has_is_refused_before_the_start(make):
    engine = make(cpu=2, memory="4Gi", gpu=0)
    steps = [
        function("a", ONE, resources=Resources(cpu=3)),
        function("b", ONE, resources=Resources(memory="8Gi")),
        function("c", ONE, resources=Resources(gpu=1)),
    ]
    with pytest.raises(ResourceError) as caught:
        engine.start(flow(*steps), {})
    assert caught.value.message == (
        "step 'a' asks for 3 cpu, and this machine has 2; step 'b' asks for 8Gi of memory, and this machine has 4Gi; "
        "step 'c' asks for 1 gpu, and this machine has 0"
    )


def test_wrong_parameters_are_told_all_at_once(engine):
    workflow = flow(function("a", ONE), parameters=(Parameter(name="epochs", type="int"), Parameter(name="data")))
    with pytest.raises(ParameterError) as caught:
        engine.start(workflow, {"epochs": "3", "dta": 1})
    assert caught.value.message == (
        "workflow 'test' cannot start:\n"
        "  - unknown parameter 'dta'; did you mean 'data'?\n"
        "  - parameter 'epochs': expected int, got str '3'\n"
        "  - parameter 'data' (any) has no value and no default"
    )


def test_a_condition_over_several_values(run):
    both = AllOf(parts=(compare(out("a"), "==", 2), compare(out("b"), "in", [1, 2])))
    result = run(flow(function("a", DOUBLE, {"x": 1}), function("b", ONE), function("c", ONE, when=both)))
    assert result.statuses["c"] == "succeeded"


def test_comparing_what_has_no_order_fails_the_step(run):
    result = run(flow(function("a", ONE), function("c", ONE, when=compare(out("a"), "<", "x"))))
    assert "cannot order" in result.error("c")
    assert result.status == "failed"


def test_defaults_hold_for_steps_that_set_nothing_themselves(run):
    source = """
        import os
        def f():
            return [os.environ["A"], os.environ["B"], os.environ["COULER_ATTEMPT"] == "2" or 1 / 0]
    """
    defaults = StepDefaults(
        retry=Retry(limit=1),
        env=(EnvVar(name="A", value=Constant(value="default")), EnvVar(name="B", value=Constant(value="default"))),
    )
    own = (EnvVar(name="A", value=Constant(value="own")),)
    inner = group("g", function("s", source, env=own), outputs={"r": out("s")})
    result = run(flow(inner, function("t", source, env=own), defaults=defaults, outputs={"r": out("g", "r")}))
    assert result.outputs == {"r": ["own", "default", True]}
    assert result.steps["t"].attempts == 2


def test_facts_of_the_run_reach_groups_within_maps(run):
    body = group(
        "g",
        function("s", "def f(x):\n    return x\n", {"x": RunRef(field="name")}),
        outputs={"r": out("s")},
        foreach=over([1]),
    )
    assert run(flow(body, outputs={"r": out("g", "r")})).outputs == {"r": ["test"]}
