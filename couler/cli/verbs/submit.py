"""``couler submit``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import Job, WorkflowCommand, run_options
from couler.cli.options import FORMATS, output_option
from couler.cli.plan import show_plan
from couler.cli.result import show_started


@click.command("submit", cls=WorkflowCommand)
@click.option("--dry-run", is_flag=True, help="Show what would run, and why, and run nothing.")
@output_option(*FORMATS)
def submit(job: Job, dry_run: bool, output: str) -> int:
    """Start a run of a workflow FILE and return at once; `couler wait` waits for it."""
    engine, options = job.settings.engine, run_options(job.settings)
    if dry_run:
        return show_plan(driver.plan(job.workflow, job.parameters, engine=engine, **options), output)
    return show_started(driver.submit(job.workflow, job.parameters, engine=engine, **options), output)
