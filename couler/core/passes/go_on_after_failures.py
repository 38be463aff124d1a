"""Let steps that do not depend on a failure go on, for engines that cannot keep them from starting."""

from __future__ import annotations

from couler.core.ir.model import Workflow


def go_on_after_failures(workflow: Workflow) -> Workflow:
    """The workflow with ``on_failure="continue"``; the run fails all the same.

    >>> go_on_after_failures(Workflow(name="w")).on_failure
    'continue'
    """
    return workflow.model_copy(update={"on_failure": "continue"})
