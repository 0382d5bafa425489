"""What the application does all day: reads and writes, and no DDL."""

from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from .db import Agent, Capability, CostRecord, Run, StatusHistory, connect


def main() -> None:
    """Hires an agent where there is none, runs two pieces of work, prints what they have cost."""
    with Session(connect()) as session:
        agent = session.scalar(select(Agent).where(Agent.name == "ada"))
        if agent is None:
            agent = Agent(name="ada")
            session.add(agent)
            session.add(Capability(name="fetch", status="trusted"))
            session.add(Capability(name="answer"))
        for priority, steps, end in (1, ["fetch", "answer"], "done"), (5, ["answer"], "failed"):
            run = Run(agent=agent, priority=priority, plan={"steps": steps})
            session.add(run)
            session.flush()
            for status in "running", end:
                run.status = status
                session.add(StatusHistory(run_id=run.id, status=status))
                session.flush()
            session.add(CostRecord(run_id=run.id, amount=Decimal("0.0125") * priority))
        session.commit()
        runs, cost = session.execute(
            select(func.count(), func.sum(CostRecord.amount)).join(Run, Run.id == CostRecord.run_id)
        ).one()
        urgent = session.scalars(select(Run).where(Run.plan["steps"][0].astext == "fetch"))
        first = next(iter(urgent))
        print(f"{runs} runs, {cost} spent, run {first.id} of {first.agent.name} is {first.status}")


if __name__ == "__main__":
    main()
