"""Maps and loops, of steps and of groups, inside each other and over lists known late."""

from __future__ import annotations

from typing import Any

import couler
from couler.core.ir.model import Input, RoundRef, Workflow
from tests.conformance.case import Case, case, items, rounds, succeeded
from tests.conformance.cases.parts import IMAGE, add, boom, collect, fail_on, give, total


def _map(size: int) -> Case:
    @case(
        "map-empty" if size == 0 else "map",
        steps=items("add", size) | {"collect": "succeeded"},
        result=list(range(1, size + 1)),
        name=f"map-of-{size}",
    )
    def declared() -> Any:
        return collect(add.map(list(range(size)), b=1))

    return declared


MAPS = tuple(_map(size) for size in (0, 1, 3, 300))


@case("map-dynamic", steps=succeeded("give", "total") | items("add", 3), result=36)
def map_over_a_list_known_at_run_time() -> Any:
    return total(add.map(give([1, 2, 3]), b=10))


@case("map-dynamic", steps=succeeded("give", "total") | items("add", 300), result=44850 + 300)
def map_over_300_items_known_at_run_time() -> Any:
    return total(add.map(give(list(range(300))), b=1))


@case(
    "map-empty",
    "map-dynamic",
    steps=succeeded("give", "add", "total", "next"),
    outputs={"total": 0, "list": [], "next": 1},
)
def map_over_an_empty_list_known_at_run_time() -> Any:
    mapped = add.map(give([]), b=10)
    return {"total": total(mapped), "list": mapped, "next": give(1).named("next").after(mapped)}


@case("map-dynamic", "parameters", steps=items("add", 2), result=[3, 4], parameters={"numbers": [1, 2]})
def map_over_a_parameter(numbers: list[int]) -> Any:
    return add.map(numbers, b=2)


@case("map", steps=succeeded("give", "collect") | items("item", 4), result=[None, "5", 5, {"a": [1]}])
def items_of_every_type() -> Any:
    return collect(give.map([None, "5", give(5), {"a": [1]}]).named("item"))


@case(
    "map",
    "value-parts",
    steps=succeeded("give", "third") | items("add", 3),
    outputs={"third": 30, "first": 10},
)
def parts_of_a_gathered_list() -> Any:
    mapped = add.map(give([10, 20, 30]), b=0)
    return {"third": give(mapped[2]).named("third"), "first": mapped[0]}


@case("map-zip", steps=succeeded("give") | items("add", 2), result=[11, 22])
def map_over_two_lists() -> Any:
    return add.map([1, 2], give([10, 20]))


@case(
    "map-zip",
    steps=succeeded("give", "give-2") | {"zip": "failed"},
    status="failed",
    failing="zip",
)
def lists_of_different_length() -> None:
    add.map(give([1, 2, 3]), give([1])).named("zip")


@case("map", "container", steps=items("prints", 3) | {"collect": "succeeded"}, result=["a {{x}}", "b", "5"])
def map_of_a_container() -> Any:
    def body(text: Any) -> Any:
        return couler.run_container(IMAGE, ["printf", "%s"], [text], step_name="prints")

    return collect(couler.map(body, ["a {{x}}", "b\n", "5"]))


@case("map", "after", steps=items("add", 2) | {"first": "succeeded", "last": "succeeded"}, result=1)
def order_around_a_map() -> Any:
    first = give(1).named("first")
    mapped = add.map([1, 2], b=1).after(first)
    return give(1).named("last").after(mapped)


@case(
    "map",
    "when",
    steps=succeeded("give", "defaulted") | {"add": "skipped", "reads": "skipped"},
    result=[],
)
def a_skipped_map() -> Any:
    with couler.when(give(1) > 2):
        mapped = add.map([1, 2], b=1)
    collect(mapped).named("reads")
    return collect(mapped.or_else([])).named("defaulted")


