"""``couler doctor``."""

from __future__ import annotations

import click

from couler.cli.checks import checks
from couler.cli.job import settings_from
from couler.cli.options import STORE, output_option, setting_options
from couler.cli.output import emit_records


@click.command("doctor")
@output_option("table", "json", "yaml")
def doctor(output: str, **flags: object) -> int:
    """Check Python, packages, folders, stores and programs, and say what to type to mend them."""
    found = checks(settings_from(dict(flags)))
    emit_records([check.row() for check in found], output, ("state", "check", "found", "hint"))
    return 1 if any(check.state == "fail" for check in found) else 0


doctor.params += setting_options(*STORE)
