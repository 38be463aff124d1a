"""References: each leads to something that exists and may be seen from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from couler.core.errors import Problem, near
from couler.core.ir.graph import cycles, outputs_of_one, references_in, statuses
from couler.core.ir.model import (
    Condition,
    ContainerTask,
    ItemRef,
    LoopOutputRef,
    OutputRef,
    ParameterRef,
    RoundRef,
    RunRef,
    ScriptTask,
    Value,
)
from couler.core.ir.rules.context import Context, Located, Place, scope_problem


def values_of(at: Located) -> Iterator[tuple[str, str | int, Value]]:
    """Every value of a step that is worked out for each item and round, with the kind and name of its place."""
    step = at.step
    for item in step.inputs:
        yield "input", item.name, item.value
    task = step.task
    if type(task) is ContainerTask:
        for index, part in enumerate(task.command, start=1):
            yield "command part", index, part
    if type(task) is ContainerTask or type(task) is ScriptTask:
        for index, part in enumerate(task.args, start=1):
            yield "argument", index, part
    for variable in step.env:
        yield "environment variable", variable.name, variable.value


def known_references(context: Context) -> Iterator[Problem]:
    """Every reference of a step leads to something that it may see."""
    seeker = _Seeker(context)
    for at in context.steps:
        if not _all_plain(at):
            yield from _check_references(seeker, at)


def _all_plain(at: Located) -> bool:
    """Whether every reference is to a known output or parameter: the quick answer for nearly every step."""
    place = at.place
    for ref in at.references:
        if type(ref) is OutputRef:
            implied = ref.output == "result" and ref.step in place.with_result
            if not implied and ref.output not in place.outputs(ref.step):
                return False
        elif type(ref) is not ParameterRef or ref.name not in place.parameters:
            return False
    return at.step.after_condition is None


def _check_references(seeker: _Seeker, at: Located) -> Iterator[Problem]:
    step = at.step
    for kind, name, value in values_of(at):
        yield from seeker.check(at, f"{kind} {name!r}", value, item=True, round=True)
    if step.foreach is not None:
        for name, value in step.foreach.lists.items():
            yield from seeker.check(at, f"list '{name}' of foreach", value)
    if step.when is not None:
        yield from seeker.check(at, "when", step.when)
    if step.loop is not None:
        yield from seeker.check(at, "the condition of the loop", step.loop.condition, round=True, loop=True)
    if step.after_condition is not None:
        yield from seeker.check(at, "after_condition", step.after_condition)


class _Seeker:
    """Looks references up, and finds out where a name is when it is not where it should be."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._elsewhere: dict[str, Located] | None = None

    def check(
        self,
        at: Located,
        where: str,
        value: Value | Condition,
        *,
        item: bool = False,
        round: bool = False,
        loop: bool = False,
    ) -> Iterator[Problem]:
        for ref in references_in(value):
            kind = type(ref)
            if kind is OutputRef:
                if ref.output not in at.place.outputs(ref.step):  # type: ignore[union-attr]
                    yield at.problem(*self.missing_output(at.place, where, ref, at.step.name))  # type: ignore[arg-type]
            elif kind is ParameterRef:
                if ref.name not in at.place.parameters:  # type: ignore[union-attr]
                    yield at.problem(*missing_parameter(at.place, where, ref.name))  # type: ignore[union-attr]
            elif kind is ItemRef:
                yield from _check_item(at, where, ref, item)  # type: ignore[arg-type]
            elif kind is RoundRef:
                yield from _check_round(at, where, round)
            elif kind is LoopOutputRef:
                yield from _check_loop_output(at, where, ref, loop)  # type: ignore[arg-type]
            elif kind is RunRef:
                yield from _check_run(at, where, ref)  # type: ignore[arg-type]

    def missing_output(self, place: Place, where: str, ref: OutputRef, own: str = "") -> tuple[str, str, str]:
        """Rule, message and hint for a reference that leads nowhere."""
        if ref.step not in place.steps:
            return self.missing_step(place, where, ref.step, own)
        known = place.outputs(ref.step)
        hint = near(ref.output, known, "outputs") or "it has no outputs"
        return (
            "unknown-output",
            f"{where} refers to output '{ref.output}' of step '{ref.step}', which has none such",
            hint,
        )

    def missing_step(self, place: Place, where: str, name: str, own: str = "") -> tuple[str, str, str]:
        """Rule, message and hint for the name of a step that is not in the scope."""
        other = self._find(name)
        if other is None:
            hint = near(name, place.steps.keys() - {own}, "steps")
            return "unknown-step", f"{where} refers to the step '{name}', which does not exist", hint
        if other.is_handler:
            return (
                "outside-scope",
                f"{where} refers to '{name}', which is an exit handler and runs after everything else",
                "only steps of the workflow can be referred to",
            )
        if _encloses(other.place, place):
            return (
                "outside-scope",
                f"{where} refers to '{name}', which is outside the group '{place.path}'",
                f"a group sees only its own parameters: pass the value as an input of '{place.path}'",
            )
        return (
            "outside-scope",
            f"{where} refers to '{name}', which is inside {other.place}",
            "an output of a step inside a group can be used outside only through the group's outputs: "
            f"add it to the outputs of '{other.place.path}' and refer to that",
        )

    def _find(self, name: str) -> Located | None:
        if self._elsewhere is None:
            self._elsewhere = {}
            for located in self._context.steps:
                self._elsewhere.setdefault(located.step.name, located)
        return self._elsewhere.get(name)


