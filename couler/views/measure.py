"""How wide text is when drawn, near enough, without a font at hand."""

from __future__ import annotations

import unicodedata

_NARROW = frozenset("iIjl.,:;'|!()[]{}ftr -`")
_BROAD = frozenset("mwMW@%—…")


def width(text: str, size: float) -> float:
    """Pixels that ``text`` takes in a sans-serif font of ``size`` pixels.

    >>> width("train", 10) < width("TRAIN", 10) < width("訓練訓練訓", 10)
    True
    """
    return 1.07 * size * sum(_share(character) for character in text)


def _share(character: str) -> float:
    if character in _NARROW:
        return 0.37
    if character in _BROAD:
        return 0.92
    if character.isascii():
        return 0.68 if character.isupper() else 0.59
    if unicodedata.combining(character):
        return 0.0
    return 1.0 if unicodedata.east_asian_width(character) in "WF" else 0.62


def shorten(text: str, most: int) -> str:
    """At most ``most`` characters on one line, with an ellipsis where something is missing.

    >>> shorten("a_long_name", 6)
    'a_lon…'
    """
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
