"""Verbs on runs and on workflow files."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from couler.cli.main import VERBS, cli
from tests.cli.conftest import Couler, clean_env


def test_status_list_and_logs_show_the_latest_run(couler: Couler, inside: Couler) -> None:
    ended = json.loads(couler("run", "flow.py", "--n", "3", "-o", "json").stdout)
    assert ended["outputs"] == {"total": 5, "verdict": "fine"}
    status = inside("status").stdout.splitlines()
    assert status[0].startswith(f"run {ended['id']} of sums on local succeeded in ")
    assert status[2].startswith("├─ ✓ add  ")
    assert inside("status", ended["id"][:-3], "-o", "name").stdout.strip() == ended["id"]
    assert yaml.safe_load(inside("status", "-o", "yaml").stdout)["parameters"]["n"] == 3
    assert inside("status", "-o", "svg").stdout.startswith("<svg ")
    assert ended["id"] in inside("status", "-o", "html").stdout
    listed = inside("list").stdout.splitlines()
    assert listed[0].split() == ["ID", "WORKFLOW", "ENGINE", "STATUS", "STARTED", "TOOK"]
    assert listed[1].startswith(ended["id"])
    assert inside("list", "-o", "name", "--status", "failed").stdout == ""
    assert sorted(inside("logs").stdout.splitlines()) == ["add | adding 3 and 1", "add-2 | adding 4 and 1"]
    assert inside("logs", "--step", "add-2").stdout.splitlines() == ["adding 4 and 1"]
    as_json = inside("logs", "--step", "add", "--log-format", "json").stdout
    assert json.loads(as_json) == {"step": "add", "line": "adding 3 and 1"}


def test_parameters_come_from_file_pairs_and_options_in_this_order(couler: Couler, project: Path) -> None:
    (project / "p.toml").write_text('n = 1\nlimit = 1.5\ntags = ["file"]\nengine = "file"\n')
    words = ["--params-file", "p.toml", "-p", "limit=50", "-p", 'tags=["a", "b"]', "-p", "engine=7", "--n", "2"]
    found = json.loads(couler("run", "flow.py", *words, "--loud", "-o", "json").stdout)["parameters"]
    assert found == {"n": 2, "limit": 50, "tags": ["a", "b"], "loud": True, "engine": "7"}


@pytest.mark.parametrize("name", ["p.json", "p.yaml"])
def test_parameter_files_may_be_json_or_yaml(inside: Couler, project: Path, name: str) -> None:
    (project / name).write_text('{"n": 41}')
    shown = json.loads(inside("run", "flow.py", "--params-file", name, "--dry-run", "-o", "json").stdout)
    assert shown["parameters"]["n"] == 41


def test_the_help_after_a_file_lists_the_workflows_parameters(inside: Couler) -> None:
    text = inside("run", "flow.py", "--help").stdout
    assert "Parameters of sums:" in text
    assert "--n INT" in text
    assert "--limit FLOAT" in text
    assert "[default: 100.0]" in text
    assert "--loud / --no-loud" in text
    assert "-p engine=STR" in text


def test_dry_run_shows_the_plan_and_runs_nothing(inside: Couler, project: Path) -> None:
    done = inside("run", "flow.py", "--n", "1", "--dry-run")
    assert done.stdout.splitlines()[0] == "sums on local: nothing was run"
    assert done.stdout.splitlines()[2].split() == ["add", "run", "nothing", "to", "wait", "for"]
    assert not (project / ".couler").exists()


def test_retry_runs_only_what_failed(couler: Couler) -> None:
    assert couler("run", "flow.py", "--n", "300").returncode == 1
    again = couler("retry")
    assert again.returncode == 1
    lines = [line[9:].partition(" in ")[0] for line in again.stdout.splitlines()[:-1]]
    assert lines == ["check runs again, attempt 2", "check failed"]


def test_a_submitted_run_waits_for_approval_and_goes_on(couler: Couler) -> None:
    started = couler("submit", "ask.py")
    run = started.stdout.strip()
    assert started.returncode == 0
    assert run.startswith("ask-")
    assert f"couler wait {run}" in started.stderr
    assert couler("resume", run, "--approve", "wait").returncode == 0
    assert couler("wait", run, "--timeout", "30").returncode == 0
    assert couler("stop", run).returncode == 1


def test_progress_as_json_is_one_object_a_line(couler: Couler) -> None:
    done = couler("run", "flow.py", "--n", "1", "--log-format", "json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"path": "check", "kind": "step"}.items() <= lines[-3].items()
    assert lines[-1]["kind"] == "result"
    assert lines[-1]["outputs"] == {"total": 3, "verdict": "fine"}


def test_results_on_standard_output_leave_progress_to_standard_error(couler: Couler) -> None:
    done = couler("run", "flow.py", "--n", "1", "-o", "name")
    assert done.stdout.startswith("sums-")
    assert len(done.stdout.splitlines()) == 1
    assert "check succeeded" in done.stderr
    assert couler("run", "flow.py", "--n", "1", "-o", "name", "--no-progress").stderr == ""


def test_graph_draws_text_svg_and_mermaid(inside: Couler, project: Path) -> None:
    assert inside("graph", "flow.py").stdout.splitlines()[:2] == ["sums", "├─ add  function"]
    assert inside("graph", "flow.py", "--format", "mermaid").stdout.startswith("flowchart TD\n")
    assert inside("graph", "flow.py", "-o", "g.svg").stdout == ""
    assert (project / "g.svg").read_text().startswith("<svg ")


def test_a_terminal_without_unicode_gets_ascii(couler: Couler) -> None:
    done = couler("graph", "flow.py", PYTHONIOENCODING="ascii")
    assert done.stdout.splitlines()[1] == "|- add  function"


def test_compile_writes_a_form_that_runs(inside: Couler, couler: Couler, project: Path) -> None:
    assert inside("compile", "flow.py", "-o", "sums.yaml").returncode == 0
    assert inside("validate", "sums.yaml").stdout == "sums: no problems\n"
    as_json = json.loads(inside("compile", "flow.py", "--format", "json").stdout)
    assert as_json["apiVersion"] == "couler/v1"
    assert couler("run", "sums.yaml", "-p", "n=2", "-o", "name").returncode == 0


def test_config_view_shows_sources(inside: Couler, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "couler.toml").write_text("workers = 3\n")
    monkeypatch.setenv("COULER_STORE", "postgresql://me:hunter2@db/runs")
    text = inside("config", "view", "--show-sources").stdout
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert rows["workers"] == ["3", "project", str(project / "couler.toml")]
    assert rows["store"] == ["postgresql://me:***@db/runs", "env", "COULER_STORE"]
    assert inside("config", "path").stdout == f"{project / '.config' / 'couler' / 'config.toml'}\n"


def test_doctor_fails_when_the_root_cannot_be_written(
    inside: Couler, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COULER_ENGIN", "local")
    fine = inside("doctor", "-o", "json")
    states = {row["check"]: row["state"] for row in json.loads(fine.stdout)}
    assert (fine.returncode, states["root"], states["store"], states["environment"]) == (0, "ok", "ok", "warn")
    (project / "file").write_text("")
    bad = inside("doctor", "--root", "file/root")
    assert bad.returncode == 1
    assert any(line.startswith("fail") and "COULER_ROOT" in line for line in bad.stdout.splitlines())


@pytest.mark.parametrize(
    ("url", "extra"), [("s3a://bucket", "s3"), ("gs://bucket", "gcs"), ("az://files", "remote"), ("file:///files", "")]
)
def test_doctor_names_the_extra_that_the_place_of_the_files_needs(
    inside: Couler, monkeypatch: pytest.MonkeyPatch, url: str, extra: str
) -> None:
    monkeypatch.setenv("COULER_ARTIFACTS", url)
    modules = {"s3": "s3fs", "gcs": "gcsfs", "remote": "aiohttp"}
    rows = {row["check"]: row for row in json.loads(inside("doctor", "-o", "json").stdout)}
    for name, module in modules.items():
        row = rows[f"extra {name}"]
        missing = importlib.util.find_spec(module) is None
        assert (row["state"] == "fail") == (missing and name == extra)
        assert (f'pip install "couler[{name}]"' in row["hint"]) == missing


def test_doctor_fails_when_the_store_cannot_be_read(inside: Couler, project: Path) -> None:
    (project / "bad.db").write_bytes(b"this is no database " * 100)
    bad = inside("doctor", "--store", f"sqlite:///{project / 'bad.db'}", "-o", "json")
    assert [row["check"] for row in json.loads(bad.stdout) if row["state"] == "fail"] == ["store"]


def test_doctor_reports_settings_that_are_wrong(inside: Couler, project: Path) -> None:
    (project / "couler.toml").write_text("bad = 1\n")
    rows = json.loads(inside("doctor", "-o", "json").stdout)
    assert (rows[0]["check"], rows[0]["state"]) == ("settings", "fail")
    assert "unknown setting 'bad'" in rows[0]["found"]
    assert rows[1]["check"] == "python"


def test_looking_at_runs_makes_no_store(inside: Couler, project: Path) -> None:
    assert inside("list").stdout.split() == ["ID", "WORKFLOW", "ENGINE", "STATUS", "STARTED", "TOOK"]
    assert inside("status").returncode == 2
    assert not (project / ".couler").exists()


def test_engines_lists_features_and_version_says_which(inside: Couler) -> None:
    text = inside("engines").stdout
    assert text.splitlines()[0].split() == ["FEATURE", "LOCAL", "ARGO", "4.1", "AIRFLOW", "3.3"]
    assert "map_zip" in text
    assert inside("engines", "-o", "name").stdout == "local\nargo\nairflow\n"
    assert inside("version").stdout == inside("--version").stdout
    assert inside("version").stdout.startswith("couler ")


def test_the_table_of_verbs_agrees_with_the_verbs() -> None:
    context = cli.make_context("couler", ["version"])
    for name, verb in VERBS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert verb.help.endswith(".")
        assert command.help, name


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts_exist(inside: Couler, shell: str) -> None:
    assert "_COULER_COMPLETE" in inside("completion", shell).stdout


def test_completion_offers_verbs_and_run_ids(couler: Couler, project: Path) -> None:
    assert "_COULER_COMPLETE" in couler("completion", "bash").stdout
    run = couler("run", "flow.py", "--n", "1", "-o", "name").stdout.strip()
    assert "plain,resume" in _completed(project, "couler res")
    assert f"plain,{run}" in _completed(project, "couler status su")


def _completed(project: Path, line: str) -> list[str]:
    env = clean_env(project, _COULER_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(line.count(" ")))
    command = [sys.executable, "-c", "import sys; sys.argv = ['couler']; from couler.cli.main import main; main()"]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=True).stdout.splitlines()


def test_config_set_writes_the_users_file(inside: Couler, project: Path) -> None:
    file = project / ".config" / "couler" / "config.toml"
    assert inside("config", "set", "workers", "5").stdout == f"wrote workers to {file}\n"
    assert json.loads(inside("config", "view", "-o", "json").stdout)["workers"] == 5
    assert inside("config", "set", "workers", "0").returncode == 2
