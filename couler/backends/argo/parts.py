"""The steps of a scope cut into parts of which each fits into one DAG template, and what passes between the parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from couler.backends.argo.names import PART, PARTS, NameTable
from couler.core.ir.graph import order
from couler.core.ir.model import Step


@dataclass(eq=False, slots=True)
class Part:
    """Steps that follow each other, or parts that do; the outermost is the scope itself.

    Attributes:
        task: Name of the task that runs it in the part around it.
        around: The part around it; None for the scope itself.
        steps: Its steps, where it has no parts.
        parts: Its parts.
        needs: Tasks beside its own that it waits for.
        inputs: Values that it is given: name to the text of the argument.
        files: Files that it is given: name to the variable that holds it.
        outputs: Values that other parts read: name to the part inside that gives it, or itself.
        given_files: Files that other parts read, likewise.
    """

    task: str = ""
    around: Part | None = None
    steps: list[Step] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    needs: dict[str, None] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Part] = field(default_factory=dict)
    given_files: dict[str, Part] = field(default_factory=dict)

    def path(self) -> list[Part]:
        """The parts around it, from the outermost, and itself."""
        found = [self]
        while (around := found[-1].around) is not None:
            found.append(around)
        return found[::-1]

    def leaves(self) -> list[Part]:
        """The parts that hold steps, in order."""
        if not self.parts:
            return [self]
        return [leaf for part in self.parts for leaf in part.leaves()]


def cut(steps: Sequence[Step], needs: Mapping[str, Iterable[str]], weights: Mapping[str, int], most: int,
        names: NameTable, *, gated: bool = False) -> Part:  # fmt: skip
    """The steps in parts of at most ``most`` tasks, so that no part needs a later one.

    Args:
        steps: The steps.
        needs: Step to the steps that it waits for; others than ``steps`` may be among them.
        weights: Step to the number of tasks that it takes.
        most: Tasks, and parts, that a part may have.
        names: Names of tasks given out so far.
        gated: Whether a step that waits for one of another part takes one task more.
    """
    known = {step.name for step in steps}
    pieces: list[list[Step]] = []
    inside: set[str] = set()
    room = 0
    for step in _side_by_side(steps, needs):
        needed = needs[step.name] if gated else ()
        room -= weights[step.name]
        if not inside.issuperset(needed) and not known.intersection(needed) <= inside:
            room -= 1
        if room < 0 or not pieces:
            pieces.append([])
            inside = set()
            room = most - weights[step.name] - (not known.isdisjoint(needed))
        pieces[-1].append(step)
        inside.add(step.name)
    parts = [Part(names.add(f"{PART}-{number}"), steps=piece) for number, piece in enumerate(pieces, 1)]
    while len(parts) > max(most, 2):
        parts = _in_larger(parts, most, names)
    return _around(Part(), parts)


def _in_larger(parts: list[Part], most: int, names: NameTable) -> list[Part]:
    """Parts of parts, of nearly equal size."""
    count = -(-len(parts) // max(most, 2))
    size = -(-len(parts) // count)
    pieces = [parts[start : start + size] for start in range(0, len(parts), size)]
    return [_around(Part(names.add(f"{PARTS}-{number}")), piece) for number, piece in enumerate(pieces, 1)]


def _around(outer: Part, parts: list[Part]) -> Part:
    outer.parts = parts
    for part in parts:
        part.around = outer
    return outer


def _side_by_side(steps: Sequence[Step], needs: Mapping[str, Iterable[str]]) -> list[Step]:
    """The steps in an order of which each follows what it needs; steps that are connected stand together.

    So parts have as little to do with each other as may be, and run at the same time.
    """
    seen: set[str] = set()
    names = {step.name for step in steps}
    ordered: Sequence[Step] = steps
    for step in steps:
        seen.add(step.name)
        missing = [name for name in needs[step.name] if name not in seen]
        if missing and not names.isdisjoint(missing):
            ordered = order(steps)
            break
    roots = {name: name for name in names}

    def root(name: str) -> str:
        while roots[name] != name:
            roots[name] = name = roots[roots[name]]
        return name

    for step in ordered:
        own = step.name  # nothing has joined it so far
        for name in needs[own]:
            if roots.get(name, own) != own:
                roots[own] = own = root(name)
    groups: dict[str, list[Step]] = {}
    for step in ordered:
        groups.setdefault(root(step.name), []).append(step)
    return [step for group in groups.values() for step in group]


def bring(here: Part, home: Part, name: str, *, file: bool = False) -> str:
    """Pass something from one part to another, through all that lie between.

    Args:
        here: Where it is read.
        home: Where the step is that gives it; the scope itself for what is given to all of it.
        name: A name that only this has in the scope.
        file: Whether it is a file.

    Returns:
        The variable that holds it where it is read.
    """
    kind = "artifacts" if file else "parameters"
    if name in (here.files if file else here.inputs):
        return f"inputs.{kind}.{name}"
    way_down = here.path()
    known = set(map(id, way_down))
    below, common = home, home
    while id(common) not in known:
        (common.given_files if file else common.outputs)[name] = below
        below, common = common, common.around or common
    seen = f"inputs.{kind}.{name}" if common is home else f"tasks.{below.task}.outputs.{kind}.{name}"
    for part in way_down[way_down.index(common) + 1 :]:
        (part.files if file else part.inputs).setdefault(name, seen)
        seen = f"inputs.{kind}.{name}"
    return seen


def wait(here: Part, home: Part) -> None:
    """Make the part of a step wait for the part of another step that it needs."""
    ours, others = here.path(), home.path()
    for mine, other in zip(ours, others, strict=False):
        if mine is not other:
            mine.needs[other.task] = None
            return