@case(
    "map-failure",
    steps={
        "fail_on": "failed",
        "fail_on[0]": "succeeded",
        "fail_on[1]": "failed",
        "fail_on[2]?": "succeeded|cancelled",
        "total": "cancelled",
    },
    status="failed",
    failing="fail_on[1]",
    says=("2 is bad",),
)
def one_failed_item_fails_the_map() -> Any:
    return total(fail_on.map([1, 2, 3], bad=2, parallelism=1))


@case(
    "map-failure",
    "allow-failure",
    steps=succeeded("fail_on", "fail_on[0]", "fail_on[2]", "collect") | {"fail_on[1]": "failed"},
    result=[10, None, 30],
)
def allowed_failures_of_items_are_null() -> Any:
    return collect(fail_on.map([1, 2, 3], bad=2).with_(allow_failure=True))


@case(
    "map-failure",
    "allow-failure",
    steps=items("boom", 2, "failed") | {"boom": "succeeded", "collect": "succeeded"},
    result=[None, None],
)
def every_item_may_fail() -> Any:
    return collect(boom.map(["a", "b"]).with_(allow_failure=True))


@case("map-parallelism", steps=items("add", 5), result=[1, 2, 3, 4, 5])
def map_with_two_items_at_a_time() -> Any:
    return add.map(list(range(5)), b=1, parallelism=2)


@case("map-parallelism", "order", steps=items("turn", 3) | {"give": "succeeded"}, result=[0, 1, 2])
def map_with_one_item_at_a_time_keeps_the_order(ledger: str) -> Any:
    return turn.map(give(["a", "b", "c"]), ledger=ledger, parallelism=1)


@couler.step
def turn(item: str, ledger: str) -> int:
    from pathlib import Path

    place = Path(ledger) / "turns.txt"
    before = place.read_text() if place.exists() else ""
    place.write_text(before + item)
    return len(before)


def _group(index: int) -> dict[str, str]:
    return {f"map[{index}]": "succeeded", f"map[{index}]/add": "succeeded", f"map[{index}]/add-2": "succeeded"}


@case(
    "map-nested",
    "group",
    steps=succeeded("give", "map", "collect") | _group(0) | _group(1),
    result=[102, 103],
)
def map_of_a_group() -> Any:
    offset = give(100)
    return collect(couler.map(lambda x: add(add(x, offset), 1), [1, 2]))


@case(
    "map-nested",
    "map-parallelism",
    "order",
    steps=succeeded("give", "collect", "map")
    | {f"map[{index}]{step}": "succeeded" for index in range(3) for step in ("", "/turn", "/add")},
    result=[10, 11, 12],
)
def map_of_a_group_with_one_item_at_a_time(ledger: str) -> Any:
    return collect(couler.map(lambda item: add(turn(item, ledger), 10), give(["a", "b", "c"]), parallelism=1))


@case(
    "map-nested",
    "map-empty",
    steps=succeeded(
        "map",
        "map[0]",
        "map[0]/add",
        "map[0]/add[0]",
        "map[0]/add[1]",
        "map[0]/total",
        "map[1]",
        "map[1]/add",
        "map[1]/total",
        "map[2]",
        "map[2]/add",
        "map[2]/add[0]",
        "map[2]/total",
    ),
    result=[5, 0, 4],
)
def map_in_a_map() -> Any:
    return couler.map(lambda row: total(add.map(row, b=1)), [[1, 2], [], [3]])


@case(
    "map-nested",
    "first-of",
    steps=succeeded("body", "body[0]", "body[0]/joined", "body[1]", "body[1]/big", "body[1]/joined")
    | {"body[0]/big": "skipped"},
    result=["small", 2],
)
def items_are_skipped_one_by_one() -> Any:
    def body(x: Any) -> Any:
        with couler.when(x > 1):
            big = give(x).named("big")
        return give(couler.first_of(big, default="small")).named("joined")

    return couler.map(body, [1, 2])


