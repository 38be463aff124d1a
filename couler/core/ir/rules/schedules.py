"""Schedules: cron expressions and time zones that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo, available_timezones

from couler.core.errors import Problem, near
from couler.core.ir.rules.context import Context

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")


def schedules(context: Context) -> Iterator[Problem]:
    """A schedule has cron expressions of five fields and a time zone that exists."""
    schedule = context.workflow.schedule
    if schedule is None:
        return
    if not schedule.cron:
        yield Problem(
            "schedule", "the schedule has no cron expression", hint="for example `0 3 * * *` for every day at 3:00"
        )
    for expression in schedule.cron:
        if trouble := cron_trouble(expression):
            yield Problem("schedule", f"cron expression {expression!r}: {trouble}", hint=_CRON_HINT)
    if not _zone_exists(schedule.timezone):
        hint = near(schedule.timezone, available_timezones()) or "use a name such as 'UTC' or 'Europe/Berlin'"
        yield Problem("schedule", f"the time zone {schedule.timezone!r} does not exist", hint=hint)


_CRON_HINT = "the fields are minute, hour, day of the month, month, day of the week"


def cron_trouble(expression: str) -> str:
    """Why a text is no cron expression, or the empty string.

    >>> cron_trouble("*/15 9-17 * * mon-fri"), cron_trouble("0 25 * * *")
    ('', "'25' is no hour (0 to 23)")
    """
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        return f"it has {len(fields)} fields instead of 5"
    for text, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if not _part_is_good(part, low, high, words):
                return f"'{part}' is no {name} ({low} to {high})"
    return ""


def _part_is_good(part: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if match is None or (match[3] is not None and int(match[3]) == 0):
        return False
    numbers = [_number(text, low, words) for text in (match[1], match[2]) if text is not None]
    return all(low <= number <= high for number in numbers) and numbers == sorted(numbers)


def _number(text: str, low: int, words: tuple[str, ...]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + low
    return int(text) if text.isascii() and text.isdigit() else -1


def _zone_exists(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # unknown names, paths, folders
        return name == "UTC" or not available_timezones()  # a machine without the data base cannot judge
    return True
