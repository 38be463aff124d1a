"""What one step can be and how it can fail, with real processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from couler.core.ir.model import Constant, EnvVar, Output, Resources, Retry, RetryOn, SecretRef, SecretUse
from tests.local.conftest import container, flow, function, out, script

DOUBLE = "def f(x):\n    return 2 * x\n"


def test_a_value_goes_through_a_chain(run):
    result = run(flow(function("a", DOUBLE, {"x": 4}), function("b", DOUBLE, {"x": out("a")}), outputs={"r": out("b")}))
    assert result.status == "succeeded"
    assert result.outputs == {"r": 16}
    assert result.statuses == {"a": "succeeded", "b": "succeeded"}


@pytest.mark.parametrize(
    "text",
    [
        "{{workflow.name}} $(whoami) `id` ${HOME}",
        "'\"\\",
        "a\nb\r\n\tc",
        "yes",
        "1e3",
        "\x00\x01\x1b[0m",
        "ünï 漢字 🎉",
        "",
    ],
)
def test_text_arrives_unchanged(run, text):
    echo = function("echo", "def f(x):\n    return x\n", {"x": text})
    assert run(flow(echo, outputs={"r": out("echo")})).outputs == {"r": text}


@pytest.mark.parametrize("value", [None, True, 0, -1.5, 2**70, [], {"a": [1, {"b": None}]}, "x" * 3_000_000])
def test_json_values_keep_their_type(run, value):
    echo = function("echo", "def f(x):\n    return x\n", {"x": value})
    found = run(flow(echo, outputs={"r": out("echo")})).outputs["r"]
    assert found == value
    assert type(found) is type(value)


def test_script_and_container_give_their_output_without_one_newline(run):
    result = run(
        flow(
            script("s", 'printf "%s\\n\\n" "$1"', args=["a b; $(c)"]),
            container("c", "echo", out("s")),
            outputs={"s": out("s"), "c": out("c")},
        )
    )
    assert result.outputs == {"s": "a b; $(c)\n", "c": "a b; $(c)\n"}
    assert result.log("c") == ["a b; $(c)", ""]


def test_python_scripts_run_in_this_python(run):
    source = "import sys; print(sys.executable, end='')"
    assert run(flow(script("s", source, ("python",)), outputs={"r": out("s")})).outputs == {"r": sys.executable}


def test_named_outputs_of_a_script_are_read_from_files(run):
    step = script(
        "s",
        "echo 5 > n.txt; echo '[1, 2]' > l.json; echo log",
        outputs=(
            Output(name="n", type="int", path="n.txt"),
            Output(name="l", type="list", path="l.json"),
            Output(name="d", type="int", path="none", default=Constant(value=7)),
        ),
    )
    result = run(flow(step, outputs={key: out("s", key) for key in ("n", "l", "d", "result")}))
    assert result.outputs == {"n": 5, "l": [1, 2], "d": 7, "result": "log"}


def test_files_go_from_step_to_step(run):
    write = function(
        "write",
        "def f(model, folder):\n    model.write_text('m')\n    (folder / 'a').write_text('A')\n",
        outputs=(Output(name="model", type="file", path="model.txt"), Output(name="folder", type="folder")),
    )
    read = function(
        "read",
        "def f(model, folder):\n    return [model.name, model.read_text(), (folder / 'a').read_text()]\n",
        {"model": out("write", "model"), "folder": out("write", "folder")},
        types={"model": "file", "folder": "folder"},
    )
    shell = script("shell", "cat data/in.txt", inputs=read.inputs[:1])
    shell = shell.model_copy(update={"inputs": (shell.inputs[0].model_copy(update={"path": "data/in.txt"}),)})
    result = run(flow(write, read, shell, outputs={"r": out("read"), "s": out("shell")}))
    assert result.message == ""
    assert result.outputs == {"r": ["model.txt", "m", "A"], "s": "m"}
    assert result.steps["write"].outputs["model"]["$file"] is True


def test_an_absolute_output_path_is_used_as_it_is(run, tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("stale")
    step = script(
        "s", f"test ! -e {path} && echo new > {path}", outputs=(Output(name="o", type="file", path=str(path)),)
    )
    read = function("r", "def f(x):\n    return x.read_text()\n", {"x": out("s", "o")}, types={"x": "file"})
    assert run(flow(step, read, outputs={"r": out("r")})).outputs == {"r": "new\n"}
    assert not path.exists()


def test_a_step_knows_its_run_path_and_attempt(run):
    names = ("COULER_RUN_ID", "COULER_STEP", "COULER_ATTEMPT", "A")
    source = f"import os\ndef f():\n    return [os.environ[name] for name in {names}]\n"
    result = run(flow(function("s", source, env=(EnvVar(name="A", value=Constant(value=5)),)), outputs={"r": out("s")}))
    assert result.outputs == {"r": [result.id, "s", "1", "5"]}


def test_steps_see_nothing_of_each_other(make, run):
    dirty = """
        import os, sys
        def f():
            os.environ["LEFT"] = "1"; os.chdir("/"); sys.path.append("/left"); sys.argv.append("x")
            open("/dev/null"); sys.stdout = None
            return os.getpid()
    """
    clean = """
        import os, sys
        def f(x):
            print("seen")
            return [os.environ.get("LEFT"), os.listdir("."), "/left" in sys.path, len(sys.argv), os.getpid() == x]
    """
    result = run(
        flow(function("a", dirty), function("b", clean, {"x": out("a")}), outputs={"r": out("b")}), on=make(workers=1)
    )
    assert result.outputs == {"r": [None, [], False, 1, True]}
    assert result.log("b") == ["seen"]


@pytest.mark.parametrize(
    ("body", "message", "kind"),
    [
        ("raise ValueError('no data')", "no data", "ValueError"),
        ("import os; os._exit(3)", "worker process ended with exit code 3", "ExitCode"),
        ("import sys; sys.exit(4)", "exit code 4", "ExitCode"),
        ("import ctypes; ctypes.string_at(0)", "worker process died with signal SIGSEGV", "WorkerDied"),
        ("import os; os.kill(os.getpid(), 9)", "worker process died with signal SIGKILL", "WorkerDied"),
        ("raise MemoryError", "out of memory", "OutOfMemory"),
        ("return object()", "output 'result' of step 's': a value of type builtins.object is not JSON", "StepError"),
        ("return [float('nan')]", "at [0]: nan is not JSON; use None for a missing number", "StepError"),
        ("return {1: 2}", "the key 1 is not a string, and JSON objects have only such keys", "StepError"),
        ("return 'x' * 100_000_000", "is 100,000,002 bytes of JSON, and a value may have 16,777,216", "StepError"),
        ("return 10 ** 5000", "Exceeds the limit", "StepError"),
    ],
)  # fmt: skip
def test_a_function_fails_alone_and_says_why(run, body, message, kind):
    result = run(
        flow(
            function("s", f"def f():\n    {body}\n"),
            function("other", "def f():\n    return 1\n"),
            on_failure="continue",
        )
    )
    assert message in result.error("s")
    assert result.attempts("s")[0].error == kind
    assert result.statuses == {"s": "failed", "other": "succeeded"}


def test_a_traceback_shows_the_lines_of_the_user_only(run):
    result = run(flow(function("s", "def f():\n    x = 1\n    return x / 0  # here\n")))
    log = "\n".join(result.log("s"))
    assert 'File "<step f>", line 3, in f\n    return x / 0  # here' in log
    assert "function.py" not in log


def test_a_missing_file_output_is_named(run):
    step = function("train", "def f(model):\n    pass\n", outputs=(Output(name="model", type="file"),))
    result = run(flow(step))
    assert "step 'train' ended without writing its file output 'model' at /" in result.error("train")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("exit 3", "exit code 3"),
        ("kill -9 $$", "the command died with signal SIGKILL"),
        ("exit 137", "exit code 137"),
    ],
)
def test_a_script_fails_with_its_exit_code(run, source, message):
    assert run(flow(script("s", source))).error("s") == message


def test_an_unknown_command_is_named(run):
    assert run(flow(container("s", "no-such-command"))).error("s") == (
        "the command 'no-such-command' does not exist on this machine"
    )


def test_a_timeout_ends_the_whole_tree(run, tmp_path):
    pids = tmp_path / "pids"
    source = f"""
        import subprocess, time, os
        def f():
            command = "sleep 100 & echo $! >> {pids}; setsid sleep 100 & echo $! >> {pids}; wait"
            child = subprocess.Popen(["sh", "-c", command])
            with open("{pids}", "a") as file:
                file.write(f"{{child.pid}}\\n")
            time.sleep(100)
    """
    result = run(flow(function("s", source, timeout=1.0)))
    assert result.error("s") == "ran longer than 1 s and was ended"
    assert result.attempts("s")[0].error == "Timeout"
    numbers = [int(line) for line in pids.read_text().split()]
    assert len(numbers) == 3
    assert not any(_lives(number) for number in numbers)


def test_what_a_step_leaves_running_is_ended_with_it(run):
    source = "import subprocess\ndef f():\n    return subprocess.Popen(['sleep', '100']).pid\n"
    result = run(
        flow(function("s", source), function("t", "def f():\n    return 1\n", after=("s",)), outputs={"r": out("s")})
    )
    assert result.status == "succeeded"
    assert not _lives(result.outputs["r"])
    background = run(flow(script("s", "sleep 100 >/dev/null 2>&1 & echo $!"), outputs={"r": out("s")}))
    assert not _lives(int(background.outputs["r"]))


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("on", "body", "attempts"),
    [
        (None, "raise KeyError", 3),
        (RetryOn(errors=("LookupError",)), "raise KeyError", 3),
        (RetryOn(errors=("ValueError",)), "raise KeyError", 1),
        (RetryOn(exit_codes=(3,)), "import os; os._exit(3)", 3),
        (RetryOn(exit_codes=(4,)), "import os; os._exit(3)", 1),
        (RetryOn(out_of_memory=True), "raise MemoryError", 3),
        (RetryOn(lost=True), "import os; os.kill(os.getpid(), 9)", 3),
    ],
)
def test_retries_follow_their_rule(run, on, body, attempts):
    result = run(flow(function("s", f"def f():\n    {body}\n", retry=Retry(limit=2, on=on))))
    assert [attempt.number for attempt in result.attempts("s")] == list(range(1, attempts + 1))
    assert result.status == "failed"


def test_a_retry_can_succeed(run):
    source = "import os\ndef f():\n    assert os.environ['COULER_ATTEMPT'] == '3'\n    return 'ok'\n"
    result = run(flow(function("s", source, retry=Retry(limit=5)), outputs={"r": out("s")}))
    assert (result.status, result.outputs, result.steps["s"].attempts) == ("succeeded", {"r": "ok"}, 3)


def test_secrets_arrive_and_are_masked_everywhere(run, monkeypatch, tmp_path):
    monkeypatch.setenv("COULER_SECRET_MY_DB_PASSWORD", "hunter2!")
    use = SecretUse(secret=SecretRef(name="my-db", key="password"), env="PASSWORD", path="pw.txt")
    source = """
        import os, sys
        def f():
            print("pw", os.environ["PASSWORD"], open("pw.txt").read(), "COULER_SECRET_MY_DB_PASSWORD" in os.environ)
            return {"known": os.environ["PASSWORD"] == "hunter" + "2!", "text": "a" + os.environ["PASSWORD"]}
    """
    fail = "import os\ndef f():\n    raise ValueError(os.environ['PASSWORD'])\n"
    result = run(
        flow(
            function("s", source, secrets=(use,)),
            function("t", fail, secrets=(use,), after=("s",)),
            function("u", "import os\ndef f():\n    return 'PASSWORD' in os.environ\n", after=("s",)),
            on_failure="continue",
        )
    )
    assert result.steps["s"].outputs == {"result": {"known": True, "text": "a***"}}
    assert result.log("s") == ["pw *** *** False"]
    assert result.error("t") == "ValueError: ***"
    assert result.steps["u"].outputs == {"result": False}
    kept = [path for path in (tmp_path / ".couler").rglob("*") if path.is_file() and b"hunter2!" in path.read_bytes()]
    assert kept == []


def test_a_missing_secret_fails_the_step_before_it_starts(run):
    use = SecretUse(secret=SecretRef(name="db", key="pw"), env="PW")
    assert "the secret 'db' has no key 'pw' on this machine; set the environment variable COULER_SECRET_DB_PW" in run(
        flow(function("s", "def f():\n    return 1\n", secrets=(use,)))
    ).error("s")


def test_attempts_record_what_was_used(run):
    source = "def f():\n    x = bytearray(200_000_000)\n    return sum(range(2_000_000)) > 0\n"
    used = run(flow(function("s", source))).attempts("s")[0]
    assert 200_000_000 < used.peak_memory < 400_000_000
    assert used.cpu_seconds > 0.005
    assert used.wall_seconds >= used.cpu_seconds * 0.5


def test_a_small_step_is_not_billed_for_a_large_one_before(make, run):
    large = function("a", "def f():\n    bytearray(300_000_000)\n    return 1\n")
    result = run(flow(large, function("b", "def f():\n    return 1\n", after=("a",))), on=make(workers=1))
    assert result.attempts("b")[0].peak_memory < 100_000_000


def test_steps_never_take_more_than_there_is(make, run, tmp_path):
    ledger = tmp_path / "ledger"
    source = f"""
        import os, time
        def f():
            fd = os.open("{ledger}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(fd, b"+")
            time.sleep(0.05)
            os.write(fd, b"-")
    """
    steps = [function(f"s{i}", source, resources=Resources(memory="600Mi")) for i in range(6)]
    assert run(flow(*steps), on=make(cpu=4, memory="1Gi")).status == "succeeded"
    assert ledger.read_text() == "+-" * 6


def test_stop_ends_running_steps_and_runs_handlers(make):
    engine = make(grace=0.5)
    run_id = engine.start(
        flow(script("s", "trap '' TERM; echo up; sleep 100"), function("t", DOUBLE, {"x": 1}, after=("s",))), {}
    )
    engine.detach(run_id)
    for _, line in engine.logs(run_id, follow=True):
        assert line == "up"
        engine.stop(run_id)
    assert engine.store.run(run_id).status == "cancelled"
    assert {step.path: step.status for step in engine.store.steps(run_id)} == {"s": "cancelled", "t": "cancelled"}
