"""Releasing holdbacks: what was kept back of a settlement becomes payable when its date has come and nothing keeps it, and is paid out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Move, take_steps
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import HOLDBACK_RELEASE
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.noun_pages import First, SortKey, between_amounts, between_moments, of_party
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Noun
from counterfoil.operations.work.jobs import Job, of_runner_and_ids
from counterfoil.operations.work.runner import LADDER_END, Claim, Queue, Runner, Tally, run_here
from counterfoil.payouts.destinations.destinations import active_destinations
from counterfoil.payouts.disputes.standing import in_dispute
from counterfoil.payouts.machines import PAYOUT
from counterfoil.payouts.payouts.verbs import Payout
from counterfoil.payouts.provider_payouts.conflicts import in_conflict
from counterfoil.payouts.refunds.owing import locked_payouts, pay_more
from counterfoil.settlement.holdback import HOLDBACK, HoldbackTranche, list_tranches, show_tranche, tranches_by_id
from counterfoil.settlement.settlements import show_settlement

ACTOR: Final = "system:worker"
RELEASING: Final = Queue("holdback", "holdback_tranche", ("held",), program="program_id")


def release_due(runner: Runner, make_id: MakeId) -> Tally:
    """One tick: release the holdbacks whose date has come; one that something keeps is looked at again in an hour."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        tranches = tranches_by_id(conn, [claim.id for claim in claims])
        payouts = locked_payouts(conn, [one.settlement_id for one in tranches], now=now)
        kept = {one.id: _kept_by(conn, one, payouts.get(one.settlement_id)) for one in tranches}
        _wait(conn, [(one, why) for one in tranches if (why := kept[one.id])], now)
        free = [one for one in tranches if kept[one.id] is None]
        post_all(conn, [_booking(one) for one in free], now=now)  # all at once: accounts are locked last, and in one order
        take_steps(conn, HOLDBACK, [Move(one.id, one.state, "release") for one in free], actor=ACTOR, at=now)
        told = [(one, {"amount": str(one.remaining), "asset": one.asset, "payeeId": one.payee_id}) for one in free]
        emit(conn, [NewEvent("holdback_released", one.program_id, one.id, said) for one, said in told], at=now)
        for one in free:
            settled, payout = show_settlement(conn, one.settlement_id), payouts.get(one.settlement_id)
            pay_more(conn, settled, payout, one.remaining, make_id=make_id, cause="its holdback was released", now=now)

    return run_here(runner, RELEASING, work)


def _wait(conn: Connection[Any], kept: Sequence[tuple[HoldbackTranche, str]], now: datetime) -> None:
    for one, why in kept:
        conn.execute("update holdback_tranche set due_at = %s, last_error = %s where id = %s", [now + LADDER_END, why, one.id])
        told = conn.execute(
            "select from event where name = 'holdback_waits' and subject_id = %s and payload ->> 'why' = %s", [one.id, why]
        ).fetchone()
        if told is None:  # once for each reason, not every hour
            emit(conn, [NewEvent("holdback_waits", one.program_id, one.id, {"why": why}, once=why)], at=now)


def _booking(one: HoldbackTranche) -> ProgramJournal:
    journal = NewJournal(
        key=HOLDBACK_RELEASE.key(one.settlement_id, str(one.number)),
        kind="holdback_release",
        lines=[(f"holdback:payee:{one.payee_id}", f"payable:payee:{one.payee_id}", one.remaining)],
        asset=one.asset,
        actor=ACTOR,
        source=("holdback_tranche", one.id),
        space=HOLDBACK_RELEASE,
    )
    return ProgramJournal(one.program_id, journal)


def _kept_by(conn: Connection[Any], one: HoldbackTranche, payout: Payout | None) -> str | None:
    """Why a tranche is not released although its date has come; None when nothing keeps it."""
    quarantined = conn.execute(
        """select p.id from payout p join provider_payout pp on pp.payout_id = p.id
           where p.program_id = %s and p.payee_id = %s and pp.state = 'quarantined' order by p.id limit 1""",
        [one.program_id, one.payee_id],
    ).fetchone()
    if quarantined is not None:
        return f"payout {quarantined[0]} of its payee is in quarantine"
    place = active_destinations(conn, one.program_id, [one.payee_id]).get(one.payee_id)
    if place is not None and place.quarantined:  # payable, it could not be paid, and would protect no refund any more
        return f"destination {place.id} of its payee is quarantined"
    if why := {**in_conflict(conn, [one.settlement_id]), **in_dispute(conn, [one.settlement_id])}.get(one.settlement_id):
        return why
    if payout is not None and payout.state in PAYOUT.open:
        return f"payout {payout.id} of its settlement is {payout.state}"
    settled = show_settlement(conn, one.settlement_id)
    return "the payout of its settlement is not made yet" if payout is None and settled.net else None


JOBS: Final = (
    Job(
        "release-holdback",
        RELEASING,
        of_runner_and_ids(release_due),
        "Releases holdbacks whose date has come, and has them paid out.",
    ),
)
HOLDBACK_NOUN: Final = Noun(
    "holdback",
    "holdbacks",
    "hb",
    HOLDBACK,
    (),
    show_tranche,
    row=HoldbackTranche,
    rows=list_tranches,
    by_id=tranches_by_id,
    sorts=(SortKey("release_at", datetime), SortKey("amount", int, money=True)),
    narrows=(*of_party("payee"), *between_moments("release_at", "to be released"), *between_amounts("amount")),
    help="What is kept back of settlements, until when, and what refunds took of it.",
    first=First("It comes with a settlement where the rates of the program keep something back."),
    sought=(FoundBy("amount", "of this amount", "amount", recent=True),),
)
