"""Upstream's submitter: hands a workflow to Argo Workflows on a cluster."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from couler.core.errors import DefinitionError
from couler.core.upstream.constants import CronWorkflowCRD, WorkflowCRD
from couler.core.upstream.differences import refusal

if TYPE_CHECKING:
    from couler.core.ir.model import Workflow
    from couler.driver import Run

_SUBMITTER_IMPL_ENV_VAR_KEY = "SUBMITTER_IMPLEMENTATION"


class _SubmitterImplTypes:
    PYTHON = "Python"
    GO = "Go"


class Submitter(Protocol):
    """What `couler.argo.run` hands a workflow to."""

    def submit(self, workflow: Workflow) -> Any:
        """Take a workflow, and return what `couler.argo.run` shall return."""


class Submission(dict[str, Any]):
    """What upstream's ``run`` returned, a dict of the object's kind and name; ``run`` is the handle of the run."""

    def __init__(self, run: Run, kind: str, namespace: str) -> None:
        super().__init__(
            apiVersion=f"{WorkflowCRD.GROUP}/{WorkflowCRD.VERSION}",
            kind=kind,
            metadata={"name": run.record.remote or run.id, "namespace": namespace},
        )
        self.run = run


class ArgoSubmitter:
    """Submits workflows to a namespace of a cluster.

    Args:
        namespace: Where the workflow runs.
        config_file: A kubeconfig; None for the usual one, or that of the pod.
        context: Of the kubeconfig.
        client_configuration: Refused.
        persist_config: Without effect: nothing is written to the kubeconfig.
        options: Further settings of couler for the run.

    Raises:
        DefinitionError: A client configuration is given.
    """

    def __init__(
        self,
        namespace: str = "default",
        config_file: str | None = None,
        context: str | None = None,
        client_configuration: Any = None,
        persist_config: bool = True,
        **options: Any,
    ) -> None:
        if client_configuration is not None:
            raise refusal("client-configuration", "ArgoSubmitter")
        self.namespace = namespace
        connection = {"kubeconfig": config_file, "context": context}
        self.options = {**{name: value for name, value in connection.items() if value is not None}, **options}

    @staticmethod
    def check_name(name: str) -> None:
        """Check a name by the rule of upstream; couler makes names fit by itself.

        Raises:
            DefinitionError: It is too long, or has other characters than small letters, digits and dashes.
        """
        if len(name) > WorkflowCRD.NAME_MAX_LENGTH or re.fullmatch(WorkflowCRD.NAME_PATTERN, name) is None:
            raise DefinitionError(
                f"the name {name!r} does not fit",
                f"at most {WorkflowCRD.NAME_MAX_LENGTH} small letters, digits and dashes",
            )

    def submit(self, workflow: Workflow, secrets: Any = None) -> Submission:
        """Hand a workflow to Argo and return at once.

        Args:
            workflow: As `couler.argo.run` gives it.
            secrets: Without effect: couler creates no secret.

        Raises:
            InvalidWorkflowError: Rules are broken.
            UnsupportedFeatureError: Argo cannot do what the workflow uses.
        """
        from couler import driver

        run = driver.submit(workflow, engine="argo", namespace=self.namespace, **self.options)
        kind = WorkflowCRD.KIND if workflow.schedule is None else CronWorkflowCRD.KIND
        return Submission(run, kind, self.namespace)


default_submitter: ContextVar[Submitter | None] = ContextVar("couler_default_submitter", default=None)
"""What `couler.argo.set_default_submitter` has set in this thread or task."""