def _encloses(outer: Place, inner: Place) -> bool:
    return not outer.path or inner.path.startswith(f"{outer.path}/")


def missing_parameter(place: Place, where: str, name: str) -> tuple[str, str, str]:
    """Rule, message and hint for an unknown parameter."""
    hint = near(name, place.parameters)
    if not hint and place.path:
        hint = (
            f"a group sees only its own parameters: give it the parameter '{name}', and '{place.path}' an input for it"
        )
    hint = hint or near(name, place.parameters, "parameters") or "the workflow has no parameters"
    return "unknown-parameter", f"{where} refers to the parameter '{name}', which {place} does not have", hint


def _check_item(at: Located, where: str, ref: ItemRef, allowed: bool) -> Iterator[Problem]:
    foreach = at.step.foreach
    if foreach is None:
        yield at.problem("misplaced-item", f"{where} uses an item, but the step has no foreach", _ITEM_HINT)
    elif not allowed:
        yield at.problem("misplaced-item", f"{where} uses an item, but it is worked out once for all items", _ITEM_HINT)
    elif ref.name not in foreach.lists:
        hint = near(ref.name, foreach.lists, "items")
        yield at.problem("unknown-item", f"{where} uses the item '{ref.name}', which foreach does not have", hint)


_ITEM_HINT = "items exist in inputs, arguments and env of the step with foreach; a group gets them as inputs"


def _check_round(at: Located, where: str, allowed: bool) -> Iterator[Problem]:
    if at.step.loop is None or not allowed:
        why = "the step has no loop" if at.step.loop is None else "it is worked out once for all rounds"
        yield at.problem(
            "misplaced-round",
            f"{where} uses the number of the round, but {why}",
            "it exists in inputs, arguments, env and the condition of the step with loop",
        )


def _check_loop_output(at: Located, where: str, ref: LoopOutputRef, allowed: bool) -> Iterator[Problem]:
    if not allowed:
        yield at.problem(
            "misplaced-loop-output",
            f"{where} uses an output of the step's own last round, which exists only in the condition of its loop",
            "use carry to hand an output to the next round",
        )
    elif ref.output not in (known := outputs_of_one(at.step)):
        hint = near(ref.output, known, "outputs")
        yield at.problem("unknown-output", f"{where} refers to its output '{ref.output}', which it does not have", hint)


def _check_run(at: Located, where: str, ref: RunRef) -> Iterator[Problem]:
    if ref.field in ("status", "failed_steps") and not at.after_all:
        yield at.problem(*_misplaced_run_fact(where, ref))


def _misplaced_run_fact(where: str, ref: RunRef) -> tuple[str, str, str]:
    message = f"{where} uses the run's {ref.field}, which is known only when everything has ended"
    return "misplaced-run-fact", message, "use it in an exit handler"


def known_scope_outputs(context: Context) -> Iterator[Problem]:
    """Outputs of the workflow and of groups refer to their own steps and parameters."""
    seeker = _Seeker(context)
    for place in context.places:
        for output in place.scope.outputs:
            for ref in references_in(output.value):
                finding = _scope_finding(seeker, place, f"output '{output.name}'", ref)
                if finding:
                    yield scope_problem(place, *finding)


