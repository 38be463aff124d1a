"""``couler version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click


def version_text() -> str:
    """Versions of couler and Python."""
    try:
        own = installed("couler")
    except PackageNotFoundError:
        own = "(not installed)"
    return f"couler {own}, Python {platform.python_version()}"


@click.command("version")
def version() -> None:
    """Print the version."""
    click.echo(version_text())
