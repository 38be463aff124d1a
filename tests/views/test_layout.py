"""Places of boxes and edges."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from couler.views.layout import Box, layout, ranks

EDGES = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda edge: edge[0] < edge[1]), unique=True)


def test_a_diamond_has_three_ranks_and_is_symmetric() -> None:
    found = layout([Box(50, 20)] * 4, [(0, 1), (0, 2), (1, 3), (2, 3)])
    breadths = [corner[0] for corner in found.corners]
    assert [corner[1] for corner in found.corners] == [0, 56, 56, 112]
    assert breadths[0] == breadths[3] == (breadths[1] + breadths[2]) / 2


def test_a_start_stands_next_to_what_needs_it() -> None:
    assert ranks(4, [(0, 1), (1, 2), (3, 2)]) == [0, 1, 2, 1]


@settings(max_examples=60, deadline=None)
@given(edges=EDGES)
def test_boxes_never_overlap_and_edges_lead_along_the_flow(edges: list[tuple[int, int]]) -> None:
    boxes = [Box(30 + number, 20) for number in range(15)]
    found = layout(boxes, edges)
    placed = [(x, y, box) for (x, y), box in zip(found.corners, boxes, strict=True)]
    for number, (x, y, box) in enumerate(placed):
        assert -1e-6 <= x <= found.breadth - box.breadth + 1e-6
        for other_x, other_y, other in placed[number + 1 :]:
            apart = x + box.breadth <= other_x + 1e-6 or other_x + other.breadth <= x + 1e-6
            assert apart or y + box.flow <= other_y or other_y + other.flow <= y
    for (source, target), route in zip(edges, found.routes, strict=True):
        assert route[0][1] == found.corners[source][1] + 20
        assert route[-1][1] == found.corners[target][1]
        flows = [point[1] for point in route]
        assert flows == sorted(flows)
