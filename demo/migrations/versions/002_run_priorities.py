"""Runs have priorities."""

import sqlalchemy as sa
from alembic import op

revision = "002_run_priorities"
down_revision = "001_workflow_checkpoints"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "runs",
        sa.Column("priority", sa.Integer, server_default="0", nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_runs_priority", "runs", ["priority"], if_not_exists=True)


def downgrade() -> None:
    op.drop_index("ix_runs_priority", "runs")
