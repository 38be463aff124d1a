"""What alembic runs to bring a run store to another schema version, on a connection that couler hands in.

To write the next migration: change `couler.runs.schema`, add a file in ``versions``, and its number to
``KNOWN_VERSIONS``.
"""

from alembic import context

from couler.runs.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
