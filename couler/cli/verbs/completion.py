"""``couler completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    r"""Print the completion script of a shell, to be evaluated in its start file.

    \b
      bash:  eval "$(couler completion bash)"
      zsh:   eval "$(couler completion zsh)"
      fish:  couler completion fish | source
    """
    from couler.cli.main import cli  # the table of verbs stands above this file

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "couler", "_COULER_COMPLETE").source())
