"""``couler stop``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import RunCommand
from couler.config import Settings


@click.command("stop", cls=RunCommand)
def stop(run: driver.Run, settings: Settings) -> None:
    """Stop a RUN: running steps are cancelled, exit handlers still run."""
    run.stop()
    click.echo(f"asked run {run.id} to stop")
