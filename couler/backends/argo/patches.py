"""Patches of pods (``podSpecPatch``): texts that are read, and combined when couler and the user both have one."""

from __future__ import annotations

import json
from typing import Any, Final

_KEYS: Final = {"volumeMounts": "mountPath", "ports": "containerPort", "hostAliases": "ip"}
"""List of a pod to the field by which Kubernetes knows its items; others are known by name."""
_NAMED: Final = frozenset(("containers", "initContainers", "env", "volumes", "imagePullSecrets", "volumeDevices"))


class PatchError(ValueError):
    """A patch cannot be read, and so not be combined with another."""


def read_patch(text: str) -> dict[str, Any]:
    """A patch as data.

    Raises:
        PatchError: It is no object in JSON or YAML.

    >>> read_patch("containers: [{name: main, tty: true}]")
    {'containers': [{'name': 'main', 'tty': True}]}
    """
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = str(error).replace("\n", " ")
        raise PatchError(f"is no YAML or JSON ({reason}); write an object, and tags in quotes") from error
    if not isinstance(found, dict):
        raise PatchError("is no object; write fields of a pod, such as containers, in JSON or YAML")
    return found


def combined(*texts: str) -> str:
    """One patch that does what several do; where they differ, the last one counts.

    Args:
        texts: Patches; empty ones are left out.

    >>> combined('{"containers":[{"name":"main","tty":true}]}', 'containers: [{name: main, stdin: true}]')
    '{"containers": [{"name": "main", "tty": true, "stdin": true}]}'
    """
    given = [text for text in texts if text]
    if len(given) < 2:
        return "".join(given)
    whole: dict[str, Any] = {}
    for text in given:
        _patch(whole, read_patch(text))
    return json.dumps(whole, ensure_ascii=False)


def _patch(target: dict[str, Any], given: dict[str, Any]) -> None:
    for name, value in given.items():
        old = target.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            _patch(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            target[name] = _patched_list(old, value, _KEYS.get(name, "name" if name in _NAMED else ""))
        else:
            target[name] = value


def _patched_list(old: list[Any], given: list[Any], key: str) -> list[Any]:
    """Both lists; items that are known by the same key are one."""
    if not key:
        return given
    found = list(old)
    for item in given:
        same = next((one for one in found if isinstance(item, dict) and one.get(key) == item.get(key)), None)
        if same is None:
            found.append(item)
        else:
            _patch(same, item)
    return found
