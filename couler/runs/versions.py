"""Brings a database to the schema of this couler: creates the tables, upgrades older ones, refuses newer ones."""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from couler.core.errors import StoreTooNewError
from couler.runs import schema
from couler.runs.database import BUSY_SECONDS, Database

_LOCK = 0x636F756C6572  # "couler": the number of PostgreSQL's advisory lock


def prepare(database: Database) -> None:
    """Create or upgrade the tables when that is needed; one query when it is not.

    Several processes may do this at once: one works, the others wait and find it done.

    Raises:
        StoreTooNewError: The tables were made by a newer couler.
        StoreError: The database cannot be read or written.
    """
    with database.reading() as connection:
        found = stored_version(connection)
    if found == schema.VERSION:
        return
    if database.dialect == "sqlite":
        _use_write_ahead_log(database)
    database.write(lambda connection: _bring_up_to_date(connection, database.shown))


def stored_version(connection: Connection) -> str | None:
    """The schema version of a database; None when it has no tables yet."""
    try:
        return _read_version(connection)
    except DBAPIError:  # usually there is no such table; asking for it first would cost as much as this query
        connection.rollback()
    return _read_version(connection) if inspect(connection).has_table(schema.VERSION_TABLE) else None


def upgrade(connection: Connection, target: str = schema.VERSION) -> None:
    """Run the migrations up to a version, in the connection's own transaction."""
    from couler.runs.migrations import MIGRATIONS  # the first opening by a newer couler needs them, no other

    schema.version.create(connection, checkfirst=True)
    reached = _read_version(connection) or ""
    for migration in MIGRATIONS:
        if reached < migration.version <= target:
            migration.apply(connection)
            reached = migration.version
    _write_version(connection, reached)


def lock(connection: Connection) -> None:
    """Begin a transaction that only one process at a time can be in."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def _bring_up_to_date(connection: Connection, where: str) -> None:
    lock(connection)
    exists = inspect(connection).has_table(schema.VERSION_TABLE)
    found = _read_version(connection) if exists else None
    if found is None:
        schema.metadata.create_all(connection, checkfirst=False)
        schema.version.create(connection, checkfirst=True)
        _write_version(connection, schema.VERSION)
    elif found not in schema.KNOWN_VERSIONS:
        raise StoreTooNewError(
            f"the run store {where} has schema version {found}; this couler knows versions up to {schema.VERSION}",
            "pip install -U couler",
        )
    elif found != schema.VERSION:
        upgrade(connection)


def _read_version(connection: Connection) -> str | None:
    found: str | None = connection.execute(select(schema.version.c.version_num)).scalar()
    return found


def _write_version(connection: Connection, number: str) -> None:
    connection.execute(delete(schema.version))
    connection.execute(insert(schema.version).values(version_num=number))


def _use_write_ahead_log(database: Database) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    with database.reading() as connection:
        while True:
            try:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                return
            except OperationalError as error:  # SQLite does not wait here when another process opens the file too
                if "locked" not in str(error.orig) or time.monotonic() > deadline:
                    raise
                connection.rollback()
                time.sleep(0.01)
