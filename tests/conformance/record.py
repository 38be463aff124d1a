"""Runs the cases on an engine and keeps what came of them, for the tables in the docs.

python -m tests.conformance record local          # on this machine
python -m tests.conformance record argo-played    # compiled for Argo and played on the double
python -m tests.conformance record argo           # on a cluster
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from couler.core.ir.features import features_of
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES, THEME_OF
from tests.conformance.expected import declared, on, refused
from tests.conformance.outcome import Outcome, differences
from tests.conformance.rules import RULES

RESULTS = Path(__file__).parent / "results"
Runner = Callable[[Case, Path], Outcome]


def catalogue() -> dict[str, Any]:
    """What the cases are about, as plain values."""
    return {
        "rules": dict(RULES),
        "cases": {
            case.name: {
                "theme": THEME_OF[case.name],
                "rules": list(case.rules),
                "features": list(features_of(case.workflow())),
                "needs": sorted(case.needs),
            }
            for case in CASES.values()
        },
    }


def outcomes(target: str, run: Runner, root: Path, has: frozenset[str]) -> dict[str, str]:
    """Name of a case to ``same``, ``refused``, ``needs …`` or what is different."""
    found = {}
    for case in CASES.values():
        found[case.name] = outcome(case, target, run, root, has)
        sys.stdout.write(f"{case.name}: {found[case.name]}\n")
        sys.stdout.flush()
    return found


def outcome(case: Case, target: str, run: Runner, root: Path, has: frozenset[str]) -> str:
    """What came of one case."""
    if refused(case, declared(target)):
        return "refused"
    if lacking := case.needs - has:
        return f"needs {', '.join(sorted(lacking))}"
    return "; ".join(differences(on(case, target), run(case, root))) or "same"


def record(place: str) -> bool:
    """Run every case at a place and write what came of them; whether all is as it should be."""
    from tests.conformance.places import PLACES

    with tempfile.TemporaryDirectory(prefix="conformance-") as folder, PLACES[place]() as (target, run, has):
        found = outcomes(target, run, Path(folder), has)
    write(place, found)
    write("catalogue", catalogue())
    return all(text == "refused" or text == "same" or text.startswith("needs ") for text in found.values())


def write(name: str, value: Any) -> None:
    """Keep a result."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")


def kept(name: str) -> Any:
    """A result that was kept; empty when there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def main(places: Iterable[str]) -> int:
    """Record places one after the other."""
    fine = [record(place) for place in places]
    return 0 if all(fine) else 1
