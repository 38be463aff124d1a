from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from couler.core.errors import TextFormError
from couler.core.ir.model import Constant, FunctionTask, Input, ScriptTask, Step, Workflow
from couler.core.ir.text import from_data, from_text, json_schema, to_data, to_json, to_yaml
from couler.core.ir.yaml_form import read_yaml, write_yaml
from tests.core.ir.strategies import NASTY, json_values, texts, workflows

ROOT = Path(__file__).parents[3]
relaxed = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@relaxed
@given(workflows())
def test_reading_what_was_written_gives_an_equal_value(workflow: Workflow) -> None:
    from_json = from_text(to_json(workflow))
    from_yaml = from_text(to_yaml(workflow))
    assert from_json == workflow
    assert from_yaml == workflow
    assert to_json(from_json) == to_json(workflow)  # 1, 1.0 and True are equal in Python, and different here
    assert to_json(from_yaml) == to_json(workflow)
    assert from_data(to_data(workflow)) == workflow


@relaxed
@given(st.dictionaries(texts, json_values, max_size=4))
def test_every_yaml_reader_sees_the_same_data(data: dict[str, object]) -> None:
    text = write_yaml(data)
    assert repr(read_yaml(text)) == repr(data)


@relaxed
@given(st.dictionaries(texts, st.lists(texts), max_size=4))
def test_texts_stay_texts_in_yaml_1_1(data: dict[str, list[str]]) -> None:
    text = write_yaml(data)
    assert yaml.safe_load(text) == data
    if hasattr(yaml, "CSafeLoader"):
        assert yaml.load(text, Loader=yaml.CSafeLoader) == data


def test_what_go_would_retype_is_quoted() -> None:
    lines = (ROOT / "tests/data/yaml_plain_scalars.tsv").read_text().splitlines()[2:]
    read_back = {text: result for text, _, result in (line.split("\t") for line in lines)}
    assert read_back["y"] == "bool true"
    for text, result in read_back.items():
        written = write_yaml({"a": text})
        if result != "string":
            assert written == f'a: "{text}"\n'
        assert yaml.safe_load(written) == {"a": text}


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_nasty_text_survives_in_keys_and_values(text: str) -> None:
    data = {text: text, "list": [text, [text], {text: text}]}
    assert yaml.safe_load(write_yaml(data)) == data
    assert read_yaml(write_yaml(data)) == data


def test_a_source_stands_in_yaml_as_a_literal_block() -> None:
    task = FunctionTask(source="def f(x):\n    return x\n", entry="f")
    step = Step(name="double", task=task, inputs=(Input(name="x", value=Constant(value="1e3")),))
    assert to_yaml(Workflow(name="w", steps=(step,))) == (
        """\
apiVersion: couler/v1
name: w
steps:
  - name: double
    task:
      kind: function
      source: |
        def f(x):
            return x
      entry: f
    inputs:
      - name: x
        value:
          kind: constant
          value: "1e3"
"""
    )


def test_a_person_may_write_yaml_1_2() -> None:
    workflow = from_text(
        """
        apiVersion: couler/v1
        name: nightly
        steps:
          - {name: y, task: {kind: script, source: 'print(1)'}}
        exit_handlers:
          - on: failure
            step: {name: tell, task: {kind: suspend, duration: 1e1}}
        """
    )
    assert workflow.steps[0].name == "y"
    assert workflow.exit_handlers[0].on == "failure"
    assert workflow.exit_handlers[0].step.task.duration == 10.0  # type: ignore[union-attr]


