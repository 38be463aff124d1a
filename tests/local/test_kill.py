"""A runner that is killed at any moment: a resume gives the same outputs and runs nothing again that had ended."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from couler.backends.local.engine import LocalEngine
from couler.core.errors import StateError
from couler.core.ir.model import (
    Compare,
    Constant,
    ForEach,
    ItemRef,
    Loop,
    LoopOutputRef,
    Output,
    Retry,
    Step,
    SuspendTask,
    Workflow,
)
from tests.local.conftest import flow, function, out, script

ROUNDS = 50


def workflow(ledger: Path) -> Workflow:
    """Twelve and more quick steps that write to a ledger when they begin; a map, a loop and files among them."""

    def noting(name: str, body: str, *parameters: str, **more: object):
        source = f"""
            import os
            def f({", ".join(parameters)}):
                fd = os.open({str(ledger)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.write(fd, (os.environ["COULER_STEP"] + "\\n").encode())
                os.close(fd)
                {body}
        """
        return function(name, source, **more)

    loop = Loop(
        condition=Compare(operator="<", left=LoopOutputRef(), right=Constant(value=40)),
        max_iterations=9,
        carry={"x": "result"},
    )
    return flow(
        noting("numbers", "return [1, 2, 3, 4]"),
        noting(
            "squares", "return x * x", "x", inputs={"x": ItemRef()}, foreach=ForEach(lists={"item": out("numbers")})
        ),
        noting("total", "return sum(xs)", "xs", inputs={"xs": out("squares")}),
        noting("grow", "return x + 15", "x", inputs={"x": out("total")}, loop=loop),
        noting(
            "write",
            "file.write_text(str(x))",
            "x",
            "file",
            inputs={"x": out("total")},
            outputs=(Output(name="file", type="file", path="out.txt"),),
        ),
        noting(
            "read", "return file.read_text()", "file", inputs={"file": out("write", "file")}, types={"file": "file"}
        ),
        script("shell", f'echo "$COULER_STEP" >> {ledger}; echo "$1"', args=[out("read")]),
        noting(
            "end", "return [a, b, c]", "a", "b", "c", inputs={"a": out("grow"), "b": out("read"), "c": out("shell")}
        ),
        outputs={"end": out("end")},
    )


def test_a_killed_run_is_resumed_without_running_what_had_ended(tmp_path):
    chance = random.Random(1)
    root, ledger = tmp_path / ".couler", tmp_path / "ledger"
    engine = LocalEngine(root)
    length = _seconds_of_an_undisturbed_run(root, engine, ledger)
    halfway = 0
    for number in range(ROUNDS):
        ledger.unlink(missing_ok=True)
        run_id = engine.start(workflow(ledger), {}, f"run-{number}")
        _drive_and_kill(engine, root, run_id, chance.random() * length)
        ended = {step.path for step in engine.store.steps(run_id) if step.status == "succeeded"}
        before = Counter(_lines(ledger))
        halfway += bool(ended) and engine.store.run(run_id).status == "running"
        if engine.store.run(run_id).status != "succeeded":
            pending = engine.store.run(run_id).status == "pending"
            assert engine.execute(run_id, "new" if pending else "resume") == "succeeded"
        assert engine.store.run(run_id).outputs == {"end": [45, "30", "30"]}
        after = Counter(_lines(ledger))
        assert {path: after[path] for path in ended} == {path: before[path] for path in ended}
        assert {step.status for step in engine.store.steps(run_id)} == {"succeeded"}
    engine.close()
    assert halfway >= ROUNDS // 3, "kills before the first step ended and after the last one prove little"


def _seconds_of_an_undisturbed_run(root: Path, engine: LocalEngine, ledger: Path) -> float:
    run_id = engine.start(workflow(ledger), {}, "undisturbed")
    _drive_and_kill(engine, root, run_id, 60)
    run = engine.store.run(run_id)
    assert run.status == "succeeded"
    return run.ended - run.started


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def _drive_and_kill(engine: LocalEngine, root: Path, run_id: str, seconds: float) -> None:
    """Drive a new run in a process of its own, which is killed so many seconds after the run has begun."""
    command = [sys.executable, "-m", "couler.backends.local", run_id, "--root", str(root), "--mode", "new"]
    runner = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _until(lambda: engine.store.run(run_id).started is not None)
    began = engine.store.run(run_id).started
    try:
        _, errors = runner.communicate(timeout=max(0.0, began + seconds - time.time()))
        assert runner.returncode == 0, errors
    except subprocess.TimeoutExpired:
        runner.kill()
        runner.communicate()


def test_no_orphan_goes_on_after_the_runner_was_killed(tmp_path):
    engine = LocalEngine(tmp_path / ".couler")
    pid = tmp_path / "pid"
    source = f"import os, time\ndef f():\n    open({str(pid)!r}, 'w').write(str(os.getpid()))\n    time.sleep(100)\n"
    run_id = engine.start(flow(function("s", source), script("t", f"echo $$ > {pid}2; sleep 100")), {})
    command = [sys.executable, "-m", "couler.backends.local", run_id, "--root", str(tmp_path / ".couler")]
    runner = subprocess.Popen(command, start_new_session=True)
    _until(lambda: pid.exists() and pid.read_text() and Path(f"{pid}2").exists() and Path(f"{pid}2").read_text())
    with pytest.raises(StateError, match=f"run '{run_id}' is being driven by process {runner.pid}"):
        engine.execute(run_id, "resume")
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    numbers = [int(pid.read_text()), int(Path(f"{pid}2").read_text())]
    _until(lambda: not any(_lives(number) for number in numbers))
    assert not engine.is_driven(run_id)
    engine.close()


def test_a_resume_ends_what_left_its_session_and_tells_of_lost_attempts(tmp_path):
    engine = LocalEngine(tmp_path / ".couler")
    pid, again = tmp_path / "pid", tmp_path / "again"
    source = f"if test -e {again}; then echo done; else setsid sh -c 'echo $$ > {pid}; exec sleep 1000' & wait; fi"
    steps = (script("s", source), Step(name="p", task=SuspendTask(duration=0.01)), script("e", "echo 1"))
    run_id = engine.start(flow(*steps[:2], steps[2].model_copy(update={"after": ("s",)})), {})
    command = [sys.executable, "-m", "couler.backends.local", run_id, "--root", str(tmp_path / ".couler")]
    runner = subprocess.Popen(command, start_new_session=True)
    _until(lambda: pid.exists() and pid.read_text().strip())
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    stray = int(pid.read_text())
    assert _lives(stray)
    again.touch()
    assert engine.execute(run_id, "resume") == "succeeded"
    assert not _lives(stray)
    attempts = [(one.path, one.number, one.status, one.error) for one in engine.store.attempts(run_id)]
    assert sorted(attempts) == [("e", 1, "succeeded", ""), ("s", 1, "failed", "Lost"), ("s", 2, "succeeded", "")]
    engine.close()


def test_a_lost_attempt_does_not_count_against_the_retries(tmp_path):
    engine = LocalEngine(tmp_path / ".couler")
    up, again = tmp_path / "up", tmp_path / "again"
    source = f"""
        import os, time
        def f():
            if not os.path.exists({str(again)!r}):
                open({str(up)!r}, "x").close()
                time.sleep(1000)
            if os.environ["COULER_ATTEMPT"] == "2":
                raise ValueError("once")
    """
    run_id = engine.start(flow(function("s", source, retry=Retry(limit=1))), {})
    command = [sys.executable, "-m", "couler.backends.local", run_id, "--root", str(tmp_path / ".couler")]
    runner = subprocess.Popen(command, start_new_session=True)
    _until(up.exists)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    again.touch()
    assert engine.execute(run_id, "resume") == "succeeded"
    assert [one.error for one in engine.store.attempts(run_id)] == ["Lost", "ValueError", ""]
    engine.close()


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until(holds, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
