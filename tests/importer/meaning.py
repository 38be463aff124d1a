"""Documents in a form in which equal means the same to Argo, written independently of the importer.

The spellings that are taken for one, and why that changes nothing:

- order of objects with names in a list: Argo finds templates, tasks, parameters and volumes by their names
- null and empty objects and lists: they are what a missing field is; except where the field itself says something
- numbers and bools written as such or as texts: Argo reads both
- blanks inside of simple tags and of conditions: Argo cuts them off
- durations by their seconds, quantities by their amounts
- a manifest by the object that it holds, a JSON list by its items, conditions of resources by their terms
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

SAY_SOMETHING = frozenset(["suspend", "emptyDir", "none", "supplied", "all"])
DURATION = frozenset(["duration", "timeout", "cap", "maxDuration"])
AMOUNT = frozenset(["cpu", "memory", "ephemeral-storage", "storage"])
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}
POWERS = {"m": 0.001, "": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 1e3, "M": 1e6, "G": 1e9}


def meaning(value: Any, key: str = "") -> Any:
    """A value of a document as it is compared."""
    if isinstance(value, dict):
        found = {name: meaning(item, name) for name, item in value.items()}
        return {name: item for name, item in found.items() if item not in (None, {}, []) or name in SAY_SOMETHING}
    if isinstance(value, list):
        items = [meaning(item, key) for item in value]
        names = [_name(item) for item in items]
        known = items and all(names) and len(set(map(str, names))) == len(names)
        return sorted(items, key=lambda item: str(_name(item))) if known and key != "env" else items
    return None if value is None else _scalar(_text(value), key)


def _name(item: Any) -> Any:
    if not isinstance(item, dict):
        return None
    return item.get("name") or (item.get("metadata") or {}).get("name")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def _scalar(text: str, key: str) -> Any:
    if key in DURATION and (parts := re.findall(r"([\d.]+)(ms|s|m|h|)", text)) and "{" not in text:
        return ("seconds", sum(float(number) * UNITS[unit] for number, unit in parts))
    if key in AMOUNT and (match := re.fullmatch(r"([\d.]+)([A-Za-z]*)", text)) and match[2] in POWERS:
        return ("amount", float(match[1]) * POWERS[match[2]])
    if key == "manifest":
        try:
            return ("object", json.dumps(yaml.safe_load(text), sort_keys=True, default=str))
        except yaml.YAMLError:
            return text
    if key in ("when", "depends"):
        return "".join(text.split())
    if key in ("successCondition", "failureCondition"):
        return "".join(text.split()).replace("==", "=")
    try:
        if text.startswith("["):
            return ("list", json.dumps(json.loads(text)))
    except ValueError:
        pass
    return re.sub(r"\{\{\s*([^={}\s][^{}]*?)\s*\}\}", r"{{\1}}", text)


class _Texts(yaml.SafeLoader):
    """Leaves dates and the like as texts."""


_Texts.yaml_implicit_resolvers = {
    key: [(tag, pattern) for tag, pattern in found if not tag.endswith((":timestamp", ":value"))]
    for key, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents(text: str) -> list[Any]:
    """The documents of a file, as they are compared."""
    return [meaning(document) for document in yaml.load_all(text, Loader=_Texts) if document]
