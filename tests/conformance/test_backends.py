"""Every case and every engine: what must come of it is computed from what the engine declares."""

import pytest

import couler
from couler.core.errors import UnsupportedFeatureError
from couler.core.ir.features import features_of
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.expected import declared, refused, targets

EVERY = pytest.mark.parametrize("target", targets())


def _refused(target: str) -> dict[str, tuple[str, ...]]:
    """Cases that a target refuses, with the features that it lacks."""
    declaration = declared(target)
    found = {case.name: refused(case, declaration) for case in CASES.values()}
    return {name: features for name, features in found.items() if features}


@EVERY
def test_a_case_is_refused_for_exactly_the_features_that_the_engine_lacks(target: str) -> None:
    found = {}
    for case in CASES.values():
        try:
            couler.compile(case.workflow(), target)
        except UnsupportedFeatureError as error:
            found[case.name] = error.features

    assert found == _refused(target)


@EVERY
def test_what_an_engine_lowers_is_gone_from_the_workflow_that_is_compiled(target: str) -> None:
    declaration, refused_cases = declared(target), _refused(target)

    left = {
        case.name: features
        for case in CASES.values()
        if case.name not in refused_cases and (features := _lowered_but_there(case, target, declaration.lowered))
    }

    assert left == {}


def _lowered_but_there(case: Case, target: str, lowered: object) -> list[str]:
    used = features_of(couler.compile(case.workflow(), target).workflow)
    return [feature for feature in used if feature in lowered]  # type: ignore[operator]


@EVERY
def test_no_secret_stands_in_a_compiled_document(target: str) -> None:
    refused_cases = _refused(target)
    for case in CASES.values():
        if case.secrets and case.name not in refused_cases:
            texts = couler.compile(case.workflow(), target).documents.values()
            assert [value for value in case.secrets.values() if any(value in text for text in texts)] == []
