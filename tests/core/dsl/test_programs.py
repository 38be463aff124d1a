"""Random programs in the fluent style always build workflows that keep the rules and read back equal."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import couler
from couler.core.ir.text import from_text, to_json, to_yaml
from couler.core.ir.validate import problems


@couler.step
def number(a: Any = 1, b: Any = 2) -> int:
    return 1


@couler.step
def listing(a: Any = None) -> list[int]:
    return [1]


@couler.step
def writes(a: Any = None, data: couler.OutFile = couler.out("d")) -> int:
    return 1


@couler.step
def gather(values: list[int]) -> int:
    return 1


@couler.workflow
def part(a: int, b: int = 3) -> Any:
    return {"sum": number(number(a), b)}


class Program:
    """Interprets a random list of choices as statements of a workflow function."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self.draw = draw

    def block(self, known: list[Any], depth: int) -> Any:
        """A few statements; returns a number that the last of them gives."""
        known = list(known)
        for _ in range(1 + self.draw(3)):
            known.append(self.statement(known, depth))
        return number(known[-1])

    def value(self, known: list[Any]) -> Any:
        return known[self.draw(len(known) - 1)] if known and self.draw(3) else self.draw(9)

    def condition(self, known: list[Any]) -> Any:
        left = number(self.value(known))
        right = self.draw(9)
        made = [left > right, left == right, ~(left <= right), left.in_([right, 1]), (left < 3) | (left >= right)]
        return made[self.draw(len(made) - 1)]

    def statement(self, known: list[Any], depth: int) -> Any:
        kinds: list[Callable[[list[Any], int], Any]] = [self.call, self.ordered, self.file, self.mapped]
        if depth < 3:
            kinds += [self.branch, self.group, self.loop, self.sub_workflow, self.concurrent, self.collapsed]
        return kinds[self.draw(len(kinds) - 1)](known, depth)

    def call(self, known: list[Any], depth: int) -> Any:
        return number(self.value(known), self.value(known)).with_(retry=1 + self.draw(3), cpu=1 + self.draw(2))

    def ordered(self, known: list[Any], depth: int) -> Any:
        first, second = number(self.value(known)), number(self.value(known))
        if self.draw(1):
            first >> second
            return second
        first.with_(allow_failure=True)
        return second.after(first.failed | first.succeeded).or_else(self.draw(5))

    def file(self, known: list[Any], depth: int) -> Any:
        return number(writes(self.value(known)))

    def mapped(self, known: list[Any], depth: int) -> Any:
        values = listing(self.value(known)) if self.draw(1) else list(range(self.draw(3)))
        return gather(number.map(values, b=self.value(known), parallelism=1 + self.draw(3)))

    def collapsed(self, known: list[Any], depth: int) -> Any:
        return gather(couler.map(lambda item: number(item, self.value(known)), listing()))

    def branch(self, known: list[Any], depth: int) -> Any:
        with couler.when(self.condition(known)):
            one = self.block(known, depth + 1)
        if not self.draw(1):
            return one.or_else(0)
        with couler.otherwise():
            two = self.block(known, depth + 1)
        return number(couler.first_of(one, two))

    def group(self, known: list[Any], depth: int) -> Any:
        return gather(couler.map(lambda item: self.block([*known, item], depth + 1), listing(self.value(known))))

    def loop(self, known: list[Any], depth: int) -> Any:
        def body(a: Any) -> Any:
            return {"a": self.block([*known, a], depth + 1)}

        carry = {"a": "a"} if self.draw(1) else {}
        bound = self.draw(9)
        return couler.loop(
            body, self.value(known), while_=lambda out: out.a < bound, max_iterations=1 + self.draw(3), carry=carry
        )

    def sub_workflow(self, known: list[Any], depth: int) -> Any:
        if self.draw(1):
            return gather(part.map(listing(), b=number(self.value(known))))
        return part(number(self.value(known))).sum

    def concurrent(self, known: list[Any], depth: int) -> Any:
        blocks = [lambda: self.block(known, depth + 1)] * (1 + self.draw(1))
        return gather(couler.concurrent(blocks, subtasks=bool(self.draw(1))))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_every_program_builds_a_workflow_that_keeps_the_rules(data: st.DataObject) -> None:
    def wf(x: int = 1) -> Any:
        with couler.on_exit():
            number(couler.run_id())
        return Program(lambda most: data.draw(st.integers(0, most))).block([x], 0)

    workflow = couler.workflow(wf).build()
    assert problems(workflow) == ()
    assert from_text(to_json(workflow)) == workflow
    assert from_text(to_yaml(workflow)) == workflow
