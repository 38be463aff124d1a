"""``couler stop``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import RunCommand
from couler.config import Settings


@click.command("stop", cls=RunCommand)
@click.option("--now", is_flag=True, help="Without exit handlers; for runs on a cluster.")
def stop(run: driver.Run, settings: Settings, now: bool) -> None:
    """Stop a RUN: running steps are cancelled, exit handlers still run."""
    if now:
        run.terminate()
    else:
        run.stop()
    click.echo(f"asked run {run.id} to stop")
