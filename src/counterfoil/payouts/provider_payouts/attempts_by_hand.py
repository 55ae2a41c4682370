"""What a person does with an attempt of a payout: stop it, let it go, give it up, or say with evidence what became of it.

What moves money on somebody's word takes two people: the second one's approval travels with it, and the database looks for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import Approval, take_step
from counterfoil.base.problems import InvalidInput, check
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.providers import PayoutFact
from counterfoil.operations.trial import trial
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.chain_orders.given import refuse_given
from counterfoil.payouts.machines import GIVEN_BACK, PROVIDER_CONFLICT, PROVIDER_PAYOUT, PULLING, SENDING
from counterfoil.payouts.payouts.matter import NotNow, matter_of, require
from counterfoil.payouts.payouts.payout_rules import Matter
from counterfoil.payouts.provider_payouts.conflicts import conflicts_of, rewake
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout, OutcomeDecision
from counterfoil.payouts.provider_payouts.outcomes import carry_out
from counterfoil.payouts.provider_payouts.records import ProvingLine, keep_evidence

EVIDENCE_MAX: Final = 2_000
RELEASES: Final = {"queued": "release_to_queue", "unknown": "release_to_look_up", "cancelled": "release_cancelled"}


def cancel_attempt(conn: Connection[Any], payout_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Give up an attempt that waits to be sent and of which the provider can have nothing; its payout is failed then. Raises NotNow."""
    return _said(conn, payout_id, "cancel_attempt", "cancel", reason=reason, actor=actor, now=now)


