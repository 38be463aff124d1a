"""``couler list``."""

from __future__ import annotations

from typing import Any

import click

from couler import driver
from couler.cli.job import has_runs, remote_options, settings_from
from couler.cli.options import FORMATS, REMOTE, STORE, output_option, setting_options
from couler.cli.output import emit_records
from couler.cli.result import RUN_COLUMNS, run_row


@click.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@click.option("--workflow", "-w", help="Only runs of this workflow.")
@click.option("--status", "state", help="Only runs of this status.")
@output_option(*FORMATS)
def list_(limit: int, workflow: str | None, state: str | None, output: str, **flags: object) -> None:
    """List runs, the newest first; with --engine also those that others started there."""
    engine = flags.get("setting_engine")
    settings = settings_from(dict(flags))
    wanted: dict[str, Any] = {"limit": limit, "workflow": workflow, "status": state, "engine": engine}
    there = engine is not None or has_runs(settings)
    found = driver.list_runs(**wanted, **remote_options(settings)) if there else []
    emit_records([run_row(run) for run in found], output, RUN_COLUMNS)


list_.params += setting_options("engine", *STORE, *REMOTE)
