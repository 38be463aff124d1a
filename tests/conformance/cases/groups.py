"""Sub-workflows, parameters, names and pauses."""

from __future__ import annotations

from typing import Any, Literal

import couler
from tests.conformance.case import case, items, rounds, succeeded
from tests.conformance.cases.parts import IMAGE, SECOND, add, boom, collect, give, total


@couler.workflow
def sums(a: int, b: int = 10) -> Any:
    return {"sum": add(a, b), "twice": add(a, a)}


@couler.workflow
def nested(x: int) -> Any:
    inner = sums(x, b=1)
    return add(inner.output("sum"), inner.twice)


INNER = ("inner", "inner/sums", "inner/sums/add", "inner/sums/add-2", "inner/add")


@case("group", steps=succeeded("give", "sums", "sums/add", "sums/add-2", "add"), outputs={"result": 13, "sum": 11})
def a_sub_workflow_gives_its_outputs() -> Any:
    part = sums(give(1))
    return {"result": add(part.output("sum"), part.twice), "sum": part.output("sum")}


@case("group", steps=dict.fromkeys(INNER, "succeeded") | {"last": "succeeded"}, result=16)
def sub_workflows_two_deep() -> Any:
    return add(nested(5).named("inner"), 0).named("last")


@case(
    "group",
    "failure",
    steps={
        "inner": "failed",
        "inner/boom": "failed",
        "inner/give": "cancelled",
        "next": "cancelled",
    },
    status="failed",
    failing="inner/boom",
    says=("boom",),
)
def a_failure_inside_a_group() -> None:
    def inner() -> Any:
        return give(boom())

    (made,) = couler.concurrent([inner], subtasks=True)
    give(made).named("next")


@case(
    "group",
    "allow-failure",
    steps={
        "inner": "failed",
        "inner/boom": "failed",
        "inner/give": "cancelled",
        "next": "succeeded",
        "not": "skipped",
    },
    result="went on",
)
def an_allowed_failure_of_a_group() -> Any:
    def inner() -> Any:
        return give(boom())

    (made,) = couler.concurrent([inner], subtasks=True)
    made.with_(allow_failure=True)
    give(1).named("not").after(made.succeeded)
    return give("went on").named("next").after(made.failed)


@case("group", "skip", steps=succeeded("flag", "after") | {"inner": "skipped", "next": "skipped"}, result=4)
def a_skipped_group() -> Any:
    with couler.when(give(False).named("flag")):
        made = sums(1).named("inner")
    give(made.twice).named("next")
    give(1).named("after").after(made)
    return made.twice.or_else(4)


@case(
    "group",
    "skip",
    "first-of",
    steps=succeeded("inner", "inner/flag", "inner/other", "next") | {"inner/skipped": "skipped", "needs": "skipped"},
    result="other",
)
def skipped_steps_inside_a_group() -> Any:
    def inner() -> Any:
        with couler.when(give(False).named("flag")):
            skipped = give(1).named("skipped")
        with couler.otherwise():
            other = give("other").named("other")
        return {"joined": couler.first_of(skipped, other), "gone": skipped.or_else(None)}

    (made,) = couler.concurrent([inner], subtasks=True)
    with couler.when(made.gone == 1):
        give(1).named("needs")
    return give(made.joined).named("next")


@case("group", "after", steps=succeeded("first", "inner", "inner/one", "inner/two", "last"))
def order_around_a_group() -> None:
    def inner() -> Any:
        give(2).named("two").after(give(1).named("one"))

    (made,) = couler.concurrent([inner], subtasks=True)
    made.after(give(0).named("first"))
    give(3).named("last").after(made)


# --- parameters ------------------------------------------------------------------------------------------------


@case(
    "parameters",
    steps=succeeded("collect"),
    parameters={"number": 7, "flag": True, "rows": [[1], []]},
    result=[
        7,
        0.5,
        "text",
        True,
        [[1], []],
        {"k": [None]},
        None,
    ],
)
def parameters_of_every_type(
    number: int, rate: float = 0.5, text: str = "text", flag: bool = False,
    rows: list[list[int]] = couler.param([], help="of numbers"),
    table: dict[str, Any] = couler.param({"k": [None]}), none: Any = None,
) -> Any:  # fmt: skip
    return collect([number, rate, text, flag, rows, table, none])