@case(
    "map-nested",
    "map-failure",
    steps=succeeded("map[0]", "map[0]/fail_on", "map[0]/add")
    | {"map": "failed", "map[1]": "failed", "map[1]/fail_on": "failed", "map[1]/add": "cancelled"},
    status="failed",
    failing="map[1]/fail_on",
    says=("2 is bad",),
)
def a_failure_inside_a_mapped_group() -> Any:
    return couler.map(lambda x: add(fail_on(x, 2), 1), [1, 2], parallelism=1)


@case(
    "map-nested",
    "allow-failure",
    steps=succeeded("map", "map[0]", "map[0]/fail_on", "map[0]/add", "collect")
    | {"map[1]": "failed", "map[1]/fail_on": "failed", "map[1]/add": "cancelled"},
    result=[11, None],
)
def allowed_failures_of_groups_are_null() -> Any:
    return collect(couler.map(lambda x: add(fail_on(x, 2), 1), [1, 2]).with_(allow_failure=True))


@case(
    "map-nested",
    "workflow-outputs",
    steps=succeeded("map", "map[0]", "map[0]/sum", "map[0]/twice", "map[1]", "map[1]/sum", "map[1]/twice"),
    outputs={"sums": [2, 3], "twos": [2, 4]},
)
def gathered_outputs_by_name() -> Any:
    mapped = couler.map(lambda x: {"sum": add(x, 1).named("sum"), "twice": add(x, x).named("twice")}, [1, 2])
    return {"sums": mapped.output("sum"), "twos": mapped.twice}


# --- loops -----------------------------------------------------------------------------------------------------


@couler.step
def count(ledger: str) -> int:
    from pathlib import Path

    place = Path(ledger) / "rounds.txt"
    so_far = (len(place.read_text()) if place.exists() else 0) + 1
    place.write_text("x" * so_far)
    return so_far


@case("loop", steps=rounds("give", 1) | {"add": "succeeded"}, result=2)
def a_loop_that_ends_after_one_round() -> Any:
    return add(couler.loop(give, 1, until=lambda n: n == 1, max_iterations=10), 1)


@case("loop", steps=rounds("count", 3), result=3)
def a_loop_that_ends_early(ledger: str) -> Any:
    return couler.loop(count, ledger, until=lambda n: n >= 3, max_iterations=10)


@case("loop", "loop-bound", steps=rounds("count", 4), result=4)
def a_loop_that_ends_at_its_bound(ledger: str) -> Any:
    return couler.loop(count, ledger, while_=lambda n: n < 4, max_iterations=4)


@case(
    "loop-bound",
    "failure",
    steps=rounds("again", 2, "failed") | {"next": "cancelled"},
    status="failed",
    failing="again",
    says=("2",),
)
def a_loop_that_reaches_its_bound() -> None:
    looped = couler.loop(give, 1, until=lambda n: n > 5, max_iterations=2).named("again")
    give(looped).named("next")


@case("loop-carry", steps=rounds("add", 4), result=21)
def a_loop_that_carries() -> Any:
    return couler.loop(add, 1, 5, until=lambda n: n > 20, max_iterations=10, carry={"a": "result"})


@case(
    "loop",
    "failure",
    steps={"again": "failed", "again#0": "failed"},
    status="failed",
    failing="again#0",
    says=("boom",),
)
def a_loop_whose_body_fails() -> None:
    couler.loop(boom, until=lambda n: n > 5, max_iterations=3).named("again")


@case(
    "loop",
    "allow-failure",
    steps=succeeded("again#0", "again#1", "next") | {"again": "failed"},
    result="next",
)
def a_loop_whose_bound_is_allowed() -> Any:
    looped = couler.loop(give, 1, until=lambda n: n > 5, max_iterations=2).named("again").with_(allow_failure=True)
    return give("next").named("next").after(looped.failed)


