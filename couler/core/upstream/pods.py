"""Volumes, tolerations and other settings for the pods of a workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from couler.core.dsl import options
from couler.core.dsl.draft import Draft
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.templates.dns import DnsConfig
from couler.core.templates.image_pull_secret import ImagePullSecret
from couler.core.templates.toleration import Toleration
from couler.core.templates.volume import Volume, VolumeMount
from couler.core.templates.volume_claim import VolumeClaimTemplate
from couler.core.upstream.differences import notice, refusal
from couler.core.upstream.state import PodState, add_argo_options, current_scope, of_pods


def add_volume(volume: Volume) -> None:
    """Make an existing claim known to the workflow; steps mount it by its name with ``volume_mounts=``."""
    pods = of_pods(current_scope())
    pods.claims[volume.name] = volume.claim_name
    _dress_all(pods)


def create_workflow_volume(volume_claim_template: VolumeClaimTemplate) -> None:
    """Make storage for each run; steps mount it by the name of the claim.

    Raises:
        DefinitionError: It has several access modes, or one that Kubernetes does not know.
    """
    claim = volume_claim_template
    where = f"volume '{claim.claim_name}'"
    modes = [claim.access_modes] if isinstance(claim.access_modes, str) else list(claim.access_modes)
    if len(modes) != 1:
        raise refusal("access-modes", where, first=modes[0] if modes else "ReadWriteOnce")
    fields = {
        "path": "/", "name": claim.claim_name, "source": "new_claim", "size": claim.size, "access_mode": modes[0],
    }  # fmt: skip
    pods = of_pods(current_scope())
    pods.new_claims[claim.claim_name] = options.build(ir.Volume, where, fields)
    _dress_all(pods)


def add_toleration(toleration: Toleration) -> None:
    """Let all steps run on nodes with this taint."""
    scope = current_scope()
    pods = of_pods(scope)
    try:
        known = ir.Toleration.model_validate(
            {"key": toleration.key, "operator": toleration.operator, "effect": toleration.effect}
        )
    except ValidationError:
        notice("toleration", f"toleration '{toleration.key}'")
        raw = {"key": toleration.key, "operator": toleration.operator, "effect": toleration.effect}
        earlier = scope.root.settings.get("engine_options", {}).get("argo", {}).get("tolerations", ())
        add_argo_options(scope, {"tolerations": [*(item for item in earlier if item != raw), raw]})
        return
    if known not in pods.tolerations:
        pods.tolerations.append(known)
    _dress_all(pods)


def add_image_pull_secret(image_pull_secret: ImagePullSecret) -> None:
    """Pull images with a secret of the cluster."""
    scope = current_scope()
    earlier = scope.root.settings.get("engine_options", {}).get("argo", {}).get("imagePullSecrets", ())
    add_argo_options(scope, {"imagePullSecrets": [*earlier, {"name": image_pull_secret.name}]})


def set_dns(dns_policy: str | None, dns_config: DnsConfig | None = None) -> None:
    """Set how pods resolve names."""
    found: dict[str, Any] = {}
    if dns_policy is not None:
        found["dnsPolicy"] = dns_policy
    if dns_config is not None:
        found["dnsConfig"] = dns_config.to_dict()
    add_argo_options(current_scope(), found)


def set_security_context(security_context: Mapping[str, Any]) -> None:
    """Set the security context of all pods, in Kubernetes' words.

    Raises:
        DefinitionError: It is no dict.
    """
    if not isinstance(security_context, Mapping):
        raise DefinitionError(f"the security context is {security_context!r}, and no dict", '{"runAsUser": 1000}')
    add_argo_options(current_scope(), {"securityContext": dict(security_context)})


def dress(draft: Draft, mounts: Any, pods: PodState) -> None:
    """Give a step its volumes and tolerations, now and whenever the workflow's change."""
    given: Sequence[Any] = mounts if isinstance(mounts, (list, tuple)) else [mounts] if mounts is not None else ()
    for mount in given:
        if not isinstance(mount, VolumeMount):
            raise DefinitionError(f"{draft.describe()}: {mount!r} is no mount", 'couler.VolumeMount("data", "/data")')
    mine = pods.mounts.setdefault(draft, tuple(given))
    _dress(draft, mine, pods)


def _dress_all(pods: PodState) -> None:
    for draft, mounts in pods.mounts.items():
        _dress(draft, mounts, pods)


def _dress(draft: Draft, mounts: tuple[VolumeMount, ...], pods: PodState) -> None:
    changes: dict[str, Any] = {}
    if mounts:
        changes["volumes"] = [_volume(mount, pods) for mount in mounts]
    if pods.tolerations:
        base: ir.Resources = draft.options.get("resources") or ir.Resources()
        changes["resources"] = base.model_copy(update={"tolerations": tuple(pods.tolerations)})
    draft.change(changes)


def _volume(mount: VolumeMount, pods: PodState) -> ir.Volume:
    if mount.name in pods.claims:
        return ir.Volume(path=mount.mount_path, name=pods.claims[mount.name], source="claim")
    if mount.name in pods.new_claims:
        return pods.new_claims[mount.name].model_copy(update={"path": mount.mount_path})
    return ir.Volume(path=mount.mount_path, name=mount.name, source="empty")
