"""Places where cases run: an engine, how a case is run there, and what the place has; see `Case.needs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conformance import airflow as on_airflow
from tests.conformance.case import Case
from tests.conformance.cluster import opened
from tests.conformance.double import outcome_on_double
from tests.conformance.local import outcome_on_local
from tests.conformance.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Place:
    """Where cases run.

    Attributes:
        target: Engine, such as ``argo``.
        run: Runs a case, with a folder for what it needs.
        has: What there is besides the engine.
        at_once: Cases at a time.
    """

    target: str
    run: Callable[[Case, Path], Outcome]
    has: frozenset[str] = frozenset()
    at_once: int = 1


HERE = frozenset(["side by side", "ephemeral storage"])
"""What this machine has."""
ON_DOUBLE = frozenset(["ephemeral storage"])
"""What the double has: it runs one step after the other."""


@contextmanager
def local() -> Iterator[Place]:
    """The local engine on this machine."""
    yield Place("local", outcome_on_local, HERE)


@contextmanager
def argo_played() -> Iterator[Place]:
    """Documents for Argo on the double of its controller."""
    yield Place("argo", lambda case, root: outcome_on_double(case, "argo", root), ON_DOUBLE)


@contextmanager
def argo() -> Iterator[Place]:
    """Argo on a cluster of this machine."""
    with opened() as cluster:
        yield Place("argo", cluster, frozenset(["side by side"]), at_once=8)


@contextmanager
def airflow() -> Iterator[Place]:
    """Airflow on this machine."""
    with on_airflow.opened() as server:
        yield Place("airflow", server, frozenset(["side by side"]), at_once=8)


PLACES = {"local": local, "argo-played": argo_played, "argo": argo, "airflow": airflow}
"""Name to what opens the place."""
