"""Engine name to the class that serves it; other packages add theirs by entry points."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from couler.backends.base import Backend
from couler.core.errors import MissingExtraError, NotFoundError, near

BUILT_IN: dict[str, tuple[str, str]] = {
    "local": ("couler.backends.local.backend:LocalBackend", ""),
    "argo": ("couler.backends.argo.backend:ArgoBackend", ""),
    "airflow": ("couler.backends.airflow.backend:AirflowBackend", ""),
}
"""Name to the class and to the extra that it needs."""

GROUP = "couler.backends"


def names() -> tuple[str, ...]:
    """Names of all engines, couler's own first."""
    others = sorted(point.name for point in entry_points(group=GROUP) if point.name not in BUILT_IN)
    return (*BUILT_IN, *others)


def backend(target: str) -> tuple[Backend, str]:
    """The backend and the version of a target such as ``local`` or ``argo@3.7``.

    Raises:
        NotFoundError: No engine, or no version of it, has that name.
        MissingExtraError: It needs a package that is not installed.
    """
    name, _, version = target.partition("@")
    found = _load(name)
    if version and version not in found.versions:
        raise NotFoundError(f"engine '{name}' has no version '{version}'", near(version, found.versions, "versions"))
    return found, version


def _load(name: str) -> Backend:
    if name in BUILT_IN:
        reference, extra = BUILT_IN[name]
        module, _, attribute = reference.partition(":")
        try:
            made: Backend = getattr(importlib.import_module(module), attribute)()
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("couler"):
                raise
            raise MissingExtraError(f"the engine '{name}'", extra or name) from error
        return made
    for point in entry_points(group=GROUP, name=name):
        loaded: Backend = point.load()()
        return loaded
    raise NotFoundError(f"there is no engine '{name}'", near(name, names(), "engines"))
