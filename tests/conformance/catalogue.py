"""All cases, in the order in which a reader meets them."""

from __future__ import annotations

from types import ModuleType

from tests.conformance.case import Case, all_cases
from tests.conformance.cases import failures, files, groups, order, repeats, surroundings, text, values

THEMES: dict[str, ModuleType] = {
    "values": values,
    "text": text,
    "files": files,
    "order": order,
    "failures": failures,
    "repeats": repeats,
    "groups": groups,
    "surroundings": surroundings,
}
"""Theme to the module with its cases."""


def _found() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for module in THEMES.values():
        for case in all_cases(vars(module)):
            if case.name in cases:
                raise ValueError(f"two cases are called {case.name}")
            cases[case.name] = case
    return cases


CASES = _found()
"""Name of a case to the case."""

THEME_OF = {case.name: theme for theme, module in THEMES.items() for case in all_cases(vars(module))}
"""Name of a case to its theme."""
