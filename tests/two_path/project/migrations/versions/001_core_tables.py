"""The application's tables, where its bootstrap has not made them already."""

import sqlalchemy as sa
from alembic import op

revision = "001_core_tables"
down_revision = None

USUAL = (
    "approval_requests", "cost_anomalies", "cost_breach_history", "cost_budgets",
    "cost_daily_aggregates", "cost_drift_tracking", "cost_records", "costsim_cb_incidents",
    "costsim_cb_state", "failure_matches", "feature_flags", "feature_tags", "memories",
    "policy_approval_levels", "provenance", "sdsr_incidents", "status_history",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("is_frozen", sa.Boolean, nullable=False, server_default="false"),
        if_not_exists=True,
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("agent_id", sa.Integer, sa.ForeignKey("agents.id"), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        if_not_exists=True,
    )
    for name in USUAL:
        op.create_table(
            name,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("note", sa.Text, nullable=False),
            sa.Column("at", sa.String(32)),
            if_not_exists=True,
        )
