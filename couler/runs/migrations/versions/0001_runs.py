"""Runs, steps, attempts, events and requests."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "couler_runs",
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
    )
    op.create_index("ix_couler_runs_created", "couler_runs", ["created"])
    op.create_table(
        "couler_steps",
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
    op.create_table(
        "couler_attempts",
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
    op.create_table(
        "couler_events",
        _sequence(),
        _text("run"),
        sa.Column("time", sa.Double(), nullable=False),
        _text("kind"),
        _text("path"),
        _text("data"),
        sa.PrimaryKeyConstraint("sequence", name="pk_couler_events"),
        _belongs_to_run("couler_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_couler_events_run", "couler_events", ["run", "sequence"])
    op.create_table(
        "couler_requests",
        sa.Column("id", Number, autoincrement=True, nullable=False),
        _text("run"),
        sa.Column("time", sa.Double(), nullable=False),
        _text("kind"),
        _text("path"),
        _text("data"),
        sa.PrimaryKeyConstraint("id", name="pk_couler_requests"),
        _belongs_to_run("couler_requests"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_couler_requests_run", "couler_requests", ["run"])


def _sequence() -> sa.Column[int]:
    return sa.Column("sequence", Number, autoincrement=True, nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _belongs_to_run(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["run"], ["couler_runs.id"], name=f"fk_{table}_run_couler_runs", ondelete="CASCADE")
