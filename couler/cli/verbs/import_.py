"""``couler import``."""

from __future__ import annotations

from pathlib import Path

import click

from couler.backends.argo import importer
from couler.cli.failures import say


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file; standard output when not given.")
@click.option("--to", "form", type=click.Choice(["python", "ir", "argo"]), default="python", show_default=True)
@click.option("--report", is_flag=True, help="Say what became of every construct, not only of what Argo alone can do.")
def import_(files: tuple[Path, ...], output: Path | None, form: importer.Form, report: bool) -> None:
    """Read Argo Workflows' YAML and write it as couler Python; the report goes to standard error.

    Calls of templates of other objects find them in any of the FILES.
    """
    imported = importer.import_argo(*(file.read_text(encoding="utf-8") for file in files))
    text = importer.written(imported, form)
    click.echo(text, nl=False) if output is None else output.write_text(text, encoding="utf-8")
    say(importer.told(imported.report, all_of_it=report))
