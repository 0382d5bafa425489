"""Workflow checkpoints: a run can go on where it stopped."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "001_workflow_checkpoints"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workflow_checkpoints",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("step", sa.String(64), nullable=False),
        sa.Column("state", postgresql.JSONB, server_default="{}", nullable=False),
        sa.UniqueConstraint("run_id", "step"),
    )
    op.create_index("ix_workflow_checkpoints_run", "workflow_checkpoints", ["run_id"])


def downgrade() -> None:
    op.drop_table("workflow_checkpoints")
