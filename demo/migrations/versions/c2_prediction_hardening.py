"""C2: a prediction says who made it, and is never a fact."""

import sqlalchemy as sa
from alembic import op

revision = "c2_prediction_hardening"
down_revision = "pb_s2_crashed_status"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "predictions",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("is_advisory", sa.Boolean, server_default="true", nullable=False),
        sa.CheckConstraint("is_advisory", name="predictions_are_advisory"),
    )
    op.execute("COMMENT ON TABLE predictions IS 'advice, never evidence'")


def downgrade() -> None:
    op.drop_table("predictions")
