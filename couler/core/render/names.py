"""Names for variables and functions: identifiers that mean something and are given once."""

from __future__ import annotations

import builtins
import keyword
import re

_RESERVED = frozenset([*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "couler", "ir"])


def identifier(name: str) -> str:
    """A name as a Python identifier.

    >>> [identifier(name) for name in ["flip-coin", "2nd", "if", "日本"]]
    ['flip_coin', 'n2nd', 'if_', '日本']
    """
    found = re.sub(r"\W+", "_", name).strip("_") or "value"
    if found[0].isdigit():
        found = f"n{found}"
    return f"{found}_" if found in _RESERVED else found


def is_usable(name: str) -> bool:
    """Whether a name can be that of a parameter in Python as it is."""
    return name.isidentifier() and not keyword.iskeyword(name) and name not in ("couler", "ir")


class Names:
    """The names of one function or module; those of what is around it are taken as well."""

    def __init__(self, around: Names | None = None) -> None:
        self._around = around
        self._taken: set[str] = set()

    def take(self, name: str) -> None:
        """Reserve a name that is fixed."""
        self._taken.add(name)

    def is_taken(self, name: str) -> bool:
        """Whether the name is in use, here or around."""
        return name in self._taken or (self._around is not None and self._around.is_taken(name))

    def new(self, wish: str, instead: str = "") -> str:
        """A free identifier like the one wished for, or, when that is in use, like another one."""
        base = identifier(wish)
        if instead and self.is_taken(base):
            base = identifier(instead)
        found, number = base, 2
        while self.is_taken(found):
            found, number = f"{base}_{number}", number + 1
        self._taken.add(found)
        return found
