"""Alembic's entry: runs the steps on the connection that adapters.sql.alembic_runner gives it."""

from alembic import context

from adapters.sql.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
