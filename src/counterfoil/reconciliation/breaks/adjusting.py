"""Correcting the books because of a break: one person proposes a journal, another approves exactly that one, and it is posted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.database import name_refusals
from counterfoil.base.machine import take_step
from counterfoil.base.problems import InvalidInput, Problem, ReasonRequired, check
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.accounts.chart import rule_for
from counterfoil.ledger.journals import key_spaces
from counterfoil.ledger.journals.journal import NewPosting, Posted, post
from counterfoil.operations import approvals
from counterfoil.operations.access.access import Caller
from counterfoil.operations.approvals import ProposalDecided
from counterfoil.operations.trial import trial
from counterfoil.reconciliation.breaks.breaks import BREAK, lock_source, newest_number, open_copies
from counterfoil.reconciliation.breaks.limits import write_off_limit
from counterfoil.reconciliation.breaks.sights import whole_of
from counterfoil.reconciliation.breaks.work import Break, lock_break

LINES_MAX: Final = 100
WRITE_OFF_ACCOUNT: Final = "bad_debt"
NOON: Final = time(12, tzinfo=UTC)
NOT_WRITTEN_OFF: Final = {
    "OVERPAID": "what was paid beyond the payout is a debt of the payee already",
    "AMBIGUOUS": "its partner is among the candidates",
    "CURRENCY_MISMATCH": "two assets cannot be netted",
}
VERBS: Final = {"adjustment": "adjust", "write_off": "write_off"}


class ProposalOutdated(Problem):
    """The break is no longer what it was when this was proposed; withdraw the proposal and look again."""

    amounts = ("difference", "proposed_for")


class NoProposal(Problem):
    """Nothing is proposed for this break."""


class NothingToWriteOff(Problem):
    """This break has no difference in money that could be written off."""


class NothingToAdjust(Problem):
    """No journal on this break would change what differs."""


class AdjustmentMisses(Problem):
    """A journal for a break moves our account of the source by what differs, no more and no less; other movements go beside it."""

    amounts = ("moved", "difference")


class WriteOffTooLarge(Problem):
    """The difference is above the limit for write-offs; propose an adjustment instead."""

    amounts = ("minor", "limit")


name_refusals(constraints={"write_off_within_limit": WriteOffTooLarge})


class AdjustmentProposal(NamedTuple):
    """A proposed journal and what became of it. `minor` is all that it moves; `payload_sha256` in hex is what is approved."""

    id: str
    break_id: str
    number: int
    kind: str
    payload: dict[str, Any]
    payload_sha256: str
    minor: int
    limit_minor: int | None
    reason: str
    maker: str
    made_at: datetime
    expires_at: datetime
    decision: str | None
    checker: str | None
    decided_at: datetime | None
    decision_reason: str | None
    journal_id: UUID | None


def propose_adjustment(
    conn: Connection[Any],
    break_id: str,
    proposal_id: str,
    *,
    lines: Sequence[NewPosting],
    reason: str,
    by: Caller,
    now: datetime,
    effective_at: datetime | None = None,
    expected: str | None = None,
) -> AdjustmentProposal:
    """Propose a journal in the break's program and asset; `effective_at` is noon of the break's day when not given.

    Accounts that the chart has once, such as `provider_fee`, are opened when they are not there. It is tried against the ledger at
    once and rolled back, so that nobody approves what cannot be posted. It must change what differs: our account of the source moves
    by the difference. Raises what `post` raises, NotFound, StateMoved, TransitionRefused, ReasonRequired, InvalidInput,
    NothingToAdjust, AdjustmentMisses.
    """
    case = lock_break(conn, break_id, expected=expected)
    if not 0 < len(lines) <= LINES_MAX:
        raise InvalidInput("lines", f"1 to {LINES_MAX}", got=str(len(lines)))
    if standing := [name for line in lines for name in line[:2] if (rule := rule_for(name)) and rule.pattern == name]:
        open_accounts(conn, case.program_id, standing, asset=case.asset, actor=by.actor, now=now)
    return _propose(conn, case, proposal_id, "adjustment", lines, None, effective_at, reason, by, now)


def propose_write_off(
    conn: Connection[Any],
    break_id: str,
    proposal_id: str,
    *,
    reason: str,
    by: Caller,
    now: datetime,
    effective_at: datetime | None = None,
    expected: str | None = None,
) -> AdjustmentProposal:
    """Propose to book the difference between the source's account and `bad_debt`, within the limit of the program and asset.

    `effective_at` is noon of the break's day when not given; another day, where that one is closed. Whichever it is, the correction is
    counted with the record that it corrects.

    Raises NothingToWriteOff, WriteOffTooLarge, and what `propose_adjustment` raises.
    """
    case = lock_break(conn, break_id, expected=expected)
    refuse_write_off(conn, case)
    ours, most = account_of_source(case.source) or "", write_off_limit(conn, case.program_id, case.asset)
    minor = abs(case.difference or 0)
    open_accounts(conn, case.program_id, [ours, WRITE_OFF_ACCOUNT], asset=case.asset, actor=by.actor, now=now)
    more_there = (case.difference or 0) > 0  # they hold more than our books say: our half grows
    line = NewPosting(ours, WRITE_OFF_ACCOUNT, minor) if more_there else NewPosting(WRITE_OFF_ACCOUNT, ours, minor)
    return _propose(conn, case, proposal_id, "write_off", [line], most, effective_at, reason, by, now)


def approve_proposal(
    conn: Connection[Any],
    break_id: str,
    *,
    payload_sha256: str,
    reason: str,
    by: Caller,
    now: datetime,
    expected: str | None = None,
) -> tuple[str, Posted]:
    """Approve exactly the journal with this hash, and post it in this transaction; returns the break's state and the journal.

    Raises NoProposal, ProposalOutdated, StateMoved, what `approvals.approve` raises, and what `post` raises.
    """
    case = _lock_to_post(conn, break_id, expected)
    one = _waiting(conn, case)
    _refuse_outdated(case, one)
    approved = approvals.approve(conn, one.id, payload_sha256=payload_sha256, reason=reason, by=by, now=now)
    return _carry_out(conn, case, one, approved, by, now)


def _carry_out(
    conn: Connection[Any], case: Break, one: AdjustmentProposal, approved: approvals.Proposal, by: Caller, now: datetime
) -> tuple[str, Posted]:
    """Post what was approved, if the break is still what it was, and close it with that approval."""
    _refuse_outdated(case, one)
    check(one.payload == approved.payload, "what is approved is what was proposed", id=one.id)
    posted = _post(conn, case, approved.payload, by.actor, now)
    # Whoever has a number by now has begun to read, and cannot have seen this journal: it opens nothing again.
    conn.execute("update break set posted_after = %s where id = %s", [newest_number(conn), case.id])
    state = take_step(
        conn,
        BREAK,
        case.id,
        case.state,
        approved.verb,
        actor=by.actor,
        at=now,
        reason=approved.decision_reason,
        cause=one.id,
        approval=approved.approval._replace(result_id=str(posted.journal_id)),
    )
    open_copies(conn, [case.id], cause=case.id, actor=by.actor, now=now)
    return state, posted


def _lock_to_post(conn: Connection[Any], break_id: str, expected: str | None) -> Break:
    """The break, locked after its source: no run of it takes a number or files while a journal is being posted for it."""
    row = conn.execute("select program_id, source from break where id = %s", [break_id]).fetchone()
    if row is not None:
        lock_source(conn, row[0], row[1])
    return lock_break(conn, break_id, expected=expected)


def _refuse_outdated(case: Break, one: AdjustmentProposal) -> None:
    if case.gone_run is not None or str(case.difference) != one.payload["difference"]:
        raise ProposalOutdated(id=case.id, difference=case.difference, proposed_for=one.payload["difference"], asset=case.asset)


def _do(conn: Connection[Any], approved: approvals.Proposal, by: Caller, now: datetime) -> str:
    case = _lock_to_post(conn, approved.subject_id, None)
    newest = next(iter(proposals_of(conn, case.id, rows_max=1)))
    if newest.id != approved.id or case.state != "pending_adjustment":
        raise ProposalDecided(id=case.id, state=case.state)
    return str(_carry_out(conn, case, newest, approved, by, now)[1].journal_id)


def _undo(conn: Connection[Any], rejected: approvals.Proposal, by: Caller, now: datetime) -> str:
    """Nothing is booked: it is investigated again, or matched if the newest run no longer found it."""
    case = lock_break(conn, rejected.subject_id)
    reason, actor = rejected.decision_reason, by.actor
    state = take_step(conn, BREAK, case.id, case.state, "withdraw", actor=actor, at=now, reason=reason, cause=rejected.id)
    if case.gone_run is None:
        return state
    return take_step(conn, BREAK, case.id, state, "match", actor=actor, at=now, reason=reason, cause=case.gone_run)


LABELS: Final = {"adjust": "Book a journal for a break", "write_off": "Write off a break"}
PAIRED: Final = tuple(approvals.Paired(BREAK.name, verb, _do, _undo, label=LABELS[verb]) for verb in VERBS.values())


def withdraw_proposal(conn: Connection[Any], break_id: str, *, reason: str, by: Caller, now: datetime, expected: str | None = None) -> str:
    """Take a proposal back, or turn it down: anybody who works on the break may, and nothing is booked.

    It is investigated again; if the newest run no longer found it, it is matched.
    """
    case = lock_break(conn, break_id, expected=expected)
    one = _waiting(conn, case)
    return _undo(conn, approvals.reject(conn, one.id, reason=reason, by=by, now=now), by, now)


def refuse_write_off(conn: Connection[Any], case: Break) -> None:
    """The one check of what may be written off. Raises NothingToWriteOff or WriteOffTooLarge with the true reason."""
    why = NOT_WRITTEN_OFF.get(case.kind)
    if why is None and account_of_source(case.source) is None:
        why = f"it is corrected on the break of {whole_of(case.source)}"
    if why is None and case.difference is None:
        why = "two assets cannot be netted"
    if why is None and case.difference == 0:
        why = "both sides hold the same amount"
    if why is not None:
        raise NothingToWriteOff(id=case.id, break_kind=case.kind, why=why)
    most, minor = write_off_limit(conn, case.program_id, case.asset), abs(case.difference or 0)
    if minor > most:
        raise WriteOffTooLarge(id=case.id, minor=minor, limit=most, asset=case.asset)


def _refuse_unless_it_changes_what_differs(case: Break, lines: Sequence[NewPosting]) -> None:
    ours = account_of_source(case.source)
    if ours is None:
        raise NothingToAdjust(id=case.id, why=f"it is corrected on the break of {whole_of(case.source)}")
    if case.difference == 0:
        raise NothingToAdjust(id=case.id, break_kind=case.kind, why="both sides hold the same amount")
    moved = sum(one.minor for one in lines if one.debit == ours) - sum(one.minor for one in lines if one.credit == ours)
    if moved == 0 or case.difference not in (None, moved):
        raise AdjustmentMisses(id=case.id, account=ours, moved=moved, difference=case.difference, asset=case.asset)


def suggested_line(case: Break) -> tuple[str, str, int] | None:
    """What would bring our account of the source to where the source is: debit, credit, amount; "" is for a person to choose.

    None when no difference in money is known.
    """
    ours = account_of_source(case.source)
    if not case.difference or ours is None:
        return None
    return (ours, "", case.difference) if case.difference > 0 else ("", ours, -case.difference)


def account_of_source(source: str) -> str | None:
    """The account of ours that a source is held against: `simulator`'s is its clearing account, `bank:client`'s is our cash there.

    None for a part of a source, such as `simulator:payouts`: what is wrong in money is corrected once, on the break of the whole.
    """
    whole, _, part = source.partition(":")
    if whole == "bank" and part:
        return f"cash:{source}"
    return None if part else f"clearing:{source}"


def proposals_of(conn: Connection[Any], break_id: str, *, rows_max: int | None = None) -> list[AdjustmentProposal]:
    """The proposals for a break, the newest first."""
    with conn.cursor(row_factory=class_row(AdjustmentProposal)) as cur:
        return cur.execute(
            """select p.id, p.break_id, p.number, p.kind, p.payload, encode(p.payload_sha256, 'hex') as payload_sha256, p.minor,
                      p.limit_minor, p.reason, p.maker, p.made_at, p.expires_at, d.decision, d.checker, d.at as decided_at,
                      d.reason as decision_reason, u.result_id::uuid as journal_id
               from break_proposal p left join approval_decision d on d.proposal_id = p.id left join approval_use u on u.proposal_id = p.id
               where p.break_id = %s order by p.number desc limit %s""",
            [break_id, rows_max],
        ).fetchall()


def _propose(
    conn: Connection[Any],
    case: Break,
    proposal_id: str,
    kind: str,
    lines: Sequence[NewPosting],
    limit_minor: int | None,
    effective_at: datetime | None,
    reason: str,
    by: Caller,
    now: datetime,
) -> AdjustmentProposal:
    if not reason.strip():
        raise ReasonRequired(machine=BREAK.name, verb="propose", field="reason", limit="at least one word")
    number = len(proposals_of(conn, case.id)) + 1
    payload = _payload(case, kind, number, lines, reason, effective_at or min(_noon(case.last_on), now))
    with trial(conn):
        _post(conn, case, payload, by.actor, now)
    if kind == "adjustment":
        _refuse_unless_it_changes_what_differs(case, lines)
    made = approvals.propose(
        conn,
        proposal_id,
        machine=BREAK.name,
        subject_id=case.id,
        verb=VERBS[kind],
        payload=payload,
        reason=reason,
        by=by,
        now=now,
        program_id=case.program_id,
    )
    take_step(conn, BREAK, case.id, case.state, "propose", actor=by.actor, at=now, reason=reason, cause=proposal_id)
    conn.execute(
        """insert into break_proposal (id, break_id, number, kind, payload, payload_sha256, minor, limit_minor, reason, maker, made_at,
                  expires_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            proposal_id,
            case.id,
            number,
            kind,
            Jsonb(payload),
            bytes.fromhex(made.payload_sha256),
            sum(one.minor for one in lines),
            limit_minor,
            reason,
            by.actor,
            now,
            made.expires_at,
        ],
    )
    return proposals_of(conn, case.id, rows_max=1)[0]


