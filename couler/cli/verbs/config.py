"""``couler config``."""

from __future__ import annotations

import click

from couler.cli.job import settings_from
from couler.cli.options import output_option, setting_options
from couler.cli.output import emit, table
from couler.config import set_setting, user_file


@click.group("config")
def config() -> None:
    """Show settings and where they come from.

    A flag beats COULER_* variables, these beat couler.toml or [tool.couler] of the project, that beats the user's
    file with its [profiles.NAME], that beats the default.
    """


@config.command("view")
@click.option("--show-sources", is_flag=True, help="Say where each value comes from.")
@output_option("table", "json", "yaml")
def view(show_sources: bool, output: str, **flags: object) -> None:
    """Print the settings in force; passwords are masked."""
    settings = settings_from(dict(flags))
    shown, sources = settings.shown(), settings.sources()
    if output == "table":
        rows = [["" if value is None else str(value), str(sources[name])] for name, value in shown.items()]
        full = [[name, *(row if show_sources else row[:1])] for name, row in zip(shown, rows, strict=True)]
        click.echo(table(full, ["setting", "value", "source"] if show_sources else ["setting", "value"]))
    elif show_sources:
        emit({name: {"value": value, "source": str(sources[name])} for name, value in shown.items()}, output)
    else:
        emit(shown, output)


view.params += setting_options("profile")


@config.command("set")
@click.argument("name")
@click.argument("value")
@click.option("--profile", help="Write to [profiles.NAME] instead.")
def set_(name: str, value: str, profile: str | None) -> None:
    """Write a setting to the user's file."""
    set_setting(user_file(), name, value, profile)
    click.echo(f"wrote {name} to {user_file()}")


@config.command("path")
def path() -> None:
    """Print the path of the user's settings file."""
    click.echo(user_file())
