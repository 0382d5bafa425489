"""The registry of knowledge planes, with its first rows."""

import sqlalchemy as sa
from alembic import op

revision = "122_knowledge_plane_registry"
down_revision = "120_add_is_frozen_and_its_index_to_agents"
branch_labels = None
depends_on = None


def upgrade() -> None:
    planes = op.create_table(
        "knowledge_planes",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("description", sa.Text, nullable=False),
    )
    op.bulk_insert(
        planes,
        [
            {"name": "facts", "description": "what was observed"},
            {"name": "policies", "description": "what was decided"},
        ],
    )


def downgrade() -> None:
    op.drop_table("knowledge_planes")