def _scope_finding(seeker: _Seeker, place: Place, where: str, ref: Value) -> tuple[str, str, str] | None:
    match ref:
        case OutputRef() if ref.output not in place.outputs(ref.step):
            return seeker.missing_output(place, where, ref)
        case ParameterRef() if ref.name not in place.parameters:
            return missing_parameter(place, where, ref.name)
        case ItemRef() | RoundRef() | LoopOutputRef():
            rule = f"misplaced-{ref.kind.replace('_', '-')}"
            return rule, f"{where} uses what exists only inside one step", "refer to an output of a step instead"
        case RunRef() if ref.field in ("status", "failed_steps") and not place.after_all:
            return _misplaced_run_fact(where, ref)
        case _:
            return None


def known_after(context: Context) -> Iterator[Problem]:
    """`after` and the statuses in conditions name steps of the same scope."""
    seeker = _Seeker(context)
    for at in context.having("after"):
        known = at.place.steps
        if at.is_handler and at.step.after:
            yield at.problem(
                "handler-after",
                "an exit handler runs after everything else and cannot be ordered by after",
                "remove after; steps that must run in order belong into one group",
            )
            continue
        for name in at.step.after:
            if name not in known:
                yield at.problem(*seeker.missing_step(at.place, "after", name, at.step.name))
    for at in context.having("after_condition"):
        for test in statuses(at.step.after_condition):
            if test.step not in at.place.steps:
                yield at.problem(*seeker.missing_step(at.place, "after_condition", test.step, at.step.name))
    for at in context.having("when"):
        yield from _check_untested(at, "when", at.step.when)
    for at in context.having("loop"):
        if at.step.loop is not None:
            yield from _check_untested(at, "the condition of the loop", at.step.loop.condition)


def _check_untested(at: Located, where: str, condition: Condition | None) -> Iterator[Problem]:
    if tests := statuses(condition):
        yield at.problem(
            "misplaced-status",
            f"{where} tests the status of '{tests[0].step}', which only after_condition may do",
            "move the test to after_condition",
        )


def no_cycles(context: Context) -> Iterator[Problem]:
    """No step waits for itself, directly or through others."""
    waits: dict[Place, dict[str, tuple[str, ...]]] = {place: {} for place in _doubtful(context)}
    for at in context.steps if waits else ():
        if at.place in waits and not at.is_handler:
            waits[at.place].setdefault(at.step.name, at.upstream)
    for place, names in waits.items():
        for found in cycles(names):
            yield _cycle_problem(place, found)


def _doubtful(context: Context) -> Iterable[Place]:
    """Scopes with a step that needs a later one, or itself: only there can be a cycle."""
    doubtful: dict[Place, None] = {}
    above: dict[Place, set[str]] = {place: set() for place in context.places}
    for at in context.steps:
        if at.is_handler:
            continue
        known = above[at.place]
        if not known.issuperset(at.upstream):
            doubtful[at.place] = None
        known.add(at.step.name)
    return doubtful


def _cycle_problem(place: Place, names: tuple[str, ...]) -> Problem:
    first = place.steps[names[0]]
    what = "the step waits for itself" if len(names) == 1 else "steps wait for each other"
    return Problem(
        "cycle",
        f"{what}: {' -> '.join([*names, names[0]])}",
        f"{place.path}/{first.name}" if place.path else first.name,
        first.location,
        "to repeat a step, use a loop; otherwise remove one of these references",
    )


def reachable_failures(context: Context) -> Iterator[Problem]:
    """A test for a failure can come true: after the failure, something may still start."""
    if context.workflow.on_failure == "continue":
        return
    for at in context.having("after_condition"):
        if at.step.after_condition is None or at.is_handler:
            continue
        for name in dict.fromkeys(test.step for test in statuses(at.step.after_condition) if test.status == "failed"):
            tested = at.place.steps.get(name)
            if tested is not None and not tested.allow_failure:
                yield at.problem(
                    "never-runs",
                    f"after_condition tests whether '{name}' failed, but after that failure no step starts any more",
                    f"set allow_failure on '{name}', or on_failure=\"continue\" on the workflow",
                )
