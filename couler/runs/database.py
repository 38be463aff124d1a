"""A database by URL: connections that several threads and processes may use, and errors in words."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError

from couler.core.errors import ConfigError, CoulerError, MissingExtraError, StoreError

T = TypeVar("T")

BUSY_SECONDS = 30.0
"""How long a writer waits for another process to finish its batch."""

CONNECT_SECONDS = 10
"""How long a database server may take to answer; ``?connect_timeout=`` in the URL says otherwise."""

NOT_JSON = "holds a value that is not JSON"
JSON_HINT = "keep only null, bool, int, finite float, str, list and dict"

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}

_CAUSES = (
    ("disk is full", "free some space on the disk and try again; nothing that was stored is lost"),
    ("disk i/o error", "the disk refuses to write: look at its free space, quota and health, then try again"),
    ("no space left", "free some space on the disk and try again; nothing that was stored is lost"),
    ("not a database", "this file is damaged or no run store: move it away, and couler starts a new one in its place"),
    ("malformed", "the file is damaged: restore a copy, or move it away, and couler starts a new one in its place"),
    ("readonly", "you may not write there: change the permissions, or name another store with COULER_STORE"),
    ("read-only", "you may not write there: change the permissions, or name another store with COULER_STORE"),
    ("unable to open", "look whether the folder exists and may be written, or name another store with COULER_STORE"),
    ("permission denied", "you may not write there: change the permissions, or name another store with COULER_STORE"),
    ("locked", "another process holds the store in a long write: stop it or wait, then try again"),
    ("password authentication failed", "look at the user and the password in the store's URL"),
    ("timeout", "look whether the database server runs and can be reached from here"),
    ("connection refused", "start the database server, or look at host and port in the store's URL"),
    ("does not exist", "create the database, or look at its name in the store's URL"),
)


class Database:
    """One database: pooled connections for reading, and one for writing that all threads take in turn.

    Writers of one process wait for each other at a lock, which wakes at once; the database's own waiting, which is for
    other processes, polls.
    """

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.shown = shown(self.url)
        self.engine = _engine(self.url)
        self.dialect = self.engine.dialect.name
        self._lock = threading.RLock()
        self._writer: Connection | None = None
        self._process = os.getpid()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading.

        Raises:
            StoreError: The database cannot be read.
        """
        with self._in_words("read"):
            self._survive_fork()
            with self.engine.connect() as connection:
                yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in one transaction: stored when this returns, and undone when it raises.

        Raises:
            StoreError: The database cannot be written.
        """
        with self._lock, self._in_words("written"):
            self._survive_fork()
            try:
                return self._transaction(work)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            return self._transaction(work)  # the server went away before anything was sent to be stored: once more

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            self._drop_writer()
            self.engine.dispose()

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        connection = self._writing()
        try:
            result = work(connection)
        except BaseException as error:
            if isinstance(error, CoulerError):
                connection.rollback()
            else:
                self._drop_writer()
            raise
        try:
            connection.commit()
        except DBAPIError as error:
            self._drop_writer()
            error.connection_invalidated = False  # perhaps stored, so it must not be done again
            raise
        return result

    def _writing(self) -> Connection:
        if self._writer is None:
            self._writer = self.engine.connect()
        return self._writer

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.invalidate()
            writer.close()

    def _survive_fork(self) -> None:
        if self._process != os.getpid():
            self._process = os.getpid()
            self._writer = None
            self.engine.dispose(close=False)  # these connections are the parent's

    @contextmanager
    def _in_words(self, done: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OverflowError) as error:  # sqlite3 raises the latter for integers over 64 bits
            raise store_error(error, self.shown, done) from error


def parse_url(url: str) -> URL:
    """A URL with the driver that couler uses.

    Raises:
        ConfigError: It is no URL of SQLite or PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError("the run store's URL cannot be read", _URL_HINT) from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise ConfigError(f"the run store cannot be kept in '{parsed.drivername}'", _URL_HINT)
    if driver.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise ConfigError("a run store in memory would be lost with its process, so it needs a file", _URL_HINT)
    return parsed.set(drivername=driver)


_URL_HINT = "write sqlite:///folder/runs.db or postgresql://user:password@host:5432/database"


def shown(url: URL) -> str:
    """The URL for people: without password and options.

    >>> shown(make_url("postgresql+psycopg://me:secret@db/runs?password=secret"))
    'postgresql://me@db/runs'
    """
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    plain = url.set(drivername=url.get_backend_name(), query={})
    return plain._replace(password=None).render_as_string()


def store_error(error: Exception, where: str, done: str) -> StoreError:
    """The error of a database in words."""
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        return StoreError(f"a change for the run store {where} {NOT_JSON}: {error.orig}", JSON_HINT)
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    lower = reason.lower()
    hint = next((hint for sign, hint in _CAUSES if sign in lower), "look at the reason above; nothing was changed")
    return StoreError(f"the run store {where} cannot be {done}: {reason}", hint)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    arguments = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS}
    try:
        return create_engine(
            url,
            connect_args=arguments,
            hide_parameters=True,
            max_overflow=-1,
            paramstyle="format",
            pool_pre_ping=True,
        )
    except ImportError:
        raise MissingExtraError("a run store in PostgreSQL", "postgres") from None


def _sqlite_engine(url: URL) -> Engine:
    # IMMEDIATE takes the write lock when a transaction starts, where SQLite waits for it; halfway it would fail at once
    arguments: dict[str, Any] = {"timeout": BUSY_SECONDS, "isolation_level": "IMMEDIATE", "check_same_thread": False}
    engine = create_engine(url, hide_parameters=True, connect_args=arguments, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine
