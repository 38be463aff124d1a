"""A group of commands whose modules are loaded when they are used, so that help and completion stay fast."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from couler.core.errors import near

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the table of verbs.

    Attributes:
        target: ``module:function`` of the click command.
        help: One line.
        section: Heading under which it is listed.
    """

    target: str
    help: str
    section: str


class LazyGroup(click.Group):
    """A click group over a table of `Verb` rows."""

    def __init__(self, verbs: Mapping[str, Verb], **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]
        self.verbs = dict(verbs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module."""
        verb = self.verbs.get(cmd_name)
        if verb is None:
            return None
        module, _, function = verb.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the near name when there is no such verb."""
        if args[0] not in self.verbs and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command '{args[0]}'; {near(args[0], self.verbs, 'commands')}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, by section, without importing a verb."""
        for section in dict.fromkeys(verb.section for verb in self.verbs.values()):
            rows = [(name, verb.help) for name, verb in self.verbs.items() if verb.section == section]
            with formatter.section(section):
                formatter.write_dl(rows, col_spacing=4)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs that begin so, without importing them."""
        from click.shell_completion import CompletionItem  # only the shell asks

        names = [name for name in self.verbs if name.startswith(incomplete)]
        found = [CompletionItem(name, help=self.verbs[name].help) for name in names]
        return found + click.Command.shell_complete(self, ctx, incomplete)
