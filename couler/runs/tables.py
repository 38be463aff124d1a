"""Records as rows: statements that are compiled once, so that the hot path only encodes and executes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import Dialect, Insert, Select, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from couler.runs import schema
from couler.runs.codec import encode_json, encode_text
from couler.runs.records import AttemptRecord, EventRecord, RequestRecord, RunRecord, StepRecord

R = TypeVar("R")
Row = tuple[Any, ...]

_ENCODERS: dict[type, Callable[[Any], Any]] = {schema.SafeText: encode_text, schema.JsonText: encode_json}
_INSERTS: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class RecordTable(Generic[R]):
    """A record type and its table.

    Args:
        record: A dataclass whose fields are columns of the table.
        table: The table; columns that are no fields are the database's own.
        key: Columns that identify a row; a row with the same key is replaced. Without them rows are only added.
        generated: Fields whose values the database gives.
    """

    def __init__(self, record: type[R], table: Table, key: Sequence[str] = (), generated: Sequence[str] = ()) -> None:
        names = [field.name for field in dataclasses.fields(record)]  # type: ignore[arg-type]
        self.record = record
        self.table = table
        self.key = tuple(key)
        self.columns = [table.c[name] for name in names]
        self.stored = [name for name in names if name not in generated]
        self._values = attrgetter(*self.stored)
        self._encoders = [
            (position, _ENCODERS[type(table.c[name].type)])
            for position, name in enumerate(self.stored)
            if type(table.c[name].type) in _ENCODERS
        ]

    def row(self, record: R) -> Row:
        """The encoded values of a record, in the order of `sql`'s placeholders."""
        values = list(self._values(record))
        for position, encode in self._encoders:
            values[position] = encode(values[position])
        return tuple(values)

    def sql(self, dialect: Dialect) -> str:
        """The text of the statement that stores a row, with positional placeholders."""
        compiled = self._insert(dialect.name).compile(dialect=dialect, column_keys=self.stored)
        if list(compiled.positiontup or ()) != self.stored:  # pragma: no cover - a change in SQLAlchemy
            raise AssertionError(f"placeholders {compiled.positiontup} do not follow the fields {self.stored}")
        return str(compiled)

    def select(self) -> Select[Any]:
        """All columns of the record, in the order of its fields."""
        return select(*self.columns)

    def records(self, rows: Sequence[Any]) -> list[R]:
        """Records from rows of `select`."""
        return [self.record(*row) for row in rows]

    def _insert(self, dialect: str) -> Insert:
        insert = _INSERTS[dialect](self.table).inline()
        if self.key:
            changing = {name: insert.excluded[name] for name in self.stored if name not in self.key}
            insert = insert.on_conflict_do_update(index_elements=list(self.key), set_=changing)
        statement: Insert = insert
        return statement


RUNS = RecordTable(RunRecord, schema.runs)
STEPS = RecordTable(StepRecord, schema.steps, key=("run", "path"))
ATTEMPTS = RecordTable(AttemptRecord, schema.attempts, key=("run", "path", "number"))
EVENTS = RecordTable(EventRecord, schema.events, generated=("sequence",))
REQUESTS = RecordTable(RequestRecord, schema.requests, generated=("id",))
