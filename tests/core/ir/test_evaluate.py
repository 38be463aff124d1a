# ruff: noqa: E501
from __future__ import annotations

import pytest
from hypothesis import given, settings

from couler.core.ir.evaluate import ABSENT, EvaluationError, as_text, compare, equal, holds, resolve
from couler.core.ir.json import Json, freeze
from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Compare,
    Concat,
    Constant,
    FirstOf,
    ItemRef,
    ListOf,
    LoopOutputRef,
    Not,
    OutputRef,
    ParameterRef,
    RoundRef,
    RunRef,
    StatusIs,
    StoredFile,
    Truth,
)
from couler.core.ir.types import accepts, infer, mismatch, normalise, parse
from tests.core.ir.strategies import json_values


class Run:
    """A run in the middle: ``a`` gave values, ``skipped`` was skipped."""

    outputs: dict[str, Json] = {"a": freeze({"scores": [1, 2.5], "name": "x"}), "yes": True, "n": 3}  # noqa: RUF012

    def parameter(self, name: str) -> Json:
        return {"rate": 0.1}[name]

    def output(self, step: str, output: str) -> Json:
        return ABSENT if step == "skipped" else self.outputs[step]

    def item(self, name: str) -> Json:
        return freeze({"row": [7]})

    def loop_output(self, name: str) -> Json:
        return 0.5

    def round(self) -> int:
        return 2

    def run(self, field: str) -> Json:
        return f"the {field}"

    def status(self, step: str) -> str:
        return {"a": "cached", "b": "failed", "c": "skipped", "d": "succeeded"}[step]


RUN = Run()
SKIPPED = OutputRef(step="skipped")
A = OutputRef(step="a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Constant(value=[1]), (1,)),
        (ParameterRef(name="rate"), 0.1),
        (OutputRef(step="a", path=("scores", -1)), 2.5),
        (SKIPPED, ABSENT),
        (OutputRef(step="skipped", path=("x",), default=Constant(value=None)), None),
        (ItemRef(path=("row", 0)), 7),
        (LoopOutputRef(), 0.5),
        (RoundRef(), 2),
        (RunRef(field="id"), "the id"),
        (FirstOf(options=(SKIPPED, OutputRef(step="n"))), 3),
        (FirstOf(options=(SKIPPED,)), ABSENT),
        (FirstOf(options=(SKIPPED,), default=Constant(value=0)), 0),
        (Concat(parts=(Constant(value="n="), OutputRef(step="n"), Constant(value=[True, None]))), "n=3[true,null]"),
        (Concat(parts=(Constant(value="n="), SKIPPED)), ABSENT),
        (ListOf(items=(OutputRef(step="n"), Constant(value="x"))), (3, "x")),
        (ListOf(items=(OutputRef(step="n"), SKIPPED)), ABSENT),
        (StoredFile(url="s3://a/b"), {"$file": True, "kind": "file", "url": "s3://a/b", "options": {}}),
    ],
)
def test_a_value_comes_to(value: object, expected: object) -> None:
    assert resolve(value, RUN) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("nmae",), "output 'result' of step 'a' has no key 'nmae'\n  hint: did you mean 'name'?"),
        (("scores", 2), "output 'result' of step 'a'.scores has no item [2]; it has 2"),
        (("name", "x"), "output 'result' of step 'a'.name should be an object with the key 'x', but it is str 'x'"),
        (
            (0,),
            'output \'result\' of step \'a\' should be a list with the item 0, but it is object {"scores":[1,2.5],"name":"x"}',
        ),
    ],
)
def test_a_path_that_leads_nowhere_says_what_was_there(path: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(EvaluationError) as error:
        resolve(OutputRef(step="a", path=path), RUN)
    assert str(error.value) == message


TRUE, FALSE = Truth(value=Constant(value=True)), Truth(value=Constant(value=False))
FAILS = Truth(value=Constant(value=1))
NEEDS_SKIPPED = Compare(operator="==", left=SKIPPED, right=Constant())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Truth(value=OutputRef(step="yes")), True),
        (Not(part=TRUE), False),
        (AllOf(parts=()), True),
        (AnyOf(parts=()), False),
        (AllOf(parts=(FALSE, FAILS)), False),
        (AnyOf(parts=(TRUE, FAILS)), True),
        (AnyOf(parts=(TRUE, NEEDS_SKIPPED)), ABSENT),
        (AllOf(parts=(FALSE, NEEDS_SKIPPED)), ABSENT),
        (Not(part=NEEDS_SKIPPED), ABSENT),
        (Compare(operator="==", left=Concat(parts=(SKIPPED,)), right=Constant()), ABSENT),
        (Compare(operator="in", left=Constant(value=1), right=ListOf(items=(SKIPPED,))), ABSENT),
        (Compare(operator="==", left=FirstOf(options=(SKIPPED, OutputRef(step="n"))), right=Constant(value=3.0)), True),
        (StatusIs(step="a", status="succeeded"), True),
        (StatusIs(step="b", status="failed"), True),
        (StatusIs(step="b", status="succeeded"), False),
        (StatusIs(step="c", status="skipped"), True),
        (StatusIs(step="c", status="ended"), True),
    ],
)
def test_a_condition_holds_or_is_absent(condition: object, expected: object) -> None:
    assert holds(condition, RUN) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True), (10**20, 1e20, True), (1, True, False), (0, False, False), ("5", 5, False), (None, False, False),
        ([1, {"a": 2}], (1.0, {"a": 2.0}), True), ([True], [1], False), ({"a": 1}, {"b": 1}, False), ([], {}, False), ("a", "a", True),
    ],
)  # fmt: skip
def test_only_numbers_are_equal_across_types(left: Json, right: Json, expected: bool) -> None:
    assert equal(left, right) is expected
    assert compare("!=", left, right) is not expected


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [("<", 9, 10, True), ("<", "9", "10", False), (">=", 2, 2.0, True), ("<=", "a", "b", True), (">", 1.5, 1, True),
     ("in", 1, [1.0], True), ("in", True, [1], False), ("in", "a", [], False)],
)  # fmt: skip
def test_values_are_ordered_and_found(operator: str, left: Json, right: Json, expected: bool) -> None:
    assert compare(operator, left, right) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operator", "left", "right", "message"),
    [
        ("<", 1, "2", "`<` cannot order int 1 and str '2'\n  hint: only two numbers or two strings have an order"),
        (">", True, 0, "`>` cannot order bool true and int 0\n  hint: only two numbers or two strings have an order"),
        ("in", "a", "abc", "`in` needs a list on its right side, but there is str 'abc'"),
    ],
)
def test_what_cannot_be_compared_says_so(operator: str, left: Json, right: Json, message: str) -> None:
    with pytest.raises(EvaluationError) as error:
        compare(operator, left, right)  # type: ignore[arg-type]
    assert str(error.value) == message


