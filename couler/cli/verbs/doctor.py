"""``couler doctor``."""

from __future__ import annotations

import click

from couler import driver
from couler.backends.base import Check
from couler.cli.checks import checks
from couler.cli.job import remote_options, settings_from
from couler.cli.options import REMOTE, STORE, output_option, setting_options
from couler.cli.output import emit_records
from couler.config import Settings
from couler.core.errors import ConfigError, CoulerError


@click.command("doctor")
@output_option("table", "json", "yaml")
def doctor(output: str, **flags: object) -> int:
    """Check settings, Python, packages, folders, stores and programs, and say what to type to mend them.

    With --engine, also the place where that engine runs workflows: couler doctor --engine argo
    """
    try:
        settings = settings_from(dict(flags))
        found = [*checks(settings), *_of_engine(settings)]
    except ConfigError as error:
        found = [Check("fail", "settings", error.message, error.hint), *checks(Settings())]
    emit_records([check.row() for check in found], output, ("state", "check", "found", "hint"))
    return 1 if any(check.state == "fail" for check in found) else 0


def _of_engine(settings: Settings) -> list[Check]:
    try:
        return driver.doctor(settings.engine, **remote_options(settings))
    except CoulerError as error:
        return [Check("fail", settings.engine, error.message, error.hint)]


doctor.params += setting_options("engine", *STORE, *REMOTE)
