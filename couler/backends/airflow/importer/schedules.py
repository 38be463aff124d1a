"""What a DAG says about when it starts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from couler.backends.airflow.importer.report import Report
from couler.backends.airflow.importer.values import Dag, Made, Unknown
from couler.core.ir import model as ir
from couler.core.ir.rules.schedules import cron_trouble

_PRESETS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
            "@monthly": "0 0 1 * *", "@quarterly": "0 0 1 */3 *", "@yearly": "0 0 1 1 *",
            "@annually": "0 0 1 1 *"}  # fmt: skip
_NAMES = ("schedule", "schedule_interval", "timetable")
_TIMETABLES = ("CronTriggerTimetable", "CronDataIntervalTimetable", "MultipleCronTriggerTimetable")


def read_schedule(dag: Dag, report: Report) -> ir.Schedule | None:
    """The schedule of a workflow, where cron expressions say it."""
    given = next((dag.arguments[name] for name in _NAMES if dag.arguments.get(name) is not None), None)
    zone = _zone_of(dag)
    if given is None or given == "@once":
        if given is not None:
            report.add("AIRFLOW051", dag.line, repr(given))
        return None
    cron = _cron(given, dag)
    if isinstance(given, Made) and given.kwargs.get("timezone") is not None:
        zone = _name(given.kwargs["timezone"])
    if cron is None:
        report.add("AIRFLOW051", dag.line, _shown(given))
        return None
    if isinstance(start := _given_start(dag), Unknown):
        report.add("AIRFLOW070", dag.line, f"start_date={start.text}, whose time zone counts")
    report.add("AIRFLOW050", dag.line, ", ".join(cron))
    runs = dag.arguments.get("max_active_runs")
    return ir.Schedule(
        cron=cron,
        timezone=zone,
        concurrency="forbid" if runs == 1 else "allow",
        suspended=dag.arguments.get("is_paused_upon_creation") is True,
    )


def _cron(given: Any, dag: Dag) -> tuple[str, ...] | None:
    if isinstance(given, str):
        cron = _PRESETS.get(given, given)
        return None if cron_trouble(cron) else (cron,)
    if isinstance(given, timedelta):
        return _interval(given, _start(dag))
    if isinstance(given, Made) and given.kind in _TIMETABLES:
        found = [one for one in (*given.args, given.kwargs.get("cron")) if isinstance(one, str)]
        texts = [_cron(one, dag) for one in found]
        return tuple(text[0] for text in texts if text) if texts and all(texts) else None
    return None


def _interval(every: timedelta, start: datetime | None) -> tuple[str, ...] | None:
    """An interval as a cron expression, counted from the start."""
    seconds = int(every.total_seconds())
    minute, hour = (start.minute, start.hour) if start is not None else (0, 0)
    if seconds == 86400:
        return (f"{minute} {hour} * * *",)
    if seconds == 7 * 86400 and start is not None:
        return (f"{minute} {hour} * * {start.isoweekday() % 7}",)
    if seconds == 3600:
        return (f"{minute} * * * *",)
    if 0 < seconds < 3600 and seconds % 60 == 0 and 3600 % seconds == 0:
        return (f"*/{seconds // 60} * * * *" if seconds > 60 else "* * * * *",)
    if 3600 < seconds < 86400 and 86400 % seconds == 0 and seconds % 3600 == 0:
        return (f"{minute} */{seconds // 3600} * * *",)
    return None


def _start(dag: Dag) -> datetime | None:
    given = _given_start(dag)
    return given if isinstance(given, datetime) else None


def _given_start(dag: Dag) -> Any:
    defaults = dag.arguments.get("default_args")
    return dag.arguments.get("start_date") or (defaults.get("start_date") if isinstance(defaults, dict) else None)


def _zone_of(dag: Dag) -> str:
    start = _start(dag)
    return _name(start.tzinfo) if start is not None and start.tzinfo is not None else "UTC"


def _name(zone: Any) -> str:
    """The name of a time zone."""
    found = zone if isinstance(zone, str) else getattr(zone, "key", "")
    return found or "UTC"


def _shown(given: Any) -> str:
    if isinstance(given, Made):
        return f"{given.kind}(...)"
    return getattr(given, "text", "") or str(given) if not isinstance(given, list) else "assets"
