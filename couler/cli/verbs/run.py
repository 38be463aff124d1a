"""``couler run``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import Job, WorkflowCommand, run_options
from couler.cli.options import FORMATS, output_option
from couler.cli.plan import show_plan
from couler.cli.result import finish
from couler.cli.watch import progress


@click.command("run", cls=WorkflowCommand)
@click.option("--dry-run", is_flag=True, help="Show what would run, and why, and run nothing.")
@click.option("--progress/--no-progress", "show", default=True, help="Show the steps while they run.")
@output_option(*FORMATS)
def run(job: Job, dry_run: bool, show: bool, output: str) -> int:
    """Run a workflow of a FILE (.py, .json or .yaml) and wait for its end.

    The workflow's own parameters are options after the file: couler run train.py --threshold 0.9
    """
    engine, options = job.settings.engine, run_options(job.settings)
    if dry_run:
        return show_plan(driver.plan(job.workflow, job.parameters, engine=engine, **options), output)
    with progress(job.workflow, show=show, log_format=job.settings.log_format, output=output) as observer:
        ended = driver.run(job.workflow, job.parameters, engine=engine, observer=observer, **options)
    return finish(ended, output, job.settings.log_format)
