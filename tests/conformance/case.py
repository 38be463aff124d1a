"""What a conformance case is: a small workflow, and what must come of it on every engine, said once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import couler
from couler.core.ir.model import Workflow
from tests.conformance.rules import RULES

FEW_STEPS = 6
"""A case of at most so many step instances is cheap to run on a cluster."""

LEDGER = "ledger"
"""A parameter of this name gets a folder that every attempt of every step can read and write, wherever it runs."""


@dataclass(frozen=True, slots=True)
class Case:
    """One small workflow and its outcome.

    Attributes:
        name: Of the case and of its workflow.
        rules: Names of the sentences in `RULES` that it is about.
        declare: Makes the workflow.
        steps: Path of each step instance to its status; several that are all right are joined by ``|``. A trailing
            ``?`` says that the instance may also not be there at all, because it never started.
        outputs: Outputs of the workflow; None when the run fails and has none.
        status: Of the run.
        failing: Path of the step that fails the run.
        says: Words that the message of the failing step has, on every engine.
        attempts: Path to the number of attempts, where it matters.
        parameters: Values for the run.
        decisions: Path of a step that waits for a person to ``approve`` or ``reject``.
        secrets: Name and key of a secret to its value, which the place that runs the case must hold.
        largest: Bytes of its largest value, where an engine's limit may stop it.
        passed: Whether the largest value goes from function to function only, in a workflow that stores files.
        too_large: Statuses where the engine's limit is lower than that; the run fails in the step that fails.
        needs: What a place must have besides the engine's features for the case to be run there, such as ``gpu``.
    """

    name: str
    rules: tuple[str, ...]
    declare: Callable[[], Workflow]
    steps: Mapping[str, str]
    outputs: Mapping[str, Any] | None
    status: str = "succeeded"
    failing: str = ""
    says: tuple[str, ...] = ()
    attempts: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    decisions: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[tuple[str, str], str] = field(default_factory=dict)
    largest: int = 0
    passed: bool = False
    too_large: Mapping[str, str] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()

    @property
    def cheap(self) -> bool:
        """Whether the case has few step instances."""
        return len(self.steps) <= FEW_STEPS

    @property
    def uses_ledger(self) -> bool:
        """Whether whoever runs the case must give it a folder, see `LEDGER`."""
        return any(parameter.name == LEDGER for parameter in self.workflow().parameters)

    def under_limit(self, limit: int | None) -> Case:
        """The case as it must come out where values may have so many bytes; None is no limit."""
        if limit is None or self.largest <= limit:
            return self
        failing = next(path for path, status in self.too_large.items() if status == "failed")
        return replace(
            self,
            steps=self.too_large,
            outputs=None,
            status="failed",
            failing=failing,
            says=(f"{limit:,}",),
            attempts={},
        )

    def workflow(self) -> Workflow:
        """The workflow, made afresh."""
        return self.declare()

    def __str__(self) -> str:
        return self.name


def case(
    *rules: str,
    steps: Mapping[str, str],
    outputs: Mapping[str, Any] | None = None,
    result: Any = ...,
    name: str = "",
    settings: Mapping[str, Any] | None = None,
    needs: tuple[str, ...] = (),
    **expected: Any,
) -> Callable[[Callable[..., Any]], Case]:
    """Make a function that declares steps a case.

    Args:
        rules: Names in `RULES`.
        steps: See `Case`.
        outputs: See `Case`; none are expected when nothing is said.
        result: Short for ``outputs={"result": …}``.
        name: Name of the case; taken from the function when empty.
        settings: Of the workflow, such as ``on_failure``.
        needs: See `Case`.
        expected: The other attributes of `Case`.
    """
    if unknown := [rule for rule in rules if rule not in RULES]:
        raise ValueError(f"no such rule: {unknown[0]}")
    if result is not ...:
        outputs = {"result": result}
    elif outputs is None and expected.get("status", "succeeded") == "succeeded":
        outputs = {}

    def made(function: Callable[..., Any]) -> Case:
        called = name or function.__name__.replace("_", "-")
        declared = couler.workflow(name=called, **(settings or {}))(function)
        return Case(called, rules, declared.build, steps, outputs, needs=frozenset(needs), **expected)

    return made


def succeeded(*paths: str) -> dict[str, str]:
    """Statuses of steps that succeed.

    >>> succeeded("give", "add")
    {'give': 'succeeded', 'add': 'succeeded'}
    """
    return dict.fromkeys(paths, "succeeded")


def items(path: str, count: int, status: str = "succeeded") -> dict[str, str]:
    """Statuses of a map and of all its items.

    >>> items("add", 2)
    {'add': 'succeeded', 'add[0]': 'succeeded', 'add[1]': 'succeeded'}
    """
    return {path: status} | {f"{path}[{index}]": status for index in range(count)}


def rounds(path: str, count: int, status: str = "succeeded") -> dict[str, str]:
    """Statuses of a loop and of its rounds, of which only the loop itself may have failed.

    >>> rounds("grow", 2)
    {'grow': 'succeeded', 'grow#0': 'succeeded', 'grow#1': 'succeeded'}
    """
    return {path: status} | {f"{path}#{index}": "succeeded" for index in range(count)}


def all_cases(values: Mapping[str, Any]) -> Iterator[Case]:
    """Cases among the names of a module, single ones and tuples of them."""
    for value in values.values():
        if isinstance(value, Case):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Case))
