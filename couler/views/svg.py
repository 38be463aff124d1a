"""A workflow as an SVG drawing, coloured by status, without any program or font but the viewer's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from couler.core.ir.model import Workflow
from couler.views.layout import Box, Layout, Point, layout, ranks
from couler.views.measure import shorten, width
from couler.views.picture import Arrow, Node, Picture, picture, summary
from couler.views.status import LOOKS, look
from couler.views.words import ICONS

NAME, SMALL = 13.0, 10.5
_HEIGHT = 44.0
_PAD = 14.0
_TITLE = 34.0
_LABEL = 40
_MOST = 600

_FONT = "font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


def svg(
    workflow: Workflow,
    statuses: Mapping[str, str] | None = None,
    *,
    hints: Mapping[str, str] | None = None,
    most: int = _MOST,
) -> str:
    """The workflow as one ``<svg>`` element that can stand in a page or in a file of its own.

    Args:
        workflow: What to draw.
        statuses: Path of a step, or of its instances such as ``train[3]``, to status; empty draws no statuses.
        hints: Path of a step to text for its tooltip, such as how long it took.
        most: With more steps than this, a summary is drawn instead.

    Example:
        >>> svg(Workflow(name="empty")).startswith("<svg")
        True
    """
    shown = picture(workflow, statuses, hints)
    if shown.size() > most:
        shown = summary(shown)
    right = _reads_right(shown)
    placed = _place(shown, right)
    body: list[str] = []
    _draw(placed, 12.0, 12.0, body)
    across, down = placed.across + 24, placed.down + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="couler-graph" role="img" '
        f'viewBox="0 0 {across:.0f} {down:.0f}" '
        f'width="{across:.0f}" height="{down:.0f}" style="max-width:100%;height:auto;{_FONT}">'
        f"<title>{_text(workflow.name)}</title><style>{_STYLE}</style>{''.join(body)}</svg>\n"
    )


@dataclass(frozen=True, slots=True)
class _Placed:
    """A picture whose parts have places; ``right`` when it reads from left to right."""

    picture: Picture
    layout: Layout
    inner: tuple[_Placed | None, ...]
    sizes: tuple[Point, ...]
    right: bool
    across: float
    down: float


def _reads_right(shown: Picture) -> bool:
    """Whether the picture would be far too wide when read from top to bottom."""
    levels = ranks(len(shown.nodes), [(arrow.source, arrow.target) for arrow in shown.arrows])
    widest = max((levels.count(level) for level in set(levels)), default=0)
    return widest > 9 and widest > 1.5 * len(set(levels))


def _place(shown: Picture, right: bool) -> _Placed:
    inner = tuple(_place(node.inner, right) if node.inner is not None else None for node in shown.nodes)
    sizes = tuple(_size(node, within) for node, within in zip(shown.nodes, inner, strict=True))
    gaps = [36.0] * len(sizes)
    for arrow in shown.arrows:
        if arrow.label:
            gap = _label_width(arrow) + 36 if right else 52.0
            gaps[arrow.target] = max(gaps[arrow.target], gap)
    boxes = [
        Box(down if right else max(across, _labels_width(shown, index)), across if right else down, gaps[index])
        for index, (across, down) in enumerate(sizes)
    ]
    plan = layout(boxes, [(arrow.source, arrow.target) for arrow in shown.arrows], 14.0 if right else 22.0)
    across, down = (plan.flow, plan.breadth) if right else (plan.breadth, plan.flow)
    return _Placed(shown, plan, inner, sizes, right, across, down)


def _labels_width(shown: Picture, index: int) -> float:
    """Breadth that the labels next to a box need when it has a single arrow with one."""
    labels = [arrow for arrow in shown.arrows if arrow.target == index and arrow.label]
    return _label_width(labels[0]) if labels else 0.0


def _label_width(arrow: Arrow) -> float:
    return width(shorten(arrow.label, _LABEL), SMALL) + 14


def _lines(node: Node) -> list[str]:
    return [shorten(line, 46) for line in (node.about, node.note) if line]


def _size(node: Node, inner: _Placed | None) -> Point:
    text = 1.08 * width(shorten(node.name, 32), NAME) + (24 if node.status else 4)
    text = max([text, *(width(line, SMALL) for line in _lines(node))])
    across = max(96.0, text + 34)
    if inner is None:
        return across, _HEIGHT + (14 if len(_lines(node)) > 1 else 0)
    title = _TITLE + 14 * max(0, len(_lines(node)) - 1)
    return max(across, inner.across + 2 * _PAD), title + inner.down + 2 * _PAD


def _draw(placed: _Placed, x: float, y: float, out: list[str]) -> None:
    turn = placed.right
    plan, arrows = placed.layout, placed.picture.arrows
    for arrow, route in zip(arrows, plan.routes, strict=True):
        _draw_arrow(arrow, [_turned(point, turn, x, y) for point in route], turn, out)
    for index, node in enumerate(placed.picture.nodes):
        left, top = _turned(plan.corners[index], turn, x, y)
        across, down = placed.sizes[index]
        if not turn:
            left += max(0.0, _labels_width(placed.picture, index) - across) / 2
        inner = placed.inner[index]
        _draw_node(node, left, top, across, down, inner is not None, out)
        if inner is not None:
            shift = (across - inner.across) / 2
            _draw(inner, left + shift, top + down - inner.down - _PAD, out)
        out.append("</g>")
    for arrow, route in zip(arrows, plan.routes, strict=True):
        if arrow.label:
            _draw_label(arrow, [_turned(point, turn, x, y) for point in route], turn, out)


def _turned(point: Point, turn: bool, x: float, y: float) -> Point:
    breadth, flow = point
    return (x + flow, y + breadth) if turn else (x + breadth, y + flow)


def _draw_node(node: Node, x: float, y: float, across: float, down: float, group: bool, out: list[str]) -> None:
    """Open a ``<g>`` with the box and its words; the caller closes it after what is inside."""
    kind = f" s-{node.status}" if node.status in LOOKS else ""
    out.append(f'<g class="n{" box" if group else ""}{kind}"><title>{_text(node.tooltip or node.name)}</title>')
    if node.many:
        out.append(_rect(x + 4, y + 4, across, down, "b"))
    out.append(_rect(x, y, across, down, "b"))
    middle = y + (21.0 if group else 20.0)
    icon = ICONS.get(node.kind, "•")
    out.append(f'<text class="i" x="{x + 14:.1f}" y="{middle:.1f}" text-anchor="middle">{_text(icon)}</text>')
    out.append(f'<text class="t" x="{x + 26:.1f}" y="{middle:.1f}">{_text(shorten(node.name, 32))}</text>')
    lines = _lines(node)
    for number, line in enumerate(lines):
        out.append(f'<text class="k" x="{x + 26:.1f}" y="{middle + 14 * (number + 1):.1f}">{_text(line)}</text>')
    if node.status:
        glyph = look(node.status).glyph
        out.append(f'<text class="g" x="{x + across - 14:.1f}" y="{middle:.1f}" text-anchor="middle">{glyph}</text>')


def _rect(x: float, y: float, across: float, down: float, name: str) -> str:
    return f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{across:.1f}" height="{down:.1f}" rx="8"/>'


def _draw_arrow(arrow: Arrow, points: list[Point], turn: bool, out: list[str]) -> None:
    (x, y), path = points[0], [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    end = points[-1]
    tip = (end[0] - 7, end[1]) if turn else (end[0], end[1] - 7)
    for number, (to_x, to_y) in enumerate([*points[1:-1], tip]):
        if number % 2:  # through a rank that the edge only crosses
            path.append(f"L{to_x:.1f} {to_y:.1f}")
        elif turn:
            half = (x + to_x) / 2
            path.append(f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
        else:
            half = (y + to_y) / 2
            path.append(f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    dashed = "" if arrow.data else " o"
    out.append(f'<path class="e{dashed}" d="{"".join(path)}"/>')
    wing = "l-8 -4.5v9z" if turn else "l-4.5 -8h9z"
    out.append(f'<path class="a" d="M{end[0]:.1f} {end[1]:.1f}{wing}"/>')


def _draw_label(arrow: Arrow, points: list[Point], turn: bool, out: list[str]) -> None:
    x, y = points[-1]
    across = _label_width(arrow)
    if turn:
        x -= across / 2 + 18
    else:
        y -= 24
    label = shorten(arrow.label, _LABEL)
    out.append(f'<g class="l"><title>{_text(arrow.label)}</title>{_rect(x - across / 2, y - 9, across, 18, "p")}')
    out.append(f'<text class="k" x="{x:.1f}" y="{y + 3.5:.1f}" text-anchor="middle">{_text(label)}</text></g>')


def _text(text: str) -> str:
    """Escaped, and without the control characters that XML cannot hold."""
    return escape("".join(" " if (ord(c) < 32 and c != "\n") or 0xD800 <= ord(c) <= 0xDFFF else c for c in text))


def _rules(prefix: str, dark: bool) -> str:
    """The colours, for each status, of one ground."""
    ink, muted, paper, inner, line = (
        ("#e6edf3", "#9198a1", "#161b22", "#0d1117", "#6e7681") if dark else
        ("#1f2328", "#59636e", "#ffffff", "#f6f8fa", "#8c959f")
    )  # fmt: skip
    rules = [
        f"{prefix} .b{{fill:{paper};stroke:{line}}}",
        f"{prefix} .box>.b{{fill:{inner}}}",
        f"{prefix} .t{{fill:{ink}}}",
        f"{prefix} .k,{prefix} .i{{fill:{muted}}}",
        f"{prefix} .p{{fill:{paper};stroke:{line}}}",
        f"{prefix} .e{{stroke:{line}}}",
        f"{prefix} .a{{fill:{line}}}",
    ]
    for name, one in LOOKS.items():
        stroke, fill = (one.dark_stroke, one.dark_fill) if dark else (one.stroke, one.fill)
        rules.append(f"{prefix} .s-{name}>.b{{stroke:{stroke};fill:{fill}}}")
        rules.append(f"{prefix} .s-{name}.box>.b{{fill:{inner}}}")
        rules.append(f"{prefix} .s-{name}>.g{{fill:{stroke}}}")
    return "".join(rules)


def _style() -> str:
    shapes = (
        ".couler-graph .b{stroke-width:1.2}"
        ".couler-graph .e{fill:none;stroke-width:1.3}"
        ".couler-graph .o{stroke-dasharray:4 3}"
        ".couler-graph .p{stroke-width:.7}"
        f".couler-graph .t{{font-size:{NAME}px;font-weight:600}}"
        f".couler-graph .k{{font-size:{SMALL}px}}"
        ".couler-graph .i{font-size:12px}"
        ".couler-graph .g{font-size:14px;font-weight:700}"
    )
    system = f"@media (prefers-color-scheme:dark){{{_rules('.couler-graph', dark=True)}}}"
    jupyter = _rules("[data-jp-theme-light=false] .couler-graph", dark=True)
    return shapes + _rules(".couler-graph", dark=False) + system + jupyter


_STYLE = _style()
