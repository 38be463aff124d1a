"""Any valid workflow is refused with reasons or compiled to a document that Argo accepts."""

import pytest
from hypothesis import HealthCheck, given, settings

import couler
from couler.core.errors import CoulerError
from couler.core.ir.model import Workflow
from couler.core.ir.validate import problems
from tests.core.ir.strategies import without_what_kubernetes_checks, workflows
from tests.engines.argo import validator


@pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())
@pytest.mark.timeout(600)
def test_what_compiles_is_accepted_by_argo() -> None:
    texts: dict[str, str] = {}

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(workflows())
    def compile_one(workflow: Workflow) -> None:
        workflow = without_what_kubernetes_checks(workflow)
        if problems(workflow):
            return
        try:
            compiled = couler.compile(workflow, "argo")
        except CoulerError:  # refused; anything else fails the test
            return
        if not compiled.problems:
            texts[f"document-{len(texts)}"] = compiled.text

    compile_one()

    found = validator.validate_groups({name: {name: text} for name, text in texts.items()})
    refused = {name: errors[name] for name, errors in found.items() if errors[name]}
    assert len(texts) >= 20, "enough of them compile"
    assert not refused, next((f"{error}\n{texts[name]}" for name, error in refused.items()), "")
