"""What the treasury of agents is asked at 00:00 UTC: every agent's balance against its transactions, what is pending for too long, the
grams against the source's figures, of all days that the source is still asked for, and against every bill of the source: only a day whose
window is over can be a break.
What it finds is told; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.failpoints import reached
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.work.jobs import JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.reconciliation.fixed_times import fixed_job
from counterfoil.reconciliation.runs.slot_ends import do_slot
from counterfoil.treasury.carbon.billing import bills_of, check_bills
from counterfoil.treasury.carbon.model import CarbonMeans
from counterfoil.treasury.carbon.rules import WORST_FIRST, DayVerdict
from counterfoil.treasury.carbon.verify import days_looked_at, verify_day
from counterfoil.treasury.verification.verify import verify_agents

NAME: Final = "treasury-daily"
CRON: Final = "0 0 * * *"
AT_ONCE: Final = 100
RIGHT: Final = ("AGREES", "NOTHING")
NAMED_MAX: Final = 20  # of those that do not agree; the event counts them all

EVENT_KINDS: Final = declare(
    info={"treasury_checked": "Every agent's balance was held against its transactions, and carbon against its source and its bills."},
    warning={"treasury_pending": "Transactions between agents are pending for more than five minutes."},
    critical={"treasury_differs": "An agent's balance is not what its transactions say, or carbon is a break."},
)


class TreasuryCheck(NamedTuple):
    """What was found of a program: agents that were asked, those that differ, those with something pending for too long, and the worst
    that was found of the grams of the days that the source is still asked for. `carbon_days`: those that do not agree, and how.
    `bills`: the source's bills, of whatever age, that do not agree."""

    agents: int
    differ: list[str]
    pending: list[str]
    carbon: DayVerdict
    carbon_days: dict[str, DayVerdict]
    bills: dict[str, DayVerdict]

    @property
    def wrong(self) -> int:
        """Things that are not as they must be; what is pending or lags is not wrong yet."""
        return len(self.differ) + sum(verdict == "BREAK" for verdict in (*self.carbon_days.values(), *self.bills.values()))


def check_treasury(conn: Connection[Any], means: CarbonMeans, program_id: str, *, now: datetime) -> TreasuryCheck:
    """Everything of a program, whatever was looked at before."""
    ids = [row[0] for row in conn.execute("select id from agent where program_id = %s order by id", [program_id])]
    differ: list[str] = []
    pending: list[str] = []
    for first in range(0, len(ids), AT_ONCE):
        for one in verify_agents(conn, ids[first : first + AT_ONCE], now=now):
            if not one.agrees:
                differ.append(one.agent_id)
            elif one.findings:
                pending.append(one.agent_id)
    days = {day.isoformat(): verify_day(conn, means, day, now=now, program_id=program_id).verdict for day in days_looked_at(means, now)}
    worst = min(days.values(), key=WORST_FIRST.index)
    checked = check_bills(conn, means, bills_of(conn, program_id), now=now)
    bills = {f"{one.source} {one.reference}": one.verdict for one in checked if one.verdict not in RIGHT}
    return TreasuryCheck(len(ids), differ, pending, worst, {day: one for day, one in days.items() if one not in RIGHT}, bills)


def check_all(context: JobContext, *, scheduled: bool = False) -> Tally:
    """Every program that has agents or bills of carbon; each is told by events of its own. `scheduled`: for the moment of the schedule
    that is due, which is taken together with what is told, so that a worker that ends in the middle leaves it to the next."""
    now = context.clock()
    with context.database.transaction(read_only=True) as conn:
        programs = [row[0] for row in conn.execute("select program_id from agent union select program_id from carbon_bill order by 1")]
        found = {one: check_treasury(conn, context.carbon, one, now=now) for one in programs}
    reached("treasury_daily.before_record")
    with context.database.transaction() as conn:
        if scheduled and do_slot(conn, NAME, CRON, by=context.runner.owner, now=now) is None:
            return Tally()
        for program, one in found.items():
            emit(conn, _events(program, one, context.make_id), at=now)
    return Tally(handled=sum(one.agents for one in found.values()), failed=sum(one.wrong for one in found.values()))


def _events(program: str, one: TreasuryCheck, make_id: Callable[[str], str]) -> list[NewEvent]:
    subject = make_id("check")
    told = {
        "agents": one.agents,
        "differ": len(one.differ),
        "pending": len(one.pending),
        "carbon": one.carbon,
        "carbon_days": one.carbon_days,
        "bills": dict(list(one.bills.items())[:NAMED_MAX]),
        "bills_differ": len(one.bills),
    }
    events = [NewEvent("treasury_checked", program, subject, told)]
    if one.wrong:
        events.append(NewEvent("treasury_differs", program, subject, {**told, "which": one.differ[:NAMED_MAX]}))
    if one.pending:
        events.append(NewEvent("treasury_pending", program, subject, {**told, "which": one.pending[:NAMED_MAX]}))
    return events


JOBS: Final = (
    fixed_job(
        NAME, CRON, "Holds agents against their transactions, and carbon against its source, at 00:00 UTC; by hand at once.", check_all
    ),
)
