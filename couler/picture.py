"""Pictures of workflows for people: inline in notebooks, or as text."""

from __future__ import annotations

from typing import Any

from couler.core.errors import NotFoundError, near


class Svg(str):
    """SVG text that notebooks show as a picture."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


def graph(workflow: Any = None, format: str = "svg") -> str:
    """A picture of a workflow.

    Args:
        workflow: Whatever `couler.run` takes.
        format: ``svg``, ``mermaid`` or ``text``.

    Raises:
        NotFoundError: The format is unknown.
    """
    from couler import driver, views

    found = driver.as_workflow(workflow)
    if format == "svg":
        return Svg(views.svg(found))
    if format == "mermaid":
        return views.mermaid(found)
    if format == "text":
        return views.tree(found)
    raise NotFoundError(f"there is no format '{format}'", near(format, ("svg", "mermaid", "text"), "formats"))
