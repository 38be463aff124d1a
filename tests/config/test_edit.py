"""Changing one setting in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from couler.config import load_settings, set_setting
from couler.core.errors import ConfigError

FILE = """# my settings
engine = "local"  # for now

[profiles.prod]
engine = "argo"
"""


def test_the_rest_of_the_file_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(FILE)
    set_setting(file, "workers", "3")
    set_setting(file, "engine", "tekton", profile="prod")
    set_setting(file, "memory", "8Gi", profile="small")
    assert file.read_text() == (
        '# my settings\nengine = "local"  # for now\nworkers = 3\n\n[profiles.prod]\nengine = "tekton"\n\n'
        '[profiles.small]\nmemory = "8Gi"\n'
    )


def test_a_missing_file_is_made_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "config.toml"
    set_setting(file, "store", 'sqlite:///a "b".db')
    assert file.stat().st_mode & 0o777 == 0o600
    found = load_settings(env={}, folder=tmp_path, user=file)
    assert found.store == 'sqlite:///a "b".db'


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("engin", "x", "unknown setting 'engin'\n  hint: did you mean 'engine'?"),
        ("workers", "many", "workers is 'many', expected a whole number from 1"),
    ],
)
def test_what_would_not_be_read_is_not_written(tmp_path: Path, name: str, value: str, message: str) -> None:
    file = tmp_path / "config.toml"
    with pytest.raises(ConfigError) as caught:
        set_setting(file, name, value)
    assert str(caught.value) == message
    assert not file.exists()


def test_a_file_that_cannot_be_changed_safely_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    odd = 'namespace = """\nengine = "x"\n"""\n'
    file.write_text(odd)
    with pytest.raises(ConfigError, match="change it by hand"):
        set_setting(file, "engine", "local")
    assert file.read_text() == odd
