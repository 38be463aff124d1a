"""What is kept of the suite's runs is about all cases, and is as it should be."""

import pytest

from tests.conformance.catalogue import CASES
from tests.conformance.expected import declared, refused
from tests.conformance.record import catalogue, is_fine, kept

PLACES = {"local": "local", "argo-played": "argo", "argo": "argo", "airflow": "airflow"}


def test_the_catalogue_that_is_kept_is_that_of_the_cases() -> None:
    assert kept("catalogue") == catalogue(), "python -m tests.conformance record local argo-played"


@pytest.mark.parametrize("place", PLACES)
def test_every_case_came_out_as_it_should_when_the_place_was_recorded(place: str) -> None:
    found = kept(place)
    declaration = declared(PLACES[place])

    assert list(found) == list(CASES)
    assert {name for name, text in found.items() if text == "refused"} == {
        case.name for case in CASES.values() if refused(case, declaration)
    }
    assert {name: text for name, text in found.items() if not is_fine(text)} == {}
