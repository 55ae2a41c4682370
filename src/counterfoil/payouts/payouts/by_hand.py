"""What a person does with a payout: each verb asks its guards again under lock, and says the true reason when one does not hold."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from counterfoil.base.machine import take_step
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.machines import PAYOUT, PULLING, RESERVING, SENDING
from counterfoil.payouts.payouts.matter import matter_of, require
from counterfoil.payouts.payouts.payout_rules import Matter
from counterfoil.payouts.payouts.reissuing import issue_again
from counterfoil.payouts.payouts.verbs import Payout, show_payout
from counterfoil.payouts.provider_payouts.outcome_rules import OutcomeDecision
from counterfoil.payouts.provider_payouts.outcomes import carry_out


def retry_payout(conn: Connection[Any], payout_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Try a payout again that failed for certain, three times at most, under a new key. Raises NotNow, NotFound."""
    require("retry", matter_of(conn, payout_id, now=now, lock=True))
    state = take_step(conn, PAYOUT, payout_id, "failed", "retry", actor=actor, at=now, reason=reason)
    _make_due(conn, payout_id, now)
    return state


def cancel_payout(conn: Connection[Any], payout_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Give a payout up that nothing is under way for; its money stays owed to the payee. Raises NotNow, NotFound."""
    matter = matter_of(conn, payout_id, now=now, lock=True)
    require("cancel", matter)
    state = take_step(conn, PAYOUT, payout_id, matter.state, "cancel", actor=actor, at=now, reason=reason)
    conn.execute("update payout set due_at = null where id = %s", [payout_id])
    emit(conn, [NewEvent("payout_cancelled", matter.program_id, payout_id, {"reason": reason})], at=now)
    return state


def close_payout(conn: Connection[Any], payout_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """End a returned payout for which nothing is owed any more. Raises NotNow, NotFound."""
    require("close", matter_of(conn, payout_id, now=now, lock=True))
    return take_step(conn, PAYOUT, payout_id, "returned", "close", actor=actor, at=now, reason=reason)


def reissue_payout(conn: Connection[Any], payout_id: str, new_id: str, *, reason: str, actor: str, now: datetime) -> Payout:
    """Make a new payout, key `…-r{n}`, of what is still owed, with three tries of its own. Raises NotNow, NotFound.

    The old one stays as it ended. Moves no money: the reservation takes it.
    """
    matter = matter_of(conn, payout_id, now=now, lock=True)
    require("reissue", matter)
    old = show_payout(conn, payout_id)
    return issue_again(conn, old, new_id, matter.payable, reason=reason, actor=actor, now=now)


def ask_provider(conn: Connection[Any], payout_id: str, *, actor: str, now: datetime) -> str:
    """Have the provider asked now what became of an attempt; returns the attempt's state. Moves no money. Raises NotNow, NotFound.

    One that was called before and is queued again is not sent until the provider has answered.
    """
    matter = matter_of(conn, payout_id, now=now, lock=True)
    require("force_reconcile", matter)
    last = matter.last
    if matter.disputed is None and last is not None and last.state == "queued":
        asked = OutcomeDecision(last, ("lose",), again=timedelta(), error="a person has the provider asked", error_class="by_hand")
        carry_out(conn, [asked], cause="by_hand", now=now, actor=actor)
        wake(conn, PULLING)
        return asked.state
    return _ask(conn, matter, now)


def rerun_payout(conn: Connection[Any], payout_id: str, *, now: datetime) -> str:
    """Have done now what is to be done next: reserve, send, or ask the provider. Never sends again what was sent. Raises NotNow.

    Returns the state of the attempt, or of the payout while it has none under way.
    """
    matter = matter_of(conn, payout_id, now=now, lock=True)
    require("rerun", matter)
    if matter.state == "pending":
        _make_due(conn, payout_id, now)
        return matter.state
    last = matter.last
    if last is not None and last.state == "queued":
        conn.execute("update provider_payout set due_at = %s where id = %s", [now, last.id])
        wake(conn, SENDING)
        return last.state
    if last is not None and last.state == "unknown":
        return _ask(conn, matter, now)
    return last.state if last is not None else matter.state  # its worker is about to call


def _ask(conn: Connection[Any], matter: Matter, now: datetime) -> str:
    one = matter.disputed or matter.last
    assert one is not None
    conn.execute("update provider_payout set due_at = %s where id = %s and state = any(%s)", [now, one.id, list(PULLING.states)])
    wake(conn, PULLING)
    return one.state


def _make_due(conn: Connection[Any], payout_id: str, now: datetime) -> None:
    conn.execute("update payout set due_at = %s, attempt = 0, last_error = null where id = %s", [now, payout_id])
    wake(conn, RESERVING)
