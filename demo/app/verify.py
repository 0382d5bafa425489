"""Tests what production has done: reads capabilities and the history of runs, writes test results.

An ordinary SQLAlchemy program. That its reads go to one database and its writes to another is in
its `DATABASE_URL` alone.
"""

from sqlalchemy import BigInteger, Identity, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, selectinload, sessionmaker

from .db import Capability, Run, connect

# a commit would make SQLAlchemy read again what it has written, where it is not
Session = sessionmaker(connect(), expire_on_commit=False)


class Local(DeclarativeBase):
    """Tables that are written and not read. Migrations make them, as any other."""


class TestResult(Local):
    """What came of testing a capability on a run."""

    __tablename__ = "test_results"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run_id: Mapped[int]
    capability: Mapped[str] = mapped_column(String(64))
    passed: Mapped[bool]


def main() -> None:
    """Tests every capability on every run that used it, and says what it read and wrote."""
    with Session() as session:
        capabilities = session.scalars(select(Capability).order_by(Capability.name)).all()
        runs = session.scalars(select(Run).order_by(Run.id).options(selectinload(Run.history))).all()
        results = [
            TestResult(run_id=run.id, capability=name, passed=run.history[-1].status == "done")
            for run in runs
            for name in (capability.name for capability in capabilities)
            if name in run.plan["steps"]
        ]
        session.add_all(results)
        session.commit()
        passed = sum(result.passed for result in results)
    print(f"read {len(capabilities)} capabilities and the history of {len(runs)} runs, "
          f"wrote {len(results)} test results, {passed} passed")  # fmt: skip


if __name__ == "__main__":
    main()
