"""The run store over SQLite or PostgreSQL, by SQLAlchemy."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from couler.core.errors import NotFoundError, StoreError, near
from couler.runs import schema
from couler.runs.base import RunStore
from couler.runs.database import JSON_HINT, NOT_JSON, Database
from couler.runs.records import (
    REQUEST_KINDS,
    AttemptRecord,
    Changes,
    EventRecord,
    RequestRecord,
    RunRecord,
    StepRecord,
)
from couler.runs.tables import ATTEMPTS, EVENTS, REQUESTS, RUNS, STEPS, RecordTable, Row
from couler.runs.versions import prepare

R = TypeVar("R")
Batch = tuple[str, list[Row]]

_CHANGEABLE = frozenset(RUNS.stored) - {"id"}
_SHOWN_IDS = 5
_NEAR_IDS = 1000


class SqlRunStore(RunStore):
    """Runs in a database.

    SQLite keeps a write-ahead log that is not forced to the disk at each batch: a loss of power may take the last
    moments, and never damages what was before. PostgreSQL does what its server is set to.

    Args:
        url: SQLAlchemy URL of SQLite or PostgreSQL.

    Raises:
        StoreError: The database cannot be opened.
        StoreTooNewError: It was written by a newer couler.
        MissingExtraError: The driver of PostgreSQL is not installed.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        try:
            prepare(self._database)
        except BaseException:
            self._database.close()
            raise
        dialect = self._database.engine.dialect
        self._sql = {
            "couler_runs": RUNS.sql(dialect),
            "couler_steps": STEPS.sql(dialect),
            "couler_attempts": ATTEMPTS.sql(dialect),
            "couler_events": EVENTS.sql(dialect),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._database.shown!r})"

    def close(self) -> None:
        """Close the connections; see `RunStore.close`."""
        self._database.close()

    # --- runs ------------------------------------------------------------------------------------------------------

    def create_run(self, run: RunRecord) -> None:
        """Add a run; see `RunStore.create_run`."""
        batch = self._batch(RUNS, [run])
        try:
            self._database.write(lambda connection: _execute(connection, [batch]))
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                hint = "give the new run another id"
                raise StoreError(f"the run store has a run '{run.id}' already", hint) from None
            raise

    def update_run(self, run_id: str, **fields: Any) -> None:
        """Change fields of a run; see `RunStore.update_run`."""
        if unknown := sorted(fields.keys() - _CHANGEABLE):
            raise TypeError(f"a run has no field '{unknown[0]}' to change; {near(unknown[0], _CHANGEABLE, 'fields')}")
        if not fields:
            return
        statement = update(schema.runs).where(schema.runs.c.id == run_id).values(**fields)

        def work(connection: Connection) -> None:
            if connection.execute(statement).rowcount == 0:
                raise self._no_such_run(connection, run_id)

        self._database.write(work)

    def run(self, run_id: str) -> RunRecord:
        """The run with this id; see `RunStore.run`."""
        with self._database.reading() as connection:
            found = _read(connection, RUNS, RUNS.select().where(schema.runs.c.id == run_id))
            if not found:
                raise self._no_such_run(connection, run_id)
            return found[0]

    def runs(
        self, *, limit: int = 50, workflow: str | None = None, status: str | None = None, engine: str | None = None
    ) -> list[RunRecord]:
        """Runs, the newest first; see `RunStore.runs`."""
        wanted = {"workflow": workflow, "status": status, "engine": engine}
        statement = RUNS.select().filter_by(**{name: value for name, value in wanted.items() if value is not None})
        with self._database.reading() as connection:
            return _read(connection, RUNS, _newest_first(statement).limit(limit))

    def resolve(self, reference: str) -> str:
        """The id of the run that a person means; see `RunStore.resolve`."""
        with self._database.reading() as connection:
            if reference == "@latest":
                found = _ids(connection, 1)
                if not found:
                    raise NotFoundError(
                        "there is no latest run, because the store has no runs", "start one: couler run"
                    )
                return found[0]
            if _has_run(connection, reference):
                return reference
            found = _ids(connection, _SHOWN_IDS + 1, prefix=reference) if reference else []
            if len(found) == 1:
                return found[0]
            if found:
                shown = ", ".join(found[:_SHOWN_IDS]) + (", …" if len(found) > _SHOWN_IDS else "")
                raise NotFoundError(f"'{reference}' is the beginning of several runs: {shown}", "type more of the id")
            raise self._no_such_run(connection, reference)

    def delete_run(self, run_id: str) -> None:
        """Remove a run; see `RunStore.delete_run`."""

        def work(connection: Connection) -> None:
            if connection.execute(delete(schema.runs).where(schema.runs.c.id == run_id)).rowcount == 0:
                raise self._no_such_run(connection, run_id)

        self._database.write(work)

    # --- what happens in a run -------------------------------------------------------------------------------------

    def record(self, run_id: str, changes: Changes) -> None:
        """Store one transition; see `RunStore.record`."""
        batches = [
            self._batch(STEPS, changes.steps, run_id),
            self._batch(ATTEMPTS, changes.attempts, run_id),
            self._batch(EVENTS, changes.events, run_id),
        ]
        if not any(rows for _, rows in batches):
            return

        def work(connection: Connection) -> None:
            self._take_turn(connection, run_id)
            try:
                _execute(connection, batches)
            except IntegrityError:
                connection.rollback()
                raise self._no_such_run(connection, run_id) from None

        self._database.write(work)

    def steps(self, run_id: str) -> list[StepRecord]:
        """The step instances of a run; see `RunStore.steps`."""
        return self._of_run(STEPS, run_id, schema.steps.c.sequence)

    def step(self, run_id: str, path: str) -> StepRecord:
        """One step instance; see `RunStore.step`."""
        found = self._of_run(STEPS, run_id, schema.steps.c.sequence, schema.steps.c.path == path)
        if not found:
            known = [step.path for step in self.steps(run_id)]
            raise NotFoundError(f"run '{run_id}' has no step '{path}'", near(path, known, "steps"))
        return found[0]

    def attempts(self, run_id: str, path: str | None = None) -> list[AttemptRecord]:
        """The attempts of a run; see `RunStore.attempts`."""
        only = () if path is None else (schema.attempts.c.path == path,)
        return self._of_run(ATTEMPTS, run_id, schema.attempts.c.sequence, *only)

    def events(self, run_id: str, after: int = 0) -> list[EventRecord]:
        """The events of a run; see `RunStore.events`."""
        return self._of_run(EVENTS, run_id, schema.events.c.sequence, schema.events.c.sequence > after)

    def history(self, workflow: str, step_path: str, *, limit: int = 100) -> list[AttemptRecord]:
        """Attempts at a step in all runs of a workflow; see `RunStore.history`."""
        statement = (
            ATTEMPTS.select()
            .join(schema.runs, schema.runs.c.id == schema.attempts.c.run)
            .where(schema.runs.c.workflow == workflow, schema.attempts.c.path == step_path)
            .order_by(schema.attempts.c.sequence.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return _read(connection, ATTEMPTS, statement)

    # --- requests --------------------------------------------------------------------------------------------------

    def request(
        self,
        run_id: str,
        kind: str,
        path: str = "",
        data: Mapping[str, Any] | None = None,
        *,
        time: float | None = None,
    ) -> RequestRecord:
        """Leave a request for the driver of a run; see `RunStore.request`."""
        if kind not in REQUEST_KINDS:
            raise StoreError(f"a run cannot be asked to '{kind}'", near(kind, REQUEST_KINDS, "requests"))
        wish = RequestRecord(0, run_id, clock.time() if time is None else time, kind, path, dict(data or {}))
        values = {name: getattr(wish, name) for name in REQUESTS.stored}
        statement = schema.requests.insert().values(**values).returning(schema.requests.c.id)

        def work(connection: Connection) -> RequestRecord:
            try:
                number = connection.execute(statement).scalar_one()
            except IntegrityError:
                connection.rollback()
                raise self._no_such_run(connection, run_id) from None
            return RequestRecord(number, wish.run, wish.time, wish.kind, wish.path, wish.data)

        return self._database.write(work)

    def take_requests(self, run_id: str) -> list[RequestRecord]:
        """Claim the requests to a run; see `RunStore.take_requests`."""
        mine = schema.requests.c.run == run_id
        with self._database.reading() as connection:  # the usual answer is none, and costs no lock
            if connection.execute(select(schema.requests.c.id).where(mine).limit(1)).first() is None:
                return []
        statement = delete(schema.requests).where(mine).returning(*REQUESTS.columns)
        taken = self._database.write(lambda connection: REQUESTS.records(connection.execute(statement).all()))
        return sorted(taken, key=lambda request: request.id)

    # --- helpers ---------------------------------------------------------------------------------------------------

    def _batch(self, table: RecordTable[R], records: Sequence[R], run_id: str | None = None) -> Batch:
        for record in records:
            if run_id is not None and record.run != run_id:  # type: ignore[attr-defined]
                other = record.run  # type: ignore[attr-defined]
                raise StoreError(f"a batch for run '{run_id}' holds a record of run '{other}'", _ONE_RUN_HINT)
        try:
            return self._sql[table.table.name], [table.row(record) for record in records]
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError(f"a record for {table.table.name} {NOT_JSON}: {error}", JSON_HINT) from None

    def _of_run(self, table: RecordTable[R], run_id: str, order: Any, *conditions: Any) -> list[R]:
        statement = table.select().where(table.table.c.run == run_id, *conditions).order_by(order)
        with self._database.reading() as connection:
            found = _read(connection, table, statement)
            if not found and not _has_run(connection, run_id):
                raise self._no_such_run(connection, run_id)
            return found

    def _take_turn(self, connection: Connection, run_id: str) -> None:
        """Let writers to one run go one by one, so that no reader sees a later sequence before an earlier one."""
        if self._database.dialect == "sqlite":
            return  # where there is one writer at a time anyway
        statement = select(schema.runs.c.sequence).where(schema.runs.c.id == run_id).with_for_update(key_share=True)
        if connection.execute(statement).first() is None:
            raise self._no_such_run(connection, run_id)

    def _no_such_run(self, connection: Connection, run_id: str) -> NotFoundError:
        hint = near(run_id, _ids(connection, _NEAR_IDS)) or "`couler list` shows the runs"
        return NotFoundError(f"the run store {self._database.shown} has no run '{run_id}'", hint)


def _execute(connection: Connection, batches: list[Batch]) -> None:
    for sql, rows in batches:
        if rows:
            connection.exec_driver_sql(sql, rows)


def _read(connection: Connection, table: RecordTable[R], statement: Select[Any]) -> list[R]:
    return table.records(connection.execute(statement).all())


def _newest_first(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(schema.runs.c.created.desc(), schema.runs.c.sequence.desc())


def _ids(connection: Connection, limit: int, prefix: str = "") -> list[str]:
    statement = _newest_first(select(schema.runs.c.id)).limit(limit)
    if prefix:
        statement = statement.where(func.substr(schema.runs.c.id, 1, len(prefix)) == prefix)
    return list(connection.execute(statement).scalars())


def _has_run(connection: Connection, run_id: str) -> bool:
    return connection.execute(select(schema.runs.c.sequence).where(schema.runs.c.id == run_id)).first() is not None


_ONE_RUN_HINT = "record the changes of each run by themselves"
