"""The rule of upstream Couler for remembering what a step returned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from couler.core.dsl.options import seconds
from couler.core.ir import model as ir


@dataclass(frozen=True, slots=True)
class Cache:
    """Remember a step's outputs under a key, for a time such as ``60s``; empty is for ever."""

    name: str
    key: str
    max_age: str = ""

    def policy(self) -> ir.CachePolicy:
        """The rule of the workflow: name and key become a part of its key.

        Raises:
            DefinitionError: ``max_age`` is no duration.

        >>> Cache("results", "train", "60s").policy().max_age
        60.0
        """
        age = seconds(self.max_age) if self.max_age else None
        return ir.CachePolicy(max_age=age, salt=f"{self.name}/{self.key}")

    def memoize(self) -> dict[str, Any]:
        """Argo's own rule: the key alone decides, and results are kept in a ConfigMap.

        >>> Cache("results", "train").memoize()["cache"]
        {'configMap': {'name': 'results'}}
        """
        return {"key": self.key, "maxAge": self.max_age, "cache": {"configMap": {"name": self.name}}}
