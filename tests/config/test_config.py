"""Settings: precedence, sources, messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from couler.config import Settings, load_settings, mask_url
from couler.config.settings import table
from couler.core.errors import ConfigError


@pytest.fixture
def user(tmp_path: Path) -> Path:
    return tmp_path / "user.toml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "deep" / "er").mkdir(parents=True)
    return folder


def test_a_flag_beats_the_environment_beats_the_project_beats_the_user_beats_the_default(
    project: Path, user: Path
) -> None:
    user.write_text('engine = "user"\nworkers = 1\nnamespace = "user"\nlog_level = "error"\nprofile = "p"\n'
                    '[profiles.p]\nlog_level = "debug"\n')  # fmt: skip
    (project / "couler.toml").write_text('engine = "project"\nworkers = 2\nnamespace = "project"\n')
    env = {"COULER_ENGINE": "env", "COULER_WORKERS": "3"}
    found = load_settings({"engine": "flag", "workers": None}, env=env, folder=project / "deep" / "er", user=user)
    assert (found.engine, found.workers, found.namespace, found.log_level) == ("flag", 3, "project", "debug")
    sources = {name: str(source) for name, source in found.sources().items()}
    assert sources["engine"] == "flag"
    assert sources["workers"] == "env COULER_WORKERS"
    assert sources["namespace"] == f"project {project / 'couler.toml'}"
    assert sources["log_level"] == f"user {user} [profiles.p]"
    assert sources["memory"] == "default"


def test_settings_may_stand_in_pyproject(project: Path, user: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.couler]\nworkers = 7\n")
    (project / "deep" / "pyproject.toml").write_text("[tool.other]\nname = 'couler'\n")
    found = load_settings(env={}, folder=project / "deep", user=user)
    assert found.workers == 7
    assert str(found.sources()["workers"]) == f"project {project / 'pyproject.toml'} [tool.couler]"


def test_the_root_stands_next_to_the_project_file(project: Path, user: Path) -> None:
    assert load_settings(env={}, folder=project / "deep", user=user).root == project / "deep" / ".couler"
    (project / "couler.toml").write_text("")
    assert load_settings(env={}, folder=project / "deep", user=user).root == project / ".couler"
    given = load_settings(env={"COULER_ROOT": "here"}, folder=project / "deep", user=user)
    assert given.root == project / "deep" / "here"


def test_a_profile_is_chosen_by_flag_or_variable(project: Path, user: Path) -> None:
    user.write_text('[profiles.a]\nengine = "argo"\n[profiles.b]\nengine = "tekton"\n')
    assert load_settings({"profile": "a"}, env={"COULER_PROFILE": "b"}, folder=project, user=user).engine == "argo"
    assert load_settings(env={"COULER_PROFILE": "b"}, folder=project, user=user).engine == "tekton"


def test_everything_that_is_wrong_is_said_at_once(project: Path, user: Path) -> None:
    user.write_text('engin = "local"\n[profiles.prod]\nruntime = "doker"\n')
    (project / "couler.toml").write_text("workers = 0\nmax_value = true\n")
    env = {"COULER_PROFILE": "prd", "COULER_CPU": "many"}
    with pytest.raises(ConfigError) as caught:
        load_settings({"log_format": "xml"}, env=env, folder=project, user=user)
    assert caught.value.message.splitlines() == [
        "the settings have problems:",
        "  - there is no profile 'prd'; did you mean 'prod'?",
        "  - --log-format: log_format is 'xml', expected text or json",
        "  - COULER_CPU: cpu is 'many', expected a number above 0",
        f"  - {project / 'couler.toml'}: workers is 0, expected a whole number from 1",
        f"  - {project / 'couler.toml'}: max_value is True, expected an amount such as 1Mi",
        f"  - {user}: unknown setting 'engin'; did you mean 'engine'?",
    ]


def test_a_file_that_is_not_toml_is_named_with_the_line(project: Path, user: Path) -> None:
    (project / "couler.toml").write_text("engine = \n")
    with pytest.raises(ConfigError, match=r"couler\.toml: not TOML: .*line 1"):
        load_settings(env={}, folder=project, user=user)


def test_passwords_are_never_shown(project: Path, user: Path) -> None:
    url = "postgresql://me:hunter2@db.example:5432/runs?token=abc&sslmode=require"
    found = load_settings(env={"COULER_STORE": url}, folder=project, user=user)
    assert found.store == url
    assert found.shown()["store"] == "postgresql://me:***@db.example:5432/runs?token=***&sslmode=require"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("s3://key@bucket/x", "s3://key@bucket/x"),
        ("postgresql://u:p:w@[::1]/db", "postgresql://u:***@[::1]/db"),
        ("postgresql://[bad", "***"),
    ],
)
def test_urls_are_masked(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_sizes_are_read_as_kubernetes_writes_them(project: Path, user: Path) -> None:
    env = {"COULER_MAX_VALUE": "1.5Ki", "COULER_MEMORY": "8Gi"}
    found = load_settings(env=env, folder=project, user=user)
    assert (found.max_value, found.memory) == (1536, "8Gi")


def test_every_setting_has_help_and_a_default_that_it_would_accept() -> None:
    for row in table():
        assert row.help.endswith(".")
        assert row.env == f"COULER_{row.name.upper()}"
        if row.default is not None:
            assert row.read(str(row.default) if isinstance(row.default, Path) else row.default) == row.default


def test_importing_the_settings_loads_no_toml_and_no_platform_folders() -> None:
    code = "import sys, couler.config; print({'tomllib', 'platformdirs'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_settings_are_immutable() -> None:
    with pytest.raises(AttributeError):
        Settings().engine = "argo"  # type: ignore[misc]
