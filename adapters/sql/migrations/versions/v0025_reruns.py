"""For each rerun, the job that it runs again."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Guid

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    """Add a table. The previous version keeps working."""
    op.create_table(
        "job_reruns",
        sa.Column("job_id", Guid, primary_key=True),
        sa.Column("rerun_of", Guid, nullable=False),
        sa.Index("ix_job_reruns_rerun_of", "rerun_of", "job_id"),
        **_OPTIONS,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("job_reruns")
