"""What couler's own loggers say, on standard error."""

from __future__ import annotations

import json
import logging

from couler.config import Settings


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        told = {"time": record.created, "level": record.levelname.lower(), "logger": record.name}
        return json.dumps({**told, "message": record.getMessage()}, ensure_ascii=False)


def listen(settings: Settings) -> None:
    """Print what loggers under ``couler`` say from the chosen level on; calling it again replaces the last time."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonFormatter()
        if settings.log_format == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")
    )
    logger = logging.getLogger("couler")
    logger.handlers[:] = [handler]
    logger.setLevel(settings.log_level.upper())
    logger.propagate = False
