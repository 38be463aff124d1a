"""Attempts at a step are found in all runs without reading every attempt."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the index that the history of a step needs."""
    op.create_index("ix_couler_attempts_path", "couler_attempts", ["path"])
