"""A priority for runs."""

import sqlalchemy as sa
from alembic import op

revision = "002_add_a_priority_and_its_index_to_runs"
down_revision = "001_core_tables"


def upgrade() -> None:
    op.add_column(
        "runs",
        sa.Column("priority", sa.Integer, server_default="0", nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_runs_priority", "runs", ["priority"], if_not_exists=True)
