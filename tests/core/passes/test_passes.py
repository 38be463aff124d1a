"""Rewrites change what they say and nothing else."""

import pytest

from couler.core import passes
from couler.core.ir import model as ir
from couler.core.ir.features import features_of
from couler.core.ir.model import Workflow
from couler.core.ir.validate import problems
from couler.core.passes.apply_defaults import apply_defaults
from couler.core.passes.each_step import each_step


def script(name: str, **attributes: object) -> ir.Step:
    return ir.Step(name=name, task=ir.ScriptTask(source="print(1)"), **attributes)  # type: ignore[arg-type]


def sample() -> Workflow:
    full = {
        "cache": ir.CachePolicy(), "service_account": "bot", "engine_options": {"argo": {"x": 1}},
        "resources": ir.Resources(cpu=1, node_selector={"a": "b"}, priority="high"),
    }  # fmt: skip
    inner = ir.GroupTask(steps=(script("deep", **full),))
    return Workflow(
        name="w", steps=(script("top", **full), ir.Step(name="group", task=inner), script("plain")),
        exit_handlers=(ir.ExitHandler(step=script("last", **full)),), schedule=ir.Schedule(cron=("0 3 * * *",)),
        service_account="bot", engine_options={"argo": {"y": 2}},
    )  # fmt: skip


TAKEN = {
    "drop_schedule": {"schedule"},
    "drop_placement": {"placement"},
    "drop_service_accounts": {"service_account"},
    "drop_cache": {"cache"},
    "drop_engine_options": {"engine_options"},
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_lowering_takes_its_feature_away_everywhere_and_no_other(name: str) -> None:
    before = sample()
    rewrite, note = passes.LOWERINGS[name]
    after = rewrite(before)
    assert set(features_of(before)) - set(features_of(after)) == TAKEN[name]
    assert set(features_of(after)) <= set(features_of(before))
    assert problems(after) == ()
    assert note
    assert rewrite(after) == after


def test_every_pass_bears_the_name_under_which_it_is_listed() -> None:
    assert {name: rewrite.__name__ for name, (rewrite, _) in passes.LOWERINGS.items()} == {
        name: name for name in (*TAKEN, "go_on_after_failures")
    }


def test_going_on_after_failures_is_said_by_the_workflow() -> None:
    steps = (script("a"), script("b"))
    before = ir.Workflow(name="w", steps=steps)

    after = passes.LOWERINGS["go_on_after_failures"][0](before)

    assert "on_failure_stop" in features_of(before)
    assert {"on_failure_continue", "on_failure_stop"} & set(features_of(after)) == {"on_failure_continue"}
    assert after.steps == steps


def test_a_chain_has_nothing_to_stop_and_functions_side_by_side_are_stopped_by_any_engine() -> None:
    chain = ir.Workflow(name="w", steps=(script("a"), script("b", after=("a",))))
    functions = tuple(ir.Step(name=name, task=ir.FunctionTask(source="def f(): pass", entry="f")) for name in "ab")

    assert "on_failure_stop" not in features_of(chain)
    assert "on_failure_stop" not in features_of(ir.Workflow(name="w", steps=functions))


def test_defaults_reach_steps_that_do_not_say_otherwise() -> None:
    defaults = ir.StepDefaults(
        image="python:3.12", packages=("numpy",), retry=ir.Retry(limit=2), timeout=60,
        env=(ir.EnvVar(name="A", value=ir.Constant(value=1)), ir.EnvVar(name="B", value=ir.Constant(value=1))),
    )  # fmt: skip
    own = script("own", retry=ir.Retry(limit=5), env=(ir.EnvVar(name="B", value=ir.Constant(value=2)),))
    group = ir.Step(name="group", task=ir.GroupTask(steps=(script("deep"),)))
    pause = ir.Step(name="pause", task=ir.SuspendTask())
    container = ir.Step(name="box", task=ir.ContainerTask(image="alpine:3.20"))
    after = apply_defaults(Workflow(name="w", defaults=defaults, steps=(own, group, pause, container)))
    changed, grouped, paused, boxed = after.steps
    assert isinstance(changed.task, ir.ScriptTask)
    assert isinstance(grouped.task, ir.GroupTask)
    assert (changed.retry, changed.timeout, changed.task.image) == (ir.Retry(limit=5), 60, "python:3.12")
    assert [(item.name, item.value) for item in changed.env] == [
        ("A", ir.Constant(value=1)), ("B", ir.Constant(value=2)),
    ]  # fmt: skip
    assert grouped.retry is None
    assert grouped.task.steps[0].retry == ir.Retry(limit=2)
    assert paused == pause
    assert boxed.timeout == 60
    assert isinstance(boxed.task, ir.ContainerTask)
    assert boxed.task.image == "alpine:3.20"
    assert apply_defaults(after) == after


def test_what_does_not_change_is_shared() -> None:
    before = sample()
    after = each_step(before, lambda step: {"description": "new"} if step.name == "deep" else {})
    assert after.steps[0] is before.steps[0]
    assert after.steps[1] is not before.steps[1]
    assert before == sample()
