"""W2: who did what."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "w2_audit_events"
down_revision = "c2_prediction_hardening"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("detail", postgresql.JSONB, server_default="{}", nullable=False),
    )
    op.create_index("ix_audit_events_at", "audit_events", ["at"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_table("audit_events")
