"""Who depends on whom: the one place where dependencies are derived.

Nothing here recurses over the length of a chain of steps, so chains of any length work; only the nesting of groups,
conditions and texts is followed by recursion.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Compare,
    Concat,
    Condition,
    Constant,
    ContainerTask,
    FirstOf,
    FunctionTask,
    GroupTask,
    JobTask,
    ListOf,
    Not,
    Output,
    OutputRef,
    ScriptTask,
    StatusIs,
    Step,
    StoredFile,
    Truth,
    Value,
    Workflow,
)
from couler.core.ir.types import list_of, union_of

Node = Value | AllOf | AnyOf | Not | Compare | Truth | StatusIs
"""A value or a condition."""


def references(step: Step) -> tuple[Value, ...]:
    """Every reference of the step, in order: inputs, command and arguments, env, foreach, when, the loop's condition.

    `FirstOf`, `Concat` and `ListOf` are opened; constants and stored files refer to nothing and are left out.

    >>> from couler.core.ir.model import Input
    >>> [ref.step for ref in references(_step("b", inputs=(Input(name="x", value=OutputRef(step="a")),)))]
    ['a']
    """
    found: list[Value] = []
    for item in step.inputs:
        _collect(item.value, found)
    task = step.task
    if type(task) is ContainerTask:
        for part in task.command:
            if type(part) is not Constant:
                _collect(part, found)
    if type(task) is ContainerTask or type(task) is ScriptTask:
        for part in task.args:
            if type(part) is not Constant:
                _collect(part, found)
    for variable in step.env:
        if type(variable.value) is not Constant:
            _collect(variable.value, found)
    if step.foreach is not None:
        for listed in step.foreach.lists.values():
            _collect(listed, found)
    if step.when is not None:
        _collect(step.when, found)
    if step.loop is not None:
        _collect(step.loop.condition, found)
    return tuple(found)


def references_in(node: Node) -> tuple[Value, ...]:
    """Every reference in one value or condition, as `references` gives them."""
    found: list[Value] = []
    _collect(node, found)
    return tuple(found)


def _collect(node: Node, found: list[Value]) -> None:
    kind = type(node)
    if kind is OutputRef:  # the most frequent
        found.append(node)  # type: ignore[arg-type]
    elif kind is Constant or kind is StoredFile:
        return
    elif kind is Compare:
        _collect(node.left, found)  # type: ignore[union-attr]
        _collect(node.right, found)  # type: ignore[union-attr]
    elif kind is FirstOf:
        found.extend(node.options)  # type: ignore[union-attr, arg-type]
    elif kind is Concat or kind is AllOf or kind is AnyOf:
        for part in node.parts:  # type: ignore[union-attr]
            _collect(part, found)
    elif kind is ListOf:
        for item in node.items:  # type: ignore[union-attr]
            _collect(item, found)
    elif kind is Not:
        _collect(node.part, found)  # type: ignore[union-attr]
    elif kind is Truth:
        _collect(node.value, found)  # type: ignore[union-attr]
    elif kind is not StatusIs:
        found.append(node)  # type: ignore[arg-type]


def needed(step: Step) -> Iterator[Value]:
    """Values of which none may be absent when the step runs: all but those in conditions, not opened."""
    for given in step.inputs:
        yield given.value
    for variable in step.env:
        yield variable.value
    task = step.task
    if type(task) is ContainerTask:
        yield from task.command
    if type(task) is ContainerTask or type(task) is ScriptTask:
        yield from task.args
    if step.foreach is not None:
        yield from step.foreach.lists.values()


def statuses(condition: Condition | None) -> tuple[StatusIs, ...]:
    """Every test of a step's status in a condition, in order."""
    if condition is None:
        return ()
    found: list[StatusIs] = []
    _collect_statuses(condition, found)
    return tuple(found)


def _collect_statuses(condition: Condition, found: list[StatusIs]) -> None:
    match condition:
        case StatusIs():
            found.append(condition)
        case AllOf() | AnyOf():
            for part in condition.parts:
                _collect_statuses(part, found)
        case Not():
            _collect_statuses(condition.part, found)
        case _:
            pass


def links(step: Step) -> tuple[tuple[Value, ...], tuple[str, ...]]:
    """`references` and `upstream` of a step; within `links_remembered` they are found once."""
    remembered = _remembered.get()
    if remembered is None:
        return _links(step)
    found = remembered.get(id(step))
    if found is None:
        found = remembered[id(step)] = (step, _links(step))
    return found[1]


def _links(step: Step) -> tuple[tuple[Value, ...], tuple[str, ...]]:
    found = references(step)
    return found, upstream_by(found, step)


@contextmanager
def links_remembered() -> Iterator[None]:
    """What `links` finds in the block is remembered until its end."""
    token = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(token)


_remembered: ContextVar[dict[int, tuple[Step, tuple[tuple[Value, ...], tuple[str, ...]]]] | None] = ContextVar(
    "couler_links", default=None
)
"""Links by the id of the step, which is kept with them so that no other step gets its id."""


def upstream(step: Step) -> tuple[str, ...]:
    """Names of the steps that must end before this one, each once, in the order in which the step mentions them."""
    return upstream_by(references(step), step)


