"""``couler logs``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import RunCommand
from couler.cli.result import log_line
from couler.config import Settings


@click.command("logs", cls=RunCommand)
@click.option("--step", "-s", help="Only this step, such as train or train[3].")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends.")
def logs(run: driver.Run, settings: Settings, step: str | None, follow: bool) -> None:
    """Print what the steps of a RUN wrote; without an id, of the latest."""
    for path, line in run.logs(step, follow=follow):
        click.echo(log_line(path, line, step, settings.log_format))
