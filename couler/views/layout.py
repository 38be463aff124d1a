"""Where the boxes of a layered drawing go (Sugiyama, Tagawa and Toda 1981, in its simplest form).

Ranks run along the *flow*, boxes of one rank along the *breadth*: down and right in a picture that reads from top to
bottom, right and down in one that reads from left to right. Everything is deterministic.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
"""(breadth, flow)"""

_SWEEPS = 8
_MOST_BENDS = 4000  # beyond this, long edges are drawn straight


@dataclass(frozen=True, slots=True)
class Box:
    """The size of one box; ``gap`` is the free room wanted before it along the flow, for labels."""

    breadth: float
    flow: float
    gap: float = 36.0


@dataclass(frozen=True, slots=True)
class Layout:
    """The result: the corner of each box next to the origin, the points of each edge, and the size of it all."""

    corners: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]
    breadth: float
    flow: float


class _Cell:
    """A box or the bend of a long edge, in its rank."""

    __slots__ = ("after", "before", "box", "breadth", "centre", "place", "rank")

    def __init__(self, rank: int, breadth: float, box: int = -1) -> None:
        self.rank = rank
        self.breadth = breadth
        self.box = box
        self.centre = 0.0
        self.place = 0
        self.before: list[_Cell] = []
        self.after: list[_Cell] = []


def layout(boxes: Sequence[Box], edges: Sequence[tuple[int, int]], spacing: float = 20.0) -> Layout:
    """Place boxes so that every edge leads along the flow.

    Args:
        boxes: Sizes, in pixels.
        edges: (source, target) by index; edges that close a cycle are drawn and otherwise ignored.
        spacing: Pixels between neighbours of one rank.
    """
    if not boxes:
        return Layout((), (), 0.0, 0.0)
    levels = ranks(len(boxes), edges)
    cells = [_Cell(levels[index], box.breadth, index) for index, box in enumerate(boxes)]
    chains, rows = _rows(cells, edges)
    _sort(rows)
    _spread(rows, spacing)
    return _measure(boxes, cells, chains, rows)


def ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way from a start to each box; starts then move next to what first needs them."""
    following: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in edges:
        following[source].append(target)
        waiting[target] += 1
    starts = [index for index in range(count) if waiting[index] == 0]
    levels = [0] * count
    ready = list(starts)
    for index in ready:  # grows as it goes
        for target in following[index]:
            levels[target] = max(levels[target], levels[index] + 1)
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    for index in starts:
        if following[index]:
            levels[index] = max(0, min(levels[target] for target in following[index]) - 1)
    return levels


def _rows(cells: list[_Cell], edges: Sequence[tuple[int, int]]) -> tuple[list[list[_Cell]], list[list[_Cell]]]:
    """Chains of cells, one for each edge, and all cells by rank; long edges get a bend in each rank they cross."""
    bends = sum(max(0, cells[target].rank - cells[source].rank - 1) for source, target in edges)
    rows: list[list[_Cell]] = [[] for _ in range(max(cell.rank for cell in cells) + 1)]
    for cell in cells:
        rows[cell.rank].append(cell)
    chains: list[list[_Cell]] = []
    for source, target in edges:
        first, last = cells[source], cells[target]
        chain = [first]
        if bends <= _MOST_BENDS:
            for rank in range(first.rank + 1, last.rank):
                bend = _Cell(rank, 8.0)
                rows[rank].append(bend)
                chain.append(bend)
        chain.append(last)
        if first.rank < last.rank:
            for one, two in itertools.pairwise(chain):
                one.after.append(two)
                two.before.append(one)
        chains.append(chain)
    return chains, rows