def quarantine_attempt(conn: Connection[Any], payout_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Stop an attempt: it is not sent while that lasts. Facts of the provider are booked all the same. Raises NotNow."""
    matter, one = _attempt(conn, payout_id, "quarantine", now)
    again = timedelta() if one.calls else None
    decision = OutcomeDecision(one, ("quarantine",), again=again, error=f"quarantined: {reason}", error_class="quarantine")
    carry_out(conn, [decision], cause="by_hand", now=now, actor=actor, reason=reason)
    told = {"providerPayoutId": one.id, "reason": reason}
    event = NewEvent("payout_quarantined", matter.program_id, payout_id, told, once=f"{one.id}.{now.isoformat()}")
    emit(conn, [event], at=now)
    return "quarantined"


def release_attempt(
    conn: Connection[Any],
    payout_id: str,
    to: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
    approval: Approval | None = None,
) -> str:
    """End a quarantine: `queued` only when no call of it ever began, `cancelled` only when the provider can have nothing, both by
    two people; `unknown` has the provider asked. Raises NotNow, ApprovalNeeded, InvalidInput."""
    if to not in RELEASES:
        raise InvalidInput("to", f"one of {', '.join(RELEASES)}", got=to[:40])
    verb = RELEASES[to]
    return _said(conn, payout_id, verb, verb, reason=reason, actor=actor, now=now, approval=approval, again=to != "cancelled")


def mark_failed(
    conn: Connection[Any],
    payout_id: str,
    *,
    error: str,
    evidence: str,
    seen_at: datetime,
    actor: str,
    now: datetime,
    approval: Approval | None = None,
) -> str:
    """Two people say, with evidence of `seen_at`, that the provider has not paid and will not: the money is given back.

    Evidence from before the last call was closed proves nothing. Raises NotNow, ApprovalNeeded, InvalidInput, GivenOnAChain.
    """
    _, one = _attempt(conn, payout_id, "mark_failed", now)
    refuse_given(conn, one.id)
    _proof(evidence)
    if seen_at > now or (one.closed_at is not None and seen_at < one.closed_at):
        after = one.closed_at.isoformat() if one.closed_at else "the beginning"
        raise InvalidInput("seen_at", f"after {after}, when its last call was closed, and not to come", got=seen_at.isoformat())
    decision = OutcomeDecision(one, ("mark_failed",), error=error, error_class="by_hand", failed_by="person")
    carry_out(conn, [decision], cause="by_hand", now=now, actor=actor, reason=f"{error}: {evidence}", approval=approval)
    return "failed"


def force_finalize(
    conn: Connection[Any],
    payout_id: str,
    fact: PayoutFact,
    *,
    evidence: str,
    actor: str,
    now: datetime,
    approval: Approval | None = None,
    line: ProvingLine | None = None,
) -> str:
    """Two people book as paid what the provider's own record (`fact`: a webhook or a line of its statement) shows as paid.

    Amount, asset and key must be those of the attempt. Once per attempt, and a `line` proves one payout. Raises NotNow, ApprovalNeeded,
    InvalidInput, LineUsed.
    """
    _, one = _attempt(conn, payout_id, "force_finalize", now)
    _proof(evidence)
    wanted = {"status": "paid", "key": one.key, "amount": one.amount, "asset": one.asset}
    if wrong := [name for name, value in wanted.items() if getattr(fact, name) != value]:
        raise NotNow(
            payout=payout_id,
            verb="force_finalize",
            why=f"the provider's record has another {wrong[0]}",
            wanted=str(wanted[wrong[0]]),
            found=str(getattr(fact, wrong[0])),
        )
    decision = OutcomeDecision(one, ("force_finalize",), fact)
    cause = line.break_id if line else "by_hand"
    carry_out(conn, [decision], cause=cause, now=now, actor=actor, reason=evidence, approval=approval)
    if line is not None:
        keep_evidence(conn, one.id, one.program_id, line, now)
    return "succeeded"


def end_conflict(
    conn: Connection[Any],
    conflict_id: str,
    found: str,
    *,
    evidence: str,
    actor: str,
    now: datetime,
    approval: Approval | None = None,
) -> str:
    """Two people end a conflict: what was found to be paid is booked as paid, what was booked and not paid as returned.

    Where the provider paid another amount than was asked for, that amount is booked: less goes back to what is owed, more is owed by
    the payee. Raises NotNow, ApprovalNeeded, InvalidInput, NotFound. Returns the attempt's state.
    """
    attempt_id = conflict_id.rsplit(".", 1)[0]
    row = conn.execute("select payout_id from provider_payout where id = %s", [attempt_id]).fetchone()
    payout_id = row[0] if row else conflict_id
    matter = matter_of(conn, payout_id, now=now, lock=True)
    conflict = next((one for one in conflicts_of(conn, payout_id) if one.id == conflict_id), None)
    if conflict is None or conflict.state != "open" or matter.disputed is None:
        raise NotNow(payout=payout_id, verb="end_conflict", why="no such conflict is open", conflict=conflict_id)
    if found not in ("paid", "not_paid"):
        raise InvalidInput("found", "paid or not_paid", got=found[:40])
    _proof(evidence)
    verb = "find_paid" if found == "paid" else "find_unpaid"
    one = next(each for each in matter.attempts if each.id == attempt_id)

    def carried_out() -> str:
        decision = _paid(conn, one, conflict.fact, now) if found == "paid" else _not_paid(one)
        carry_out(conn, [decision], cause=conflict_id, now=now, actor=actor, reason=evidence)
        return decision.state

    if approval is None:  # refused below; whoever proposes it sees what its approval books
        with trial(conn):
            carried_out()
    take_step(conn, PROVIDER_CONFLICT, conflict_id, "open", verb, actor=actor, at=now, reason=evidence, approval=approval)
    state = carried_out()
    rewake(conn, [attempt_id], now)
    return state


def _paid(conn: Connection[Any], one: LockedProviderPayout, word: dict[str, Any], now: datetime) -> OutcomeDecision:
    """What two people found paid, in the amount that the provider told."""
    amount, asset = word.get("amount", one.amount), word.get("asset", one.asset)
    if asset != one.asset:
        raise NotNow(
            payout=one.payout_id,
            verb="end_conflict",
            asset=asset,
            why=f"it was paid in {asset}, not in {one.asset}: post what left by hand, then end the conflict as not paid",
        )
    told = {name: value for name, value in word.items() if name != "occurred_at"}
    at = datetime.fromisoformat(word["occurred_at"]) if "occurred_at" in word else now
    fact = PayoutFact(**told, occurred_at=at)._replace(status="paid") if told else None
    if one.state in PROVIDER_PAYOUT.open:
        if amount != one.amount:
            conn.execute("update provider_payout set paid = %s where id = %s", [amount, one.id])
            one = one._replace(paid=amount)
        return OutcomeDecision(one, ("succeed",), fact)
    if one.state in GIVEN_BACK:
        return OutcomeDecision(one, ("pay_late",), fact)
    return OutcomeDecision(one, keeps=True)


def _not_paid(one: LockedProviderPayout) -> OutcomeDecision:
    if one.state == "succeeded":
        return OutcomeDecision(one, ("return",), error="two people found that it was not paid", error_class="by_hand")
    if one.state == "unknown":
        return OutcomeDecision(one, again=timedelta(), error="two people found that this was not paid; the provider is asked")
    return OutcomeDecision(one, keeps=True)


def _attempt(conn: Connection[Any], payout_id: str, verb: str, now: datetime) -> tuple[Matter, LockedProviderPayout]:
    matter = matter_of(conn, payout_id, now=now, lock=True)
    require(verb, matter)
    check(matter.last is not None, "what is said of an attempt has one", payout=payout_id)
    assert matter.last is not None
    return matter, matter.last


def _said(
    conn: Connection[Any],
    payout_id: str,
    guard: str,
    verb: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
    approval: Approval | None = None,
    again: bool = False,
) -> str:
    _, one = _attempt(conn, payout_id, guard, now)
    decision = OutcomeDecision(one, (verb,), again=timedelta() if again else None, error=f"{verb}: {reason}", error_class="by_hand")
    carry_out(conn, [decision], cause="by_hand", now=now, actor=actor, reason=reason, approval=approval)
    wake(conn, SENDING, PULLING)
    return PROVIDER_PAYOUT.next_state(one.state, verb, reason=reason)


def _proof(evidence: str) -> None:
    if not evidence.strip() or len(evidence) > EVIDENCE_MAX:
        raise InvalidInput("evidence", f"1 to {EVIDENCE_MAX} characters: where it can be seen", got=str(len(evidence)))
