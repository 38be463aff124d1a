"""The conformance suite by hand.

python -m tests.conformance list                     # the table of cases
python -m tests.conformance record PLACE …    # run the cases there and keep what came of them
"""

from __future__ import annotations

import sys

from couler.core.ir.features import features_of
from tests.conformance import record
from tests.conformance.catalogue import CASES, THEME_OF


def listing() -> str:
    """One line a case: theme, name, number of step instances, rules and features."""
    rows = [("theme", "case", "steps", "rules", "features")]
    for case in CASES.values():
        features = " ".join(features_of(case.workflow()))
        rows.append((THEME_OF[case.name], case.name, str(len(case.steps)), " ".join(case.rules), features))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join([*map(str.ljust, row[:4], widths), row[4]]) for row in rows)


def main(arguments: list[str]) -> int:
    """Print the table of cases, or run the cases at places."""
    verbs = {"check": record.check, "record": record.record}
    if arguments[:1] and arguments[0] in verbs:
        return verbs[arguments[0]](arguments[1:])
    if arguments != ["list"]:
        sys.stdout.write(f"{__doc__}\n")
        return 2
    sys.stdout.write(f"{listing()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
