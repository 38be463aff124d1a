"""Version 0002: attempts at a step are found in all runs without reading every attempt."""

from __future__ import annotations

from sqlalchemy import Connection

from couler.runs.migrations.migration import Migration


def index_paths(connection: Connection) -> None:
    """Add the index that the history of a step needs."""
    connection.exec_driver_sql("CREATE INDEX ix_couler_attempts_path ON couler_attempts (path)")


HISTORY = Migration("0002", "Attempts at a step are found without reading those at others.", index_paths)
