"""Every case and every engine: what must come of it is computed from what the engine declares."""

import pytest

import couler
from couler.core.errors import UnsupportedFeatureError
from couler.core.ir.features import features_of
from tests.conformance.catalogue import CASES
from tests.conformance.expected import declared, refused, targets


@pytest.mark.parametrize("target", targets())
def test_a_case_is_taken_or_refused_as_the_engine_declares(target: str) -> None:
    declaration = declared(target)
    found: dict[str, tuple[str, ...]] = {}
    for case in CASES.values():
        try:
            made = couler.compile(case.workflow(), target)
        except UnsupportedFeatureError as error:
            found[case.name] = error.features
            continue
        left = set(features_of(made.workflow)) & set(declaration.lowered)
        assert left == set(), f"{case.name}: what the engine lowers is gone before it compiles"
        texts = "".join(made.documents.values())
        assert not any(value in texts for value in case.secrets.values()), f"{case.name}: no secret is written down"

    wanted = {case.name: features for case in CASES.values() if (features := refused(case, declaration))}
    assert found == wanted, "an engine refuses exactly what it lacks"