def test_only_a_bool_is_a_condition() -> None:
    with pytest.raises(EvaluationError, match=r"^a condition needs true or false, but its value is int 1\n"):
        holds(FAILS, RUN)


def test_absent_is_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(ABSENT)


@pytest.mark.parametrize(
    ("value", "text"),
    [("a b", "a b"), ("", ""), (1.0, "1.0"), (True, "true"), (None, "null"), (freeze({"ä": [1]}), '{"ä":[1]}')],
)
def test_a_value_as_text(value: Json, text: str) -> None:
    assert as_text(value) == text


@settings(deadline=None)
@given(json_values)
def test_a_value_fits_its_own_type_and_equals_itself(value: Json) -> None:
    frozen = freeze(value)
    assert mismatch(infer(frozen), frozen) == ""
    assert normalise(infer(frozen)) == infer(frozen)
    assert equal(frozen, value)


@pytest.mark.parametrize(
    ("consumer", "producer", "fits"),
    [
        ("int", "int", True), ("float", "int", True), ("int", "float", False), ("any", "file", True), ("file", "any", True),
        ("int | null", "null", True), ("int", "int | null", False), ("int | str", "str | int", True), ("list", "list[int]", True),
        ("list[int]", "list", True), ("list[float]", "list[int]", True), ("list[int]", "list[str]", False), ("int", "bool", False),
        ("list[list[any]]", "list[list[file]]", True), ("file", "folder", False), ("object", "list", False),
    ],
)  # fmt: skip
def test_types_fit(consumer: str, producer: str, fits: bool) -> None:
    assert accepts(consumer, producer) is fits


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("null|int", "int | null"),
        ("list[any]", "list"),
        ("any|int", "any"),
        ("list[ str|int ]|list[int|str]", "list[int | str]"),
    ],
)
def test_equal_types_have_one_text(text: str, normal: str) -> None:
    assert normalise(text) == normal
    assert parse(normal) == parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("integer", "unknown type 'integer'; did you mean 'int'?"),
        ("int|strr", "unknown type 'strr' in 'int|strr'; did you mean 'str'?"),
        ("", "a type is missing in ''"),
        ("int|", "a type is missing in 'int|'"),
        ("list[int", "brackets do not match in the type 'list[int'"),
        ("list[" * 60 + "]" * 60, "lists are nested more than 50 deep in a type; use list"),
    ],
)
def test_a_text_that_names_no_type_says_the_bad_part(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("int", "5", "expected int, got str '5'"),
        ("int", True, "expected int, got bool true"),
        ("float", 1, ""),
        ("int | null", 1.5, "expected int | null, got float 1.5"),
        ("list[list[int]]", [[1], ["x"]], "at [1][0]: expected int, got str 'x'"),
        ("file", {"$file": True, "kind": "file"}, ""),
        ("folder", {"$file": True, "kind": "file"}, "expected folder, got file"),
        ("object", {"$file": True, "kind": "folder"}, "expected object, got folder"),
        ("file", "x" * 100, f"expected file, got str '{'x' * 58}…"),
    ],
)
def test_a_misfit_says_what_was_expected(kind: str, value: Json, message: str) -> None:
    assert mismatch(kind, value) == message
