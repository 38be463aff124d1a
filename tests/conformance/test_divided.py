"""Every case with few steps in a template of Argo, so that scopes are cut into parts: all must come out the same."""

from functools import cache
from pathlib import Path

import pytest

import couler
from couler.backends.base import Compiled
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.double import outcome_on_double
from tests.conformance.expected import declared, on, refused
from tests.conformance.outcome import differences
from tests.conformance.places import ON_DOUBLE
from tests.conformance.readers.argo import objects
from tests.engines.argo import schema, validator

TARGET = "argo"
FEW = 2
"""Steps in a template, which makes parts of parts as well."""


@cache
def compiled(name: str, most: int = FEW) -> Compiled:
    """A case in Argo's form, in small templates."""
    return couler.compile(CASES[name].workflow(), TARGET, max_tasks=most)


def _is_cut(case: Case) -> bool:
    return not refused(case, declared(TARGET)) and len(case.workflow().steps) > FEW


CUT = [case for case in CASES.values() if _is_cut(case)]
EVERY_CASE = pytest.mark.parametrize("case", CUT, ids=str)


@EVERY_CASE
def test_the_api_server_takes_the_parts(case: Case) -> None:
    made = compiled(case.name)

    assert any("parts, and a part starts when" in note for note in made.notes)
    assert [problem for one in objects(made.documents) for problem in schema.problems(one)] == []
    assert made.problems == couler.compile(case.workflow(), TARGET).problems


@pytest.mark.parametrize("case", [case for case in CUT if case.needs <= ON_DOUBLE], ids=str)
def test_the_parts_come_to_what_the_whole_comes_to(case: Case, tmp_path: Path) -> None:
    assert differences(on(case, TARGET), outcome_on_double(case, TARGET, tmp_path, max_tasks=FEW)) == []


def test_argo_itself_finds_nothing_wrong_with_the_parts() -> None:
    if reason := validator.tools_missing():
        pytest.skip(reason)
    texts = {f"{case.name}-{most}": dict(compiled(case.name, most).documents) for case in CUT for most in (FEW, 3)}

    found = validator.validate_groups(texts)

    assert {name: errors for name, errors in found.items() if any(errors.values())} == {}
