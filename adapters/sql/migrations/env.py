"""Alembic's environment: runs the migrations on the connection from adapters.sql.alembic_runner."""

from alembic import context

from adapters.sql.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
