"""``couler resume``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import RunCommand
from couler.cli.options import FORMATS, output_option
from couler.cli.result import finish
from couler.cli.watch import progress
from couler.config import Settings


@click.command("resume", cls=RunCommand)
@click.option("--approve", metavar="STEP", help="Let this waiting step go on.")
@click.option("--reject", metavar="STEP", help="Fail this waiting step.")
@click.option("--progress/--no-progress", "show", default=True, help="Show the steps while they run.")
@output_option(*FORMATS)
def resume(
    run: driver.Run, settings: Settings, approve: str | None, reject: str | None, show: bool, output: str
) -> int:
    """Go on with a RUN that was interrupted, or answer a step that waits for a person."""
    with progress(run.workflow, show=show, log_format=settings.log_format, output=output) as observer:
        run.resume(approve=approve, reject=reject, observer=observer)
    return finish(run, output, settings.log_format)