def upstream_by(refs: Iterable[Value], step: Step) -> tuple[str, ...]:
    """As `upstream`, for a step whose references are known already."""
    names = [ref.step for ref in refs if type(ref) is OutputRef]
    names.extend(step.after)
    if step.after_condition is not None:
        names.extend(test.step for test in statuses(step.after_condition))
        names.extend(ref.step for ref in references_in(step.after_condition) if type(ref) is OutputRef)
    return tuple(dict.fromkeys(names))


def order(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps sorted so that each follows what it needs; otherwise in order of declaration.

    Names that are not among ``steps`` are ignored.

    Raises:
        ValueError: The steps form a cycle.
    """
    consumers, waiting = _edges(steps)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    done: list[Step] = []
    while ready:
        index = heapq.heappop(ready)
        done.append(steps[index])
        for consumer in consumers[index]:
            waiting[consumer] -= 1
            if waiting[consumer] == 0:
                heapq.heappush(ready, consumer)
    if len(done) < len(steps):
        names = cycle(steps)
        raise ValueError(f"steps wait for each other: {' -> '.join([*names, *names[:1]])}")
    return tuple(done)


def _edges(steps: Sequence[Step]) -> tuple[list[list[int]], list[int]]:
    """Consumers of each step by index, and how many steps each one waits for."""
    index_of = {step.name: index for index, step in enumerate(steps)}
    consumers: list[list[int]] = [[] for _ in steps]
    waiting = [0] * len(steps)
    for index, step in enumerate(steps):
        for name in upstream(step):
            producer = index_of.get(name)
            if producer is not None:
                consumers[producer].append(index)
                waiting[index] += 1
    return consumers, waiting


def cycle(steps: Sequence[Step]) -> tuple[str, ...]:
    """The names of one cycle, each before the one that needs it; empty when there is none.

    >>> cycle([_step("a", after=("b",)), _step("b", after=("a",))])
    ('a', 'b')
    """
    return next(cycles({step.name: upstream(step) for step in steps}), ())


def cycles(needs: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """Cycles that share no step, so that each knot is reported; ``needs`` is name to upstream names."""
    ended: set[str] = set()
    reported: set[str] = set()
    for start in needs:
        if start in ended:
            continue
        path: dict[str, Iterator[str]] = {start: iter(needs[start])}
        while path:
            name = next(reversed(path))
            for needed in path[name]:
                if needed in path:
                    names = list(path)
                    found = tuple(reversed(names[names.index(needed) :]))
                    if reported.isdisjoint(found):
                        reported.update(found)
                        yield _from_first_declared(found, needs)
                elif needed in needs and needed not in ended:
                    path[needed] = iter(needs[needed])
                    break
            else:
                ended.add(name)
                del path[name]


def _from_first_declared(names: tuple[str, ...], needs: Mapping[str, object]) -> tuple[str, ...]:
    members = set(names)
    start = names.index(next(name for name in needs if name in members))
    return names[start:] + names[:start]


def walk(workflow: Workflow) -> Iterator[tuple[str, Step]]:
    """Every step with its path, parents before children: ``train``, ``search/train``, then the exit handlers.

    >>> inner = GroupTask(steps=(_step("train"),))
    >>> [path for path, _ in walk(Workflow(name="w", steps=(_step("load"), Step(name="search", task=inner))))]
    ['load', 'search', 'search/train']
    """
    handlers = [handler.step for handler in workflow.exit_handlers]
    pending = [(step.name, step) for step in reversed([*workflow.steps, *handlers])]
    while pending:
        path, step = pending.pop()
        yield path, step
        if type(step.task) is GroupTask:
            pending.extend((f"{path}/{child.name}", child) for child in reversed(step.task.steps))


def outputs_of(step: Step) -> Mapping[str, Output]:
    """What others may read of the step: its declared outputs and the implied ones.

    Implied are ``result`` of a function (any), of a script or container (its standard output), and the outputs of a
    job or of a group. A step with ``foreach`` gives lists, with null for the items that may fail and did.
    """
    own = outputs_of_one(step)
    if step.foreach is None:
        return own
    return {
        name: Output(name=name, type=list_of(_or_null(output.type) if step.allow_failure else output.type))
        for name, output in own.items()
    }


def _or_null(type_: str) -> str:
    if type_ in ("file", "folder"):
        return type_
    try:
        return union_of(type_, "null")
    except ValueError:  # reported as an unknown type
        return type_


def outputs_of_one(step: Step) -> Mapping[str, Output]:
    """Outputs of a single item of the step's ``foreach`` or of a single round of its ``loop``."""
    task = step.task
    outputs = {output.name: output for output in step.outputs}
    if type(task) is FunctionTask:
        outputs.setdefault("result", _ANY_RESULT)
    elif type(task) is ScriptTask or type(task) is ContainerTask:
        outputs.setdefault("result", _TEXT_RESULT)
    elif type(task) is GroupTask or type(task) is JobTask:
        for made in task.outputs:
            outputs.setdefault(made.name, Output(name=made.name, type=made.type))
    return outputs


_ANY_RESULT = Output(name="result")
_TEXT_RESULT = Output(name="result", type="str")


def _step(name: str, **attributes: object) -> Step:
    """A step that only waits, for the examples above."""
    return Step.model_validate({"name": name, "task": {"kind": "suspend", "duration": 0}, **attributes})
