"""Prints runs, engines and compiled documents."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from couler.artifacts import is_file
from couler.backends.folders import write_folder
from couler.cli.failures import INTERRUPTED, OK, RUN_FAILED, say
from couler.cli.output import can_draw, emit, emit_records, table
from couler.core.errors import CoulerError
from couler.views.html import html_run
from couler.views.measure import shorten
from couler.views.status import look, seconds_text
from couler.views.svg import svg
from couler.views.tree import tree

if TYPE_CHECKING:
    from couler.backends.base import Compiled
    from couler.driver import EngineInfo, Run
    from couler.runs import RunRecord

RUN_COLUMNS = ("id", "workflow", "engine", "status", "started", "took")


def run_row(run: RunRecord) -> dict[str, Any]:
    """A run for `couler list`."""
    names = ("id", "workflow", "engine", "status", "message", "parameters", "labels")
    row = {name: getattr(run, name) for name in names}
    started = run.started if run.started is not None else run.created
    row["started"] = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started))
    row["took"] = seconds_text(run.ended - started) if run.ended is not None else ""
    return row


def show_status(run: Run, output: str) -> None:
    """Print how a run stands."""
    if output == "name":
        click.echo(run.id)
    elif output == "svg":
        click.echo(svg(run.workflow, {step.path: step.status for step in run.steps.values()}), nl=False)
    elif output == "html":
        click.echo(html_run(run.record, run.steps.values(), run.workflow, now=time.time()))
    elif output != "table":
        emit(run.to_dict(), output)
    else:
        click.echo(_headline(run))
        click.echo(tree(run.workflow, run.steps, now=time.time(), plain=not can_draw()))
        show_outputs(run)


def _headline(run: Run) -> str:
    record = run.record
    text = f"run {record.id} of {record.workflow} on {record.engine} {look(record.status).word}"
    if record.started is not None:
        text += f" in {seconds_text((record.ended or time.time()) - record.started)}"
    return text


def show_outputs(run: Run) -> None:
    """Print outputs, one a line, shortened; files by their path, or where they are kept when that is elsewhere."""
    outputs = run.outputs
    here = any(is_file(value) and "url" not in value for value in outputs.values())
    files = run.files if here else {}
    for name, value in outputs.items():
        if is_file(value) and "url" in value:
            click.echo(f"{name}: {value['url']}")
            continue
        if name in files:
            click.echo(f"{name}: {_near_path(files[name])}")
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"{name}: {shorten(text, 200)}")


def _near_path(path: Path) -> str:
    """As seen from the current folder, when it lies below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def show_started(run: Run, output: str) -> int:
    """Print the id of a run that goes on by itself."""
    if output in ("table", "name"):
        click.echo(run.id)
    else:
        emit(run.to_dict(), output)
    if output == "table":
        say(f"`couler wait {run.id}` waits for it, `couler logs -f {run.id}` shows what it writes")
    return OK


def finish(run: Run, output: str, log_format: str = "text") -> int:
    """Print the end of a run and return the exit code; the failing step's own error is the last line."""
    if output == "table" and log_format == "json":
        last = {"kind": "result", "run": run.id, "status": run.status, "outputs": run.outputs}
        click.echo(json.dumps(last, ensure_ascii=False))
    elif output == "table":
        click.echo(_headline(run))
        show_outputs(run)
    else:
        show_status(run, output)
    if run.status == "suspended":
        say(_how_to_go_on(run))
    if run.status in ("succeeded", "suspended"):
        return OK
    if run.status != "failed":
        say(f"run {run.id} {run.status}; `couler retry {run.id}` goes on")
        return INTERRUPTED if run.status == "running" else RUN_FAILED
    _show_failure(run)
    return RUN_FAILED


def _how_to_go_on(run: Run) -> str:
    waiting = [step.path for step in run.steps.values() if step.status == "running"]
    step = waiting[0] if waiting else "STEP"
    return f"step '{step}' waits for a person: `couler resume {run.id} --approve {step}` or `--reject {step}`"


def _show_failure(run: Run) -> None:
    """Where the logs are, then each failed step with its own words, the first one last."""
    say(f"`couler logs {run.id}` shows what the steps wrote, `couler retry {run.id}` runs what failed again")
    failed = [step for step in run.steps.values() if step.status == "failed" and step.message]
    leaves = [step for step in failed if not any(_within(other.path, step.path) for other in failed)]
    for step in reversed(leaves[:10]):
        say(f"step '{step.path}' failed: {step.message.strip()}")
    if not leaves:
        say(f"error: {run.record.message or 'the run failed'}")


def _within(path: str, outer: str) -> bool:
    """Whether a step lies in a group, or is an item or round, of another."""
    return path != outer and path.startswith((f"{outer}/", f"{outer}[", f"{outer}#"))


def log_line(path: str, line: str, step: str | None, log_format: str) -> str:
    """One line of a step's log; the step is named unless only one was asked for."""
    if log_format == "json":
        return json.dumps({"step": path, "line": line}, ensure_ascii=False)
    return line if step is not None and path == step else f"{path} | {line}"


def show_engines(engines: Sequence[EngineInfo], output: str) -> None:
    """Print a table of features by engine."""
    if output != "table":
        emit_records([dataclasses.asdict(engine) for engine in engines], output, ["name"], key="name")
        return
    features = sorted({feature for engine in engines for feature in engine.features})
    shown = [engine for engine in engines if engine.installed]
    names = [f"{engine.name} {engine.versions[0]}" if engine.versions else engine.name for engine in shown]
    rows = [[feature, *(engine.features.get(feature, "") for engine in shown)] for feature in features]
    click.echo(table(rows, ["feature", *names]))
    for engine in engines:
        if not engine.installed:
            click.echo(f"{engine.name}: not installed; {engine.hint}")


def write_documents(compiled: Compiled, output: Path | None, form: str) -> None:
    """Write compiled documents to standard output, a file, or a folder; notes go to standard error."""
    documents = {name: _formed(name, text, form) for name, text in compiled.documents.items()}
    if output is None:
        _print_documents(documents)
    elif len(documents) == 1 and not output.is_dir():
        output.write_text(next(iter(documents.values())), encoding="utf-8")
    elif output.exists() and not output.is_dir():
        raise CoulerError(f"{output} is a file, and there are {len(documents)} documents", "name a folder")
    else:
        try:
            write_folder(documents, output)
        except OSError as error:
            raise CoulerError(f"{output} cannot be written: {error.strerror}", "name another folder") from None
    for note in compiled.notes:
        say(f"note: {note}")


def _print_documents(documents: Mapping[str, str]) -> None:
    """All of them, or the first alone when the others are parts of it in a folder."""
    parts = [name for name in documents if "/" in name]
    click.echo("---\n".join(text for name, text in documents.items() if name not in parts), nl=False)
    if parts:
        say(f"note: it needs {len(parts)} files more; `--output FOLDER` writes all of them")


def _formed(name: str, text: str, form: str) -> str:
    if form == "json" and name.endswith((".yaml", ".yml")):
        import yaml  # only for this

        text = "\n".join(json.dumps(one, indent=2, ensure_ascii=False) for one in yaml.safe_load_all(text))
    return text if text.endswith("\n") else f"{text}\n"
