"""Names of a workflow as Airflow's: task ids, groups, files."""

from __future__ import annotations

import hashlib
import keyword
import re
from collections.abc import Iterable

START, END, ITEMS, ITEM = "start", "end", "items", "item"
"""Tasks and groups that are added to those of the steps."""
VERSIONS = ("3.3", "2.11")
"""Versions of Airflow, the newest first."""
_ADDED = re.compile(r"start|end|items|item|round-\d+")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST = 60


def is_newest(version: str) -> bool:
    """Whether a version of Airflow has what Airflow 3 brought.

    >>> is_newest("3.3"), is_newest("2.11")
    (True, False)
    """
    return not version.startswith("2.")


def round_of(number: int | str) -> str:
    """The task, or the group, of a round of a loop; the number may be an expression in braces.

    >>> round_of(2)
    'round-2'
    """
    return f"round-{number}"


def task_names(names: Iterable[str]) -> dict[str, str]:
    """Names of the steps of one scope to ids that Airflow takes, each another.

    >>> task_names(["load", "größe", "end"])
    {'load': 'load', 'größe': 'gr-e-d353a2', 'end': 'end-361e48'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        text = identifier(name)
        if text != name or text.lower() in taken or _ADDED.fullmatch(text):
            text = f"{text}-{_digest(name)}"
        taken.add(text.lower())
        found[name] = text
    return found


def dag_name(name: str) -> str:
    """The id of the DAG of a workflow; workflows of different names have different ones.

    >>> dag_name("train"), dag_name("train model"), dag_name("train-model")
    ('train', 'train-model-c2f507', 'train-model')
    """
    text = identifier(name)
    return text if text == name else f"{text}-{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def identifier(name: str) -> str:
    """A name with the signs that Airflow takes.

    >>> identifier("my model/v2")
    'my-model-v2'
    """
    return _NOT_ALLOWED.sub("-", name).strip("-")[:_LONGEST] or "step"


def variable(task: str, taken: set[str]) -> str:
    """A Python name for a task, that is not taken yet; it is taken then.

    >>> variable("load-data", set()), variable("1", set()), variable("class", set())
    ('load_data', '_1', 'class_')
    """
    text = re.sub(r"\W", "_", re.sub(r"-\{\w+\}", "", task))
    text = f"_{text}" if text[:1].isdigit() else f"{text}_" if keyword.iskeyword(text) else text
    found, number = text, 2
    while found in taken:
        found, number = f"{text}_{number}", number + 1
    taken.add(found)
    return found
