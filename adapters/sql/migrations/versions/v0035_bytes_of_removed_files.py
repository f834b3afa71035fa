"""The bytes of removed files, which earlier versions did not subtract from the usage of their tenant."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# Only entries of this action have a usage, which is negative, but no project.
_CORRECT = """
UPDATE usage_of_tenants SET stored_bytes = stored_bytes {sign} COALESCE(
    (
        SELECT SUM(audit_ledger.stored_bytes) FROM audit_ledger
        WHERE audit_ledger.tenant = usage_of_tenants.tenant AND audit_ledger.act = 'files.remove'
            AND audit_ledger.project_id IS NULL
    ),
    0
)
WHERE period = 'all'
"""


def upgrade() -> None:
    """Count the bytes of these entries, without the entries that the previous version posts later."""
    op.execute(_CORRECT.format(sign="+"))


def downgrade() -> None:
    """Count them as the previous version does, so that another upgrade counts each of them once."""
    op.execute(_CORRECT.format(sign="-"))
