"""Places where cases run: an engine, how a case is run there, and what the place has; see `Case.needs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.case import Case
from tests.conformance.cluster import opened
from tests.conformance.double import outcome_on_double
from tests.conformance.local import outcome_on_local
from tests.conformance.outcome import Outcome

Place = tuple[str, Callable[[Case, Path], Outcome], frozenset[str]]
"""Target, how a case is run, and what there is."""


@contextmanager
def local() -> Iterator[Place]:
    """The local engine on this machine."""
    yield "local", outcome_on_local, frozenset(["side by side"])


@contextmanager
def argo_played() -> Iterator[Place]:
    """Documents for Argo on the double of its controller."""
    yield "argo", lambda case, root: outcome_on_double(case, "argo", root), frozenset()


@contextmanager
def argo() -> Iterator[Place]:
    """Argo on a cluster of this machine."""
    with opened() as cluster:
        yield "argo", cluster, frozenset(["side by side"])


PLACES = {"local": local, "argo-played": argo_played, "argo": argo}
"""Name to what opens the place."""