@case("parameters", steps=succeeded("collect"), parameters={"kind": "a {{x}}"}, result=["a {{x}}", 2, "y"])
def parameters_with_choices(
    kind: str = couler.param("b", help="which one", choices=["a {{x}}", "b"]),
    size: Literal[1, 2] = 2,
    answer: Literal["y", "n"] = "y",
) -> Any:
    return collect([kind, size, answer])


@case(
    "parameters",
    "value-parts",
    steps=succeeded("add", "prints"),
    outputs={"sum": 3, "text": "b {{=1}}"},
    parameters={"config": {"a": [1, 2], "b.c": "b {{=1}}"}},
)
def parts_of_parameters(config: dict[str, Any]) -> Any:
    text = couler.run_container(IMAGE, ["printf", "%s"], [config["b.c"]], step_name="prints")
    return {"sum": add(config["a"][0], config["a"][1]), "text": text}


@case(
    "workflow-outputs",
    "parameters",
    steps=succeeded("give"),
    parameters={"x": 3},
    outputs={"x": 3, "five": 5, "built": "x=3"},
)
def outputs_without_steps(x: int) -> Any:
    return {"x": x, "five": give(5), "built": couler.concat("x=", x)}


@case(
    "run-facts",
    steps=succeeded("give", "prints"),
    outputs={"name": "run-facts-are-known", "printed": "run-facts-are-known"},
)
def run_facts_are_known() -> Any:
    printed = couler.run_container(IMAGE, ["printf", "%s"], [couler.workflow_name()], step_name="prints")
    return {"name": give(couler.workflow_name()), "printed": printed}


@case("run-facts", steps=succeeded("give", "one"), result=True)
def the_identity_of_the_run_is_one() -> Any:
    return is_one(give(couler.run_id()), couler.run_id()).named("one")


@couler.step
def is_one(a: str, b: str) -> bool:
    return bool(a) and a == b


# --- names -----------------------------------------------------------------------------------------------------

NAMES = (
    "Train", "train", "train_model", "train-model", "train.model",
    "not", "in", "and", "or", "true", "nil", "let", "if", "y", "null", "5", "1e3", "0x10",
    "wait", "main", "tasks", "item", "workflow", "inputs",
    "a b", "größe", "日本語", "🙂", "{{x}}", "$(x)", "it's", 'quo"ted', "a,b:c", "a&&b", "a || b", "!a", "Failed",
    "x" * 63, "x" * 64, "x" * 64 + "-2", "X" * 130, "trailing-", "-leading", "_x",
)  # fmt: skip
"""Names of steps that engines forbid, change, or take for something else."""


@case("odd-names", steps=dict.fromkeys(NAMES, "succeeded") | {"last": "succeeded"}, result=list(NAMES))
def odd_names_of_steps() -> Any:
    return collect([give(name).named(name) for name in NAMES]).named("last")


@case(
    "odd-names",
    "after-status",
    steps=succeeded("not", "ran") | {"In": "failed", "or": "skipped", "ran not": "skipped"},
)
def odd_names_in_status_conditions() -> None:
    first = give(1).named("not")
    second = boom().named("In").with_(allow_failure=True)
    with couler.when(first > 1):
        third = give(1).named("or")
    give(1).named("ran").after((first.succeeded & second.failed) & third.skipped)
    give(1).named("ran not").after(second.succeeded | first.skipped)


