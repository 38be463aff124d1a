"""Every example in a docstring gives what it says."""

import doctest
import importlib
import pkgutil

import pytest

import couler

SHIPPED = "couler.backends.airflow.shipped."
WITHOUT_AIRFLOW = {f"{SHIPPED}values", f"{SHIPPED}processes"}
"""Modules that lie beside DAG files are where Airflow is; these do not need it."""


def modules() -> list[str]:
    found = [item.name for item in pkgutil.walk_packages(couler.__path__, "couler.")]
    found = [name for name in found if not name.startswith(SHIPPED) or name in WITHOUT_AIRFLOW]
    return ["couler", *(name for name in found if not name.endswith("__main__"))]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
