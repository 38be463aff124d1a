"""``couler import``."""

from __future__ import annotations

from pathlib import Path

import click

from couler.backends.airflow import importer as airflow
from couler.backends.airflow.importer.executing import ask
from couler.backends.argo import importer as argo
from couler.cli.failures import say


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file; standard output when not given.")
@click.option("--to", "form", type=click.Choice(["python", "ir", "argo"]), default="python", show_default=True)
@click.option("--name", default="", help="Only the DAG of this name, of a DAG file with several.")
@click.option("--report", is_flag=True, help="Say what became of every construct, not only of what would be lost.")
@click.option(
    "--execute",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="PYTHON",
    help="EXECUTE the DAG file with this Python, which must have Airflow, for values that reading does not tell. "
    "Everything in the file happens: only for files that you trust.",
)
def import_(
    files: tuple[Path, ...], output: Path | None, form: argo.Form, name: str, report: bool, execute: Path | None
) -> None:
    """Read Argo Workflows' YAML or a DAG file of Airflow and write couler Python; the report goes to standard error.

    Calls of templates of other objects find them in any of the FILES. A DAG file (.py) is read and not executed.
    """
    if any(file.suffix == ".py" for file in files):
        text, told = _dags(files, form, name, report, execute)
    else:
        imported = argo.import_argo(*(file.read_text(encoding="utf-8") for file in files))
        text, told = argo.written(imported, form), argo.told(imported.report, all_of_it=report)
    click.echo(text, nl=False) if output is None else output.write_text(text, encoding="utf-8")
    say(told)


def _dags(files: tuple[Path, ...], form: argo.Form, name: str, report: bool, execute: Path | None) -> tuple[str, str]:
    """The text for a DAG file, and its report."""
    if len(files) > 1:
        raise click.UsageError("one DAG file at a time; each becomes a file of its own")
    if form == "argo":
        raise click.UsageError("--to argo is for Argo's YAML; write Python, then `couler compile --engine argo` it")
    [file] = files
    text = file.read_text(encoding="utf-8")
    values = ask(file, execute, airflow.unknown_expressions(text, file.name)) if execute is not None else {}
    imported = airflow.import_dags(text, file.name, name, values)
    return airflow.written(imported, form), airflow.told(imported.report, all_of_it=report)
