import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from couler.core.dsl import context
from tests.core.dsl.bare import Project


@pytest.fixture(autouse=True)
def _no_workflow_is_left_open() -> Iterator[None]:
    yield
    context.end_implicit()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield Project(folder)
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or str(getattr(sys.modules[name], "__path__", ""))
        if str(folder) in file:
            del sys.modules[name]
