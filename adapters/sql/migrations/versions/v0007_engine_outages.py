"""The language of an execution, and the time since which its engine has been unable to start it."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import UtcDateTime, symbol

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INDEX = "ix_executions_language"
_INDEXED = ("state", "language", "precedence", "requested_at", "execution_id", "deferred_since")


def upgrade() -> None:
    """Add the columns and their index. The previous version keeps working."""
    op.add_column("executions", sa.Column("language", symbol(32)))
    op.add_column("executions", sa.Column("deferred_since", UtcDateTime()))
    op.execute(
        "UPDATE executions SET language ="
        " (SELECT jobs.language FROM jobs WHERE jobs.job_id = executions.job_id) WHERE state = 'WAITING'"
    )
    op.create_index(_INDEX, "executions", _INDEXED)


def downgrade() -> None:
    """Drop the columns and the index."""
    op.drop_index(_INDEX, "executions")
    op.drop_column("executions", "deferred_since")
    op.drop_column("executions", "language")
