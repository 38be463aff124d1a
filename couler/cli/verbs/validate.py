"""``couler validate``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import Job, WorkflowCommand, run_options


@click.command("validate", cls=WorkflowCommand)
def validate(job: Job) -> None:
    """Find all problems of a workflow of a FILE; with --engine, also what that engine cannot do."""
    named = job.settings.sources()["engine"].kind != "default"
    driver.validate(job.workflow, job.settings.engine if named else None, **run_options(job.settings))
    click.echo(f"{job.workflow.name}: no problems")
