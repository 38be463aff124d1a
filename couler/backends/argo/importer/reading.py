"""Documents of Kubernetes as data: YAML as kubectl reads it, with anchors, and with texts where others see dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from couler.core.errors import TextFormError

_BOOLS = re.compile(r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF")
_TRUE = frozenset(["y", "yes", "true", "on"])
_INTS = re.compile(r"[-+]?(0|[1-9][0-9_]*)|0o?[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+")
_FLOATS = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NULLS = re.compile(r"~|null|Null|NULL|")


def read_documents(text: str) -> list[Any]:
    r"""The documents of a file, empty ones left out.

    Raises:
        TextFormError: The text is not YAML.

    >>> read_documents("a: yes\n---\nb: 2001-01-01")
    [{'a': True}, {'b': '2001-01-01'}]
    """
    import yaml  # only here: most programs never read YAML

    try:
        return [document for document in yaml.load_all(text, Loader=_loader()) if document]
    except yaml.YAMLError as error:
        raise TextFormError(f"the file is not YAML: {error}") from None


def _loader() -> Any:
    import yaml

    class KubernetesLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Reads what is not quoted as Go's YAML package does."""

    KubernetesLoader.yaml_implicit_resolvers = {
        key: [(tag, pattern) for tag, pattern in found if tag.endswith((":merge", ":value"))]
        for key, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    KubernetesLoader.yaml_implicit_resolvers.pop("=", None)
    for tag, pattern in (("bool", _BOOLS), ("null", _NULLS), ("int", _INTS), ("float", _FLOATS)):
        KubernetesLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern.pattern})$"), None)
    KubernetesLoader.add_constructor("tag:yaml.org,2002:bool", lambda _, node: node.value.lower() in _TRUE)
    KubernetesLoader.add_constructor("tag:yaml.org,2002:int", lambda _, node: _int(node.value))
    return KubernetesLoader


def _int(text: str) -> int:
    plain = text.replace("_", "")
    if re.fullmatch(r"0[0-7]+", plain):
        return int(plain, 8)
    return int(plain, 0)


def as_text(value: Any) -> str:
    """A scalar as Argo reads it where it wants a text.

    >>> as_text(True), as_text(2.50), as_text("x")
    ('true', '2.5', 'x')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def items_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list that may be missing."""
    return [item for item in value or () if isinstance(item, Mapping)]
