"""Plants one fault after another into a copy of the package and shows that the suite catches each.

python -m tests.conformance.mutate            # all faults; writes results/mutations.json
python -m tests.conformance.mutate retries    # those with the word in their description; writes nothing
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conformance.faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results" / "mutations.json"
_FAILED = re.compile(r"^FAILED \S+?::(\w+)(?:\[(.*?)\])?(?: - .*)?$", re.MULTILINE)


def planted(fault: Fault, package: Path) -> None:
    """Edit the copy of the package.

    Raises:
        ValueError: The text to be replaced does not stand there exactly once.
    """
    path = package / fault.file
    text = path.read_text(encoding="utf-8")
    if text.count(fault.before) != 1:
        raise ValueError(f"'{fault.what}': the text stands {text.count(fault.before)} times in {fault.file}")
    path.write_text(text.replace(fault.before, fault.after), encoding="utf-8")


def catches(fault: Fault) -> str:
    """The first test that fails with the fault planted; empty when none does."""
    with tempfile.TemporaryDirectory(prefix="couler-fault-") as folder:
        place = Path(folder)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "couler", place / "couler", ignore=ignored)
        shutil.copytree(ROOT / "tests", place / "tests", ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", place)
        planted(fault, place / "couler")
        return _first_failure(place, fault.cases)


def _first_failure(place: Path, cases: str) -> str:
    command = [
        sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header",
        "tests/conformance", "-k", f"not secret_stands and ({cases})",
    ]  # fmt: skip
    variables = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"}
    done = subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    found = _FAILED.search(done.stdout)
    if done.returncode != 1 or found is None:
        raise RuntimeError(f"the tests did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return found[2] or found[1]


def main(arguments: list[str]) -> int:
    """Plant the faults, print what caught each, and keep the table when all were planted."""
    chosen = [fault for fault in FAULTS if all(word in fault.what for word in arguments)]
    rows = []
    for fault in chosen:
        started = time.monotonic()
        caught = catches(fault)
        rows.append({"fault": fault.what, "engine": fault.engine, "file": fault.file, "caught_by": caught})
        sys.stdout.write(f"{caught or 'NOT CAUGHT':50} {fault.what} ({time.monotonic() - started:.1f} s)\n")
        sys.stdout.flush()
    if not arguments:
        RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(row["caught_by"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
