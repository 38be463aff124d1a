"""Leave out raw settings, for engines that have none of their own."""

from __future__ import annotations

from couler.core.ir.json import EMPTY
from couler.core.ir.model import Workflow
from couler.core.passes.each_step import each_step


def drop_engine_options(workflow: Workflow) -> Workflow:
    """The workflow without raw settings for engines.

    >>> drop_engine_options(Workflow(name="w", engine_options={"argo": {"ttlStrategy": {}}})).engine_options
    {}
    """
    without = each_step(workflow, lambda step: {"engine_options": EMPTY} if step.engine_options else {})
    return without.model_copy(update={"engine_options": EMPTY})
