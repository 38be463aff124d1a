"""What a status looks like: the one table of words, glyphs and colours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """How one status is shown; the glyph says the same as the colour.

    Attributes:
        word: For people.
        glyph: One character.
        plain: One ASCII character, where the terminal has no others.
        stroke: Colour of lines and glyphs on a light ground.
        fill: Colour of a box on a light ground.
        dark_stroke: Colour of lines and glyphs on a dark ground.
        dark_fill: Colour of a box on a dark ground.
        style: Style on a terminal, in the words of rich.
    """

    word: str
    glyph: str
    plain: str
    stroke: str
    fill: str
    dark_stroke: str
    dark_fill: str
    style: str


LOOKS: dict[str, Look] = {
    "pending": Look("pending", "○", ".", "#8c959f", "#f6f8fa", "#848d97", "#21262d", "dim"),
    "running": Look("running", "▸", ">", "#0969da", "#ddf4ff", "#58a6ff", "#0c2d6b", "blue"),
    "suspended": Look("suspended", "‖", "|", "#8250df", "#fbefff", "#bc8cff", "#3c1e70", "magenta"),
    "succeeded": Look("succeeded", "✓", "+", "#1a7f37", "#dafbe1", "#3fb950", "#0f3d1f", "green"),
    "failed": Look("failed", "✗", "x", "#cf222e", "#ffebe9", "#ff7b72", "#5d1214", "bold red"),
    "skipped": Look("skipped", "–", "-", "#6e7781", "#eaeef2", "#9198a1", "#2d333b", "dim"),
    "cached": Look("cached", "↺", "=", "#116329", "#e6f6e6", "#7ee787", "#12361f", "cyan"),
    "cancelled": Look("cancelled", "⊘", "!", "#9a6700", "#fff8c5", "#d29922", "#4b3105", "yellow"),
}
"""Every status of runs and steps."""

_UNKNOWN = Look("unknown", "?", "?", "#8c959f", "#ffffff", "#848d97", "#161b22", "")
_LOUDEST = ("failed", "running", "suspended", "cancelled", "pending", "succeeded", "cached", "skipped")
_INSTANCE = re.compile(r"\[\d+\]|#\d+")


def look(status: str) -> Look:
    """How a status is shown; a status that is not known gets a question mark.

    >>> look("failed").glyph
    '✗'
    """
    return LOOKS.get(status, _UNKNOWN)


def loudest(statuses: Iterable[str]) -> str:
    """The status that speaks for many: one failure outweighs all successes; empty for none.

    >>> loudest(["succeeded", "failed", "running"])
    'failed'
    """
    present = set(statuses)
    return next((status for status in _LOUDEST if status in present), "")


def declared_path(path: str) -> str:
    """The path of the declared step to which an instance belongs.

    >>> declared_path("search[3]/improve#2/train")
    'search/improve/train'
    """
    return _INSTANCE.sub("", path) if "[" in path or "#" in path else path


def seconds_text(seconds: float) -> str:
    """A duration as people say it.

    >>> [seconds_text(0.012), seconds_text(1.24), seconds_text(75), seconds_text(3725)]
    ['12 ms', '1.2 s', '1 min 15 s', '1 h 2 min']
    """
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counts_text(statuses: Iterable[str]) -> str:
    """How many have each status, the loudest first.

    >>> counts_text(["succeeded", "failed", "succeeded"])
    '1 failed, 2 succeeded'
    """
    given = list(statuses)
    order = [status for status in _LOUDEST if status in given]
    order += sorted(set(given) - set(order))
    return ", ".join(f"{given.count(status)} {look(status).word}" for status in order)
