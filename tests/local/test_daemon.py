"""Daemons: they run beside the other steps and end when nobody needs them any more."""

from __future__ import annotations

import pytest

from couler.backends.local.backend import LocalBackend
from couler.core.errors import UnsupportedFeatureError
from couler.core.ir.model import Constant, ExitHandler, ForEach, GroupTask, Resources, Retry, Step, SuspendTask
from tests.local.conftest import flow, function, out, script

ONE = "def f(x=0):\n    return 1\n"


def serving(folder, name="d", **more):
    """A daemon that answers files named ``ask`` and notes its end."""
    source = f"""
        trap 'echo ended > {folder}/ended; exit 143' TERM
        while true; do
            test -e {folder}/ask && echo hello > {folder}/answer.part && mv {folder}/answer.part {folder}/answer
            sleep 0.01
        done
    """
    return script(name, source, daemon=True, **more)


def asking(folder, name="s", **more):
    source = f"touch {folder}/ask; while ! test -e {folder}/answer; do sleep 0.01; done; cat {folder}/answer"
    return script(name, source, timeout=20, **more)


@pytest.mark.parametrize("cpu", [1, 2])
def test_a_daemon_serves_the_others_and_is_stopped_after_them(run, make, tmp_path, cpu):
    last = function("last", ONE, {"x": out("s")})
    steps = (serving(tmp_path), asking(tmp_path, after=("d",)), last)
    result = run(flow(*steps, outputs={"r": out("s")}), on=make(cpu=cpu))
    assert result.message == ""
    assert result.outputs == {"r": "hello"}
    assert result.statuses == {"d": "succeeded", "s": "succeeded", "last": "succeeded"}
    assert (tmp_path / "ended").exists()
    assert [one.status for one in result.attempts("d")] == ["succeeded"]
    assert result.steps["d"].ended >= result.steps["last"].ended


def test_functions_can_be_daemons(run):
    sleeping = function("d", "import time\ndef f():\n    time.sleep(1000)\n", daemon=True)
    assert run(flow(sleeping, function("s", ONE, after=("d",)))).statuses == {"d": "succeeded", "s": "succeeded"}


def test_a_daemon_alone_is_started_and_stopped(run, tmp_path):
    assert run(flow(serving(tmp_path))).statuses == {"d": "succeeded"}


def test_a_daemon_that_fails_by_itself_fails_the_run(run, tmp_path):
    wait = script("s", f"while ! test -e {tmp_path}/go; do sleep 0.01; done", timeout=20, after=("d",))
    failing = script("d", f"touch {tmp_path}/go; exit 3", daemon=True)
    result = run(flow(failing, wait, function("late", ONE, after=("s",))))
    assert (result.status, result.message) == ("failed", "step 'd' failed: exit code 3")
    assert result.statuses["d"] == "failed"


def test_a_daemon_that_cannot_start_cancels_those_after_it(run):
    result = run(flow(script("d", "exit 3", ("no-such-program",), daemon=True), function("s", ONE, after=("d",))))
    assert result.status == "failed"
    assert "no-such-program" in result.error("d")
    assert result.statuses["s"] == "cancelled"


def test_a_daemon_is_started_again_as_its_retries_say(run, tmp_path):
    source = f"if test -e {tmp_path}/once; then sleep 1000; else touch {tmp_path}/once; exit 1; fi"
    step = script("s", f"while ! test -e {tmp_path}/once; do sleep 0.01; done", timeout=20, after=("d",))
    pause = Step(name="p", task=SuspendTask(duration=0.3), after=("s",))
    result = run(flow(script("d", source, daemon=True, retry=Retry(limit=2)), step, pause))
    assert result.status == "succeeded"
    assert [one.status for one in result.attempts("d")] == ["failed", "succeeded"]


def test_a_daemon_is_stopped_when_another_step_fails(run, tmp_path):
    boom = function("s", "def f():\n    raise ValueError('boom')\n", after=("d",))
    result = run(flow(serving(tmp_path), boom, function("late", ONE, after=("s",))))
    assert result.status == "failed"
    assert result.statuses == {"d": "succeeded", "s": "failed", "late": "cancelled"}


def test_each_item_of_a_mapped_group_has_its_own_daemon(run, make, tmp_path):
    inner = function("d", "import time\ndef f():\n    time.sleep(1000)\n", daemon=True)
    task = GroupTask(steps=(inner, function("s", ONE, after=("d",))))
    group = Step(name="g", task=task, foreach=ForEach(lists={"item": Constant(value=[1, 2, 3])}))
    result = run(flow(group), on=make(cpu=1))
    assert result.status == "succeeded"
    assert [result.statuses[f"g[{number}]/d"] for number in range(3)] == ["succeeded"] * 3


def test_exit_handlers_start_when_the_daemon_has_ended(run, tmp_path):
    handler = script("h", f"test -e {tmp_path}/ended && printf yes")
    result = run(flow(serving(tmp_path), asking(tmp_path, after=("d",)), exit_handlers=(ExitHandler(step=handler),)))
    assert result.steps["h"].outputs == {"result": "yes"}


def test_a_daemon_runs_again_when_the_run_is_retried(run, engine, tmp_path):
    marker = tmp_path / "marker"
    once = script("once", f"if test -e {marker}; then exit 0; else touch {marker}; exit 1; fi", after=("s",))
    result = run(flow(serving(tmp_path), asking(tmp_path, after=("d",)), once))
    assert result.status == "failed"
    (tmp_path / "ended").unlink()
    assert engine.execute(result.id, "retry") == "succeeded"
    assert (tmp_path / "ended").exists()
    assert [one.number for one in engine.store.attempts(result.id, "d")] == [1, 2]
    assert len(engine.store.attempts(result.id, "s")) == 1


def test_a_run_with_a_daemon_can_be_stopped(engine, tmp_path):
    run_id = engine.start(flow(serving(tmp_path), Step(name="p", task=SuspendTask(), after=("d",))), {})

    def stop(event):
        if event.path == "p":
            engine.stop(run_id)

    assert engine.execute(run_id, observer=stop) == "cancelled"
    assert {step.path: step.status for step in engine.store.steps(run_id)} == {"d": "cancelled", "p": "cancelled"}


def test_daemons_that_could_not_work_are_refused(engine):
    spinning = "def f():\n    pass\n"
    mapped = function("m", spinning, daemon=True, foreach=ForEach(lists={"item": Constant(value=[1])}))
    fast = function("g", spinning, daemon=True, resources=Resources(gpu=1))
    read = function("d", spinning, daemon=True)
    with pytest.raises(UnsupportedFeatureError) as caught:
        engine.start(flow(mapped, fast, read, function("s", ONE, {"x": out("d")})), {})
    assert [(one.feature, one.steps) for one in caught.value.refusals] == [
        ("daemon", ("m",)), ("daemon", ("g",)), ("daemon", ("d",)),
    ]  # fmt: skip


def test_daemons_are_native():
    assert LocalBackend().declaration().support("daemon") == "native"
