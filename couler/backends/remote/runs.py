"""Runs that live elsewhere: their ids, what may be asked of them when, and the workflow that travels with them."""

from __future__ import annotations

import base64
import binascii
import gzip
import secrets
import time
from typing import TYPE_CHECKING

from couler.core.errors import EngineError, StateError
from couler.core.ir.model import Workflow
from couler.core.ir.text import from_text, to_json

if TYPE_CHECKING:
    from couler.runs import RunRecord


def new_id(name: str) -> str:
    """An id for a run, readable and unique: name, time, chance."""
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


def check_mode(record: RunRecord, mode: str) -> None:
    """Refuse what the state of a run does not allow.

    Raises:
        StateError: It has not ended, or has.
    """
    status, run_id = record.status, record.id
    if mode == "new" and status != "pending":
        raise StateError(f"run '{run_id}' was started before: it is {status}", f"couler wait {run_id}")
    if mode == "resume" and status in ("succeeded", "failed", "cancelled"):
        raise StateError(f"run '{run_id}' has already {status}", f"`couler retry {run_id}` runs what failed again")
    if mode == "retry" and status not in ("failed", "cancelled"):
        raise StateError(f"run '{run_id}' is {status}: only failed and cancelled runs can be retried")


def is_wanted(path: str, step: str | None) -> bool:
    """Whether a step is the one that was asked for, or lies inside it.

    >>> is_wanted("train[3]", "train"), is_wanted("train-2", "train")
    (True, False)
    """
    return step is None or path == step or path.startswith((f"{step}/", f"{step}[", f"{step}#"))


def pack(workflow: Workflow) -> str:
    """A workflow as text that travels with its run.

    >>> unpack(pack(Workflow(name="w")), "the mark") == Workflow(name="w")
    True
    """
    return base64.b64encode(gzip.compress(to_json(workflow).encode(), 6, mtime=0)).decode()


def unpack(text: str, where: str) -> Workflow:
    """The workflow that `pack` was given.

    Args:
        text: What it gave.
        where: The place of the text, for messages.

    Raises:
        EngineError: It was damaged.
    """
    try:
        return from_text(gzip.decompress(base64.b64decode(text)).decode())
    except (binascii.Error, OSError, EOFError, ValueError) as error:
        raise EngineError(f"the workflow in {where} cannot be read: {error}") from error