@case(
    "loop-carry",
    "group",
    steps=rounds("body", 3) | {f"body#{index}/{name}": "succeeded" for index in range(3) for name in ("add", "give")},
    outputs={"x": 3, "done": True},
)
def a_loop_of_a_group() -> Any:
    def body(x: Any) -> Any:
        return {"x": add(x, 1), "done": give(True)}

    looped = couler.loop(body, 0, until=lambda out: out.x >= 3, max_iterations=3, carry={"x": "x"})
    return {"x": looped.x, "done": looped.done}


@case("loop", "container", steps=rounds("prints", 2), result="xx")
def a_loop_of_a_container(ledger: str) -> Any:
    def body() -> Any:
        script = 'printf x >> "$1/rounds.txt"; cat "$1/rounds.txt"'
        return couler.run_container(IMAGE, ["sh", "-c", script, "sh"], [ledger], step_name="prints")

    return couler.loop(body, until=lambda text: text == "xx", max_iterations=5)


@case("loop", steps=rounds("count", 120), result=120)
def a_loop_of_120_rounds(ledger: str) -> Any:
    return couler.loop(count, ledger, until=lambda n: n >= 120, max_iterations=150)


@case(
    "loop-carry",
    "loop",
    steps=rounds("outer", 2)
    | {
        "outer#0/add": "succeeded",
        "outer#0/add#0": "succeeded",
        "outer#0/add#1": "succeeded",
        "outer#1/add": "succeeded",
        "outer#1/add#0": "succeeded",
    },
    result=13,
)
def a_loop_in_a_loop() -> Any:
    def outer(x: Any) -> Any:
        return couler.loop(add, x, 5, until=lambda n: n >= 8, max_iterations=5, carry={"a": "result"})

    return couler.loop(outer, -2, until=lambda n: n >= 10, max_iterations=5, carry={"x": "result"})


@case(
    "loop",
    "map-nested",
    steps=succeeded("map")
    | {
        "map[0]": "succeeded",
        "map[0]/add": "succeeded",
        "map[0]/add#0": "succeeded",
        "map[1]": "succeeded",
        "map[1]/add": "succeeded",
        "map[1]/add#0": "succeeded",
        "map[1]/add#1": "succeeded",
    },
    result=[11, 10],
)
def a_loop_in_a_map() -> Any:
    def map(x: Any) -> Any:
        return couler.loop(add, x, 5, until=lambda n: n >= 10, max_iterations=5, carry={"a": "result"})

    return couler.map(map, [6, 0])


@case(
    "loop",
    "map",
    steps=succeeded("outer")
    | {
        f"outer#{index}{rest}": "succeeded"
        for index in range(2)
        for rest in ("", "/add", "/add[0]", "/add[1]", "/total")
    },
    result=9,
)
def a_map_in_a_loop() -> Any:
    def outer(x: Any) -> Any:
        return total(add.map([1, 2], b=x))

    return couler.loop(outer, 0, until=lambda n: n >= 9, max_iterations=5, carry={"x": "result"})


@case("loop", steps=rounds("flip", 3), result="heads")
def the_loop_of_the_paper(ledger: str) -> Any:
    return couler.exec_while(couler.equal("tails"), lambda: flip(ledger))


@couler.step
def flip(ledger: str) -> str:
    from pathlib import Path

    place = Path(ledger) / "flips.txt"
    flips = (len(place.read_text()) if place.exists() else 0) + 1
    place.write_text("x" * flips)
    return "heads" if flips == 3 else "tails"


def _with_rounds() -> Workflow:
    """A loop whose body gets the number of its round; the number has no word in the Python front end."""
    with couler.new_workflow("the-number-of-the-round") as building:
        building.set_outputs(couler.loop(add, 0, 0, until=lambda n: n >= 5, max_iterations=9, carry={"a": "result"}))
    workflow = building.build()
    (step,) = workflow.steps
    inputs = (step.inputs[0], Input(name="b", type="int", value=RoundRef()))
    return workflow.model_copy(update={"steps": (step.model_copy(update={"inputs": inputs}),)})


ROUND = Case("the-number-of-the-round", ("loop-carry",), _with_rounds, rounds("add", 4), {"result": 6})
