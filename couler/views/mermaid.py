"""A workflow as a Mermaid flowchart, which GitHub, GitLab and many editors draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from couler.core.ir.model import Workflow
from couler.views.measure import shorten
from couler.views.picture import Node, Picture, picture
from couler.views.status import LOOKS, look

_SHAPES = {
    "function": ("(", ")"),
    "script": ("[", "]"),
    "container": ("[[", "]]"),
    "job": ("[/", "/]"),
    "suspend": ("{{", "}}"),
}


def mermaid(workflow: Workflow, statuses: Mapping[str, str] | None = None) -> str:
    """The workflow as the text of a Mermaid flowchart.

    Args:
        workflow: What to draw.
        statuses: Path of a step to status; empty draws no statuses.

    Example:
        >>> print(mermaid(Workflow(name="empty")))
        flowchart TD
        <BLANKLINE>
    """
    lines = ["flowchart TD", *_scope(picture(workflow, statuses), "n", 1)]
    if statuses:
        lines += (
            f"    classDef s_{name} fill:{one.fill},stroke:{one.stroke},color:#1f2328" for name, one in LOOKS.items()
        )
    return "\n".join(lines) + "\n"


def _scope(shown: Picture, prefix: str, depth: int) -> Iterator[str]:
    indent = "    " * depth
    for index, node in enumerate(shown.nodes):
        name = f"{prefix}{index}"
        if node.inner is None:
            opening, closing = _SHAPES.get(node.kind, ("[", "]"))
            yield f"{indent}{name}{opening}{_label(node)}{closing}{_class(node)}"
            continue
        yield f"{indent}subgraph {name}[{_label(node)}]"
        yield from _scope(node.inner, f"{name}_", depth + 1)
        yield f"{indent}end"
        if node.status in LOOKS:
            yield f"{indent}class {name} s_{node.status}"
    for arrow in shown.arrows:
        line = "-->" if arrow.data else "-.->"
        label = f"|{_quoted(shorten(arrow.label, 60))}|" if arrow.label else ""
        yield f"{indent}{prefix}{arrow.source} {line}{label} {prefix}{arrow.target}"


def _label(node: Node) -> str:
    first = f"{look(node.status).glyph} {node.name}" if node.status else node.name
    lines = [first] if node.inner is None and not node.many and not node.note else [first, node.about, node.note]
    return _quoted("\n".join(shorten(line, 60) for line in lines if line))


def _class(node: Node) -> str:
    return f":::s_{node.status}" if node.status in LOOKS else ""


def _quoted(text: str) -> str:
    """A quoted label in which nothing is Markdown, HTML or Mermaid; entities are written as ``#35;``."""
    escaped = "".join(_entity(character) for character in text)
    return f'"{escaped or " "}"'


def _entity(character: str) -> str:
    if character == "\n":
        return "<br/>"
    if character.isalnum() or character in " ._-/,:+=()?":
        return character
    return f"#{ord(character)};"
