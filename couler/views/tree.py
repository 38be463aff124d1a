"""A workflow or a run as a tree of lines: groups, steps, items and rounds with status and time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from couler.core.ir.model import GroupTask, Step, Workflow
from couler.views.measure import shorten
from couler.views.status import counts_text, look, loudest, seconds_text
from couler.views.words import condition_text, step_text

_MOST_INSTANCES = 8


class StepLike(Protocol):
    """What is shown of a step of a run; `couler.runs.records.StepRecord` is one."""

    @property
    def path(self) -> str:
        """Path of the instance."""
        ...

    @property
    def status(self) -> str:
        """How it stands."""
        ...

    @property
    def started(self) -> float | None:
        """Epoch seconds."""
        ...

    @property
    def ended(self) -> float | None:
        """Epoch seconds."""
        ...

    @property
    def attempts(self) -> int:
        """How many were started."""
        ...

    @property
    def message(self) -> str:
        """Why it stands so."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree.

    Attributes:
        guide: The lines to the left that join parents and children.
        path: Path of the step or instance; empty for a line that stands for many.
        label: Its own name.
        status: Empty when the workflow is not running.
        note: Time, attempts, kind or message.
    """

    guide: str
    path: str
    label: str
    status: str
    note: str


@dataclass(slots=True)
class _Branch:
    path: str
    label: str
    status: str = ""
    note: str = ""
    children: list[_Branch] = field(default_factory=list)


def tree(
    workflow: Workflow, steps: Mapping[str, StepLike] | None = None, *, now: float | None = None, plain: bool = False
) -> str:
    """The workflow as text, one line a step.

    Args:
        workflow: What to show.
        steps: Path to step record, of a run; empty shows what each step is.
        now: Epoch seconds, for the time of steps that are still running.
        plain: Only ASCII characters in the drawing.

    Example:
        >>> from couler.core.ir.model import SuspendTask
        >>> print(tree(Workflow(name="w", steps=(Step(name="ask", task=SuspendTask()),))))
        w
        └─ ask  suspend
    """
    lines = [workflow.name]
    for row in rows(workflow, steps, now=now):
        sign = look(row.status).plain if plain else look(row.status).glyph
        sign = f"{sign} " if row.status else ""
        note = f"  {row.note}" if row.note else ""
        lines.append(f"{_ascii(row.guide) if plain else row.guide}{sign}{row.label}{note}")
    return "\n".join(lines)


def _ascii(guide: str) -> str:
    return guide.translate({ord("│"): "|", ord("├"): "|", ord("└"): "`", ord("─"): "-"})


def rows(
    workflow: Workflow, steps: Mapping[str, StepLike] | None = None, *, now: float | None = None
) -> tuple[Row, ...]:
    """The lines of the tree as values, for renderers of their own; arguments as for `tree`."""
    steps = steps or {}
    family = _family(steps)
    branches = [_branch(step, step.name, steps, family, now) for step in workflow.steps]
    for handler in workflow.exit_handlers:
        if not steps or handler.step.name in steps:
            branch = _branch(handler.step, handler.step.name, steps, family, now)
            when = "always" if handler.on == "always" else f"on {handler.on}"
            branch.note = f"{branch.note}, at the end, {when}" if branch.note else f"at the end, {when}"
            branches.append(branch)
    out: list[Row] = []
    _flatten(branches, "", out)
    return tuple(out)


def _family(steps: Mapping[str, StepLike]) -> dict[str, list[str]]:
    """Path of a step to the paths of its items and rounds, as ``train`` to ``train[0]``, in number order.

    An item of a group may have no record of its own; then what lies inside it tells of it.
    """
    family: dict[str, dict[str, None]] = {}
    known: set[str] = set()
    for path in steps:
        while path and path not in known:
            known.add(path)
            cut = max(path.rfind("["), path.rfind("#"))
            slash = path.rfind("/")
            if cut > slash:
                family.setdefault(path[:cut], {})[path] = None
                path = path[:cut]
            else:
                path = path[: max(slash, 0)]
    return {path: sorted(children, key=_number) for path, children in family.items()}


def _number(path: str) -> int:
    cut = max(path.rfind("["), path.rfind("#"))
    return int(path[cut + 1 :].rstrip("]"))


def _branch(
    step: Step, path: str, steps: Mapping[str, StepLike], family: Mapping[str, Sequence[str]], now: float | None
) -> _Branch:
    """The step at ``path`` (an item, a round or itself) with everything under it."""
    record = steps.get(path)
    label = path.rpartition("/")[2]
    branch = _Branch(path, label, record.status if record else "", _note(step, record, bool(steps), now))
    instances = family.get(path, ())
    if instances:
        below = [_branch(step, instance, steps, family, now) for instance in instances]
        branch.children = _folded(below)
        branch.status = branch.status or loudest(each.status for each in below)
    elif isinstance(step.task, GroupTask) and not _waits_for_items(step, path, steps):
        branch.children = [_branch(child, f"{path}/{child.name}", steps, family, now) for child in step.task.steps]
        branch.status = branch.status or loudest(each.status for each in branch.children if each.status)
    if steps and not branch.status:
        branch.status = "pending"
    return branch


def _waits_for_items(step: Step, path: str, steps: Mapping[str, StepLike]) -> bool:
    """Whether the group's children will stand under items or rounds that do not exist yet."""
    bare = not path.endswith("]") if step.foreach else "#" not in path.rpartition("/")[2]
    return bool(steps) and bare and (step.foreach is not None or step.loop is not None)


def _folded(branches: list[_Branch]) -> list[_Branch]:
    """All of a few instances; of many, those that failed or run, and one line for the others."""
    if len(branches) <= _MOST_INSTANCES:
        return branches
    loud = [branch for branch in branches if branch.status in ("failed", "running", "cancelled")][:_MOST_INSTANCES]
    kept = {branch.path for branch in loud}
    quiet = [branch.status for branch in branches if branch.path not in kept]
    label = f"… {len(quiet):,} more" if loud else f"{len(quiet):,} times"
    return [*loud, _Branch("", label, loudest(quiet), counts_text(quiet))]


def _note(step: Step, record: StepLike | None, running: bool, now: float | None) -> str:
    if not running:
        condition = f", if {condition_text(step.when)}" if step.when is not None else ""
        return step_text(step) + condition
    if record is None:
        return ""
    parts = []
    end = record.ended if record.ended is not None else now
    if record.started is not None and end is not None and record.status not in ("skipped", "cached", "pending"):
        parts.append(seconds_text(end - record.started))
    if record.attempts > 1:
        parts.append(f"{record.attempts} attempts")
    if record.status not in ("succeeded", "running", "pending", "failed"):
        parts.append(look(record.status).word)
    if record.message:
        parts.append(shorten(record.message.strip().splitlines()[-1] if record.message.strip() else "", 100))
    return ", ".join(parts)


def _flatten(branches: Iterable[_Branch], guide: str, out: list[Row]) -> None:
    listed = list(branches)
    for number, branch in enumerate(listed):
        last = number == len(listed) - 1
        out.append(Row(guide + ("└─ " if last else "├─ "), branch.path, branch.label, branch.status, branch.note))
        _flatten(branch.children, guide + ("   " if last else "│  "), out)
