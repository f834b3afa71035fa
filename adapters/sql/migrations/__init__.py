"""Alembic migrations of the database's tables."""
