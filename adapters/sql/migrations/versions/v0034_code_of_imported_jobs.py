"""An index of the code keys that several imported jobs may have. Processes of the version before go on."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an index, which leaves keys that belong to one job alone out where a database can."""
    op.create_index(
        "ix_jobs_code",
        "jobs",
        ["code_key"],
        mysql_length={"code_key": 64},
        sqlite_where=sa.text("instr(code_key, job_id) = 0"),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_jobs_code", "jobs")
