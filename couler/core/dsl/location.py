"""Where in the user's code a step was declared; for messages only, never for names."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType

_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep


def caller_frame() -> FrameType | None:
    """The nearest frame outside couler."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def caller() -> str:
    """``file:line`` of the user's line that is being executed; the file without its folders.

    Folders are left out because the location is written into the workflow's text form, which other people read.
    """
    frame = caller_frame()
    if frame is None:
        return ""
    return f"{frame.f_code.co_filename.rpartition(os.sep)[2]}:{frame.f_lineno}"
