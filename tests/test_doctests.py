"""Every example in a docstring gives what it says."""

import doctest
import importlib
import pkgutil

import pytest

import couler


def modules() -> list[str]:
    found = [item.name for item in pkgutil.walk_packages(couler.__path__, "couler.")]
    return ["couler", *(name for name in found if not name.endswith("__main__"))]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
