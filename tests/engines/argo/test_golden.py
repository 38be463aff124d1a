"""The documents of small programs stay as they are written down in ``golden/``.

python -m tests.engines.argo.test_golden    # writes them, for a change that is meant; read the difference
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

import couler
from couler.backends.argo.backend import VERSIONS
from couler.core.dsl.workflows import WorkflowFunction
from couler.runner.container import shipped
from tests.engines import programs
from tests.engines.argo import schema, validator
from tests.engines.argo.documents import around, leaf

FOLDER = Path(__file__).resolve().parent / "golden"
PROGRAMS = {name: found for name, found in vars(programs).items() if isinstance(found, WorkflowFunction)}
RUNNER = "THE-RUNNER"
"""Stands for the program that runs functions, which changes with its own source."""

needs_validator = pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())


def compiled(name: str, version: str = "") -> str:
    return couler.compile(PROGRAMS[name], f"argo@{version}" if version else "argo").text


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_document_is_the_one_written_down(name: str) -> None:
    kept = FOLDER / f"{name}.yaml"
    assert kept.exists(), "write it with `python -m tests.engines.argo.test_golden`"
    assert compiled(name).replace(shipped(), RUNNER) == kept.read_text(encoding="utf-8")


def test_every_document_that_is_kept_has_a_program() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_definitions_of_argo_take_the_document(name: str) -> None:
    assert schema.problems(yaml.safe_load(compiled(name))) == []


@needs_validator
@pytest.mark.parametrize("version", VERSIONS)
def test_argo_takes_the_documents_of_every_version(version: str) -> None:
    groups = {name: {name: compiled(name, version), "library": _library()} for name in PROGRAMS}
    verdicts = {name: found[name] for name, found in validator.validate_groups(groups).items()}
    assert {name: error for name, error in verdicts.items() if error} == {}


def _library() -> str:
    template = leaf("print", inputs={"parameters": [{"name": "word", "default": ""}]})
    inner = {**around(template), "kind": "WorkflowTemplate", "metadata": {"name": "library"}}
    return json.dumps(inner)


def main() -> int:
    """Write every document."""
    for name in PROGRAMS:
        (FOLDER / f"{name}.yaml").write_text(compiled(name).replace(shipped(), RUNNER), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
