"""What came of tests."""

import sqlalchemy as sa
from alembic import op

revision = "123_test_results"
down_revision = "122_knowledge_plane_registry"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "test_results",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        # no foreign key: the run can be in another database than what came of testing it
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("capability", sa.String(64), nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("test_results")
