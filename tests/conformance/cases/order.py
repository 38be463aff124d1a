"""Order, conditions, skips, and joins after branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import couler
from tests.conformance.case import Case, case, succeeded
from tests.conformance.cases.parts import add, boom, collect, give


@couler.step
def mark(ledger: str, name: str) -> str:
    """Write the name to the end of a list that survives the step."""
    from pathlib import Path

    with (Path(ledger) / "order.txt").open("a") as file:
        file.write(name)
    return name


@couler.step
def marks(ledger: str) -> str:
    from pathlib import Path

    return (Path(ledger) / "order.txt").read_text()


@couler.step
def meet(ledger: str, own: str, other: str) -> str:
    """Say that it is here, and wait for the other one: both must run at the same time."""
    import time
    from pathlib import Path

    (Path(ledger) / own).touch()
    deadline = time.monotonic() + 120
    while not (Path(ledger) / other).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{other} has not come")
        time.sleep(0.02)
    return own


@case(
    "order",
    steps=succeeded("first", "second", "third", "marks"),
    result="abc",
)
def order_from_after(ledger: str) -> Any:
    first = mark(ledger, "a").named("first")
    second = mark(ledger, "b").named("second").after(first)
    third = mark(ledger, "c").named("third").after(second)
    return marks(ledger).after(third)


@case("order", steps=succeeded("one", "two"), outputs={"one": "x", "two": "y"}, needs=("side by side",))
def independent_steps_run_side_by_side(ledger: str) -> Any:
    return {"one": meet(ledger, "x", "y").named("one"), "two": meet(ledger, "y", "x").named("two")}


@case("order", steps=succeeded("a", "b", "c", "d"), result=[[1, 2], [1, 3]])
def a_diamond() -> Any:
    a = give(1).named("a")
    return collect([collect([a, 2]).named("b"), collect([a, 3]).named("c")]).named("d")


@case("order", steps=succeeded("A", "B", "C", "D"))
def a_dag_of_chains() -> None:
    def job(name: str) -> Callable[[], Any]:
        return lambda: give.named(name)(name)

    couler.dag([[job("A"), job("B")], [job("A"), job("C")], [job("B"), job("D")], [job("C"), job("D")]])


# --- when ------------------------------------------------------------------------------------------------------


@case(
    "when",
    "skip",
    "after",
    steps=succeeded("give", "only-after") | {"no": "skipped", "needs": "skipped", "needs-that": "skipped"},
)
def skips_follow_values_and_not_order() -> None:
    with couler.when(give(1) > 2):
        skipped = give("no").named("no")
    needs = give(skipped).named("needs")
    give(needs).named("needs-that")
    give("ran").named("only-after").after(skipped, needs)


def _condition(name: str, condition: Callable[[Any], Any], holds: bool) -> Case:
    @case("when", steps={"give": "succeeded", "guarded": "succeeded" if holds else "skipped"}, name=f"when-{name}")
    def declared() -> None:
        with couler.when(condition(give(5))):
            give("ran").named("guarded")

    return declared


CONDITIONS = tuple(
    _condition(*parts)
    for parts in (
        ("not-equal", lambda x: x != 5, False),
        ("less-than-a-float", lambda x: x < 5.5, True),
        ("at-most", lambda x: x <= 5, True),
        ("more-than-ten", lambda x: x > 10, False),
        ("at-least", lambda x: x >= 5, True),
        ("one-of", lambda x: x.in_([1, 5]), True),
        ("one-of-texts", lambda x: x.in_(["5"]), False),
        ("and", lambda x: (x > 1) & (x < 4), False),
        ("or", lambda x: (x > 1) | (x < 4), True),
        ("not", lambda x: ~(x > 1), False),
        ("mixed", lambda x: (x > 1) & ~((x == 3) | (x == 4)), True),
    )
)


@case(
    "when", steps=succeeded("give", "all", "number", "list", "text", "deep", "null", "true") | {"not-false": "skipped"}
)
def conditions_on_values_of_every_type() -> None:
    made = give({"n": 10, "t": "10", "l": [1, {"a": 2.0}], "z": None, "b": True, "f": False})
    guards = {
        "all": (made["n"] > 9) & (made["t"] < "9"),
        "number": made["n"] == 10.0,
        "list": made["l"] == [1, {"a": 2}],
        "text": made["t"].in_(["10", "11"]),
        "deep": made["l"][1]["a"] >= 2,
        "null": made["z"] == None,  # noqa: E711 - the comparison is the case
        "true": made["b"],
        "not-false": made["f"],
    }
    for name, guard in guards.items():
        with couler.when(guard):
            give(name).named(name)


@case("when", "parameters", steps=succeeded("big", "named") | {"small": "skipped"}, parameters={"size": 12})
def conditions_on_parameters(size: int = 3, mode: str = "full") -> None:
    with couler.when(size > 10):
        give("big").named("big")
    with couler.otherwise():
        give("small").named("small")
    with couler.when((mode == "full") & (size != 3)):
        give("named").named("named")


@case(
    "when-types",
    steps={"give": "succeeded", "guarded": "failed"},
    status="failed",
    failing="guarded",
)
def ordering_text_and_number_fails() -> None:
    with couler.when(give("5") > 3):
        give("x").named("guarded")


@case(
    "when-types",
    steps={"give": "succeeded", "guarded": "failed"},
    status="failed",
    failing="guarded",
)
def a_condition_that_is_no_truth_fails() -> None:
    with couler.when(give("yes")):
        give("x").named("guarded")


@case(
    "when",
    steps=succeeded("give", "middle", "inner") | {"big": "skipped", "small": "skipped"},
)
def branches_in_branches() -> None:
    x = give(5)
    with couler.when(x > 1):
        with couler.when(x > 9):
            give("big").named("big")
        with couler.otherwise():
            give("inner").named("inner").after(give("middle").named("middle"))
    with couler.otherwise():
        give("small").named("small")


# --- joins -----------------------------------------------------------------------------------------------------


def _join(flag: bool) -> Case:
    taken, left = ("yes", "no") if flag else ("no", "yes")

    @case(
        "first-of",
        "when",
        steps={"flag": "succeeded", taken: "succeeded", left: "skipped", "join": "succeeded", "next": "succeeded"},
        result=f"{taken}!",
        name=f"join-after-{taken}",
    )
    def declared() -> Any:
        with couler.when(give(flag).named("flag")):
            a = give("yes!").named("yes")
        with couler.otherwise():
            b = give("no!").named("no")
        return give(give(couler.first_of(a, b)).named("join")).named("next")

    return declared


JOINS = (_join(True), _join(False))


@case(
    "first-of",
    steps=succeeded("flag", "with") | {"a": "skipped", "b": "skipped", "without": "skipped"},
    result="none",
)
def first_of_nothing() -> Any:
    with couler.when(give(False).named("flag")):
        a, b = give(1).named("a"), give(2).named("b")
    give(couler.first_of(a, b)).named("without")
    return give(couler.first_of(a, b, default="none")).named("with")


@case("first-of", steps=succeeded("a", "b", "c"), result=[None, None])
def first_of_takes_null_for_a_value() -> Any:
    a, b = give(None).named("a"), give(2).named("b")
    return collect([couler.first_of(a, b), couler.first_of(a, b, default=3)]).named("c")


@case(
    "skip-default",
    steps=succeeded("flag", "add", "both") | {"skipped": "skipped"},
    outputs={"sum": 2, "both": [None, {"x": "{{=1}}"}]},
)
def defaults_of_skipped_values() -> Any:
    with couler.when(give(False).named("flag")):
        skipped = give(7).named("skipped")
    both = collect([skipped.or_else(None), skipped.or_else({"x": "{{=1}}"})]).named("both")
    return {"sum": add(skipped.or_else(1), 1), "both": both}


@case("skip-default", "workflow-outputs", steps={"flag": "succeeded", "skipped": "skipped"}, outputs={"with": "d"})
def outputs_of_skipped_steps() -> Any:
    with couler.when(give(False).named("flag")):
        skipped = give(7).named("skipped")
    return {"with": skipped.or_else("d"), "without": skipped}


@case("skip", steps=succeeded("flag", "guarded-2") | {"skipped": "skipped", "guarded": "skipped"})
def conditions_on_skipped_values() -> None:
    with couler.when(give(False).named("flag")):
        skipped = give(7).named("skipped")
    with couler.when(skipped > 1):
        give(1).named("guarded")
    with couler.when(skipped.or_else(7) > 1):
        give(1).named("guarded-2")


# --- after with statuses ---------------------------------------------------------------------------------------


@case("allow-failure", "after-status", steps=succeeded("mend", "any", "last") | {"risky": "failed", "fine": "skipped"})
def reacting_to_an_allowed_failure() -> None:
    risky = boom().named("risky").with_(allow_failure=True)
    mend = give("mended").named("mend").after(risky.failed)
    fine = give("fine").named("fine").after(risky.succeeded)
    give("any").named("any").after(risky.ended)
    give("last").named("last").after(mend, fine)


@case(
    "after-status",
    steps=succeeded("risky", "fine", "after-skip") | {"mend": "skipped", "not-run": "skipped"},
)
def reacting_to_a_success() -> None:
    risky = give(1).named("risky").with_(allow_failure=True)
    mend = give("mended").named("mend").after(risky.failed)
    give("fine").named("fine").after(risky.succeeded)
    give("x").named("after-skip").after(mend.skipped)
    give("x").named("not-run").after(mend.succeeded)


def _expression(name: str, expression: str, ran: bool) -> Case:
    @case(
        "after-status",
        steps={
            "A": "succeeded",
            "B": "failed",
            "flag": "succeeded",
            "C": "skipped",
            "D": "succeeded" if ran else "skipped",
        },
        name=f"status-{name}",
    )
    def declared() -> None:
        couler.set_dependencies(lambda: give(1).named("A"))
        couler.set_dependencies(lambda: boom().named("B").with_(allow_failure=True))
        with couler.when(give(False).named("flag")):
            give(1).named("C")
        couler.set_dependencies(lambda: give(1).named("D"), expression)

    return declared


EXPRESSIONS = tuple(
    _expression(*parts)
    for parts in (
        ("failed-or-skipped", "A && (B.Failed || C.Succeeded)", True),
        ("succeeded-and-succeeded", "A && B.Succeeded", False),
        ("not-failed", "!B.Failed", False),
        ("skipped", "C.Skipped && B.Failed", True),
        ("either", "B.Succeeded || C.Skipped", True),
        ("neither", "B.Succeeded || C.Succeeded", False),
        ("bare-skipped", "A && C", True),
        ("not-both", "!(B.Failed && C.Skipped)", False),
    )
)


@case(
    "after-status",
    "when",
    steps=succeeded("a", "both") | {"status-only": "skipped", "value-only": "skipped"},
)
def status_and_value_must_both_hold() -> None:
    a = give(5).named("a").with_(allow_failure=True)
    with couler.when(a > 1):
        give(1).named("both").after(a.succeeded)
        give(1).named("value-only").after(a.failed)
    with couler.when(a > 9):
        give(1).named("status-only").after(a.succeeded)
