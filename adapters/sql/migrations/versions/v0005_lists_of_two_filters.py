"""Indexes by a job's language and status, for lists that filter by both."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The names are kept, because the previous version uses them in its statements.
_KEYS = {
    "ix_jobs_language": ("language", "status", "created_at", "job_id"),
    "ix_jobs_project_language": ("project_id", "language", "status", "created_at", "job_id"),
}


def upgrade() -> None:
    """Add the status to the indexes of languages. The previous version keeps working."""
    _replace({name: list(key) for name, key in _KEYS.items()})


def downgrade() -> None:
    """Remove the status from the indexes."""
    _replace({name: [column for column in key if column != "status"] for name, key in _KEYS.items()})


def _replace(indexes: dict[str, list[str]]) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, columns in indexes.items():
            op.drop_index(name, "jobs")
            op.create_index(name, "jobs", columns)
        return
    # A single statement, so that the indexes are never missing.
    changes = (
        f"DROP INDEX {name}, ADD INDEX {name} ({', '.join(columns)})" for name, columns in indexes.items()
    )
    op.execute(f"ALTER TABLE jobs {', '.join(changes)}")
