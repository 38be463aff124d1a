"""``couler import``."""

from __future__ import annotations

from pathlib import Path

import pytest

from couler.cli.main import main
from couler.core.ir.text import from_text
from couler.driver import load_workflow
from tests.importer.meaning import documents

COIN = Path(__file__).parent / "fixtures" / "coin.yaml"


def called(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["import", *words])
    return int(ended.value.code or 0)


def test_it_writes_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(str(COIN), "-o", str(tmp_path / "coin.py")) == 0
    assert [step.name for step in load_workflow(tmp_path / "coin.py").steps] == ["flip", "heads", "edge"]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1] == "9 translated, 2 carried, 0 argo only"


def test_it_writes_the_text_form_and_the_document_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(str(COIN), "--to", "ir") == 0
    assert from_text(capsys.readouterr().out).name == "coin"
    assert called(str(COIN), "--to", "argo") == 0
    assert documents(capsys.readouterr().out) == documents(COIN.read_text(encoding="utf-8"))


def test_the_report_lists_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(str(COIN), "--report") == 0
    assert "ARGO060 carried: field at metadata.annotations.example.org/owner" in capsys.readouterr().err


def test_a_file_of_another_kind_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("kind: ConfigMap", encoding="utf-8")
    assert called(str(other)) != 0
    assert "no workflow of Argo, but ConfigMap" in capsys.readouterr().err