def _payload(case: Break, kind: str, number: int, lines: Sequence[NewPosting], reason: str, at: datetime) -> dict[str, Any]:
    return {
        "breakId": case.id,
        "programId": case.program_id,
        "asset": case.asset,
        "kind": kind,
        "key": f"break:{case.id}:{number}",
        "narrative": reason,
        "difference": str(case.difference),
        "effectiveAt": at.astimezone(UTC).isoformat(),
        "lines": [{"debit": one.debit, "credit": one.credit, "amount": str(one.minor)} for one in lines],
    }


def _post(conn: Connection[Any], case: Break, payload: dict[str, Any], actor: str, now: datetime) -> Posted:
    return post(
        conn,
        case.program_id,
        key=payload["key"],
        kind=payload["kind"],
        lines=[NewPosting(one["debit"], one["credit"], int(one["amount"])) for one in payload["lines"]],
        asset=payload["asset"],
        actor=actor,
        now=now,
        effective_at=datetime.fromisoformat(payload["effectiveAt"]),
        narrative=payload["narrative"],
        source=("break", case.id),
        space=key_spaces.BREAK,
    )


def _waiting(conn: Connection[Any], case: Break) -> AdjustmentProposal:
    newest = next(iter(proposals_of(conn, case.id, rows_max=1)), None)
    if newest is None:
        raise NoProposal(id=case.id, state=case.state)
    if newest.decision is not None or case.state != "pending_adjustment":
        raise ProposalDecided(id=case.id, decision=newest.decision, by=newest.checker, state=case.state)
    return newest


def _noon(day: date) -> datetime:
    return datetime.combine(day, NOON)
