"""What spans both places: reads the runs that production has, writes test results locally.

An ordinary SQLAlchemy program; that its reads and writes go to different databases is in its
`DATABASE_URL` alone. `expire_on_commit=False`, since what it has written cannot be read back.
"""

from sqlalchemy import String, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, selectinload

from .db import Run, connect


class Local(DeclarativeBase):
    """Tables that only the local database has."""


class TestResult(Local):
    """What came of checking a run."""

    __tablename__ = "test_results"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int]
    agent: Mapped[str] = mapped_column(String(64))
    passed: Mapped[bool]


TABLE = """CREATE TABLE IF NOT EXISTS test_results
    (id serial PRIMARY KEY, run_id int NOT NULL, agent varchar(64) NOT NULL, passed bool NOT NULL)"""


def main() -> None:
    """Checks every run that there is, and says how many results it wrote."""
    with Session(connect(), expire_on_commit=False) as session:
        session.execute(text(TABLE))
        runs = session.scalars(select(Run).options(selectinload(Run.agent))).all()
        results = [
            TestResult(run_id=run.id, agent=run.agent.name, passed=bool(run.status)) for run in runs
        ]
        session.add_all(results)
        session.commit()
    passed = sum(result.passed for result in results)
    print(f"read {len(runs)} runs from neon, wrote {len(results)} results to local, {passed} passed")


if __name__ == "__main__":
    main()
