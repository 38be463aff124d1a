"""Where in the user's code a step was declared; for messages only, never for names."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from types import FrameType

_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep


def caller_frame() -> FrameType | None:
    """The nearest frame outside couler."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


@lru_cache(maxsize=4096)
def _is_ours(file: str) -> bool:
    return file.startswith(_PACKAGE)


def caller() -> str:
    """``file:line`` of the user's line that is being executed; the file without its folders.

    Folders are left out because the location is written into the workflow's text form, which other people read.
    """
    frame = caller_frame()
    if frame is None:
        return ""
    if "IPython" in sys.modules:
        return f"{file_label(frame.f_code.co_filename)}:{frame.f_lineno}"
    return _text(frame.f_code.co_filename, frame.f_lineno)


@lru_cache(maxsize=4096)
def _text(file: str, line: int) -> str:
    return f"{file_label(file)}:{line}"


def file_label(file: str) -> str:
    """A file without its folders; a cell of a notebook by what stands beside it, such as ``In[3]``."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    if shell is not None:
        cell = shell.compile.format_code_name(file)
        if cell is not None:
            return str(cell[1])
    return file.rpartition(os.sep)[2]
