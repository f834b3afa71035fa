"""The steps that bring a database's tables to their present form, as Alembic scripts."""
