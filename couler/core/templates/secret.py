"""Secrets of upstream Couler: here the keys of a secret that the cluster holds, and never a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.upstream.differences import refusal


class Secret:
    """Keys of a secret; a step gets each as an environment variable of the same name.

    Args:
        namespace: Where the secret is.
        data: Keys, each with an empty text, or a list of keys.
        name: Name of the secret in the cluster.
        dry_run: Without effect: nothing is created.
        use_existing: Without effect, for the same reason.
        artifact_secret: Without effect, for the same reason.

    Raises:
        DefinitionError: There is a value, or no name.

    >>> Secret("default", {"token": ""}, name="store").uses()[0].secret.key
    'token'
    """

    def __init__(
        self,
        namespace: str,
        data: Mapping[str, Any] | Iterable[str],
        name: str | None = None,
        dry_run: bool = False,
        use_existing: bool = False,
        artifact_secret: bool = False,
    ) -> None:
        where = f"secret '{name}'" if name else "a secret"
        if isinstance(data, str) or not isinstance(data, Iterable):
            raise DefinitionError(f"{where}: the data must be a dict of keys", 'obtain_secret(["token"], name="store")')
        keys = list(data)
        if not keys or not all(isinstance(key, str) for key in keys):
            raise DefinitionError(f"{where}: the keys must be texts, and there must be one", '["token"]')
        valued = [key for key in keys if isinstance(data, Mapping) and data[key]]
        if valued:
            literals = " ".join(f"--from-literal={key}=…" for key in keys)
            raise refusal("secret-values", where, name=name or "NAME", literals=literals, keys=str(keys))
        if not name:
            raise refusal("secret-name", where, keys=str(keys))
        self.namespace = namespace
        self.name = name
        self.keys = tuple(keys)

    def uses(self) -> tuple[ir.SecretUse, ...]:
        """How a step uses it."""
        return tuple(ir.SecretUse(secret=ir.SecretRef(name=self.name, key=key), env=key) for key in self.keys)

    def to_env_list(self) -> list[dict[str, Any]]:
        """Environment entries of a Kubernetes container, by reference."""
        return [{"name": key, "valueFrom": {"secretKeyRef": {"name": self.name, "key": key}}} for key in self.keys]

    def __repr__(self) -> str:
        return f"Secret({self.namespace!r}, {list(self.keys)!r}, name={self.name!r})"
