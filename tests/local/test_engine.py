"""Runs seen from outside: requests, locks, logs, detached runs, several at once, a full disk."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile

import psutil
import pytest

from couler.backends.local.engine import LocalEngine
from couler.core.errors import EngineError, StateError, StoreError
from couler.core.ir.model import Constant, EnvVar, ExitHandler, Output, Resources, RunRef, Step, SuspendTask
from tests.local.conftest import Result, container, flow, function, out, script

ONE = "def f(x=0):\n    return 1\n"
DOUBLE = "def f(x):\n    return 2 * x\n"
SLEEP = "import time\ndef f():\n    print('up', flush=True)\n    time.sleep(100)\n"


def until(holds, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def wait(engine: LocalEngine, run_id: str, *statuses: str) -> str:
    until(lambda: engine.store.run(run_id).status in statuses)
    return engine.store.run(run_id).status


ENDED = ("succeeded", "failed", "cancelled")
PAUSE = Step(name="p", task=SuspendTask(message="look at it"))


def test_a_detached_run_ends_by_itself(engine):
    run_id = engine.start(flow(function("s", DOUBLE, {"x": 2}), outputs={"r": out("s")}), {})
    engine.detach(run_id)
    assert wait(engine, run_id, *ENDED) == "succeeded"
    assert engine.store.run(run_id).outputs == {"r": 4}


def joined(run_id: str) -> None:
    """Wait until the process of a detached run was collected."""
    for thread in threading.enumerate():
        if thread.name == f"couler-{run_id}":
            thread.join(timeout=30)
            assert not thread.is_alive()


def test_a_detached_run_leaves_no_zombie(engine):
    run_id = engine.start(flow(function("s", ONE)), {})
    engine.detach(run_id)
    joined(run_id)
    assert engine.store.run(run_id).status == "succeeded"
    commands = [child.cmdline() for child in psutil.Process().children()]
    assert not any(run_id in command for command in commands)
    gc.collect()  # a process object that was not waited for would warn here


def test_who_detaches_may_end_at_once_and_silently(tmp_path):
    source = f"""
from pathlib import Path
from couler.backends.local.engine import LocalEngine
from tests.local.conftest import flow, function
engine = LocalEngine(Path({str(tmp_path / ".couler")!r}))
engine.start(flow(function("s", {ONE!r})), {{}}, "one")
engine.detach("one")
engine.close()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", source], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    engine = LocalEngine(tmp_path / ".couler")
    assert wait(engine, "one", *ENDED) == "succeeded"
    engine.close()


def test_a_run_that_is_stopped_before_its_driver_starts_never_starts(engine, tmp_path):
    run_id = engine.start(flow(function("s", ONE)), {})
    engine.stop(run_id)
    assert engine.store.run(run_id).status == "cancelled"
    engine.detach(run_id)
    joined(run_id)
    assert engine.store.run(run_id).status == "cancelled"
    assert engine.store.steps(run_id) == []
    assert "it is cancelled" in (tmp_path / ".couler" / "runs" / run_id / "runner.txt").read_text()
    assert engine.execute(run_id, "resume") == "succeeded"


@pytest.mark.parametrize(
    ("answer", "status", "step"), [("approve", "succeeded", "succeeded"), ("reject", "failed", "failed")]
)
def test_another_process_answers_a_suspended_run(engine, answer, status, step):
    run_id = engine.start(flow(PAUSE, function("s", ONE, after=("p",))), {})
    engine.detach(run_id)
    wait(engine, run_id, "suspended")
    getattr(engine, answer)(run_id, "p", "seen")
    assert wait(engine, run_id, *ENDED) == status
    assert engine.store.step(run_id, "p").status == step
    assert answer == "approve" or engine.store.step(run_id, "p").message == "seen"


def test_an_answer_given_while_nobody_drives_counts_at_the_resume(engine):
    run_id = engine.start(flow(PAUSE, function("s", ONE, after=("p",))), {})
    engine.detach(run_id)
    wait(engine, run_id, "suspended")
    os.kill(int(engine.store.run(run_id).owner.rsplit(":", 1)[1]), signal.SIGKILL)
    until(lambda: not engine.is_driven(run_id))
    engine.approve(run_id, "p")
    assert engine.execute(run_id, "resume") == "succeeded"


