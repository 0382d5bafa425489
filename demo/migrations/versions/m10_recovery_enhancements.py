"""M10: candidates for recovery, and what was done about them."""

import sqlalchemy as sa
from alembic import op

revision = "m10_recovery_enhancements"
down_revision = "002_run_priorities"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recovery_candidates",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("confidence", sa.Numeric(4, 3), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_is_a_probability"),
    )
    op.create_index(
        "ix_recovery_open",
        "recovery_candidates",
        ["run_id"],
        postgresql_where=sa.text("decided_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("recovery_candidates")
