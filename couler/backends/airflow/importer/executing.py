"""Values that only running a DAG file tells, asked of a Python that has Airflow, in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from couler.core.errors import TextFormError

_LONGEST = 300
"""Seconds that the file may take."""

_ASKING = """
import importlib.util, json, os, sys

said = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path.insert(0, os.path.dirname(sys.argv[1]))
spec = importlib.util.spec_from_file_location("dag_file", sys.argv[1])
module = sys.modules["dag_file"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
told = {}
for text in json.load(sys.stdin):
    try:
        told[text] = json.loads(json.dumps(eval(text, vars(module))))
    except Exception:
        pass
json.dump(told, said)
"""


def ask(file: Path, python: Path, expressions: Iterable[str]) -> dict[str, Any]:
    """What expressions come to in a file that is executed for it; those that are no JSON are left out.

    Args:
        file: The DAG file. Everything in it happens.
        python: An interpreter for which Airflow, and what the file imports, is installed.
        expressions: To be evaluated at the end of the file.

    Raises:
        TextFormError: The file cannot be executed there.
    """
    try:
        done = subprocess.run(
            [python, "-c", _ASKING, file.resolve()],
            input=json.dumps(list(expressions)),
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TextFormError(f"{file.name} cannot be executed by {python}: {error}", _HINT) from None
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise TextFormError(f"{file.name} cannot be executed by {python}: {last}", _HINT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


_HINT = "give the Python of an environment in which Airflow imports the file, or leave --execute out"