HEAD = '{"apiVersion": "couler/v1", "name": "w"'
# ruff: noqa: E501
BAD_DOCUMENTS = {
    "": "a workflow is an object with keys, but the document is empty\n"
    "  hint: begin with `apiVersion: couler/v1` and `name: …`",
    "[]": "a workflow is an object with keys, but the document is a list\n"
    "  hint: begin with `apiVersion: couler/v1` and `name: …`",
    '{"name": "w"}': "the document has no 'apiVersion'\n  hint: begin with `apiVersion: couler/v1` and `name: …`",
    '{"apiversion": "couler/v1"}': "the document has no 'apiVersion'\n  hint: write 'apiversion' as 'apiVersion'",
    '{"apiVersion": "couler/v2", "name": "w"}': "apiVersion 'couler/v2' is not supported; this couler reads 'couler/v1'\n"
    "  hint: write apiVersion: couler/v1, or install a couler that reads the other version",
    '{"apiVersion": "couler/v1"}': "the document has 1 mistake:\n  - the document: 'name' is missing",
    HEAD
    + ', "stepz": []}': "the document has 1 mistake:\n  - the document: unknown key 'stepz'; did you mean 'steps'?",
    HEAD + ', "steps": [{"name": "a", "task": {"kind": "functon", "source": ""}}]}': "the document has 1 mistake:\n"
    "  - steps[0].task: unknown kind 'functon'; did you mean 'function'?",
    HEAD + ', "steps": [{"name": "a", "task": {"source": ""}}]}': "the document has 1 mistake:\n"
    "  - steps[0].task: 'kind' is missing; expected one of function, script, container, job, suspend, group",
    HEAD
    + ', "steps": [{"name": "a", "task": {"kind": "container", "imagee": "x"}, "timeout": "soon"}]}': "the document has 3 mistakes:\n"
    "  - steps[0].task: 'image' is missing\n"
    "  - steps[0].task: unknown key 'imagee'; did you mean 'image'?\n"
    "  - steps[0].timeout: expected a number, got 'soon'",
    HEAD
    + ', "steps": [{"name": 5, "task": {"kind": "suspend"}, "foreach": {"lists": {"i": {"kind": "output"}}}}]}': "the document has 2 mistakes:\n"
    "  - steps[0].name: expected a string, got 5\n"
    "  - steps[0].foreach.lists.i: 'step' is missing",
    HEAD + ', "on_failure": "explode"}': "the document has 1 mistake:\n"
    "  - on_failure: expected 'stop' or 'continue', got 'explode'",
    HEAD + ', "defaults": {"resources": {"memory": "2 GB"}}}': "the document has 1 mistake:\n"
    "  - defaults.resources.memory: expected a quantity such as '512Mi' or '0.5', got '2 GB'",
    HEAD + ', "parallelism": 0}': "the document has 1 mistake:\n"
    "  - parallelism: expected a value greater than 0, got 0",
    '{"apiVersion": "couler/v1", "name": "w", "name": "v"}': "the key 'name' stands twice in one object\n"
    "  hint: remove or rename one of them",
    "apiVersion: couler/v1\nname: w\nname: v": "the key 'name' stands twice in one object (line 3, column 1)\n"
    "  hint: remove or rename one of them",
    "a: &x 1\nb: *x": "anchors and aliases are not read (line 2, column 4)\n  hint: write the value out again",
    "a: !!python/object:os.system 1": "the tag 'tag:yaml.org,2002:python/object:os.system' is not read (line 1, column 4)\n"
    "  hint: write plain JSON values",
    HEAD + ", }{": "the document is not JSON: Expecting property name enclosed in double quotes at line 1, column 42",
    HEAD + ', "timeout": NaN}': "NaN is not JSON\n  hint: use null for a missing number",
    HEAD + ', "description": "a\\ud800"}': "description: the text contains half of a surrogate pair (U+D800), "
    "which no encoding can carry\n  hint: read bytes with errors='replace', or write the character as a whole",
    "a: 1\n---\nb: 2": "a second document begins at line 2, column 1\n  hint: write one a file",
    "a: b\n? [c]\n: d": "a key is a text, but at line 2, column 3 stands a list or an object",
    "a: .nan": ".nan is not JSON\n  hint: use null for a missing number",
    "a: " + "9" * 5000: "the number 99999999999999999999… has too many digits\n  hint: write it as a string",
    '{"a": ' + "9" * 5000 + "}": "a number has too many digits\n  hint: write it as a string",
    "a: " + "[" * 100_000: "the document is nested too deeply",
    "- " * 100_000: "the document is nested too deeply",
    "[" * 100_000: "the document is nested too deeply",
}


@pytest.mark.parametrize("document", BAD_DOCUMENTS, ids=lambda document: ascii(document[:60]))
def test_a_bad_document_is_refused_with_the_place_and_what_was_expected(document: str) -> None:
    with pytest.raises(TextFormError) as error:
        from_text(document)
    assert str(error.value) == BAD_DOCUMENTS[document]


def test_broken_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(TextFormError, match=r"^the document is not YAML: .* at line \d+, column \d+$"):
        from_text("a: [")


def test_half_a_surrogate_pair_cannot_be_written() -> None:
    step = Step(name="a", task=ScriptTask(source=""), inputs=(Input(name="x", value=Constant(value={"k": "\udc80"})),))
    workflow = Workflow(name="w", steps=(step,))
    for write in (to_json, to_yaml):
        with pytest.raises(
            TextFormError, match=r"^steps\[0\].inputs\[0\].value.value.k: the text contains half of a surrog"
        ):
            write(workflow)


def test_keys_with_default_values_are_left_out() -> None:
    assert json.loads(to_json(Workflow(name="w", labels={}, on_failure="stop"))) == {
        "apiVersion": "couler/v1",
        "name": "w",
    }


def test_the_committed_json_schema_is_the_one_of_the_model() -> None:
    committed = json.loads((ROOT / "couler/core/ir/couler-v1.schema.json").read_text())
    assert committed == json_schema(), "write it anew: python -m tests.core.ir.write_schema"


@settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
@given(workflows())
def test_what_is_written_keeps_the_json_schema(workflow: Workflow) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(to_json(workflow)))
