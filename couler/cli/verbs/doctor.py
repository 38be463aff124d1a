"""``couler doctor``."""

from __future__ import annotations

import click

from couler.cli.checks import Check, checks
from couler.cli.job import settings_from
from couler.cli.options import STORE, output_option, setting_options
from couler.cli.output import emit_records
from couler.config import Settings
from couler.core.errors import ConfigError


@click.command("doctor")
@output_option("table", "json", "yaml")
def doctor(output: str, **flags: object) -> int:
    """Check settings, Python, packages, folders, stores and programs, and say what to type to mend them."""
    try:
        found = checks(settings_from(dict(flags)))
    except ConfigError as error:
        found = [Check("fail", "settings", error.message, error.hint), *checks(Settings())]
    emit_records([check.row() for check in found], output, ("state", "check", "found", "hint"))
    return 1 if any(check.state == "fail" for check in found) else 0


doctor.params += setting_options(*STORE)
