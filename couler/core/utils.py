"""Helpers where programs of upstream Couler import them."""

from __future__ import annotations

import base64

from couler.core.upstream.state import argo_safe_name

__all__ = ["argo_safe_name", "encode_base64"]


def encode_base64(s: str) -> str:
    """Text in base64.

    >>> encode_base64("abc")
    'YWJj'
    """
    return base64.b64encode(s.encode()).decode()
