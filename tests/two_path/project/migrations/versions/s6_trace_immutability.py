"""What has been is not changed any more."""

from alembic import op

revision = "s6_trace_immutability"
down_revision = "002_add_a_priority_and_its_index_to_runs"


def upgrade() -> None:
    op.execute(
        """
        CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'history is immutable';
        END
        $$
        """
    )
    op.execute(
        """
        CREATE OR REPLACE TRIGGER status_history_is_immutable
            BEFORE UPDATE OR DELETE ON status_history
            FOR EACH ROW EXECUTE FUNCTION refuse_change()
        """
    )
