"""Every case on Argo, without a cluster: read back, checked by Argo's own rules, and played on a double."""

from functools import cache
from pathlib import Path

import pytest

import couler
from couler.backends.base import Compiled
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.double import names_of, outcome_on_double
from tests.conformance.expected import declared, on, refused
from tests.conformance.outcome import differences as unlike
from tests.conformance.places import ON_DOUBLE
from tests.conformance.readers.argo import objects, read
from tests.conformance.shape import differences, shape_of
from tests.engines.argo import schema, validator

TARGET = "argo"
TAKEN = [case for case in CASES.values() if not refused(case, declared(TARGET))]
PLAYED = [case for case in TAKEN if case.needs <= ON_DOUBLE]
EVERY_CASE = pytest.mark.parametrize("case", TAKEN, ids=str)


@cache
def compiled(name: str) -> Compiled:
    """A case in Argo's form."""
    return couler.compile(CASES[name].workflow(), TARGET)


@EVERY_CASE
def test_its_documents_say_its_shape(case: Case) -> None:
    made = compiled(case.name)

    assert differences(shape_of(made.workflow), read(made.documents, names_of(made.workflow))) == []


@EVERY_CASE
def test_the_api_server_takes_its_documents(case: Case) -> None:
    assert [problem for one in objects(compiled(case.name).documents) for problem in schema.problems(one)] == []


@pytest.mark.parametrize("case", PLAYED, ids=str)
def test_playing_its_documents_gives_its_result(case: Case, tmp_path: Path) -> None:
    assert unlike(on(case, TARGET), outcome_on_double(case, TARGET, tmp_path)) == []


def test_argo_itself_finds_nothing_wrong_with_the_documents() -> None:
    if reason := validator.tools_missing():
        pytest.skip(reason)

    found = validator.validate_groups({case.name: dict(compiled(case.name).documents) for case in TAKEN})

    assert {name: errors for name, errors in found.items() if any(errors.values())} == {}
