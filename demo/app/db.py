"""The tables that the application owns, and how it creates them.

`init_db()` is the bootstrap of an empty database. What came later lives in `migrations/`; columns
that a migration adds to one of these tables are in the models too, as in any project of some age.
"""

import os
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Numeric, String, create_engine, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """Every table of the application."""


class Agent(Base):
    """Somebody who does the work."""

    __tablename__ = "agents"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    is_frozen: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    runs: Mapped[list["Run"]] = relationship(back_populates="agent")


class Run(Base):
    """One piece of work of an agent."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    status: Mapped[str] = mapped_column(String(16), server_default="queued")
    priority: Mapped[int] = mapped_column(server_default="0")
    plan: Mapped[dict] = mapped_column(JSONB, server_default="{}")
    started_at: Mapped[datetime | None]

    agent: Mapped[Agent] = relationship(back_populates="runs")
    history: Mapped[list["StatusHistory"]] = relationship(order_by="StatusHistory.id")


class StatusHistory(Base):
    """What a run has been through."""

    __tablename__ = "status_history"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    status: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Capability(Base):
    """What agents can do, and how far that is trusted."""

    __tablename__ = "capabilities"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    status: Mapped[str] = mapped_column(String(16), server_default="declared")


class CostBudget(Base):
    """What an agent may spend in a day."""

    __tablename__ = "cost_budgets"

    id: Mapped[int] = mapped_column(primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"), unique=True)
    daily_limit: Mapped[Decimal] = mapped_column(Numeric(12, 4))


class CostRecord(Base):
    """What a run has cost."""

    __tablename__ = "cost_records"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 4))


class Memory(Base):
    """What an agent remembers."""

    __tablename__ = "memories"

    id: Mapped[int] = mapped_column(primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    text: Mapped[str]


class FeatureFlag(Base):
    """A switch."""

    __tablename__ = "feature_flags"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    enabled: Mapped[bool] = mapped_column(server_default="false")


def connect():
    """An engine for `DATABASE_URL`."""
    return create_engine(os.environ["DATABASE_URL"])


def init_db() -> None:
    """Creates every table that is not there yet."""
    Base.metadata.create_all(connect())
