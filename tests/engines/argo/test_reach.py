"""Every field of Argo's templates and specs can be written by couler, and is what Argo takes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from couler.backends.argo.backend import ArgoBackend
from couler.backends.argo.schema import fields_of
from couler.driver.prepare import prepare
from tests.engines.argo import schema, validator
from tests.engines.argo.documents import around, leaf, template_object
from tests.engines.argo.reach import OPTIONS, SPEC, TEMPLATE, Way

ROOT = Path(__file__).resolve().parents[3]
WAYS = [("Template", name, way) for name, way in TEMPLATE.items()] + [
    ("WorkflowSpec", name, way) for name, way in SPEC.items()
]
IDS = [f"{kind}.{name}" for kind, name, _ in WAYS]
needs_validator = pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())


def made(way: Way) -> dict[str, Any]:
    workflow = prepare(way.made(), "argo", {}).workflow
    return ArgoBackend().document(workflow, options={"kind": way.kind})


def holders(kind: str, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [document["spec"]] if kind == "WorkflowSpec" else document["spec"].get("templates", [])


def test_every_field_has_a_way() -> None:
    assert list(TEMPLATE) == sorted(fields_of("Template"))
    assert list(SPEC) == sorted(fields_of("WorkflowSpec"))


@pytest.mark.parametrize(("kind", "name", "way"), WAYS, ids=IDS)
def test_the_way_leads_to_the_field(kind: str, name: str, way: Way) -> None:
    document = made(way)
    found = [holder[name] for holder in holders(kind, document) if name in holder]
    assert found
    if way.words == OPTIONS:
        given = {**way.step, **way.workflow}["engine_options"]["argo"][name]
        assert any(_within(given, one) for one in found)
    assert schema.problems(document) == []


def _within(given: Any, found: Any) -> bool:
    """Whether what was given is in the document, perhaps beside more."""
    if isinstance(given, Mapping):
        return isinstance(found, Mapping) and all(key in found and _within(given[key], found[key]) for key in given)
    return given in found if isinstance(given, list) and isinstance(found, list) and not given else bool(given == found)


@needs_validator
def test_argo_takes_every_field() -> None:
    groups: dict[str, dict[str, str]] = {}
    for kind, name, way in WAYS:
        if "@4.1" not in fields_of(kind)[name]:  # the validator is that of 4.0
            groups[f"{kind}.{name}"] = {"document": json.dumps(made(way)), "template": json.dumps(_template())}
    refused = {name: verdict["document"] for name, verdict in validator.validate_groups(groups).items()}
    assert {name: error for name, error in refused.items() if error} == {}


def _template() -> dict[str, Any]:
    return template_object("training", around(leaf()))


def test_the_page_of_fields_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/argo_fields.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
