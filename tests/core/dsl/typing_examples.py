"""What type checkers say about decorated functions; read by mypy --strict and pyright, and never run.

A wrong call carries an ignore, and an ignore that is not needed is an error: so each proves that it is one.
"""

from pathlib import Path
from typing import Any, NamedTuple, assert_type

import couler
from couler.core.dsl.conditions import ConditionExpression


class Scores(NamedTuple):
    accuracy: float
    name: str


@couler.step
def add(a: int, b: int = 1) -> int:
    return a + b


@couler.step(cpu=2, retry=couler.retry(3))
def judge(data: couler.InFile, rate: float, report: couler.OutFile = couler.out("report.html")) -> Scores:
    report.write_text(data.read_text())
    return Scores(rate, "svm")


@couler.step
def total(values: list[int]) -> int:
    return sum(values)


@couler.step
def read_all(files: list[couler.InFile]) -> list[str]:
    return [file.read_text() for file in files]


@couler.workflow(timeout="1h")
def inner(x: int, y: int = 2) -> Any:
    return add(x, y)


@couler.workflow
def program(rate: float = couler.param(0.1, help="learning rate"), seed: int = 0) -> Any:
    one = add(1)
    assert_type(one, couler.Output[int])
    two = add(one, b=one)
    scores = judge(Path("data.csv"), rate).named("judge").with_(cpu=1)
    assert_type(scores, couler.Output[Scores])
    judge(scores.report, scores.accuracy)
    mapped = add.map([1, 2], b=one)
    assert_type(mapped, couler.Output[list[int]])
    total(mapped)
    total([one, two])
    read_all([scores.report])
    assert_type(one > 3, ConditionExpression)
    with couler.when((one > 3) & ~(two == 4) | scores.failed):
        inner(one)
    with couler.otherwise():
        add.named("other")(1).after(one, two).after(scores.succeeded)
    one >> [two, scores]
    couler.loop(add, 1, until=lambda out: out > 3, max_iterations=3)
    assert_type(one.or_else(0), couler.Output[int])
    return {"sum": total(mapped), "first": couler.first_of(one, two)}


def wrong_calls() -> None:
    add("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    add()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    add(1, c=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    add(1, 2, 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    total(["a"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    inner("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    couler.step(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    couler.loop(add, 1, until=lambda out: out > 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
