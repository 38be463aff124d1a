"""The catalogue of cases: complete, and each a workflow that keeps the rules."""

import pytest

from couler.core.ir.features import FEATURES, features_of
from couler.core.ir.text import from_text, to_json, to_yaml
from couler.core.ir.validate import problems
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.rules import RULES

EVERY_CASE = pytest.mark.parametrize("case", CASES.values(), ids=str)


def test_every_rule_has_a_case() -> None:
    about = {rule for case in CASES.values() for rule in case.rules}

    assert sorted(set(RULES) - about) == []


def test_every_feature_is_used_by_a_case() -> None:
    used = {feature for case in CASES.values() for feature in features_of(case.workflow())}

    assert sorted(set(FEATURES) - used) == []


@EVERY_CASE
def test_it_keeps_the_rules_and_says_what_fails(case: Case) -> None:
    assert [str(problem) for problem in problems(case.workflow())] == []
    assert case.status != "succeeded" or case.outputs is not None or case.needs
    assert not case.failing or "failed" in case.steps[case.failing]


@EVERY_CASE
def test_it_is_equal_written_and_read(case: Case) -> None:
    workflow = case.workflow()

    assert from_text(to_json(workflow)) == workflow
    assert from_text(to_yaml(workflow)) == workflow


@EVERY_CASE
def test_it_holds_no_password(case: Case) -> None:
    text = to_json(case.workflow())

    assert [value for value in case.secrets.values() if value in text] == []
