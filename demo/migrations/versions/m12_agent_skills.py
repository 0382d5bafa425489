"""M12: what an agent can do."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "m12_agent_skills"
down_revision = "m10_recovery_enhancements"
branch_labels = None
depends_on = None


def upgrade() -> None:
    level = postgresql.ENUM("novice", "able", "expert", name="skill_level")
    op.create_table(
        "agent_skills",
        sa.Column("agent_id", sa.Integer, sa.ForeignKey("agents.id"), primary_key=True),
        sa.Column("skill", sa.String(64), primary_key=True),
        sa.Column("level", level, server_default="able", nullable=False),
    )


def downgrade() -> None:
    op.drop_table("agent_skills")
    op.execute("DROP TYPE skill_level")
