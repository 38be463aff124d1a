"""Where compiled documents go when there are several: a folder with sub-folders, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Couler

COMPILE = ("compile", "flow.py", "--engine", "airflow")


def test_a_folder_gets_all_documents_and_loses_those_of_before(inside: Couler, project: Path) -> None:
    assert inside(*COMPILE, "-o", "dags").returncode == 0
    sources = project / "dags" / "sums_parts" / "sources"
    assert sorted(file.name for file in sources.iterdir()) == ["add.py", "check.py"]
    flow = project / "flow.py"
    flow.write_text(flow.read_text().replace("check(total, limit)}", "total}"))
    assert inside(*COMPILE, "-o", "dags").returncode == 0
    assert [file.name for file in sources.iterdir()] == ["add.py"]
    assert not [file for file in project.rglob("*") if file.name.startswith(".sums.py")]


def test_on_the_terminal_only_the_first_document_is_shown_and_the_others_are_named(inside: Couler) -> None:
    shown = inside(*COMPILE)
    assert shown.stdout.startswith('"""sums: Adds.')
    assert "files more; `--output FOLDER` writes all of them" in shown.stderr
    assert "---" not in shown.stdout


def test_a_folder_that_cannot_be_written_is_an_error(inside: Couler, project: Path) -> None:
    (project / "dags").mkdir()
    (project / "dags" / "sums_parts").touch()
    refused = inside(*COMPILE, "-o", "dags")
    assert refused.returncode != 0
    assert "dags cannot be written" in refused.stderr
    assert not (project / "dags" / "sums.py").exists()
