"""What the real command prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from couler.cli.failures import EXIT_CODES, exit_code
from couler.core import errors
from tests.cli.conftest import Couler, clean_env


def test_a_run_that_succeeds_prints_plain_lines_and_its_outputs(couler: Couler) -> None:
    done = couler("run", "flow.py", "--n", "3")
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.split(" in ")[0][9:] for line in lines[:3]] == ["add succeeded", "add-2 succeeded", "check succeeded"]
    assert " of sums on local succeeded in " in lines[3]
    assert lines[4:] == ["total: 5", "verdict: fine"]
    assert "\x1b" not in done.stdout


def test_the_last_line_of_a_failed_run_is_the_steps_own(couler: Couler) -> None:
    done = couler("run", "flow.py", "--n", "300")
    assert done.returncode == 1
    assert "step 'check' failed: ValueError: 302 is over 100.0\n" in done.stderr
    assert done.stderr.splitlines()[-1] == "the limit"
    assert "couler retry sums-" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "flow.py"], 2, "parameter 'n' (int) has no value and no default"),
        (["run", "flow.py", "--n", "x"], 2, "expected int, got str 'x'"),
        (["run", "flow.py", "-p", "m=1"], 2, "the workflow has no parameter 'm'"),
        (["run", "flow.py", "--wat"], 2, "No such option '--wat'"),
        (["run", "flou.py"], 2, "did you mean 'flow.py'?"),
        (["runn"], 2, "there is no command 'runn'; did you mean 'run'?"),
        (["status"], 2, "there are no runs in "),
        (["run", "flow.py", "--n", "1", "--engine", "loca"], 2, "did you mean 'local'?"),
        (["run", "flow.py", "--n", "1", "--runtime", "dockr"], 2, "expected process or docker or podman"),
        (["run", "broken.py"], 3, "broken.py:2: SyntaxError"),
        (["validate", "cycle.yaml"], 3, "has 1 problem"),
        (["run", "text.json"], 3, "'name' is missing"),
    ],
)
def test_a_mistake_has_its_exit_code_and_its_words(
    inside: Couler, project: Path, words: list[str], code: int, message: str
) -> None:
    (project / "broken.py").write_text("import couler\ndef (")
    (project / "text.json").write_text('{"apiVersion": "couler/v1"}')
    (project / "cycle.yaml").write_text(
        "apiVersion: couler/v1\nname: w\nsteps:\n"
        "- {name: a, after: [b], task: {kind: suspend, duration: 0}}\n"
        "- {name: b, after: [a], task: {kind: suspend, duration: 0}}\n"
    )
    done = inside(*words)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback_and_keeps_the_exit_code(inside: Couler) -> None:
    done = inside("--debug", "run", "nowhere.py")
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr


def test_every_error_class_has_one_exit_code() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.CoulerError)]
    assert set(EXIT_CODES) < set(classes)
    assert exit_code(errors.EngineUnreachableError("")) == 4
    assert exit_code(errors.EngineError("")) == 1
    assert exit_code(errors.StoreTooNewError("")) == 1
    assert exit_code(errors.MissingExtraError("s3 files", "s3")) == 3


def test_a_reader_that_goes_away_is_no_error(couler: Couler, project: Path) -> None:
    couler("run", "flow.py", "--n", "1", "--no-progress")
    command = f"{sys.executable} -m couler list | head -c 1; {sys.executable} -m couler engines | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=project, env=clean_env(project), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "I", "")


def test_a_run_survives_a_reader_that_goes_away(couler: Couler, project: Path) -> None:
    command = f"{sys.executable} -m couler run flow.py --n 1 | head -c 1"
    subprocess.run(["bash", "-c", command], cwd=project, env=clean_env(project), capture_output=True, check=True)
    assert json.loads(couler("list", "-o", "json").stdout)[0]["status"] == "succeeded"


def test_ctrl_c_says_how_to_go_on_and_exits_with_130(project: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "couler", "run", "ask.py"], cwd=project, env=clean_env(project), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert "wait waits for a person (may it go on?): `couler resume ask-" in process.stdout.readline()
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip().startswith("interrupted; `couler retry ask-")


def test_couler_help_loads_no_verb_and_no_database() -> None:
    code = (
        "import sys\nfrom couler.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print({'sqlalchemy', 'rich', 'yaml', 'fsspec', 'psutil', 'couler.driver', 'couler.config'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
