"""Every example in a docstring gives what it says."""

import doctest
import importlib
import pkgutil

import pytest

import couler

NEED_AIRFLOW = ("couler.backends.airflow.shipped.files", "couler.backends.airflow.shipped.steps")
"""They lie beside DAG files, where Airflow is."""


def modules() -> list[str]:
    found = [item.name for item in pkgutil.walk_packages(couler.__path__, "couler.")]
    return ["couler", *(name for name in found if not name.endswith("__main__") and name not in NEED_AIRFLOW)]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
