"""The time of the last work of a project, and indexes for lists of projects by that and by name."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.database_time import long_ago
from adapters.sql.types import UtcDateTime

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# Its last job's time, in the index of its jobs.
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
    """Add a column and the indexes. Processes of the version before go on, and leave the column out."""
    op.add_column("projects", sa.Column("active_at", UtcDateTime, server_default=long_ago(), nullable=False))
    op.execute(_FILL)
    op.create_index("ix_projects_active", "projects", ["tenant", "active_at", "project_id"])
    op.create_index("ix_projects_name", "projects", ["tenant", "live_name", "project_id"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_projects_name", "projects")
    op.drop_index("ix_projects_active", "projects")
    op.drop_column("projects", "active_at")
