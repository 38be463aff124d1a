"""Leave out cache policies, for engines that remember no outputs from earlier runs."""

from __future__ import annotations

from couler.core.ir.model import Workflow
from couler.core.passes.each_step import each_step


def drop_cache(workflow: Workflow) -> Workflow:
    """The workflow with every step running each time.

    >>> from couler.core.ir.model import CachePolicy, ScriptTask, Step
    >>> step = Step(name="s", task=ScriptTask(source="1"), cache=CachePolicy())
    >>> drop_cache(Workflow(name="w", steps=(step,))).steps[0].cache is None
    True
    """
    return each_step(workflow, lambda step: {"cache": None} if step.cache is not None else {})
