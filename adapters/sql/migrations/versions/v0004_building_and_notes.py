"""The start of an execution's build, the compiler's output, and notes."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Json, LongText, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = {
    "building_at": UtcDateTime(),
    "notes": Json(),
    "result_notes": Json(),
    "compile_output": LongText(),
    "compile_output_bytes": sa.BigInteger(),
    "compile_output_truncated": sa.Boolean(),
}


def upgrade() -> None:
    """Add the columns. The previous version keeps working."""
    for name, kind in _COLUMNS.items():
        op.add_column("executions", sa.Column(name, kind))


def downgrade() -> None:
    """Drop the columns."""
    for name in _COLUMNS:
        op.drop_column("executions", name)
