"""Names that Argo and Kubernetes take, made from names of any kind without two becoming one."""

from __future__ import annotations

import re
import zlib
from collections.abc import Container, Iterable
from functools import lru_cache

_TASK = re.compile(r"[a-z][a-z0-9-]*")
_PARAMETER = re.compile(r"[A-Za-z0-9_-]+")
_KEYWORDS = frozenset([
    "in", "not", "and", "or", "matches", "contains", "startswith", "endswith", "true", "false", "nil", "let",
    "if", "else", "any", "all", "none", "one", "filter", "map", "count", "null",
])  # fmt: skip
"""Words of the language in which ``depends`` is evaluated."""
_LONGEST = 60
PART = "part"
PARTS = "parts"
_PART = re.compile(rf"({PART}|{PARTS})-\d+(-\d+)?")


def task_name(name: str) -> str:
    """A name for tasks and templates: small letters, digits and hyphens, and no word of the expression language.

    >>> task_name("Train_Model"), task_name("not"), task_name("3 steps"), task_name("日本")
    ('train-model', 'not-step', 's-3-steps', 'step')
    """
    if not _TASK.fullmatch(name):
        name = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "step"
        if name[0].isdigit():
            name = f"s-{name}"
    name = name[:_LONGEST].strip("-")
    return f"{name}-step" if name in _KEYWORDS else name


@lru_cache(maxsize=4096)
def parameter_name(name: str) -> str:
    """A name for parameters and artifacts; one that had to change ends with a number made of the whole name.

    >>> parameter_name("learning_rate"), parameter_name("größe in m")
    ('learning_rate', 'gr-e-in-m-ff163467')
    """
    if _PARAMETER.fullmatch(name):
        return name
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-") or "value"
    return f"{readable[:_LONGEST]}-{zlib.crc32(name.encode('utf-8', 'surrogatepass')):08x}"


def object_name(name: str, longest: int = 50) -> str:
    """A name for a Kubernetes object.

    >>> object_name("My Workflow!")
    'my-workflow'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:longest].strip("-") or "workflow"


class NameTable:
    """Names given out so far in one place; each is given once.

    >>> table = NameTable()
    >>> table.add("train"), table.add("train")
    ('train', 'train-2')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._numbers: dict[str, int] = {}

    def add(self, name: str) -> str:
        """The name, or the name with the next free number."""
        found = name
        if found in self._taken:
            number = self._numbers.get(name, 1)
            while found in self._taken:
                number += 1
                found = f"{name}-{number}"
            self._numbers[name] = number
        self._taken.add(found)
        return found


def is_part(task: str, steps: Container[str]) -> bool:
    """Whether a task of a scope runs a part of its steps, or a part of its parts, and is none of its steps itself.

    Args:
        task: Name of the task.
        steps: Names of the tasks of all steps of the scope, see `task_names`.

    >>> is_part("part-2", ["train"]), is_part("part-2", ["train", "part-2"]), is_part("parts-1", ["train"])
    (True, False, True)
    """
    return task not in steps and _PART.fullmatch(task) is not None


def task_names(names: Iterable[str]) -> dict[str, str]:
    """Step name to task name for the steps of one scope; names that are fine already keep theirs.

    >>> task_names(["Train", "train"])
    {'Train': 'train-2', 'train': 'train'}
    """
    wanted = {name: task_name(name) for name in names}
    table = NameTable(name for name, other in wanted.items() if other == name)
    return {name: name if other == name else table.add(other) for name, other in wanted.items()}
