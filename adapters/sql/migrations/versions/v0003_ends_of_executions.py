"""An index to find the executions that ended last."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# From "2026-01-01 12:00:00[.123456]+00:00" to "2026-01-01T12:00:00.123456Z".
_SQLITE_FORM = """
UPDATE executions
SET ended_at = substr(ended_at, 1, 10) || 'T' || substr(ended_at, 12, 8)
    || CASE WHEN substr(ended_at, 20, 1) = '.' THEN substr(ended_at, 20, 7) ELSE '.000000' END || 'Z'
WHERE substr(ended_at, 11, 1) = ' '
"""


def upgrade() -> None:
    """Create the index, and on SQLite convert the times to the format that sorts by time."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_SQLITE_FORM)
    op.create_index("ix_executions_ended", "executions", ["ended_at"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_executions_ended", "executions")
