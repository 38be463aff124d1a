"""The interpreter of Argo's expressions says what Argo says."""

from typing import Any

import pytest

from tests.conformance.readers.expr import ExpressionError, MissingError, evaluate, parse, result_text, variables
from tests.engines.argo import validator

SCOPE: dict[str, str | None] = {
    "inputs.parameters.n": "5",
    "inputs.parameters.t": '"5"',
    "inputs.parameters.o": '{"a":[1,{"b":2.5}],"z":null,"":"{\\u007bx}}"}',
    "inputs.parameters.p-q": "plain",
    "tasks.a-b.status": "Succeeded",
    "tasks.a-b.outputs.parameters.x": None,
}
"""Variables; None is the output of a task that was skipped."""

EXPRESSIONS: dict[str, str] = {
    "fromJSON(inputs.parameters.n) > 3": "true",
    "fromJSON(inputs.parameters['n']) == 5.0 && !(1 > 2)": "true",
    "fromJSON(inputs.parameters.n) == fromJSON(inputs.parameters.t)": "false",
    "fromJSON(inputs.parameters.t) in ['5', '6']": "true",
    "fromJSON(inputs.parameters.n) in fromJSON('[5.0, null]')": "true",
    "fromJSON(inputs.parameters.n) not in [5]": "false",
    "fromJSON(inputs.parameters.o).a[1]['b']": "2.5",
    "toJson(fromJSON(inputs.parameters.o)['a'][-1])": '{"b":2.5}',
    "toJson(fromJSON(inputs.parameters.o)['z'])": "null",
    "fromJSON(inputs.parameters.o)['']": "{{x}}",
    "replace(inputs.parameters['p-q'], 'l', '\\u007b')": "p{ain",
    "'it\\'s ' + \"q\" + `raw`": "it's qraw",
    "(tasks['a-b'].outputs.parameters.x ?? 'none') + '!'": "none!",
    "tasks['a-b'].outputs.parameters.x == nil": "true",
    "tasks['a-b'].status == 'Succeeded' ? 'yes' : 'no'": "yes",
    "1 + 2 * 3 - -1": "8",
    "(7 / 2) > 3 || 1 == 2": "true",
    "not (1 == 1) or true": "true",
    "let v = fromJSON(inputs.parameters.o); v.a[0] + 1": "2",
    "len(filter([1, 2, 3], {# > 1}))": "2",
    "toJson(map([1, 2], # * 2))": "[2,4]",
    "type(fromJSON(inputs.parameters.t)) == 'string'": "true",
    "fromJSON(inputs.parameters.o).missing?.deep ?? 'd'": "d",
    "toJson('<é🙂>')": '"\\u003cé🙂\\u003e"',
    "toBase64(inputs.parameters.t)": "IjUi",
    "asInt('7') % 4": "3",
    "join(split('a,b', ','), ';')": "a;b",
    "[1, 2] == fromJSON('[1.0,2]')": "true",
}
"""Expression to the text that it leaves."""

ERRORS = (
    "fromJSON(inputs.parameters.t) > 3",
    "fromJSON('nonsense')",
    "fromJSON(inputs.parameters.o).missing.deep",
    "fromJSON(inputs.parameters.n) in fromJSON(inputs.parameters.t)",
    "!fromJSON(inputs.parameters.n)",
    "fromJSON('[]')[0]",
    "fromJSON('null')",
    "asInt('1.5')",
)
"""Expressions that end in an error."""


def _scope(name: str) -> Any:
    if name not in SCOPE:
        raise MissingError(name)
    return SCOPE[name]


@pytest.mark.parametrize(("text", "wanted"), EXPRESSIONS.items(), ids=list(EXPRESSIONS))
def test_an_expression_comes_to_its_text(text: str, wanted: str) -> None:
    assert result_text(evaluate(parse(text), _scope)) == wanted


@pytest.mark.parametrize("text", ERRORS)
def test_an_expression_ends_in_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        result_text(evaluate(parse(text), _scope))


def test_the_variables_of_an_expression_are_known() -> None:
    found = variables(parse("tasks['a-b'].status == 'x' ? [inputs.parameters.n] : len(workflow.name) > 1 && item.x"))

    assert found == {"tasks.a-b.status", "inputs.parameters.n", "workflow.name", "item.x"}


def test_argo_says_the_same() -> None:
    if reason := validator.tools_missing():
        pytest.skip(reason)

    texts = [*EXPRESSIONS, *ERRORS]
    found = dict(zip(texts, validator.evaluate([f"{{{{={text}}}}}" for text in texts], SCOPE), strict=True))

    assert {text: found[text].value for text in EXPRESSIONS} == EXPRESSIONS
    assert [text for text in ERRORS if not found[text].error] == []
