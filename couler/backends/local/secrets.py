"""Secrets by reference: found in the environment of the runner or in a file, never written down."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from couler.core.errors import EngineError
from couler.core.ir.model import SecretRef, SecretUse

PREFIX = "COULER_SECRET_"


def variable(secret: SecretRef) -> str:
    """The environment variable that holds a secret.

    >>> variable(SecretRef(name="my-db", key="password"))
    'COULER_SECRET_MY_DB_PASSWORD'
    """
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", f"{secret.name}_{secret.key}".upper())


def read(secret: SecretRef, root: Path) -> str:
    """The value of a secret.

    Raises:
        EngineError: It is neither in the environment nor in ``secrets/<name>/<key>`` below the root.
    """
    value = os.environ.get(variable(secret))
    if value is not None:
        return value
    path = root / "secrets" / secret.name / secret.key
    try:
        inside = path.resolve().is_relative_to((root / "secrets").resolve())
        if inside:
            return path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError:
        pass
    raise EngineError(
        f"the secret '{secret.name}' has no key '{secret.key}' on this machine",
        f"set the environment variable {variable(secret)}, or write it to {path}",
    )


def given(uses: Iterable[SecretUse], root: Path) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """What a step gets: environment variables, files by path, and all values to mask.

    Raises:
        EngineError: One of them does not exist.
    """
    env: dict[str, str] = {}
    files: dict[str, str] = {}
    values = []
    for use in uses:
        value = read(use.secret, root)
        values.append(value)
        if use.env:
            env[use.env] = value
        if use.path:
            files[use.path] = value
    return env, files, values
