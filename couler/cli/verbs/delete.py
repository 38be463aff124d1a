"""``couler delete``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import RunCommand
from couler.config import Settings


@click.command("delete", cls=RunCommand)
def delete(run: driver.Run, settings: Settings) -> None:
    """Forget a RUN that has ended, with its logs; on a cluster, also what there is of it."""
    run.delete()
    click.echo(f"deleted run {run.id}")