def test_stop_cancels_running_steps_by_force_when_needed(make):
    engine = make(grace=0.3)
    stubborn = script("s", "trap '' TERM; echo up; while true; do sleep 0.1; done")
    run_id = engine.start(flow(stubborn, function("t", ONE, after=("s",))), {})
    engine.detach(run_id)
    assert next(engine.logs(run_id, follow=True)) == ("s", "up")
    engine.stop(run_id)
    assert wait(engine, run_id, *ENDED) == "cancelled"
    assert {one.path: one.status for one in engine.store.steps(run_id)} == {"s": "cancelled", "t": "cancelled"}
    with pytest.raises(StateError, match="has already been cancelled"):
        engine.stop(run_id)


def test_a_stopped_run_can_be_resumed(make, tmp_path):
    engine = make(grace=0.3)
    gate = tmp_path / "gate"
    first = function("a", ONE)
    second = script("b", f"echo up; test -e {gate} || sleep 100; echo done", after=("a",))
    run_id = engine.start(flow(first, second, outputs={"r": out("b")}), {})
    engine.detach(run_id)
    next(engine.logs(run_id, "b", follow=True))
    engine.stop(run_id)
    wait(engine, run_id, *ENDED)
    gate.touch()
    assert engine.execute(run_id, "resume") == "succeeded"
    assert engine.store.run(run_id).outputs == {"r": "up\ndone"}
    assert [attempt.number for attempt in engine.store.attempts(run_id, "a")] == [1]


