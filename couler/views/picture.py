"""What a drawing of a workflow shows: boxes inside boxes and arrows between them, before anything has a place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from couler.core.ir.graph import references, references_in, statuses, upstream
from couler.core.ir.model import ExitHandler, GroupTask, OutputRef, Step, Workflow
from couler.views.status import counts_text, declared_path, look, loudest
from couler.views.words import condition_text, step_text


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one box to another in the same picture, by index.

    Attributes:
        label: The condition under which the arrow is followed; empty for always.
        data: Whether a value or file goes along; otherwise it is order alone.
    """

    source: int
    target: int
    label: str = ""
    data: bool = True


@dataclass(frozen=True, slots=True)
class Node:
    """One box.

    Attributes:
        path: Path of the step, such as ``search/train``.
        kind: Kind of its task.
        about: What it is, in a few words.
        note: A condition that no arrow carries, or the number of items that are done.
        status: Empty when the workflow is not running.
        tooltip: Everything, over several lines.
        many: Whether it runs several times.
        inner: The steps of a group.
    """

    path: str
    name: str
    kind: str
    about: str = ""
    note: str = ""
    status: str = ""
    tooltip: str = ""
    many: bool = False
    inner: Picture | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and the arrows between them."""

    nodes: tuple[Node, ...] = ()
    arrows: tuple[Arrow, ...] = ()

    def size(self) -> int:
        """Number of boxes, with those inside others."""
        return sum(1 + (node.inner.size() if node.inner else 0) for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run, by declared path."""

    statuses: Mapping[str, str]
    counts: Mapping[str, str]
    hints: Mapping[str, str]


def picture(
    workflow: Workflow, statuses: Mapping[str, str] | None = None, hints: Mapping[str, str] | None = None
) -> Picture:
    """The picture of a workflow.

    Args:
        workflow: What to show.
        statuses: Path of a step or of its instances (``train[3]``) to status.
        hints: Path of a step to text for its tooltip, such as a duration.
    """
    facts = _facts(statuses or {}, hints or {})
    steps = _scope(workflow.steps, "", facts)
    if not workflow.exit_handlers:
        return steps
    handlers = tuple(_handler(handler, facts) for handler in workflow.exit_handlers)
    last = Node("", "when the run ends", "exit", tooltip="exit handlers", inner=Picture(handlers))
    inner = {arrow.source for arrow in steps.arrows}
    ends = [index for index in range(len(steps.nodes)) if index not in inner]
    arrows = [Arrow(end, len(steps.nodes), data=False) for end in ends]
    return Picture((*steps.nodes, last), (*steps.arrows, *arrows))


def _facts(statuses: Mapping[str, str], hints: Mapping[str, str]) -> Facts:
    instances: dict[str, list[str]] = {}
    for path, status in statuses.items():
        declared = declared_path(path)
        if declared != path:
            instances.setdefault(declared, []).append(status)
    together = {path: loudest(each) for path, each in instances.items()} | dict(statuses)
    counts = {path: counts_text(each) for path, each in instances.items()}
    return Facts(together, counts, hints)


def _scope(steps: Sequence[Step], prefix: str, facts: Facts) -> Picture:
    index = {step.name: number for number, step in enumerate(steps)}
    arrows: list[Arrow] = []
    nodes: list[Node] = []
    for number, step in enumerate(steps):
        own = list(_arrows(step, number, index))
        arrows += own
        shown = any(arrow.label for arrow in own)
        note = "" if shown or step.when is None else f"if {condition_text(step.when)}"
        nodes.append(_node(step, prefix, facts, note))
    return Picture(tuple(nodes), tuple(arrows))


def _arrows(step: Step, number: int, index: Mapping[str, int]) -> Iterable[Arrow]:
    read = {ref.step for ref in references(step) if isinstance(ref, OutputRef)}
    labels = _labels(step)
    for name in upstream(step):
        if name in index and name != step.name:
            yield Arrow(index[name], number, labels.get(name, ""), name in read)


def _labels(step: Step) -> dict[str, str]:
    """Name of an upstream step to what must be true of it."""
    labels: dict[str, str] = {}
    if step.when is not None:
        first = next((ref.step for ref in references_in(step.when) if isinstance(ref, OutputRef)), None)
        if first is not None:
            labels[first] = condition_text(step.when)
    for test in statuses(step.after_condition):
        labels.setdefault(test.step, f"if {test.status}")
    return labels


def _node(step: Step, prefix: str, facts: Facts, note: str, about: str = "") -> Node:
    path = prefix + step.name
    status = facts.statuses.get(path, "")
    counts = facts.counts.get(path, "")
    about = about or step_text(step)
    inner = _scope(step.task.steps, f"{path}/", facts) if isinstance(step.task, GroupTask) else None
    condition = f"after {condition_text(step.after_condition)}" if step.after_condition is not None else ""
    when = f"if {condition_text(step.when)}" if step.when is not None else ""
    state = look(status).word if status else ""
    told = [path, about, step.description, when, condition, state, counts, facts.hints.get(path, "")]
    return Node(
        path=path,
        name=step.name,
        kind=step.task.kind,
        about=about,
        note=counts or note,
        status=status,
        tooltip="\n".join(line for line in told if line),
        many=step.foreach is not None or step.loop is not None,
        inner=inner,
    )


def _handler(handler: ExitHandler, facts: Facts) -> Node:
    when = "always" if handler.on == "always" else f"on {handler.on}"
    return _node(handler.step, "", facts, "", f"{handler.step.task.kind}, {when}")


def summary(full: Picture, most: int = 24) -> Picture:
    """A picture of at most ``most`` boxes in a row for one that has too many: each stands for many steps.

    Groups count as one step here.
    """
    levels = _levels(full)
    depth = max(levels, default=0) + 1
    bands: list[list[Node]] = [[] for _ in range(min(depth, most))]
    for node, level in zip(full.nodes, levels, strict=True):
        bands[level * len(bands) // depth].append(node)
    nodes = tuple(_band(number, band) for number, band in enumerate(bands))
    return Picture(nodes, tuple(Arrow(number, number + 1, data=False) for number in range(len(nodes) - 1)))


def _levels(full: Picture) -> list[int]:
    """Longest way from a start to each box; boxes on a cycle stay where they are."""
    following: list[list[int]] = [[] for _ in full.nodes]
    waiting = [0] * len(full.nodes)
    for arrow in full.arrows:
        following[arrow.source].append(arrow.target)
        waiting[arrow.target] += 1
    levels = [0] * len(full.nodes)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    for index in ready:  # grows as it goes
        for target in following[index]:
            levels[target] = max(levels[target], levels[index] + 1)
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    return levels


def _band(number: int, band: Sequence[Node]) -> Node:
    if len(band) == 1:
        node = band[0]
        return Node(node.path, node.name, node.kind, node.about, node.note, node.status, node.tooltip, node.many)
    states = [node.status for node in band if node.status]
    counts = counts_text(states)
    names = ", ".join(node.name for node in band[:30]) + (", …" if len(band) > 30 else "")
    name = f"{band[0].name} and {len(band) - 1:,} more"
    return Node(f"band {number}", name, "steps", counts or "steps", "", loudest(states), names, many=True)
