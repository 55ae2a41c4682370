"""Money that we had taken back and that turns out to be paid, and returns of what was never wholly taken from the payee's money.

Rare, and booked one by one: first from what is still owed for the settlement; what is no longer owed, the payee owes back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from counterfoil.base.machine import Move, take_steps
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.payouts.machines import PAYOUT, PROVIDER_PAYOUT
from counterfoil.payouts.payouts.payable import Purse, give_back, payable_of, payables_of, receivables_of
from counterfoil.payouts.provider_payouts.booking import Booking, back_against_debt, book, journal_lines, late_lines, return_lines, sent_of
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout, OutcomeDecision

PAID_BESIDE = "an earlier attempt turned out to be paid"


def stop_beside(one: LockedProviderPayout) -> OutcomeDecision | None:
    """What becomes of a live attempt when another of its settlement was paid: unsent money comes back, the rest is asked for."""
    if not one.calls:
        return OutcomeDecision(one, ("cancel",), error=PAID_BESIDE, unreserved=True)
    if one.state == "queued":  # it was called before and would be called again
        return OutcomeDecision(one, ("lose",), again=timedelta(), error=PAID_BESIDE)
    return None


def book_late(conn: Connection[Any], one: OutcomeDecision, *, actor: str, now: datetime) -> None:
    """Book an attempt that has just become succeeded, or returned, although its money had been given back."""
    at = one.standing
    if one.verbs[-1] == "return_late":
        _book_all(conn, one, late_lines(at, 0), actor, now)
        book(conn, [Booking(at, "return", back_against_debt(at), _when(one))], actor=actor, now=now)
        return
    purse = Purse(at.program_id, at.payee_id, at.asset)
    owed = payable_of(conn, [at.settlement_id])[at.settlement_id] + at.amount  # the attempt itself counts already
    from_payable = max(0, min(at.amount, owed, payables_of(conn, [purse]).get(purse, 0)))
    beyond = at.amount - from_payable
    conn.execute("update provider_payout set beyond = %s where id = %s", [beyond, at.id])
    _book_all(conn, one, late_lines(at, from_payable), actor, now)
    _move_payouts(conn, at, beyond, actor, now)
    if beyond:
        told = {"providerPayoutId": at.id, "beyond": str(beyond), "asset": at.asset, "payeeId": at.payee_id}
        emit(conn, [NewEvent("payout_overpaid", at.program_id, at.payout_id, told, once=at.id)], at=now)


def _book_all(conn: Connection[Any], one: OutcomeDecision, lines: list[tuple[str, str, int]], actor: str, now: datetime) -> None:
    fee = one.fact.fee if one.fact else 0
    again = Booking(one.standing, "reserve_again", lines, _when(one))
    final = Booking(one.standing, "finalize", journal_lines("finalize", one.standing, fee), _when(one))
    book(conn, [again, final], actor=actor, now=now)


def _move_payouts(conn: Connection[Any], at: LockedProviderPayout, beyond: int, actor: str, now: datetime) -> None:
    """Its own payout is completed when it was paid from what was owed; one that has nothing left to pay ends."""
    rows = conn.execute(
        """select p.id, p.state, exists (select from provider_payout pp where pp.payout_id = p.id and pp.state = any(%s))
           from payout p where p.settlement_id = %s order by p.id for update""",
        [list(PROVIDER_PAYOUT.open), at.settlement_id],
    ).fetchall()
    nothing_left = payable_of(conn, [at.settlement_id])[at.settlement_id] <= 0
    moves = []
    for payout_id, state, alive in rows:
        if payout_id == at.payout_id and not beyond and not alive and (state, "complete") in PAYOUT.transitions:
            moves.append(Move(payout_id, state, "complete"))
        elif state == "pending" and nothing_left:
            moves.append(Move(payout_id, state, "net_out"))
    take_steps(conn, PAYOUT, moves, actor=actor, at=now, cause="late_paid")
    ids = [move.subject_id for move in moves]
    conn.execute("update payout set due_at = null where id = any(%s)", [ids])
    if at.payout_id in {move.subject_id for move in moves if move.verb == "complete"}:
        told = {"providerPayoutId": at.id, "amount": str(at.amount), "asset": at.asset, "error": None}
        emit(conn, [NewEvent("payout_completed", at.program_id, at.payout_id, told, once=f"{at.id}.late")], at=now)


def is_plain(one: LockedProviderPayout) -> bool:
    """Was all of it taken from the payee's money, and just as much paid? Then its return is plain, too."""
    return not one.beyond and one.paid is None


def book_return(conn: Connection[Any], one: OutcomeDecision, *, actor: str, now: datetime) -> None:
    """Book the return of an attempt that was paid beyond what was owed, or in another amount: the debt that it made is paid first."""
    at = one.standing
    purse = Purse(at.program_id, at.payee_id, at.asset)
    debt = receivables_of(conn, [purse]).get(purse, 0)
    lines = return_lines(at, debt)
    book(conn, [Booking(at, "return", lines, _when(one))], actor=actor, now=now)
    taken = sent_of(at) - at.beyond
    to_payable = sum(minor for _, credit, minor in lines if credit.startswith("payable:"))
    if to_payable > taken:  # another payout has paid this debt meanwhile: that much is owed again
        give_back(conn, at.payout_id, to_payable - taken, now=now)


def _when(one: OutcomeDecision) -> datetime | None:
    return one.fact.occurred_at if one.fact else None
