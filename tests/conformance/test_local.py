"""Every case on the local engine: refused as declared, or with exactly the outcome that the case says."""

from pathlib import Path

import pytest

from couler.core.errors import UnsupportedFeatureError
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.expected import declared, refused
from tests.conformance.local import outcome_on_local
from tests.conformance.outcome import differences
from tests.conformance.places import HERE

REFUSED = {case.name for case in CASES.values() if refused(case, declared("local"))}
RUNNABLE = [case for case in CASES.values() if case.name not in REFUSED and case.needs <= HERE]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all runs, so that they share a run store."""
    return tmp_path_factory.mktemp("conformance") / "state"


@pytest.mark.parametrize("case", RUNNABLE, ids=str)
def test_it_has_its_result_on_the_local_engine(case: Case, root: Path) -> None:
    assert differences(case, outcome_on_local(case, root)) == []


@pytest.mark.parametrize("case", [CASES[name] for name in sorted(REFUSED)], ids=str)
def test_it_is_refused_before_it_begins(case: Case, root: Path) -> None:
    with pytest.raises(UnsupportedFeatureError) as caught:
        outcome_on_local(case, root)

    assert set(caught.value.features) == set(refused(case, declared("local")))


def test_no_secret_stands_in_what_the_local_engine_keeps(root: Path) -> None:
    for case in CASES.values():
        if case.secrets:
            outcome_on_local(case, root)

    kept = [path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] != "secrets"]
    values = {value.encode() for case in CASES.values() for value in case.secrets.values()}
    assert kept != []
    assert [path for path in kept if any(value in path.read_bytes() for value in values)] == []
