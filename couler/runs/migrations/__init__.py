"""What brought the schema of the run store from version to version.

To write the next one: change `couler.runs.schema` and its ``KNOWN_VERSIONS``, add a file beside these, and name it
here.
"""

from couler.runs.migrations.migration import Migration
from couler.runs.migrations.v0001_runs import RUNS
from couler.runs.migrations.v0002_history import HISTORY

MIGRATIONS = (RUNS, HISTORY)
"""All migrations, oldest first."""

__all__ = ["MIGRATIONS", "Migration"]
