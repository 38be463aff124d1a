"""Runs the cases on an engine and keeps what came of them, for the tables in the docs.

python -m tests.conformance record local          # on this machine
python -m tests.conformance record argo-played    # compiled for Argo and played on the double
python -m tests.conformance record argo           # on a cluster
python -m tests.conformance record airflow        # on an Airflow
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from couler.core.errors import CoulerError
from couler.core.ir.features import features_of
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES, THEME_OF
from tests.conformance.expected import declared, on, refused
from tests.conformance.outcome import differences
from tests.conformance.places import PLACES, Place
from tests.conformance.rules import RULES

RESULTS = Path(__file__).parent / "results"


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


def outcomes(place: str, only: Collection[str] = ()) -> dict[str, str]:
    """Run every case at a place: name of a case to ``same``, ``refused``, ``needs …`` or what is different.

    Cases with few steps come first, so that something is known early.

    Args:
        place: Name in `PLACES`.
        only: Names of the cases to run; all when empty.
    """
    chosen = [case for case in CASES.values() if not only or case.name in only]
    cases = sorted(chosen, key=lambda case: len(case.steps))
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        PLACES[place]() as there,
        ThreadPoolExecutor(there.at_once) as pool,
    ):
        told = pool.map(lambda case: _told(case, outcome(case, there, Path(folder))), cases)
        found = {case.name: text for case, text in zip(cases, told, strict=True)}
    return {case.name: found[case.name] for case in chosen}


def _told(case: Case, text: str) -> str:
    sys.stdout.write(f"{case.name}: {text}\n")
    sys.stdout.flush()
    return text


def outcome(case: Case, there: Place, root: Path) -> str:
    """What came of one case."""
    if refused(case, declared(there.target)):
        return "refused"
    if lacking := case.needs - there.has:
        return f"needs {', '.join(sorted(lacking))}"
    try:
        found = there.run(case, root)
    except CoulerError as error:
        return f"{type(error).__name__}: {error}"
    return "; ".join(differences(on(case, there.target), found)) or "same"


def is_fine(text: str) -> bool:
    """Whether a case came out as it should, or could not be run."""
    return text in ("same", "refused") or text.startswith("needs ")


def write(name: str, value: Any) -> None:
    """Keep a result."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")


def kept(name: str) -> Any:
    """A result that was kept; empty when there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def check(arguments: Iterable[str]) -> int:
    """Run cases at places; 1 when one did not come out as it should.

    Args:
        arguments: Names of places, and of the cases to run there; all cases when none is named.
    """
    places, only = _parted(arguments)
    return max((_status(outcomes(place, only)) for place in places), default=0)


def record(arguments: Iterable[str]) -> int:
    """As `check`, and keep what came of the cases for the tables in the docs."""
    places, only = _parted(arguments)
    status = 0
    for place in places:
        found = outcomes(place, only)
        all_known = {**kept(place), **found}
        write(place, {name: all_known[name] for name in CASES if name in all_known})
        status = max(status, _status(found))
    write("catalogue", catalogue())
    return status


def _parted(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    given = list(arguments)
    if unknown := [name for name in given if name not in PLACES and name not in CASES]:
        raise SystemExit(f"'{unknown[0]}' is neither a case nor one of the places: {', '.join(PLACES)}")
    return [name for name in given if name in PLACES], [name for name in given if name in CASES]


def _status(found: dict[str, str]) -> int:
    wrong = [f"{name}: {text}\n" for name, text in found.items() if not is_fine(text)]
    sys.stdout.write(f"\n{len(found) - len(wrong)} of {len(found)} cases are as they should be\n{''.join(wrong)}")
    return 1 if wrong else 0
