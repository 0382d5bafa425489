"""W2: the servers that agents may call."""

import sqlalchemy as sa
from alembic import op

revision = "119_w2_mcp_servers"
down_revision = "w2_budget_envelopes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mcp_servers",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("url", sa.Text, nullable=False, unique=True),
        sa.Column("trusted", sa.Boolean, server_default="false", nullable=False),
    )


def downgrade() -> None:
    op.drop_table("mcp_servers")
