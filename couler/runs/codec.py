"""How values become text that every database keeps unchanged.

PostgreSQL refuses NUL characters in text, UTF-8 has no lone surrogates, and binary JSON columns lose the difference of
1 and 1.0, the order of keys, and large integers. So JSON is stored as ASCII text, and other text that a database might
refuse is stored as JSON behind a mark. Equal text has equal stored text, which keeps look-ups right.
"""

from __future__ import annotations

import json
from typing import Any

_MARK = "\x01"
_encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def encode_json(value: Any) -> str | None:
    r"""JSON as ASCII text; None stays None, the database's own null.

    Raises:
        ValueError: A number is not finite, or the value contains itself.
        TypeError: A part of the value is not JSON.

    >>> encode_json({"a": [1, 1.0, "é\x00"]})
    '{"a":[1,1.0,"\\u00e9\\u0000"]}'
    """
    return None if value is None else _encode_json(value)


def decode_json(text: str | None) -> Any:
    """The value that `encode_json` was given."""
    return None if text is None else json.loads(text)


def encode_text(text: str) -> str:
    r"""Text that every database accepts.

    >>> encode_text("größer")
    'größer'
    >>> encode_text("a\x00b")
    '\x01"a\\u0000b"'
    """
    if text.isascii():
        unsafe = "\x00" in text or text.startswith(_MARK)
    else:
        unsafe = "\x00" in text or text.startswith(_MARK) or _has_surrogates(text)
    return _MARK + _encode_json(text) if unsafe else text


def decode_text(text: str) -> str:
    """The text that `encode_text` was given."""
    return str(json.loads(text[1:])) if text.startswith(_MARK) else text


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
