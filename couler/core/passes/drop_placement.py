"""Leave out where steps may run, for engines that have one machine only."""

from __future__ import annotations

from couler.core.ir.json import EMPTY
from couler.core.ir.model import Workflow
from couler.core.passes.each_step import each_step

_NOWHERE = {"node_selector": EMPTY, "tolerations": (), "affinity": EMPTY, "priority": ""}


def drop_placement(workflow: Workflow) -> Workflow:
    """The workflow without node selectors, tolerations, affinity and priority.

    >>> from couler.core.ir.model import Resources, ScriptTask, Step
    >>> step = Step(name="s", task=ScriptTask(source="1"), resources=Resources(cpu=1, priority="high"))
    >>> drop_placement(Workflow(name="w", steps=(step,))).steps[0].resources
    Resources(cpu=1.0, memory=None, gpu=0, gpu_kind='nvidia.com/gpu', ephemeral_storage=None, node_selector={}, \
tolerations=(), affinity={}, priority='')
    """
    return each_step(
        workflow,
        lambda step: {} if step.resources is None else {"resources": step.resources.model_copy(update=_NOWHERE)},
    )
