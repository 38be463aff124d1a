"""Whoever cannot run the cluster is told what is missing and where it comes from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.engines.kubernetes import cache, tools

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the cluster is for Linux")


def test_every_missing_program_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = tools.tools_missing()
    assert [line for line in missing if line.split()[0] in tools.PROGRAMS] == [
        f"{name} ({source})" for name, source in tools.PROGRAMS.items()
    ]


def test_a_toolchain_that_is_too_old_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go1.24.1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Go 1.25.7 or newer (here is 1.24.1)" in tools.tools_missing()


def test_without_the_switch_cluster_tests_say_how_to_run_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tools.SWITCH, raising=False)
    assert "make conformance-cluster" in tools.reason_to_skip(build=lambda: None)


def test_with_the_switch_the_missing_programs_are_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tools.SWITCH, "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "missing: containerd (Debian package containerd)" in tools.reason_to_skip(build=lambda: None)


def test_tests_do_not_wait_for_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tools.SWITCH, "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tools, "tools_missing", list)
    reason = tools.reason_to_skip(build=lambda: cache.kept("bin/thing", [], lambda target: target.touch()))
    assert reason == "bin/thing is not built: python -m tests.engines.argo.cluster build"
    cache.kept("bin/thing", [], lambda target: target.touch())
    assert tools.reason_to_skip(build=lambda: cache.kept("bin/thing", [], lambda target: target.touch())) == ""