@case(
    "odd-names",
    "map",
    "loop",
    steps=items("Map.1", 2)
    | rounds("LOOP_1", 2)
    | {
        "{{group}}": "succeeded",
        "{{group}}/in": "succeeded",
        "{{group}}/give": "succeeded",
        "give": "succeeded",
    },
    outputs={"größe": [2, 3], "a b": 11, "{{x}}": "in", "y": 1},
)
def odd_names_around_repeats() -> Any:
    def inner() -> Any:
        return {"Out.put {{x}}": give(give("in").named("in"))}

    (made,) = couler.concurrent([inner], subtasks=True)
    made.named("{{group}}")
    looped = couler.loop(add, 1, 5, until=lambda n: n > 10, max_iterations=10, carry={"a": "result"}).named("LOOP_1")
    return {
        "größe": add.map([1, 2], b=1).named("Map.1"),
        "a b": looped,
        "{{x}}": made.output("Out.put {{x}}"),
        "y": give(1),
    }


@couler.step
def odd_arguments(größe: int, Ä_1: str, self: Any, not_: bool) -> list[Any]:  # noqa: N803 - odd on purpose
    return [größe, Ä_1, self, not_]


@case(
    "odd-names",
    "parameters",
    steps=succeeded("odd_arguments", "prints"),
    result=[1, "{{größe}}", [2], True],
    parameters={"größe": 1, "Name": "{{größe}}"},
)
def odd_names_of_parameters(größe: int, Name: str, y: list[int] = couler.param([2])) -> Any:  # noqa: N803 - odd on purpose
    couler.run_container(
        IMAGE, ["sh", "-c", 'test "$Name.x" = "{{größe}}.x" || test -n "$Name"'], env={"Name": Name}, step_name="prints"
    )
    return odd_arguments(größe, Name, y, True)


@case(
    "names",
    steps=succeeded("give", "give-2", "give-3", "last"),
    result=[1, 2, 3],
)
def names_are_made_unique_in_order() -> Any:
    return collect([give(1), give(2), give(3)]).named("last")


# --- pauses ----------------------------------------------------------------------------------------------------


@case("suspend", steps=succeeded("first", "pause", "last"), result=1)
def a_pause_of_a_duration() -> Any:
    first = give(1).named("first")
    pause = couler.suspend(SECOND, step_name="pause").after(first)
    return give(first).named("last").after(pause)


@case("suspend", "timeout", steps=succeeded("pause", "last"), result=1)
def a_pause_within_its_time_limit() -> Any:
    pause = couler.suspend(SECOND / 2, step_name="pause", timeout=300)
    return give(1).named("last").after(pause)


@case(
    "suspend",
    "timeout",
    steps={"ask": "failed", "last": "cancelled"},
    status="failed",
    failing="ask",
    says=("nobody approved within",),
)
def nobody_approves_in_time() -> None:
    give(1).named("last").after(couler.suspend(message="May it go on?", step_name="ask", timeout=2 * SECOND))


@case("suspend", steps=succeeded("ask", "last"), result=1, decisions={"ask": "approve"})
def a_pause_that_is_approved() -> Any:
    return give(1).named("last").after(couler.suspend(message="May {{it}} go on?", step_name="ask"))


@case(
    "suspend", steps={"ask": "failed", "last": "cancelled"}, status="failed", failing="ask", decisions={"ask": "reject"}
)
def a_pause_that_is_rejected() -> None:
    give(1).named("last").after(couler.suspend(message="May it go on?", step_name="ask"))


@case(
    "suspend",
    "allow-failure",
    steps={"ask": "failed", "yes": "skipped", "no": "succeeded"},
    result="no",
    decisions={"ask": "reject"},
)
def a_rejection_that_is_tested() -> Any:
    ask = couler.suspend(step_name="ask").with_(allow_failure=True)
    give("yes").named("yes").after(ask.succeeded)
    return give("no").named("no").after(ask.failed)


@case(
    "suspend",
    "group",
    steps=succeeded("inner", "inner/ask", "inner/add", "total"),
    result=3,
    decisions={"inner/ask": "approve"},
)
def a_pause_inside_a_group() -> Any:
    def inner() -> Any:
        return add(1, 2).after(couler.suspend(step_name="ask"))

    (made,) = couler.concurrent([inner], subtasks=True)
    return total([made])
