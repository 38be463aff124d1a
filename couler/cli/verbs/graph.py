"""``couler graph``."""

from __future__ import annotations

from pathlib import Path

import click

from couler.cli.job import Job, WorkflowCommand
from couler.cli.output import can_draw
from couler.views import mermaid, svg, tree


@click.command("graph", cls=WorkflowCommand)
@click.option("--format", "form", type=click.Choice(["text", "svg", "mermaid"]), help="Default: by the file's name.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file; standard output when not given.")
def graph(job: Job, form: str | None, output: Path | None) -> None:
    """Draw a workflow of a FILE as a tree, as SVG or as Mermaid."""
    drawers = {"svg": svg, "mermaid": mermaid, "text": lambda shown: tree(shown, plain=not can_draw()) + "\n"}
    suffixes = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".md": "mermaid"}
    drawn = drawers[form or suffixes.get(output.suffix if output else "", "text")](job.workflow)
    if output is None:
        click.echo(drawn, nl=False)
    else:
        output.write_text(drawn, encoding="utf-8")
