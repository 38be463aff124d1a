"""``couler wait``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import RunCommand
from couler.cli.options import FORMATS, output_option
from couler.cli.result import finish
from couler.config import Settings


@click.command("wait", cls=RunCommand)
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds after which to give up.")
@output_option(*FORMATS)
def wait(run: driver.Run, settings: Settings, timeout: float | None, output: str) -> int:
    """Wait for the end of a RUN; the exit code is that of the run."""
    run.wait(timeout)
    return finish(run, output, settings.log_format)
