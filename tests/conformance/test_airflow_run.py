"""Cases that Airflow can express, on a real Airflow of this machine, compared with what they say.

Those with few steps; with ``COULER_CONFORMANCE_ALL=1`` all.
"""

import os

import pytest

from tests.conformance.catalogue import CASES
from tests.conformance.record import is_fine, outcomes
from tests.engines.airflow import installation

WHY_NOT = installation.reason_to_skip()


@pytest.mark.timeout(3600)
@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_cases_come_out_on_an_airflow_as_they_say() -> None:
    all_of_them = os.environ.get("COULER_CONFORMANCE_ALL") == "1"
    chosen = [case.name for case in CASES.values() if case.cheap or all_of_them]
    assert {name: text for name, text in outcomes("airflow", chosen).items() if not is_fine(text)} == {}
