"""Values: JSON from step to step, parts of it, texts and lists made of it, and large ones."""

from __future__ import annotations

from typing import Any

import couler
from tests.conformance.case import Case, case, succeeded
from tests.conformance.cases.parts import IMAGE, add, collect, give, write

JSON = (
    None, True, False, 0, -1, 2**63, 2**70, 1.0, -0.5, 1e308, 5e-324, 1e21, "", "5", "text", [], {}, [[]], [None],
    [1, "1", 1.0, None, [True, {}]], {"a": {"b": [1, 2, {"c": None}]}, "": "empty key", "ключ": 1, "a.b": 2, "$ref": 3},
)  # fmt: skip
"""Values whose types are easily lost."""


@couler.step
def kinds(values: list[Any]) -> list[str]:
    return [type(value).__name__ for value in values]


@couler.step
def many(size: int) -> str:
    return "".join(chr(97 + index % 26) for index in range(size))


@couler.step
def measure(text: str) -> list[Any]:
    import hashlib

    return [len(text), hashlib.sha256(text.encode()).hexdigest()[:16]]


@couler.step
def claims_a_number() -> int:
    return "five"  # type: ignore[return-value]


@couler.step
def gives_a_set() -> Any:
    return {"a": [1, {2, 3}]}


@case(
    "values",
    "function",
    steps=succeeded("give", "give-2", "kinds"),
    outputs={
        "all": list(JSON),
        "kinds": [type(value).__name__ for value in JSON],
    },
)
def json_arrives_unchanged() -> Any:
    second = give(give(list(JSON)))
    return {"all": second, "kinds": kinds(second)}


def _alone(name: str, value: Any) -> Case:
    """A value that is the whole result of a step, which engines may keep in another way than parts of one."""

    @case("values", steps=succeeded("give", "give-2"), result=value, name=f"alone-{name}")
    def declared() -> Any:
        return give(give(value))

    return declared


ALONE = tuple(
    _alone(name, value)
    for name, value in {
        "null": None, "true": True, "zero": 0, "float": 1.0, "empty-text": "", "text-null": "null", "text-5": "5",
        "text-list": "[1, 2]", "text-quoted": '"quoted"', "empty-list": [], "object": {"a": [1, {"b": None}]},
    }.items()
)  # fmt: skip


@case(
    "number-and-text",
    "when",
    steps=succeeded("give", "give-2", "give-3", "same") | {"equal": "skipped", "one-is-true": "skipped"},
)
def number_and_text() -> None:
    number, text = give(5), give("5")
    with couler.when(number == text):
        give("x").named("equal")
    with couler.when(number == 5.0):
        give("x").named("same")
    with couler.when(give(1) == True):  # noqa: E712 - the comparison is the case
        give("x").named("one-is-true")


@case(
    "value-types",
    steps={"claims_a_number": "failed", "next": "cancelled"},
    status="failed",
    failing="claims_a_number",
    says=("expected int",),
)
def result_of_the_wrong_type() -> None:
    give(claims_a_number()).named("next")


@case("value-types", steps={"gives_a_set": "failed"}, status="failed", failing="gives_a_set", says=("set", ".a[1]"))
def result_that_is_not_json() -> None:
    gives_a_set()


@case("value-types", steps={"give": "succeeded", "add": "failed"}, status="failed", failing="add", says=("int",))
def input_of_the_wrong_type() -> None:
    add(give("one"), 1)


@case(
    "value-parts",
    steps=succeeded("give", "add", "give-2"),
    outputs={
        "sum": 3,
        "deep": "here",
        "last": {"x": 2},
    },
)
def parts_by_key_and_index() -> Any:
    record = give({"scores": [{"x": 1}, {"x": 2}], "a.b": {"ключ": ["here"]}})
    return {
        "sum": add(record["scores"][0]["x"], record["scores"][1]["x"]),
        "deep": give(record["a.b"]["ключ"][0]),
        "last": record["scores"][-1],
    }


@case(
    "value-parts", steps={"give": "succeeded", "reads": "failed"}, status="failed", failing="reads", says=("missing",)
)
def part_that_is_not_there() -> None:
    give(give({"here": 1})["missing"]).named("reads")


@case("built-values", steps=succeeded("give", "give-2", "collect"), result=[1, "two", 3, [1, None], {"a": 1}])
def list_of_values() -> Any:
    first, second = give(1), give("two")
    return collect([first, second, 3, [first, None], {"a": 1}])


@case(
    "built-values",
    "container",
    steps=succeeded("give", "give-2", "prints"),
    result='--rate=0.5 --list=[1,"ä",null] {{x}}',
)
def text_of_values() -> Any:
    text = couler.concat("--rate=", give(0.5), " --list=", give([1, "ä", None]), " {{x}}")
    return couler.run_container(IMAGE, ["printf", "%s"], [text], step_name="prints")


@case(
    "built-values",
    steps=succeeded("give", "give-2"),
    outputs={
        "text": "a-1",
        "list": [1, [1, "b"]],
        "constant": {"k": "v"},
        "nested": ["a-1", 1],
    },
)
def outputs_of_the_workflow_are_built() -> Any:
    number = give(1)
    text = couler.concat("a-", number)
    return {"text": text, "list": [number, [number, "b"]], "constant": give({"k": "v"}), "nested": [text, number]}


