"""What is compiled for Argo is decided by flags or settings: the kind of object, and how large values travel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Couler

LARGE = """
import couler


@couler.step
def text(size: int) -> str:
    return "x" * size


@couler.workflow
def large():
    text(300_000)
"""


def test_the_kind_is_a_flag_or_a_setting(inside: Couler, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("compile", "ask.py", "--engine", "argo")
    assert "kind: WorkflowTemplate\n" in inside(*command, "--kind", "WorkflowTemplate").stdout
    monkeypatch.setenv("COULER_ARGO_KIND", "ClusterWorkflowTemplate")
    assert "kind: ClusterWorkflowTemplate\n" in inside(*command).stdout


def test_whether_large_values_travel_as_files_is_a_flag_or_a_setting(
    inside: Couler, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "large.py").write_text(LARGE)
    command = ("compile", "large.py", "--engine", "argo")
    assert "couler-large-result" not in inside(*command).stdout
    assert "couler-large-result" in inside(*command, "--large-values").stdout
    monkeypatch.setenv("COULER_LARGE_VALUES", "true")
    assert "couler-large-result" in inside(*command).stdout
    assert "couler-large-result" not in inside(*command, "--no-large-values").stdout


def test_a_kind_for_another_engine_is_refused(inside: Couler) -> None:
    refused = inside("compile", "ask.py", "--kind", "WorkflowTemplate")
    assert refused.returncode != 0
    assert "--kind is for Argo, and the engine is local" in refused.stderr
