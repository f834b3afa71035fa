"""The time of a project's last activity, and indexes for lists of projects by activity and by name."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.database_time import long_ago
from adapters.sql.types import UtcDateTime

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# Sets the time of the project's last job, which the index of jobs yields.
_FILL = """
UPDATE projects SET active_at = COALESCE(
    (
        SELECT jobs.created_at FROM jobs WHERE jobs.project_id = projects.project_id
        ORDER BY jobs.created_at DESC LIMIT 1
    ),
    created_at
)
"""


def upgrade() -> None:
    """Add a column and the indexes. The previous version keeps working, but does not set the column."""
    op.add_column("projects", sa.Column("active_at", UtcDateTime, server_default=long_ago(), nullable=False))
    op.execute(_FILL)
    op.create_index("ix_projects_active", "projects", ["tenant", "active_at", "project_id"])
    op.create_index("ix_projects_name", "projects", ["tenant", "live_name", "project_id"])


def downgrade() -> None:
    """Drop the column and the indexes."""
    op.drop_index("ix_projects_name", "projects")
    op.drop_index("ix_projects_active", "projects")
    op.drop_column("projects", "active_at")
