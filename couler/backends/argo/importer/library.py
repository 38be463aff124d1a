"""Templates of objects that are read together, which calls name by ``templateRef``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from couler.backends.argo.importer.reading import as_text, items_of

CLUSTER = "ClusterWorkflowTemplate"
SHARED = ("WorkflowTemplate", CLUSTER)
Source: TypeAlias = tuple[str, str]
"""Kind and name of an object."""
Library: TypeAlias = Mapping[Source, Mapping[str, Mapping[str, Any]]]
"""Object to its templates by name."""


def library_of(documents: Iterable[Any]) -> Library:
    """The templates that documents hold for others.

    >>> document = {"kind": "WorkflowTemplate", "metadata": {"name": "w"}, "spec": {"templates": [{"name": "a"}]}}
    >>> library_of([document])["WorkflowTemplate", "w"]
    {'a': {'name': 'a'}}
    """
    found = {}
    for document in documents:
        if isinstance(document, Mapping) and document.get("kind") in SHARED:
            templates = items_of((document.get("spec") or {}).get("templates"))
            name = as_text((document.get("metadata") or {}).get("name"))
            found[document["kind"], name] = {as_text(one.get("name")): one for one in templates}
    return found


def source_of(reference: Mapping[str, Any]) -> Source:
    """The object that a ``templateRef`` names."""
    return (CLUSTER if reference.get("clusterScope") is True else SHARED[0]), as_text(reference.get("name"))


def key_of(reference: Mapping[str, Any]) -> str:
    """The name under which the layout keeps what it knows of a template of another object."""
    return ":".join((*source_of(reference), as_text(reference.get("template"))))
