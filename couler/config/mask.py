"""Hides the passwords in URLs before anyone sees them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_SECRET_QUERY = re.compile(
    r"([?&;](?:[^=&;]*(?:password|passwd|secret|token|key|credential|signature)[^=&;]*|sig|pwd)=)[^&;#]*", re.I
)


def mask_url(url: str) -> str:
    """The URL with ``***`` instead of its password and of secrets among its options.

    >>> mask_url("postgresql://me:hunter2@db/runs?sslpassword=x&sslmode=require")
    'postgresql://me:***@db/runs?sslpassword=***&sslmode=require'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    user, at, host = parts.netloc.rpartition("@")
    if ":" in user:
        parts = parts._replace(netloc=f"{user.partition(':')[0]}:***{at}{host}")
    return _SECRET_QUERY.sub(r"\1***", urlunsplit(parts) if at else url)
