"""Prints what a run would do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from couler.cli.failures import say
from couler.cli.output import emit, table

if TYPE_CHECKING:
    from couler.driver import Plan


def show_plan(plan: Plan, output: str) -> int:
    """Print a plan; notes go to standard error."""
    if output == "name":
        for row in plan.rows:
            click.echo(row.step)
    elif output == "table":
        click.echo(f"{plan.workflow} on {plan.engine}: nothing was run")
        click.echo(table([[row.step, row.action, row.reason] for row in plan.rows], ["step", "action", "reason"]))
        for note in plan.notes:
            say(f"note: {note}")
    else:
        emit(dataclasses.asdict(plan), output)
    return 0
