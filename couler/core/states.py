"""The workflow that is being declared, where programs of upstream Couler look for it.

Nothing is kept here: everything is read from, and written to, the scope that receives steps now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from couler.core.dsl import context
from couler.core.dsl.workflows import Building, implicit_exists
from couler.core.errors import DefinitionError
from couler.core.ir.model import Workflow
from couler.core.templates.dns import DnsConfig
from couler.core.templates.image_pull_secret import ImagePullSecret
from couler.core.templates.output import Output
from couler.core.templates.secret import Secret
from couler.core.templates.toleration import Toleration
from couler.core.templates.volume import Volume
from couler.core.templates.volume_claim import VolumeClaimTemplate
from couler.core.upstream import declaring, pods
from couler.core.upstream.settings import config_workflow, get_secret
from couler.core.upstream.state import current_scope, of_pods

__all__ = ["get_secret", "get_step_output", "workflow"]


class CurrentWorkflow:
    """The workflow that receives steps now."""

    @property
    def name(self) -> str | None:
        """Its name."""
        found: str | None = current_scope().root.settings.get("name")
        return found

    @name.setter
    def name(self, name: str) -> None:
        config_workflow(name=name)

    def set_security_context(self, security_context: Mapping[str, Any]) -> None:
        """Set the security context of all pods."""
        pods.set_security_context(security_context)

    def set_dns(self, dns_policy: str | None, dns_config: DnsConfig | None) -> None:
        """Set how pods resolve names."""
        pods.set_dns(dns_policy, dns_config)

    def add_volume(self, volume: Volume) -> None:
        """Make an existing claim known."""
        pods.add_volume(volume)

    def add_pvc_template(self, pvc: VolumeClaimTemplate) -> None:
        """Make storage for each run."""
        pods.create_workflow_volume(pvc)

    def add_toleration(self, toleration: Toleration) -> None:
        """Let all steps run on nodes with this taint."""
        pods.add_toleration(toleration)

    def add_image_pull_secret(self, image_pull_secret: ImagePullSecret) -> None:
        """Pull images with a secret of the cluster."""
        pods.add_image_pull_secret(image_pull_secret)

    def build(self) -> Workflow:
        """The workflow as a value, as it is declared so far.

        Raises:
            DefinitionError: Nothing was declared.
        """
        if not implicit_exists():
            raise DefinitionError("no step was declared yet", "declare steps first")
        return Building(current_scope()).build()

    def cleanup(self) -> None:
        """Forget what was declared."""
        _cleanup()


workflow = CurrentWorkflow()
"""Stands for the workflow that is being declared; holds nothing itself."""


def get_step_output(step_name: str) -> list[Output] | None:
    """What the declaration of a step returned, by the name of the step; None for an unknown one."""
    return declaring.get_step_output(step_name)


def _cleanup() -> None:
    """Forget what the statements so far have declared."""
    if implicit_exists():
        context.end_implicit()


def __getattr__(name: str) -> Any:
    if name == "_secrets":
        found: dict[str, Secret] = of_pods(current_scope()).secrets
        return found
    raise AttributeError(f"module 'couler.core.states' has no attribute '{name}'")
