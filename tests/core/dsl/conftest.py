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
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return Project(folder)
