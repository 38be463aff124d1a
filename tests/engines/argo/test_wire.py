"""Whatever a value or a text contains, nothing on its way through Argo and Kubernetes can take it for a variable."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from couler.backends.argo import wire
from couler.backends.argo.leaves import _inert
from couler.backends.argo.names import parameter_name, task_name, task_names
from couler.runner import container
from tests.engines.argo import validator

_TRICKY = st.text(st.sampled_from(list("{}$()%=\\u007b024'\"\n\t\x00\x1b\x7f aé日🙂\U000e0067\ue000")), max_size=30)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TRICKY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TRICKY, inner, max_size=4),
    max_leaves=8,
)
_EXPANDED = re.compile(r"\{\{|\$[$(]")


def kubernetes(text: str, variables: dict[str, str]) -> str:
    """What the kubelet makes of an argument (third_party/forked/golang/expansion of Kubernetes)."""

    def expanded(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[0][2:-1], match[0])

    return re.sub(r"\$\$|\$\([^)]*\)", expanded, text)


@given(_JSON)
@settings(max_examples=400, deadline=None)
@example("{{{{ $$$( \\u007b \\u0024")
@example({"\\u0024": None})
def test_a_value_as_text_is_the_same_value_and_holds_nothing_to_expand(value: Any) -> None:
    text = wire.wire(value)

    assert json.dumps(json.loads(text)) == json.dumps(value)
    assert not _EXPANDED.search(text)
    assert "\x7f" not in text
    assert text == container._text(value), "the runner in containers writes values in the same way"


@given(_TRICKY)
@settings(max_examples=400, deadline=None)
@example("$$(X) $(X) $$ {{x}} {")
def test_a_text_for_a_container_arrives_unchanged(text: str) -> None:
    variables = {wire.BRACE: "{", "X": "expanded"}

    alone = wire.static_text(text)
    assert "{{" not in alone
    assert kubernetes(alone, variables) == text
    before = wire.static_text(text, before_more=True)
    assert "{{" not in before + "{"
    assert kubernetes(before + "(X)", variables) == text + "(X)"


@given(_TRICKY)
@settings(max_examples=400, deadline=None)
@example("{{{{{ $$$( $$ {%{{{ {%{%")
def test_a_source_without_what_is_expanded_can_be_put_back(source: str) -> None:
    text, signs = _inert(source)

    assert not _EXPANDED.search(text)
    for sign, meaning in signs:
        text = text.replace(sign, meaning)
    assert text == source


@pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())
def test_argo_itself_reads_literals_and_texts_as_they_were() -> None:
    texts = ["it's", "{{workflow.name}}", "a\\b\n\t\x00\x1b\x7f", "}}", "é日🙂", "\U000e0067\ue000", '"', "$$ $(x)"]
    literals = [f"{{{{={wire.quoted(text)} == inputs.parameters.x}}}}" for text in texts]
    for text, literal in zip(texts, literals, strict=True):
        found = validator.evaluate([literal], {"inputs.parameters.x": text})[0]
        assert found.value == "true", (text, found)


@pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())
def test_a_text_put_in_by_an_expression_arrives_unchanged() -> None:
    tag = wire.dynamic_text("fromJSON(inputs.parameters.x)")
    for text in ["{{workflow.name}} {{=1+1}} {", "$(HOME) $$", "é日🙂\n\x1b\x7f\U000e0067"]:
        found = validator.evaluate([tag], {"inputs.parameters.x": wire.wire(text)}, strict=False)[0]
        assert "{{" not in found.value
        assert kubernetes(found.value, {wire.BRACE: "{", "HOME": "expanded"}) == text


@given(st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=8))
@settings(max_examples=300, deadline=None)
@example(["Train", "train", "TRAIN", "not", "in", "3d", "a_b", "a-b", "日本", "日", "x" * 200, "x" * 199])
def test_names_of_tasks_are_taken_by_argo_and_stay_different(names: list[str]) -> None:
    given = task_names(names)

    assert len(set(given.values())) == len(names)
    for name in given.values():
        assert re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]|[a-z]", name), name
        assert len(name) <= 70
    assert all(given[name] == name for name in names if task_name(name) == name), "fine names are kept"


@given(st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=8))
@settings(max_examples=300, deadline=None)
def test_names_of_parameters_are_taken_by_argo_and_stay_different(names: list[str]) -> None:
    made = [parameter_name(name) for name in names]

    assert len(set(made)) == len(names)
    assert all(re.fullmatch(r"[-a-zA-Z0-9_]+", name) for name in made)
