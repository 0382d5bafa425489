"""Post-baseline, S2: a run can have crashed."""

from alembic import op

revision = "pb_s2_crashed_status"
down_revision = "s6_trace_immutability"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_check_constraint(
        "runs_status_is_known",
        "runs",
        "status IN ('queued', 'running', 'done', 'failed', 'crashed')",
    )
    op.execute("UPDATE runs SET status = 'crashed' WHERE status = 'failed' AND started_at IS NULL")


def downgrade() -> None:
    op.drop_constraint("runs_status_is_known", "runs")
