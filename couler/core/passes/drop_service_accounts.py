"""Leave out service accounts, for engines whose steps run as the user."""

from __future__ import annotations

from couler.core.ir.model import Workflow
from couler.core.passes.each_step import each_step


def drop_service_accounts(workflow: Workflow) -> Workflow:
    """The workflow without service accounts.

    >>> drop_service_accounts(Workflow(name="w", service_account="trainer")).service_account
    ''
    """
    without = each_step(workflow, lambda step: {"service_account": ""} if step.service_account else {})
    return without.model_copy(update={"service_account": ""})
