"""``couler import``."""

from __future__ import annotations

from pathlib import Path

import click

from couler.backends.airflow import importer as airflow
from couler.backends.argo import importer as argo
from couler.cli.failures import say


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file; standard output when not given.")
@click.option("--to", "form", type=click.Choice(["python", "ir", "argo"]), default="python", show_default=True)
@click.option("--name", default="", help="Only the DAG of this name, of a file with several.")
@click.option("--report", is_flag=True, help="Say what became of every construct, not only of what would be lost.")
def import_(files: tuple[Path, ...], output: Path | None, form: argo.Form, name: str, report: bool) -> None:
    """Read Argo Workflows' YAML or a DAG file of Airflow and write couler Python; the report goes to standard error.

    Calls of templates of other objects find them in any of the FILES. A DAG file (.py) is read, never executed.
    """
    texts = [file.read_text(encoding="utf-8") for file in files]
    if any(file.suffix == ".py" for file in files):
        text, findings = _dags(files, texts, form, name)
        told = airflow.told(findings, all_of_it=report)
    else:
        imported = argo.import_argo(*texts)
        text, told = argo.written(imported, form), argo.told(imported.report, all_of_it=report)
    click.echo(text, nl=False) if output is None else output.write_text(text, encoding="utf-8")
    say(told)


def _dags(
    files: tuple[Path, ...], texts: list[str], form: argo.Form, name: str
) -> tuple[str, tuple[airflow.Finding, ...]]:
    """The text for a DAG file, and what became of its constructs."""
    if len(files) > 1:
        raise click.UsageError("one DAG file at a time; each becomes a file of its own")
    if form == "argo":
        raise click.UsageError("--to argo is for Argo's YAML; write Python, then `couler compile --engine argo` it")
    imported = airflow.import_dags(texts[0], files[0].name, name)
    return airflow.written(imported, form), imported.report
