"""Version 0001: runs, steps, attempts, events and requests."""

from __future__ import annotations

import sqlalchemy as sa

from couler.runs.migrations.migration import Migration

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create_tables(connection: sa.Connection) -> None:
    """Create the first tables with their indexes."""
    metadata = sa.MetaData()
    _runs(metadata)
    _steps(metadata)
    _attempts(metadata)
    _events(metadata)
    _requests(metadata)
    metadata.create_all(connection, checkfirst=False)


def _runs(metadata: sa.MetaData) -> None:
    sa.Table(
        "couler_runs",
        metadata,
        _sequence(),
        _text("id"),
        _text("workflow"),
        _text("engine"),
        _text("status"),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("started", sa.Double()),
        sa.Column("ended", sa.Double()),
        _text("parameters"),
        sa.Column("outputs", sa.Text()),
        _text("document"),
        _text("message"),
        _text("labels"),
        _text("options"),
        _text("remote"),
        _text("owner"),
        sa.PrimaryKeyConstraint("sequence", name="pk_couler_runs"),
        sa.UniqueConstraint("id", name="uq_couler_runs_id"),
        sa.Index("ix_couler_runs_created", "created"),
    )


def _steps(metadata: sa.MetaData) -> None:
    sa.Table(
        "couler_steps",
        metadata,
        _sequence(),
        _text("run"),
        _text("path"),
        _text("status"),
        sa.Column("started", sa.Double()),
        sa.Column("ended", sa.Double()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("outputs", sa.Text()),
        _text("message"),
        _text("details"),
        sa.PrimaryKeyConstraint("sequence", name="pk_couler_steps"),
        _belongs_to_run("couler_steps"),
        sa.UniqueConstraint("run", "path", name="uq_couler_steps_run"),
    )


def _attempts(metadata: sa.MetaData) -> None:
    sa.Table(
        "couler_attempts",
        metadata,
        _sequence(),
        _text("run"),
        _text("path"),
        sa.Column("number", sa.Integer(), nullable=False),
        _text("status"),
        sa.Column("started", sa.Double()),
        sa.Column("ended", sa.Double()),
        sa.Column("exit_code", Number),
        _text("error"),
        _text("message"),
        sa.Column("peak_memory", Number),
        sa.Column("cpu_seconds", sa.Double()),
        sa.Column("wall_seconds", sa.Double()),
        _text("host"),
        _text("process"),
        sa.PrimaryKeyConstraint("sequence", name="pk_couler_attempts"),
        _belongs_to_run("couler_attempts"),
        sa.UniqueConstraint("run", "path", "number", name="uq_couler_attempts_run"),
    )


def _events(metadata: sa.MetaData) -> None:
    sa.Table(
        "couler_events",
        metadata,
        _sequence(),
        _text("run"),
        sa.Column("time", sa.Double(), nullable=False),
        _text("kind"),
        _text("path"),
        _text("data"),
        sa.PrimaryKeyConstraint("sequence", name="pk_couler_events"),
        _belongs_to_run("couler_events"),
        sa.Index("ix_couler_events_run", "run", "sequence"),
        sqlite_autoincrement=True,
    )


def _requests(metadata: sa.MetaData) -> None:
    sa.Table(
        "couler_requests",
        metadata,
        _sequence("id"),
        _text("run"),
        sa.Column("time", sa.Double(), nullable=False),
        _text("kind"),
        _text("path"),
        _text("data"),
        sa.PrimaryKeyConstraint("id", name="pk_couler_requests"),
        _belongs_to_run("couler_requests"),
        sa.Index("ix_couler_requests_run", "run"),
        sqlite_autoincrement=True,
    )


def _sequence(name: str = "sequence") -> sa.Column[int]:
    return sa.Column(name, Number, autoincrement=True, nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _belongs_to_run(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["run"], ["couler_runs.id"], name=f"fk_{table}_run_couler_runs", ondelete="CASCADE")


RUNS = Migration("0001", "Runs, steps, attempts, events and requests.", create_tables)
