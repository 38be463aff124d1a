"""Finds the settings: a flag beats the environment, that the project's file, that the user's, that the default."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from couler.config.settings import Setting, Settings, Source, table
from couler.core.errors import ConfigError, near


@dataclass(frozen=True, slots=True)
class _Layer:
    """Settings from one place, not yet checked; ``base`` is what relative folders are relative to."""

    kind: str
    where: str
    values: Mapping[str, Any]
    base: Path


@dataclass(frozen=True, slots=True)
class _File:
    """One settings file: its own settings and its profiles."""

    path: Path
    table: str
    data: Mapping[str, Any]


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    user: Path | None = None,
) -> Settings:
    """The settings in force.

    Args:
        flags: Settings that the caller gave; None values count as not given.
        env: Environment variables; those of this process by default.
        folder: Where the search for the project's file starts and goes upward; the current folder by default.
        user: The user's file; see `user_file`.

    Raises:
        ConfigError: Settings are unknown or malformed, a file is not TOML, or the profile does not exist; all at once.

    Example:
        >>> load_settings({"workers": 3}, env={"COULER_WORKERS": "2"}, user=Path("none.toml")).workers
        3
    """
    env = os.environ if env is None else env
    folder = (folder or Path.cwd()).absolute()
    problems: list[str] = []
    project = _project_file(folder, problems)
    own = _read_file(user or user_file(env), "", problems)
    layers = [
        _Layer("flag", "", {name: value for name, value in (flags or {}).items() if value is not None}, folder),
        _Layer("env", "", _from_env(env), folder),
    ]
    files = [(kind, file) for kind, file in (("project", project), ("user", own)) if file is not None]
    profile = _profile([*(layer.values for layer in layers), *(file.data for _, file in files)])
    for kind, file in files:
        layers += _file_layers(kind, file, profile)
    if profile is not None and not any(profile in _profiles(file) for _, file in files):
        problems.append(_no_profile(profile, [file for _, file in files]))
    found = _merge(layers, problems)
    if problems:
        raise ConfigError("\n".join(["the settings have problems:", *(f"  - {problem}" for problem in problems)]))
    base = project.path.parent if project else folder
    return _settings(found, base)


def user_file(env: Mapping[str, str] | None = None) -> Path:
    """The user's settings file; ``COULER_CONFIG`` names another one."""
    named = (os.environ if env is None else env).get("COULER_CONFIG")
    if named:
        return Path(named)
    from platformdirs import user_config_path  # only when settings are wanted

    return user_config_path("couler") / "config.toml"


def _project_file(folder: Path, problems: list[str]) -> _File | None:
    for place in (folder, *folder.parents):
        own = _read_file(place / "couler.toml", "", problems)
        if own is not None:
            return own
        shared = _read_file(place / "pyproject.toml", "tool.couler", problems)
        if shared is not None:
            return shared
    return None


def _read_file(path: Path, where: str, problems: list[str]) -> _File | None:
    """The file's settings, or None when it does not exist or has no table of that name."""
    import tomllib  # only when settings are wanted

    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: cannot be read: {error}")
        return None
    if where and "couler" not in text:
        return None
    try:
        data: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path}: not TOML: {error}")
        return None
    for key in where.split(".") if where else ():
        data = data.get(key) if isinstance(data, dict) else None
    return _File(path, where, data) if isinstance(data, dict) else None


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    return {row.name: env[row.env] for row in table() if env.get(row.env)}


def _profile(places: list[Mapping[str, Any]]) -> str | None:
    named = next((place["profile"] for place in places if "profile" in place), None)
    return named if isinstance(named, str) else None


def _profiles(file: _File) -> Mapping[str, Any]:
    profiles = file.data.get("profiles", {})
    return profiles if isinstance(profiles, dict) else {}


def _file_layers(kind: str, file: _File, profile: str | None) -> Iterator[_Layer]:
    prefix = f"{file.table}." if file.table else ""
    base = file.path.parent
    values = _profiles(file).get(profile) if profile is not None else None
    if isinstance(values, dict):
        yield _Layer(kind, f"{file.path} [{prefix}profiles.{profile}]", values, base)
    where = f"{file.path} [{file.table}]" if file.table else str(file.path)
    yield _Layer(kind, where, {key: value for key, value in file.data.items() if key != "profiles"}, base)


def _no_profile(profile: str, files: list[_File]) -> str:
    known = [name for file in files for name in _profiles(file)]
    hint = near(profile, known, "profiles") or "no settings file has profiles"
    return f"there is no profile '{profile}'; {hint}"


def _merge(layers: list[_Layer], problems: list[str]) -> dict[str, tuple[Any, Source]]:
    """Name to value and source; the first layer that has a setting wins, and all layers are checked."""
    rows = {row.name: row for row in table()}
    found: dict[str, tuple[Any, Source]] = {}
    for layer in layers:
        for key, value in layer.values.items():
            row = rows.get(key)
            where = _where(layer, key)
            if row is None:
                hint = near(key, rows, "settings")
                problems.append(f"{where}: unknown setting '{key}'; {hint}")
                continue
            try:
                read = _absolute(row.read(value), layer.base)
            except (ValueError, TypeError):
                problems.append(f"{where}: {row.name} is {_quoted(row, value)}, expected {row.type}")
                continue
            found.setdefault(row.name, (read, Source(layer.kind, where if layer.kind != "flag" else "")))
    return found


def _where(layer: _Layer, key: str) -> str:
    if layer.kind == "flag":
        return f"--{key.replace('_', '-')}"
    return f"COULER_{key.upper()}" if layer.kind == "env" else layer.where


def _quoted(row: Setting, value: Any) -> str:
    return repr(row.show(value)) if isinstance(value, str) else repr(value)


def _absolute(value: Any, base: Path) -> Any:
    return base / value if isinstance(value, Path) else value


def _settings(found: Mapping[str, tuple[Any, Source]], base: Path) -> Settings:
    values = {name: value for name, (value, _) in found.items()}
    values.setdefault("root", base / Settings().root)
    return Settings(**values, _sources={name: source for name, (_, source) in found.items()})
