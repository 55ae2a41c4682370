"""What two people say of an attempt: one proposes it with evidence, another approves exactly that, and then it is done at once.

A proposal is refused at once, with the true reason, when it could not be done now; when it is approved everything is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import Approval, ApprovalNeeded
from counterfoil.base.problems import check
from counterfoil.operations.access.access import Caller
from counterfoil.operations.approvals import Paired, Proposal, propose
from counterfoil.operations.providers import PayoutFact
from counterfoil.payouts.machines import PROVIDER_CONFLICT, PROVIDER_PAYOUT
from counterfoil.payouts.payouts.matter import NotNow, matter_of, require
from counterfoil.payouts.provider_payouts.attempts_by_hand import end_conflict, force_finalize, mark_failed, release_attempt
from counterfoil.payouts.provider_payouts.records import ProvingLine

FOUND: Final = {"find_paid": "paid", "find_unpaid": "not_paid"}
TO: Final = {"release_to_queue": "queued", "release_cancelled": "cancelled"}


def propose_for_attempt(
    conn: Connection[Any],
    proposal_id: str,
    payout_id: str,
    verb: str,
    *,
    evidence: str,
    by: Caller,
    now: datetime,
    fact: PayoutFact | None = None,
    line: ProvingLine | None = None,
    error: str | None = None,
    seen_at: datetime | None = None,
) -> Proposal:
    """Propose `verb` (force_finalize, mark_failed, release_to_queue, release_cancelled) for a payout's last attempt.

    For force_finalize: `fact`, the record that says it was paid, and the `line` of a statement that it came from. For mark_failed:
    `error` and `seen_at`, when the evidence was seen.
    Raises NotNow, NotFound, InvalidInput, ProposalStands.
    """
    matter = matter_of(conn, payout_id, now=now, lock=True)
    require(verb, matter)
    if matter.last is None:
        raise NotNow(payout=payout_id, verb=verb, why="it has no attempt")
    payload = {
        "payoutId": payout_id,
        "evidence": evidence,
        "error": error,
        "seenAt": seen_at.isoformat() if seen_at else None,
        "fact": _told(fact) if fact else None,
        **({"line": line._asdict()} if line else {}),
    }
    return _propose(conn, proposal_id, PROVIDER_PAYOUT.name, matter.last.id, verb, payload, matter.program_id, evidence, by, now)


def propose_end_of_conflict(
    conn: Connection[Any],
    proposal_id: str,
    conflict_id: str,
    found: str,
    *,
    evidence: str,
    by: Caller,
    now: datetime,
) -> Proposal:
    """Propose that a conflict ends, `found` paid or not_paid. Raises NotNow, NotFound, InvalidInput, ProposalStands."""
    row = conn.execute("select program_id from provider_payout where id = %s", [conflict_id.rsplit(".", 1)[0]]).fetchone()
    verb = "find_paid" if found == "paid" else "find_unpaid"
    payload = {"conflictId": conflict_id, "found": found, "evidence": evidence}
    program_id = row[0] if row else None
    return _propose(conn, proposal_id, PROVIDER_CONFLICT.name, conflict_id, verb, payload, program_id, evidence, by, now)


def _propose(
    conn: Connection[Any],
    proposal_id: str,
    machine: str,
    subject_id: str,
    verb: str,
    payload: Mapping[str, Any],
    program_id: str | None,
    reason: str,
    by: Caller,
    now: datetime,
) -> Proposal:
    try:
        with conn.transaction():  # as far as the approval: what would be refused then is refused now
            _carry_out(conn, verb, payload, None, by.actor, now)
        check(False, "what takes two people is not done by one", verb=verb)
    except ApprovalNeeded:
        pass
    return propose(
        conn,
        proposal_id,
        machine=machine,
        subject_id=subject_id,
        verb=verb,
        payload=payload,
        reason=reason,
        by=by,
        now=now,
        program_id=program_id,
    )


def _carry_out(conn: Connection[Any], verb: str, payload: Mapping[str, Any], approval: Approval | None, actor: str, now: datetime) -> None:
    how: dict[str, Any] = {"actor": actor, "now": now, "approval": approval}
    evidence = payload["evidence"]
    if verb in FOUND:
        end_conflict(conn, payload["conflictId"], FOUND[verb], evidence=evidence, **how)
    elif verb in TO:
        release_attempt(conn, payload["payoutId"], TO[verb], reason=evidence, **how)
    elif verb == "mark_failed":
        seen_at = datetime.fromisoformat(payload["seenAt"])
        mark_failed(conn, payload["payoutId"], error=payload["error"], evidence=evidence, seen_at=seen_at, **how)
    else:
        line = ProvingLine(**payload["line"]) if payload.get("line") else None
        force_finalize(conn, payload["payoutId"], _fact(payload["fact"]), evidence=evidence, line=line, **how)


def _do(conn: Connection[Any], approved: Proposal, by: Caller, now: datetime) -> str | None:
    _carry_out(conn, approved.verb, approved.payload, approved.approval, by.actor, now)
    return None


def _told(fact: PayoutFact) -> dict[str, Any]:
    amounts = {"amount": str(fact.amount), "fee": str(fact.fee), "occurred_at": fact.occurred_at.isoformat()}
    return fact._asdict() | amounts


def _fact(told: Mapping[str, Any]) -> PayoutFact:
    whole = {"amount": int(told["amount"]), "fee": int(told["fee"])}
    return PayoutFact(**{**told, **whole, "occurred_at": datetime.fromisoformat(told["occurred_at"])})


LABELS: Final = {
    "force_finalize": "Record an attempt as its provider's record says",
    "mark_failed": "Record an attempt as failed",
    "release_to_queue": "Send an attempt that was stopped",
    "release_cancelled": "Give up an attempt that was stopped",
    "find_paid": "End a conflict: it was paid",
    "find_unpaid": "End a conflict: it was not paid",
}
PAIRED: Final = (
    *(Paired(PROVIDER_PAYOUT.name, verb, _do, label=LABELS[verb]) for verb in ("force_finalize", "mark_failed", *TO)),
    *(Paired(PROVIDER_CONFLICT.name, verb, _do, label=LABELS[verb]) for verb in FOUND),
)