def _sort(rows: list[list[_Cell]]) -> None:
    """Order each rank by the mean place of its neighbours, down and up in turn, and keep the best order seen."""
    _number(rows)
    best, fewest = [list(row) for row in rows], _crossings(rows)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            row.sort(key=lambda cell: _mean_place(cell, down))
            _number([row])
        crossings = _crossings(rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best
    _number(rows)


def _number(rows: Sequence[Sequence[_Cell]]) -> None:
    for row in rows:
        for place, cell in enumerate(row):
            cell.place = place


def _mean_place(cell: _Cell, down: bool) -> float:
    neighbours = cell.before if down else cell.after
    return sum(each.place for each in neighbours) / len(neighbours) if neighbours else float(cell.place)


def _crossings(rows: Sequence[Sequence[_Cell]]) -> int:
    """How many pairs of edges cross, counted with a Fenwick tree (Barth, Mutzel and Jünger 2004)."""
    total = 0
    for row, following in itertools.pairwise(rows):
        counts = [0] * (len(following) + 1)
        seen = 0
        for cell in row:
            places = sorted(each.place for each in cell.after if each.rank == cell.rank + 1)
            for place in places:
                total += seen - _at_most(counts, place)
            for place in places:
                _add(counts, place)
            seen += len(places)
    return total


def _at_most(counts: list[int], place: int) -> int:
    index, total = place + 1, 0
    while index > 0:
        total += counts[index]
        index &= index - 1
    return total


def _add(counts: list[int], place: int) -> None:
    index = place + 1
    while index < len(counts):
        counts[index] += 1
        index += index & -index


def _spread(rows: Sequence[Sequence[_Cell]], spacing: float) -> None:
    """Give each cell its centre: near its neighbours, in order, without overlap."""
    for row in rows:
        _settle(row, [0.0] * len(row), spacing)
    for turn in range(_SWEEPS):
        down = turn % 2 == 0
        for row in rows if down else reversed(rows):
            wanted = [_mean_centre(cell, cell.before if down else cell.after) for cell in row]
            _settle(row, wanted, spacing)
    for row in rows:
        _settle(row, [_mean_centre(cell, [*cell.before, *cell.after]) for cell in row], spacing)


def _mean_centre(cell: _Cell, neighbours: Sequence[_Cell]) -> float:
    return sum(each.centre for each in neighbours) / len(neighbours) if neighbours else cell.centre


def _settle(row: Sequence[_Cell], wanted: Sequence[float], spacing: float) -> None:
    """The centres closest to those wanted (least squares) that keep the order and the distances.

    Subtracting the least offset of each cell turns this into isotonic regression, which pooling neighbours that
    violate the order solves exactly.
    """
    offsets = [0.0]
    for left, right in itertools.pairwise(row):
        offsets.append(offsets[-1] + (left.breadth + right.breadth) / 2 + spacing)
    pools: list[tuple[float, int]] = []  # (sum, count)
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while pools and pools[-1][0] * count >= total * pools[-1][1]:
            earlier, more = pools.pop()
            total, count = total + earlier, count + more
        pools.append((total, count))
    centres = [total / count for total, count in pools for _ in range(count)]
    for cell, centre, offset in zip(row, centres, offsets, strict=True):
        cell.centre = centre + offset


def _measure(
    boxes: Sequence[Box], cells: Sequence[_Cell], chains: Sequence[Sequence[_Cell]], rows: Sequence[Sequence[_Cell]]
) -> Layout:
    starts, depths, flow = [], [], 0.0
    for rank, row in enumerate(rows):
        inside = [boxes[cell.box] for cell in row if cell.box >= 0]
        flow += max((box.gap for box in inside), default=0.0) if rank else 0.0
        starts.append(flow)
        depths.append(max((box.flow for box in inside), default=0.0))
        flow += depths[-1]
    left = min(cell.centre - cell.breadth / 2 for row in rows for cell in row)
    right = max(cell.centre + cell.breadth / 2 for row in rows for cell in row)
    corners = []
    for cell, box in zip(cells, boxes, strict=True):
        slack = (depths[cell.rank] - box.flow) / 2
        corners.append((cell.centre - left - box.breadth / 2, starts[cell.rank] + slack))

    def ends(cell: _Cell) -> tuple[Point, Point]:
        breadth = cell.centre - left
        if cell.box < 0:
            return (breadth, starts[cell.rank]), (breadth, starts[cell.rank] + depths[cell.rank])
        before = corners[cell.box][1]
        return (breadth, before), (breadth, before + boxes[cell.box].flow)

    routes = []
    for chain in chains:
        points = [point for cell in chain for point in ends(cell)]
        routes.append(tuple(points[1:-1]))
    return Layout(tuple(corners), tuple(routes), right - left, flow)
