"""The nineteen tables that the application owns, as SQLModel, and how it creates them."""

import os

import sqlalchemy as sa
from sqlmodel import Field, SQLModel, create_engine


class Agent(SQLModel, table=True):
    __tablename__ = "agents"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=64, unique=True)
    is_frozen: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})


class Run(SQLModel, table=True):
    __tablename__ = "runs"
    id: int | None = Field(default=None, primary_key=True)
    agent_id: int = Field(foreign_key="agents.id")
    # a migration adds this one, at the end of the table
    priority: int = Field(default=0, index=True, sa_column_kwargs={"server_default": "0"})
    status: str = Field(default="queued", max_length=16)


def owned(name: str) -> type:
    """A table of the usual columns."""
    fields = {
        "__tablename__": name,
        "__module__": __name__,
        "__annotations__": {"id": int | None, "note": str, "at": str | None},
        "id": Field(default=None, primary_key=True),
        "note": Field(sa_type=sa.Text),
        "at": Field(default=None, max_length=32),
    }
    return type(SQLModel)(name, (SQLModel,), fields, table=True)


for table in (
    "approval_requests", "cost_anomalies", "cost_breach_history", "cost_budgets",
    "cost_daily_aggregates", "cost_drift_tracking", "cost_records", "costsim_cb_incidents",
    "costsim_cb_state", "failure_matches", "feature_flags", "feature_tags", "memories",
    "policy_approval_levels", "provenance", "sdsr_incidents", "status_history",
):  # fmt: skip
    owned(table)


def init_db() -> None:
    """Creates every table that is not there yet."""
    SQLModel.metadata.create_all(create_engine(os.environ["DATABASE_URL"]))
