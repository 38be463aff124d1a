"""The faults of `tests.conformance.mutate` can be planted, and its results are those of all of them."""

import json
from pathlib import Path

import pytest

import couler
from tests.conformance.faults import FAULTS, Fault
from tests.conformance.mutate import RESULTS

PACKAGE = Path(couler.__file__).parent


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.engine}: {fault.what}")
def test_a_fault_has_one_place_where_it_is_planted(fault: Fault) -> None:
    text = (PACKAGE / fault.file).read_text(encoding="utf-8")

    assert text.count(fault.before) == 1
    assert fault.after != fault.before


def test_every_fault_was_caught_when_the_faults_were_last_planted() -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))

    assert [(row["engine"], row["fault"]) for row in rows] == [(fault.engine, fault.what) for fault in FAULTS]
    assert [row["fault"] for row in rows if not row["caught_by"]] == []
