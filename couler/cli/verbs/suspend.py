"""``couler suspend``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import RunCommand
from couler.config import Settings


@click.command("suspend", cls=RunCommand)
def suspend(run: driver.Run, settings: Settings) -> None:
    """Let no new step of a RUN on a cluster start, until it is resumed."""
    run.suspend()
    click.echo(f"suspended run {run.id}; `couler resume {run.id}` goes on")
