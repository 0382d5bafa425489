"""S6: the history of a run is written once."""

from alembic import op

revision = "s6_trace_immutability"
down_revision = "m12_agent_skills"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_history_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the history of run % is immutable', OLD.run_id
                USING ERRCODE = 'restrict_violation';
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER status_history_is_immutable
            BEFORE UPDATE OR DELETE ON status_history
            FOR EACH ROW EXECUTE FUNCTION refuse_history_change()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER status_history_is_immutable ON status_history")
    op.execute("DROP FUNCTION refuse_history_change()")
