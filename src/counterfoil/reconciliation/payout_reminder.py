"""Monday, 09:00 UTC: people are told which payouts wait, before the week begins: for whom, how much, since when. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.work.jobs import JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.payouts.machines import PAYOUT
from counterfoil.reconciliation.fixed_times import fixed_job
from counterfoil.reconciliation.runs.slot_ends import do_slot

NAME: Final = "payout-reminder"
CRON: Final = "0 9 * * 1"
WAITS_FOR: Final = timedelta(days=1)  # what is younger is on its way

EVENT_KINDS: Final = declare(warning={"payouts_waiting": "The weekly reminder: payouts that are open for more than a day."})


class WaitingPayouts(NamedTuple):
    """Payouts of a program that wait in one state: how many, how much in minor units of the asset, since when the oldest."""

    program_id: str
    state: str
    asset: str
    number: int
    minor: int
    oldest: datetime


def waiting_payouts(conn: Connection[Any], *, now: datetime) -> list[WaitingPayouts]:
    """Every payout that is open and older than a day, by program, state and asset."""
    rows = conn.execute(
        """select program_id, state, asset, count(*), sum(amount)::bigint, min(created_at) from payout
           where state = any(%s) and created_at < %s group by 1, 2, 3 order by 1, 2, 3""",
        [list(PAYOUT.open), now - WAITS_FOR],
    ).fetchall()
    return [WaitingPayouts(*row) for row in rows]


def remind(context: JobContext, *, scheduled: bool = False) -> Tally:
    """An event for each program in which payouts wait; people are told of it as of any warning that is for them. None where none waits."""
    now = context.clock()
    with context.database.transaction() as conn:
        if scheduled and do_slot(conn, NAME, CRON, by=context.runner.owner, now=now) is None:
            return Tally()
        found = waiting_payouts(conn, now=now)
        programs = sorted({one.program_id for one in found})
        emit(conn, [_event(program, [one for one in found if one.program_id == program], context.make_id) for program in programs], at=now)
    return Tally(handled=sum(one.number for one in found))


def _event(program: str, found: list[WaitingPayouts], make_id: Callable[[str], str]) -> NewEvent:
    number, oldest = sum(one.number for one in found), min(one.oldest for one in found)
    by_state: dict[str, int] = {}
    for one in found:
        by_state[one.state] = by_state.get(one.state, 0) + one.number
    states = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in by_state.items())
    told = {
        "title": f"{counted(number, 'payout waits', 'payouts wait')}, the oldest since {oldest:%Y-%m-%d}: {states}",
        "payouts": number,
        "oldest_at": oldest.isoformat(),
        "waiting": [{"state": one.state, "asset": one.asset, "payouts": one.number, "amount_minor": str(one.minor)} for one in found],
    }
    return NewEvent("payouts_waiting", program, make_id("remind"), told)


JOBS: Final = (
    fixed_job(NAME, CRON, "Tells people on Mondays at 09:00 UTC which payouts are open for more than a day; by hand at once.", remind),
)
