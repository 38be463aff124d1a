"""Parts of pods, as engines on Kubernetes write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from couler.core.ir.json import thaw
from couler.core.ir.model import Resources, SecretUse, Toleration, Volume


def number(value: float) -> str:
    """Seconds or cores as Kubernetes writes them.

    >>> number(2.0), number(0.5)
    ('2', '500m')
    """
    return str(int(value)) if value == int(value) else f"{math.ceil(value * 1000)}m"


def container_resources(resources: Resources) -> dict[str, Any]:
    """Requests and limits, which are equal: the step gets what it asked for."""
    amounts: dict[str, str] = {}
    if resources.cpu is not None:
        amounts["cpu"] = number(resources.cpu)
    if resources.memory is not None:
        amounts["memory"] = resources.memory
    if resources.ephemeral_storage is not None:
        amounts["ephemeral-storage"] = resources.ephemeral_storage
    if resources.gpu:
        amounts[resources.gpu_kind] = str(resources.gpu)
    return {"requests": dict(amounts), "limits": amounts} if amounts else {}


def placement(resources: Resources) -> dict[str, Any]:
    """Fields of a pod that choose its node."""
    fields: dict[str, Any] = {}
    if resources.node_selector:
        fields["nodeSelector"] = dict(resources.node_selector)
    if resources.tolerations:
        fields["tolerations"] = [_toleration(one) for one in resources.tolerations]
    if resources.affinity:
        fields["affinity"] = thaw(resources.affinity)
    if resources.priority:
        fields["priorityClassName"] = resources.priority
    return fields


def _toleration(one: Toleration) -> dict[str, Any]:
    fields: dict[str, Any] = {"key": one.key, "operator": one.operator, "value": one.value, "effect": one.effect}
    fields = {name: value for name, value in fields.items() if value}
    if one.seconds is not None:
        fields["tolerationSeconds"] = one.seconds
    return fields


def secret_source(use: SecretUse) -> dict[str, Any]:
    """The source of a volume with one key of a secret, as the file ``value``."""
    return {"secret": {"secretName": use.secret.name, "items": [{"key": use.secret.key, "path": "value"}]}}


def volume_source(volume: Volume) -> Mapping[str, Any]:
    """The source of a volume; claims that are made for the run are the engine's."""
    return _SOURCES[volume.source](volume)


def _empty(volume: Volume) -> Mapping[str, Any]:
    return {"emptyDir": {"sizeLimit": volume.size} if volume.size else {}}


_SOURCES: Mapping[str, Callable[[Volume], Mapping[str, Any]]] = {
    "claim": lambda volume: {"persistentVolumeClaim": {"claimName": volume.name}},
    "empty": _empty,
    "host": lambda volume: {"hostPath": {"path": volume.name}},
    "config_map": lambda volume: {"configMap": {"name": volume.name}},
    "secret": lambda volume: {"secret": {"secretName": volume.name}},
}
