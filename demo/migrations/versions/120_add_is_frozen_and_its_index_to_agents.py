"""An agent can be frozen."""

import sqlalchemy as sa
from alembic import op

revision = "120_add_is_frozen_and_its_index_to_agents"
down_revision = "119_w2_mcp_servers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "agents",
        sa.Column("is_frozen", sa.Boolean, server_default="false", nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_agents_frozen", "agents", ["is_frozen"], if_not_exists=True)


def downgrade() -> None:
    op.drop_index("ix_agents_frozen", "agents")
