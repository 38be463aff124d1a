"""The kind of object that is compiled for Argo comes from a flag or a setting."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Couler


def test_the_kind_is_a_flag_or_a_setting(inside: Couler, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("compile", "ask.py", "--engine", "argo")
    assert "kind: WorkflowTemplate\n" in inside(*command, "--kind", "WorkflowTemplate").stdout
    monkeypatch.setenv("COULER_ARGO_KIND", "ClusterWorkflowTemplate")
    assert "kind: ClusterWorkflowTemplate\n" in inside(*command).stdout


def test_a_kind_for_another_engine_is_refused(inside: Couler) -> None:
    refused = inside("compile", "ask.py", "--kind", "WorkflowTemplate")
    assert refused.returncode != 0
    assert "--kind is for Argo, and the engine is local" in refused.stderr
