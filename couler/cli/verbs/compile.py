"""``couler compile``."""

from __future__ import annotations

from pathlib import Path

import click

from couler import driver
from couler.cli.job import Job, WorkflowCommand, run_options
from couler.cli.result import write_documents
from couler.core.errors import ConfigError


@click.command("compile", cls=WorkflowCommand)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file, or a folder when there are several.")
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@click.option("--kind", help="Kind of object for Argo, such as WorkflowTemplate or CronWorkflow.")
def compile_(job: Job, output: Path | None, form: str, kind: str | None) -> None:
    """Write a workflow of a FILE in the form of an engine; notes go to standard error."""
    options = run_options(job.settings)
    if job.settings.engine.partition("@")[0] == "argo":
        options["kind"] = kind or job.settings.argo_kind
    elif kind:
        raise ConfigError(f"--kind is for Argo, and the engine is {job.settings.engine}", "add --engine argo")
    compiled = driver.compile(job.workflow, job.settings.engine, **options)
    write_documents(compiled, output, form)
