"""Pictures of workflows and runs, as text: SVG, Mermaid, HTML and trees. Nothing here reads files or clocks."""

from couler.views.html import html_run
from couler.views.mermaid import mermaid
from couler.views.svg import svg
from couler.views.tree import tree

__all__ = ["html_run", "mermaid", "svg", "tree"]
