"""``couler engines``."""

from __future__ import annotations

import click

from couler import driver
from couler.cli.options import FORMATS, output_option
from couler.cli.result import show_engines


@click.command("engines")
@output_option(*FORMATS)
def engines(output: str) -> None:
    """Show which engines there are and what each can do natively, by rewriting, or not at all."""
    show_engines(driver.engines(), output)
