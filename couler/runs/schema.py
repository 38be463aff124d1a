"""The tables of the run store, and the versions that they went through.

All names begin with ``couler_``, because a PostgreSQL database may be shared with programs that keep tables named
``runs``, or a schema version of their own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from couler.runs.codec import decode_json, decode_text, encode_json, encode_text

KNOWN_VERSIONS = ("0001", "0002")
"""Every schema version, oldest first, one per migration."""

VERSION = KNOWN_VERSIONS[-1]
VERSION_TABLE = "couler_schema_version"


class SafeText(TypeDecorator[str]):
    """Text that may contain anything that a Python string may."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Encode what a database would refuse."""
        return None if value is None else encode_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Give the text back as it was."""
        return None if value is None else decode_text(value)


class JsonText(TypeDecorator[Any]):
    """A JSON value; Python's None is the database's null."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encode as ASCII text."""
        return encode_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Give the value back as it was."""
        return decode_json(value)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

BigNumber = BigInteger().with_variant(Integer(), "sqlite")


def _sequence(name: str = "sequence") -> Column[int]:
    """A number that rises in the order of insertion."""
    return Column(name, BigNumber, primary_key=True, autoincrement=True)


def _run() -> Column[str]:
    return Column("run", SafeText, ForeignKey("couler_runs.id", ondelete="CASCADE"), nullable=False)


runs = Table(
    "couler_runs",
    metadata,
    _sequence(),
    Column("id", SafeText, nullable=False),
    Column("workflow", SafeText, nullable=False),
    Column("engine", SafeText, nullable=False),
    Column("status", SafeText, nullable=False),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("parameters", JsonText, nullable=False),
    Column("outputs", JsonText),
    Column("document", SafeText, nullable=False),
    Column("message", SafeText, nullable=False),
    Column("labels", JsonText, nullable=False),
    Column("options", JsonText, nullable=False),
    Column("remote", SafeText, nullable=False),
    Column("owner", SafeText, nullable=False),
    UniqueConstraint("id"),
    Index(None, "created"),
)

steps = Table(
    "couler_steps",
    metadata,
    _sequence(),
    _run(),
    Column("path", SafeText, nullable=False),
    Column("status", SafeText, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("attempts", Integer, nullable=False),
    Column("outputs", JsonText),
    Column("message", SafeText, nullable=False),
    Column("details", JsonText, nullable=False),
    UniqueConstraint("run", "path"),
)

attempts = Table(
    "couler_attempts",
    metadata,
    _sequence(),
    _run(),
    Column("path", SafeText, nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", SafeText, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("exit_code", BigNumber),
    Column("error", SafeText, nullable=False),
    Column("message", SafeText, nullable=False),
    Column("peak_memory", BigNumber),
    Column("cpu_seconds", Double),
    Column("wall_seconds", Double),
    Column("host", SafeText, nullable=False),
    Column("process", SafeText, nullable=False),
    UniqueConstraint("run", "path", "number"),
    Index(None, "path"),
)

events = Table(
    "couler_events",
    metadata,
    _sequence(),
    _run(),
    Column("time", Double, nullable=False),
    Column("kind", SafeText, nullable=False),
    Column("path", SafeText, nullable=False),
    Column("data", JsonText, nullable=False),
    Index(None, "run", "sequence"),
    sqlite_autoincrement=True,
)

requests = Table(
    "couler_requests",
    metadata,
    _sequence("id"),
    _run(),
    Column("time", Double, nullable=False),
    Column("kind", SafeText, nullable=False),
    Column("path", SafeText, nullable=False),
    Column("data", JsonText, nullable=False),
    Index(None, "run"),
    sqlite_autoincrement=True,
)

version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
"""The schema version. It has the form of alembic's table and is none of the tables of runs, so not in `metadata`."""
