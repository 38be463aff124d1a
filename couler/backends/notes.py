"""What compilers of every engine tell about a workflow."""

from __future__ import annotations

from collections.abc import Iterator

from couler.core.ir.graph import walk
from couler.core.ir.model import Workflow
from couler.core.passes import LOWERINGS


def on_other_options(workflow: Workflow, engine: str) -> Iterator[str]:
    """The note that options for other engines than this one are ignored, if there are any."""
    others = (name for _, step in walk(workflow) for name in step.engine_options)
    if any(name != engine for name in (*workflow.engine_options, *others)):
        yield LOWERINGS["drop_engine_options"][1]
