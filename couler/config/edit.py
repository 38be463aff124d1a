"""Changes one setting in a settings file and leaves the rest of its text alone."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from couler.config.settings import table
from couler.core.errors import ConfigError, near


def set_setting(path: Path, name: str, text: str, profile: str | None = None) -> None:
    """Write a setting to a TOML file; the file and its folder are made when they are missing.

    Args:
        path: The file.
        name: Name of the setting.
        text: Its value as typed.
        profile: Write to ``[profiles.NAME]`` instead of the top of the file.

    Raises:
        ConfigError: The setting is unknown, the value malformed, or the file too unusual to be changed safely.
    """
    rows = {row.name: row for row in table()}
    if name not in rows:
        raise ConfigError(f"unknown setting '{name}'", near(name, rows, "settings"))
    try:
        value = rows[name].read(text)
    except ValueError as error:
        raise ConfigError(f"{name} is {rows[name].show(text)!r}, expected {rows[name].type}") from error
    plain = value if isinstance(value, int | float) else text
    before = _read(path)
    after = _changed(before, name, json.dumps(plain, ensure_ascii=False), profile)
    _check(path, before, after, name, plain, profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)  # a URL may hold a password
    if path.exists():
        shutil.copymode(path, fresh)
    fresh.write_text(after, encoding="utf-8")
    fresh.replace(path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _changed(text: str, name: str, value: str, profile: str | None) -> str:
    """The text with the line of the setting replaced, or added at the end of its table."""
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if line.lstrip().startswith("[")]
    start = 0
    if profile is not None:
        wanted = f"[profiles.{profile}]"
        found = [number for number in heads if lines[number].replace(" ", "").partition("#")[0] == wanted]
        if not found:
            return "\n".join([*lines, *([""] if lines else []), wanted, f"{name} = {value}"]) + "\n"
        start = found[0] + 1
    end = next((number for number in heads if number >= start), len(lines))
    for number in range(start, end):
        if re.match(rf"\s*{name}\s*=", lines[number]):
            lines[number] = f"{name} = {value}"
            return "\n".join(lines) + "\n"
    while end > start and not lines[end - 1].strip():
        end -= 1
    gap = [""] if end < len(lines) and lines[end].strip() else []
    return "\n".join([*lines[:end], f"{name} = {value}", *gap, *lines[end:]]) + "\n"


def _check(path: Path, before: str, after: str, name: str, value: Any, profile: str | None) -> None:
    """The new text must say what the old one said, and the change; whatever else was in the file."""
    import tomllib  # only when settings are wanted

    try:
        expected: dict[str, Any] = tomllib.loads(before)
        place = expected if profile is None else expected.setdefault("profiles", {}).setdefault(profile, {})
        place[name] = value
        if tomllib.loads(after) == expected:
            return
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}", "mend the file by hand") from error
    raise ConfigError(f"{path}: {name} cannot be changed without risk to the rest of the file", "change it by hand")
