"""Leave out the schedule, for engines that start a workflow only when they are told to."""

from __future__ import annotations

from couler.core.ir.model import Workflow


def drop_schedule(workflow: Workflow) -> Workflow:
    """The workflow without its schedule.

    >>> from couler.core.ir.model import Schedule
    >>> drop_schedule(Workflow(name="nightly", schedule=Schedule(cron=("0 3 * * *",)))).schedule is None
    True
    """
    return workflow.model_copy(update={"schedule": None})
