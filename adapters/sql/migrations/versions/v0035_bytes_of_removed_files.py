"""The bytes of removed files, which earlier versions did not subtract from the usage of their tenant."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# Only entries of this action have a usage but no project.
_SUBTRACT = """
UPDATE usage_of_tenants SET stored_bytes = stored_bytes + COALESCE(
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
    """Add their bytes, which are negative, without the entries that the previous version posts later."""
    op.execute(_SUBTRACT)


def downgrade() -> None:
    """Change nothing: the sums are right for the previous version, too."""
