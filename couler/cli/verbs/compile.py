"""``couler compile``."""

from __future__ import annotations

from pathlib import Path

import click

from couler import driver
from couler.cli.job import Job, WorkflowCommand, run_options
from couler.cli.result import write_documents


@click.command("compile", cls=WorkflowCommand)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file, or a folder when there are several.")
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def compile_(job: Job, output: Path | None, form: str) -> None:
    """Write a workflow of a FILE in the form of an engine; notes go to standard error."""
    compiled = driver.compile(job.workflow, job.settings.engine, **run_options(job.settings))
    write_documents(compiled, output, form)
