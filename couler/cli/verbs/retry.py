"""``couler retry``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import RunCommand
from couler.cli.options import FORMATS, output_option
from couler.cli.result import finish
from couler.cli.watch import progress
from couler.config import Settings


@click.command("retry", cls=RunCommand)
@click.option("--progress/--no-progress", "show", default=True, help="Show the steps while they run.")
@output_option(*FORMATS)
def retry(run: driver.Run, settings: Settings, show: bool, output: str) -> int:
    """Run the failed and cancelled steps of a RUN again; what succeeded stays."""
    with progress(run.workflow, show=show, log_format=settings.log_format, output=output) as observer:
        run.retry(observer=observer)
    return finish(run, output, settings.log_format)