def _large(size: int, digest: str) -> Case:
    @case(
        "large-values",
        steps=succeeded("many", "give", "measure"),
        result=[size, digest],
        largest=size,
        too_large={"many": "failed", "give": "cancelled", "measure": "cancelled"},
        name=f"large-{size // 1000}-kb",
    )
    def declared() -> Any:
        return measure(give(many(size)))

    return declared


LARGE = tuple(
    _large(size, digest)
    for size, digest in {
        100_000: "bc634ceb27746878",
        131_100: "04f14c212874c6ea",
        255_000: "315b5d3dcbcbc236",
        300_000: "4bd69805a3b5a521",
        1_000_000: "1fa51eae26c4db86",
    }.items()
)


@case(
    "large-values",
    "container",
    steps=succeeded("prints", "measure"),
    result=[300_000, "4bd69805a3b5a521"],
    largest=300_000,
    too_large={"prints": "failed", "measure": "cancelled"},
)
def large_standard_output() -> Any:
    script = "import sys; sys.stdout.write(''.join(chr(97 + index % 26) for index in range(300_000)))"
    return measure(couler.run_container(IMAGE, ["python3", "-c", script], step_name="prints"))


@couler.step
def many_texts(size: int) -> dict[str, Any]:
    """Texts of which nothing but their place and length is known, and one that looks like what engines make of them."""
    text = "".join(chr(97 + index % 26) for index in range(size))
    return {"texts": [text, "{{x}} $(y) ü"], "$couler-large": 1}


@couler.step
def measure_texts(text: str, whole: dict[str, Any], like_a_mark: Any) -> list[Any]:
    return [len(text), whole["texts"] == [text, "{{x}} $(y) ü"], sorted(whole), like_a_mark]


@couler.step
def many_at_last(ledger: str, size: int) -> str:
    from pathlib import Path

    tried = Path(ledger) / "tried"
    if not tried.exists():
        tried.touch()
        raise OSError("not yet")
    return "".join(chr(97 + index % 26) for index in range(size))


@couler.workflow
def measured(size: int) -> Any:
    return measure(give(many(size)))


@couler.step
def marks(text: str) -> dict[str, Any]:
    return {"$couler-large": text}


@case(
    "large-values",
    "value-parts",
    steps=succeeded("write", "many_texts", "marks", "measure_texts"),
    result=[300_000, True, ["$couler-large", "texts"], {"$couler-large": "{{x}}"}],
    largest=300_100,
    passed=True,
    too_large={
        "write": "succeeded|cancelled",
        "marks": "succeeded|cancelled",
        "many_texts": "failed",
        "measure_texts": "cancelled",
    },
)
def large_results_from_function_to_function() -> Any:
    write("a file, so that there is a place for files")
    found = many_texts(300_000)
    return measure_texts(found["texts"][0], found, marks("{{x}}"))


@case(
    "large-values",
    "group",
    steps=succeeded("write", "measured", "measured/many", "measured/give", "measured/measure"),
    result=[300_000, "4bd69805a3b5a521"],
    largest=300_002,
    passed=True,
    too_large={"write": "succeeded|cancelled", "measured": "failed", "measured/many": "failed",
               "measured/give": "cancelled", "measured/measure": "cancelled"},
)  # fmt: skip
def large_results_inside_a_group() -> Any:
    write("a file")
    return measured(300_000)


@case(
    "large-values",
    "retry",
    steps=succeeded("write", "many_at_last", "measure"),
    result=[300_000, "4bd69805a3b5a521"],
    largest=300_002,
    passed=True,
    too_large={"write": "succeeded|cancelled", "many_at_last": "failed", "measure": "cancelled"},
    attempts={"many_at_last": 2},
)
def large_result_of_the_second_attempt(ledger: str) -> Any:
    write("a file")
    return measure(many_at_last(ledger, 300_000).with_(retry=1))


@case(
    "large-values",
    "when",
    steps=succeeded("write", "many") | {"give": "skipped", "measure": "skipped", "give-2": "succeeded"},
    outputs={},
    largest=300_002,
    passed=True,
    too_large={"write": "succeeded|cancelled", "many": "failed", "give": "skipped|cancelled",
               "measure": "skipped|cancelled", "give-2": "cancelled"},
)  # fmt: skip
def large_result_for_a_skipped_step() -> None:
    written = write("a file")
    found = many(300_000)
    with couler.when(written == 0):
        measure(give(found))
    give(found)


@case(
    "large-values",
    "when",
    steps=succeeded("write", "many", "measure"),
    largest=300_002,
    too_large={"write": "succeeded|cancelled", "many": "failed", "measure": "cancelled"},
)
def large_result_that_is_compared() -> None:
    write("a file")
    found = many(300_000)
    with couler.when(found != "abc"):
        measure(found)


@case("large-values", "workflow-outputs", steps=succeeded("many"), result="abcdefghij" * 10_000)
def large_output_of_the_workflow() -> Any:
    return ten_thousand().named("many")


@couler.step
def ten_thousand() -> str:
    return "abcdefghij" * 10_000
