"""A run as a fragment of HTML for notebooks: header, drawing, table; no scripts, nothing fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Protocol

from couler.core.ir.model import Workflow
from couler.views.status import counts_text, look, seconds_text
from couler.views.svg import svg
from couler.views.tree import StepLike

_MOST_ROWS = 200

_STYLE = (
    ".couler-run{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif;font-size:13px}"
    ".couler-run table{border-collapse:collapse;margin-top:8px}"
    ".couler-run th,.couler-run td{text-align:left;padding:2px 12px 2px 0;vertical-align:top;"
    "border-bottom:1px solid rgba(128,128,128,.25)}"
    ".couler-run .num{text-align:right}"
    ".couler-run pre{margin:0;white-space:pre-wrap;font-size:12px}"
    ".couler-run .badge{border-radius:10px;padding:1px 9px;font-weight:600}"
)


class RunLike(Protocol):
    """What is shown of a run; `couler.runs.records.RunRecord` is one."""

    @property
    def id(self) -> str:
        """Name of the run."""
        ...

    @property
    def workflow(self) -> str:
        """Name of the workflow."""
        ...

    @property
    def engine(self) -> str:
        """Name of the engine."""
        ...

    @property
    def status(self) -> str:
        """How it stands."""
        ...

    @property
    def started(self) -> float | None:
        """Epoch seconds."""
        ...

    @property
    def ended(self) -> float | None:
        """Epoch seconds."""
        ...

    @property
    def message(self) -> str:
        """Why it stands so."""
        ...


def html_run(
    run: RunLike, steps: Iterable[StepLike], workflow: Workflow | None = None, *, now: float | None = None
) -> str:
    """One ``<div>`` that shows how a run stands.

    Args:
        run: The run's record.
        steps: Its steps' records.
        workflow: What to draw; None draws nothing.
        now: Epoch seconds, for the time of what is still running.
    """
    listed = list(steps)
    drawing = ""
    if workflow is not None:
        statuses = {step.path: step.status for step in listed}
        hints = {step.path: _duration(step, now) for step in listed}
        drawing = f'<div style="overflow:auto;max-height:70vh">{svg(workflow, statuses, hints=hints)}</div>'
    parts = [
        f'<div class="couler-run"><style>{_STYLE}</style>',
        _header(run, listed, now),
        drawing,
        _table(listed, now),
    ]
    return "".join(parts) + "</div>"


def _header(run: RunLike, steps: Sequence[StepLike], now: float | None) -> str:
    facts = [f"run <code>{escape(run.id)}</code>", f"engine {escape(run.engine)}", _duration(run, now)]
    facts.append(escape(counts_text(step.status for step in steps)))
    line = " · ".join(fact for fact in facts if fact)
    message = f"<pre>{escape(run.message)}</pre>" if run.message else ""
    return f"<div><strong>{escape(run.workflow)}</strong> {_badge(run.status)} {line}</div>{message}"


class _Timed(Protocol):
    @property
    def started(self) -> float | None: ...

    @property
    def ended(self) -> float | None: ...


def _duration(timed: _Timed, now: float | None) -> str:
    end = timed.ended if timed.ended is not None else now
    return seconds_text(end - timed.started) if timed.started is not None and end is not None else ""


def _badge(status: str) -> str:
    one = look(status)
    style = f"background:{one.fill};color:{one.stroke};border:1px solid {one.stroke}"
    return f'<span class="badge" style="{style}">{one.glyph} {escape(one.word)}</span>'


def _table(steps: Sequence[StepLike], now: float | None) -> str:
    if not steps:
        return ""
    shown = list(steps)
    if len(steps) > _MOST_ROWS:
        shown = sorted(steps, key=lambda step: step.status not in ("failed", "running", "cancelled"))[:_MOST_ROWS]
    rows = "".join(_row(step, now) for step in shown)
    left = len(steps) - len(shown)
    more = f'<tr><td colspan="5">… {left:,} more steps</td></tr>' if left else ""
    head = '<tr><th>step</th><th>status</th><th class="num">time</th><th class="num">attempts</th><th>message</th></tr>'
    return f"<table>{head}{rows}{more}</table>"


def _row(step: StepLike, now: float | None) -> str:
    message = f"<pre>{escape(step.message)}</pre>" if step.message else ""
    return (
        f"<tr><td>{escape(step.path)}</td><td>{_badge(step.status)}</td>"
        f'<td class="num">{_duration(step, now)}</td><td class="num">{step.attempts or ""}</td><td>{message}</td></tr>'
    )
