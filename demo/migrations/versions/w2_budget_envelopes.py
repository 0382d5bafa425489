"""W2: budgets in envelopes."""

import sqlalchemy as sa
from alembic import op

revision = "w2_budget_envelopes"
down_revision = "w2_audit_events"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget_envelopes",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("budget_id", sa.Integer, sa.ForeignKey("cost_budgets.id"), nullable=False),
        sa.Column("amount", sa.Numeric(12, 4), nullable=False),
    )
    op.execute(
        """
        CREATE VIEW budget_left AS
        SELECT budget.id, budget.daily_limit - coalesce(sum(envelope.amount), 0) AS amount
        FROM cost_budgets AS budget
        LEFT JOIN budget_envelopes AS envelope ON envelope.budget_id = budget.id
        GROUP BY budget.id
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW budget_left")
    op.drop_table("budget_envelopes")