def test_ctrl_c_in_the_foreground_leaves_a_clean_state(tmp_path):
    engine = LocalEngine(tmp_path / ".couler", grace=0.3)
    run_id = engine.start(flow(function("s", SLEEP), function("t", ONE, after=("s",))), {})
    program = (
        "import signal, sys\nfrom pathlib import Path\nfrom couler.backends.local.engine import LocalEngine\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whoever started the tests may ignore it
        "try:\n    LocalEngine(Path(sys.argv[1]), grace=0.3).execute(sys.argv[2])\n"
        "except KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / ".couler"), run_id])
    next(engine.logs(run_id, follow=True))
    runner.send_signal(signal.SIGINT)
    assert runner.wait(20) == 130
    assert engine.store.run(run_id).status == "cancelled"
    assert engine.store.step(run_id, "t").status == "cancelled"
    engine.close()


def test_a_retry_runs_only_what_failed(run, engine, tmp_path):
    gate = tmp_path / "gate"
    fail = f"import os\ndef f(x):\n    assert os.path.exists({str(gate)!r})\n    return x + 1\n"
    result = run(flow(function("a", ONE), function("b", fail, {"x": out("a")}), function("c", DOUBLE, {"x": out("b")})))
    assert result.statuses == {"a": "succeeded", "b": "failed", "c": "cancelled"}
    with pytest.raises(StateError, match=r"has failed"):
        engine.execute(result.id, "resume")
    gate.touch()
    again = Result(engine, result.id, engine.execute(result.id, "retry"))
    assert again.statuses == {"a": "succeeded", "b": "succeeded", "c": "succeeded"}
    assert [attempt.number for attempt in again.attempts("b")] == [1, 2]
    assert again.steps["c"].outputs == {"result": 4}


def test_handlers_run_again_at_the_end_of_a_retry(run, engine, tmp_path):
    gate = tmp_path / "gate"
    fail = f"import os\ndef f():\n    assert os.path.exists({str(gate)!r})\n"
    tell = function("h", "def f(s):\n    return s\n", {"s": RunRef(field="status")})
    result = run(flow(function("a", fail), exit_handlers=(ExitHandler(step=tell),)))
    assert result.steps["h"].outputs == {"result": "failed"}
    gate.touch()
    again = Result(engine, result.id, engine.execute(result.id, "retry"))
    assert (again.status, again.steps["h"].outputs) == ("succeeded", {"result": "succeeded"})


def test_logs_are_streamed_while_a_step_runs(engine, tmp_path):
    gate = tmp_path / "gate"
    source = f"""
        import os, time
        def f():
            print("one")
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
            print("two")
    """
    run_id = engine.start(flow(function("s", source)), {})
    engine.detach(run_id)
    lines = engine.logs(run_id, follow=True)
    assert next(lines) == ("s", "one")
    gate.touch()
    assert list(lines) == [("s", "two")]
    assert list(engine.logs(run_id, "s")) == [("s", "one"), ("s", "two")]
    assert list(engine.logs(run_id, "other")) == []


def test_runs_at_once_below_one_root_do_not_disturb_each_other(make):
    engines = [make() for _ in range(3)]
    found = {}

    def drive(number: int) -> None:
        steps = [function("s0", DOUBLE, {"x": number})]
        steps += [function(f"s{index}", DOUBLE, {"x": out(f"s{index - 1}")}) for index in range(1, 12)]
        run_id = engines[number].start(flow(*steps, outputs={"r": out("s11")}), {})
        engines[number].execute(run_id)
        found[number] = engines[number].store.run(run_id).outputs

    threads = [threading.Thread(target=drive, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: {"r": number * 4096} for number in range(3)}


def test_the_parallelism_of_a_workflow_is_a_bound(make, tmp_path):
    ledger = tmp_path / "ledger"
    source = f"echo -n + >> {ledger}; sleep 0.03; echo -n - >> {ledger}"
    engine = make(cpu=3)
    run_id = engine.start(flow(*[script(f"s{number}", source) for number in range(4)], parallelism=1), {})
    assert engine.execute(run_id) == "succeeded"
    assert ledger.read_text() == "+-" * 4


def test_nothing_is_left_of_a_good_run_but_its_logs(run, tmp_path):
    result = run(flow(function("a", "def f():\n    open('x', 'w').write('1')\n    print('hi')\n"), function("b", ONE)))
    folder = tmp_path / ".couler" / "runs" / result.id
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "lock",
        "logs/a.txt",
    ]


def test_the_folder_of_a_failed_step_is_kept(run, tmp_path):
    result = run(flow(script("a", "echo 1 > x; exit 1")))
    assert (tmp_path / ".couler" / "runs" / result.id / "steps" / "a" / "x").read_text() == "1\n"


def filling(**more):
    source = "def f(o):\n    o.write_bytes(b'x' * 5_000_000)\n"
    return flow(function("s", source, outputs=(Output(name="o", type="file"),)), **more)


def test_a_full_disk_fails_the_step_with_its_reason(small_disk, tmp_path):
    engine = LocalEngine(small_disk / ".couler", store=f"sqlite:///{tmp_path}/runs.db")
    run_id = engine.start(filling(), {})
    assert engine.execute(run_id) == "failed"
    assert "No space left on device" in engine.store.step(run_id, "s").message
    engine.close()


def test_a_run_whose_store_has_no_room_goes_on_when_there_is_some(small_disk):
    engine = LocalEngine(small_disk / ".couler")
    run_id = engine.start(filling(on_failure="continue"), {})
    with pytest.raises(StoreError, match="database or disk is full"):
        engine.execute(run_id)
    shutil.rmtree(small_disk / ".couler" / "runs" / run_id)
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert engine.execute(run_id, "resume") == "succeeded"
    engine.close()


def test_the_observer_hears_of_transitions_after_they_are_stored(make):
    heard = []
    engine = make(observer=lambda event: heard.append((event.kind, event.path, event.data.get("status"))))
    run_id = engine.start(flow(function("s", ONE)), {})
    engine.execute(run_id)
    assert heard == [
        ("run-started", "", None),
        ("step", "s", "running"),
        ("step", "s", "succeeded"),
        ("run-ended", "", "succeeded"),
    ]


# --- containers: a small program stands in for docker, notes its arguments and runs the command as a process -----

FAKE_DOCKER = """#!/usr/bin/env python3
import json, os, subprocess, sys
arguments = sys.argv[1:]
with open(os.environ["FAKE_DOCKER_NOTES"], "a") as file:
    file.write(json.dumps(arguments) + "\\n")
if arguments[0] == "kill":
    sys.exit(0)
entrypoint, mounts, rest = [], {}, arguments[2:]
while rest and rest[0].startswith("--"):
    name, given, rest = rest[0], rest[1], rest[2:]
    if name == "--entrypoint":
        entrypoint = [given]
    if name == "--volume":
        mounts[given.split(":")[1]] = given.split(":")[0]
command = [mounts.get(part, part) for part in [*entrypoint, *rest[1:]]]
sys.exit(subprocess.run(command).returncode)
""".replace("arguments[2:]", "[one for one in arguments[1:] if one != '--rm']")


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """The arguments of each call of the stand-in for docker."""
    notes = tmp_path / "notes"
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(FAKE_DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER_NOTES", str(notes))
    return lambda: [json.loads(line) for line in notes.read_text().splitlines()]


def test_images_run_in_docker_when_asked(make, run, docker):
    use = EnvVar(name="A", value=Constant(value="value of a"))
    result = run(
        flow(
            container("c", "sh", "-c", 'echo "$A" > o.txt; echo out', image="alpine:3", env=(use,),
                      resources=Resources(cpu=0.5, memory="64Mi"),
                      outputs=(Output(name="o", type="file", path="o.txt"),)),
            function("f", "def f(x):\n    return x.read_text()\n", {"x": out("c", "o")}, types={"x": "file"},
                     image="python:3.12"),
            outputs={"c": out("c"), "f": out("f")},
        ),
        on=make(runtime="docker"),
    )  # fmt: skip
    assert result.message == ""
    assert result.outputs == {"c": "out", "f": "value of a\n"}
    first, second = docker()
    assert first[:3] == ["run", "--rm", "--name"]
    for part in (["--memory", str(64 * 2**20)], ["--cpus", "0.5"], ["--env", "A"], ["--entrypoint", "sh"]):
        assert any(first[index : index + 2] == part for index in range(len(first)))
    assert first[first.index("alpine:3") :][1:] == ["-c", 'echo "$A" > o.txt; echo out']
    assert "value of a" not in json.dumps(first[: first.index("alpine:3")])
    assert "python:3.12" in second


def test_a_timeout_ends_the_container(make, run, docker):
    result = run(flow(container("c", "sleep", "100", timeout=1.0)), on=make(runtime="docker"))
    assert result.error("c") == "ran longer than 1 s and was ended"
    assert docker()[-1][0] == "kill"
    assert docker()[-1][1] == docker()[0][3]


def test_a_missing_container_program_is_told_before_the_start(make, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match="the program 'podman' is not on this machine"):
        make(runtime="podman").start(flow(container("c", "true")), {})


def test_the_process_runtime_says_that_it_ignores_images(run):
    result = run(flow(container("c", "true")))
    notes = [event.data["message"] for event in result.engine.store.events(result.id) if event.kind == "note"]
    assert notes == ["the process runtime runs the commands of images on this machine, without the images"]


def test_packages_that_are_installed_need_no_environment(run, tmp_path):
    source = "import pydantic\ndef f():\n    return pydantic.VERSION[0]\n"
    assert run(flow(function("s", source, packages=("pydantic>=2",)), outputs={"r": out("s")})).outputs == {"r": "2"}
    assert not (tmp_path / ".couler" / "envs").exists()


def test_packages_that_cannot_be_installed_fail_the_step(run, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    result = run(flow(function("s", ONE, packages=("couler-no-such-package==1",))))
    assert result.error("s").startswith("cannot install the packages couler-no-such-package==1:")
    assert "No matching distribution found" in result.error("s")


def tiny_wheel(tmp_path, monkeypatch):
    """A package that pip finds without an index."""
    wheel = tmp_path / "tiny_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny_thing.py", "NUMBER = 5\ndef say():\n    print('tiny')\n")
        file.writestr("tiny_thing-1.0.dist-info/entry_points.txt", "[console_scripts]\ntiny = tiny_thing:say\n")
        file.writestr("tiny_thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        file.writestr(
            "tiny_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("tiny_thing-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


def test_a_package_is_installed_once_into_an_environment(run, tmp_path, monkeypatch):
    tiny_wheel(tmp_path, monkeypatch)
    source = "import sys, tiny_thing\ndef f():\n    return [tiny_thing.NUMBER, sys.prefix]\n"
    packages = ("tiny-thing>=1",)
    steps = [function(name, source, packages=packages) for name in ("a", "b")]
    shell = script("sh", "tiny")
    shell = shell.model_copy(update={"task": shell.task.model_copy(update={"packages": packages})})
    result = run(flow(*steps, shell, outputs={"a": out("a"), "b": out("b"), "sh": out("sh")}))
    assert result.message == ""
    assert result.outputs["a"] == result.outputs["b"]
    assert result.outputs["a"][0] == 5
    assert result.outputs["a"][1].startswith(str(tmp_path / ".couler" / "envs"))
    assert result.outputs["sh"] == "tiny"
