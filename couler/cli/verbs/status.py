"""``couler status``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.job import RunCommand
from couler.cli.options import FORMATS, output_option
from couler.cli.result import show_status
from couler.config import Settings


@click.command("status", cls=RunCommand)
@output_option(*FORMATS, "svg", "html")
def status(run: driver.Run, settings: Settings, output: str) -> None:
    """Show how a RUN stands, step by step; without an id, the latest.

    With -o svg or -o html as a picture: couler status -o html > run.html
    """
    show_status(run, output)
