"""An index of code keys that imported jobs may share. The previous version keeps working."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an index. On databases with partial indexes, it omits keys that belong to a single job."""
    op.create_index(
        "ix_jobs_code",
        "jobs",
        ["code_key"],
        mysql_length={"code_key": 64},
        sqlite_where=sa.text("instr(code_key, job_id) = 0"),
    )


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_jobs_code", "jobs")
