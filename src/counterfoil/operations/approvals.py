"""Approvals: one person proposes exactly this, another approves exactly this, and it is done once. For every noun the same.

A proposal is known by machine, subject, verb and the SHA-256 of its payload in canonical JSON. It lives 24 hours. Only the login of
a person approves; never a key. What is done under an approval uses it up, and the database says all of this again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.database import name_refusals
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.machine import Approval, ApprovalNeeded
from counterfoil.base.problems import InvalidInput, Problem, ReasonRequired, check
from counterfoil.base.rows import row_by_id
from counterfoil.operations.access.access import APPROVE, Caller, require
from counterfoil.operations.access.second_factor import refuse_old_factor

AREA: Final = "approvals"  # of what whoever decides them needs
LIFE: Final = timedelta(hours=24)
REASON_MAX: Final = 2_000


class SamePerson(Problem, kind="forbidden"):
    """Whoever proposed this does not approve it: it takes a second person."""

    todo = "Ask another person who may approve."


class KeyCannotApprove(Problem, kind="forbidden"):
    """API keys never approve: a person logs in and does (`counterfoil login`)."""

    todo = "Log in as yourself with `counterfoil login` or on the dashboard, and approve there."


class ApproverNeeded(Problem, kind="forbidden"):
    """Approving this takes a role that you do not hold now: approver, or administrator for keys and roles."""


class ProposalExpired(Problem):
    """This proposal is older than 24 hours; propose it anew."""


class ProposalDecided(Problem):
    """This proposal was approved, rejected or withdrawn before."""


class ProposalDiffers(Problem):
    """What you approve is not what was proposed: look at it again."""


name_refusals(
    codes={"CF360": ApprovalNeeded, "CF361": KeyCannotApprove, "CF362": ProposalDecided, "CF363": ApproverNeeded},
    constraints={
        "maker_is_not_checker": SamePerson,
        "approval_in_time": ProposalExpired,
        "approval_decision_pkey": ProposalDecided,
        "approval_use_pkey": ProposalDecided,
        "approval_decision_on_the_whole": ProposalDiffers,
        "approval_proposal_hash_is_of_its_payload": ProposalDiffers,
    },
)


class Proposal(NamedTuple):
    """What is proposed and what became of it. `payload_sha256` in hex is what is approved; `state` follows from the rest."""

    id: str
    machine: str
    subject_id: str
    verb: str
    program_id: str | None
    payload: dict[str, Any]
    payload_sha256: str
    reason: str
    maker_id: str
    maker: str
    made_at: datetime
    expires_at: datetime
    decision: str | None
    checker_id: str | None
    checker: str | None
    decided_at: datetime | None
    decision_reason: str | None
    used_at: datetime | None
    result_id: str | None

    def state(self, now: datetime) -> str:
        """proposed, approved, done, rejected, withdrawn or expired."""
        if self.used_at is not None:
            return "done"
        if self.decision in ("rejected", "withdrawn"):
            return str(self.decision)
        return "expired" if now > self.expires_at else self.decision or "proposed"

    @property
    def approval(self) -> Approval:
        """What `take_steps` uses up; of the payload as it is now, so that one which was changed since is no approval."""
        return Approval(self.id, digest_of(self.payload))


Do = Callable[[Connection[Any], Proposal, Caller, datetime], str | None]


class Paired(NamedTuple):
    """A verb that takes two people, as its noun declares it.

    `do` does it once it is approved, in the same transaction and under the checker's name, and returns the id of what it made; a step
    of a machine uses up the approval by itself. Without `do` whoever proposed it does it later. `undo` is told of a no.
    """

    machine: str
    verb: str
    do: Do | None = None
    undo: Do | None = None
    approved_by: str = APPROVE  # the permission
    label: str = ""


def by_verb(*paired: Paired) -> dict[tuple[str, str], Paired]:
    """Found by machine and verb."""
    return {(one.machine, one.verb): one for one in paired}


def digest_of(payload: Mapping[str, Any]) -> bytes:
    """SHA-256 of the canonical JSON of a payload: the order of its fields and its spaces do not count."""
    return hashlib.sha256(canonical_json(payload).encode()).digest()


def propose(
    conn: Connection[Any],
    proposal_id: str,
    *,
    machine: str,
    subject_id: str,
    verb: str,
    payload: Mapping[str, Any],
    reason: str,
    by: Caller,
    now: datetime,
    program_id: str | None = None,
) -> Proposal:
    """Propose exactly `payload`. Raises ReasonRequired, and ProposalStands while the same thing waits for its decision."""
    _refuse_reason(reason, "propose")
    digest = digest_of(payload)
    _lock(conn, f"{machine}:{subject_id}:{verb}")
    for one in _proposals_of_this(conn, machine, subject_id, verb, digest):
        if one.state(now) in ("proposed", "approved"):
            raise ProposalStands(proposal=one.id, maker=one.maker, expires_at=one.expires_at.isoformat(timespec="seconds"))
    conn.execute(
        """insert into approval_proposal (id, machine, subject_id, verb, program_id, payload, payload_sha256, reason, maker_id, maker,
                  made_at, expires_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            proposal_id,
            machine,
            subject_id,
            verb,
            program_id,
            Jsonb(dict(payload)),
            digest,
            reason,
            by.principal_id,
            by.actor,
            now,
            now + LIFE,
        ],
    )
    return find_proposal(conn, proposal_id)


class ProposalStands(Problem):
    """The same is proposed already and waits for a second person."""


def approve(conn: Connection[Any], proposal_id: str, *, payload_sha256: str, reason: str, by: Caller, now: datetime) -> Proposal:
    """Approve exactly what this hash names; the returned proposal's `approval` is what `take_steps` uses up.

    Raises NotFound, KeyCannotApprove, SecondFactorOld, SecondFactorMissing, SamePerson, ProposalExpired, ProposalDecided,
    ProposalDiffers, ReasonRequired.
    """
    one = _waiting(conn, proposal_id)
    refuse_unless_logged_in(conn, by, now=now)
    if one.maker_id == by.principal_id:
        raise SamePerson(id=proposal_id, maker=one.maker)
    if one.state(now) == "expired":
        raise ProposalExpired(id=proposal_id, expired_at=one.expires_at.isoformat(timespec="seconds"))
    if payload_sha256.lower() != one.payload_sha256:
        raise ProposalDiffers(id=proposal_id, proposed=one.payload_sha256, got=payload_sha256[:64])
    check(digest_of(one.payload).hex() == one.payload_sha256, "a payload is what its hash says", id=one.id)
    _decide(conn, one, "approved", reason=reason, by=by, now=now)
    return find_proposal(conn, proposal_id)


def refuse_unless_logged_in(conn: Connection[Any], by: Caller, *, now: datetime) -> None:
    """Only a person who logged in approves; with a second factor that is fresh, if they have one or it is demanded.

    Raises KeyCannotApprove, SecondFactorOld, SecondFactorMissing.
    """
    if by.session_id is None:
        raise KeyCannotApprove(key=by.name)
    refuse_old_factor(conn, by.session_id, now=now)


def reject(conn: Connection[Any], proposal_id: str, *, reason: str, by: Caller, now: datetime) -> Proposal:
    """Turn a proposal down; whoever made it withdraws it. Nothing is done. Raises NotFound, ProposalDecided, ReasonRequired."""
    one = _waiting(conn, proposal_id)
    word = "withdrawn" if one.maker_id == by.principal_id else "rejected"
    _decide(conn, one, word, reason=reason, by=by, now=now)
    return find_proposal(conn, proposal_id)


def approve_and_do(
    conn: Connection[Any],
    proposal_id: str,
    verbs: Mapping[tuple[str, str], Paired],
    *,
    payload_sha256: str,
    reason: str,
    by: Caller,
    now: datetime,
) -> Proposal:
    """Approve, and do it in this transaction if the verb says how: what can no longer be done is not approved either.

    Raises what `approve` raises, NotAllowed unless the approver may, and what doing it raises.
    """
    one = find_proposal(conn, proposal_id)
    verb = verbs.get((one.machine, one.verb))
    if verb is None:
        raise InvalidInput("proposal", "a verb that is approved here", got=f"{one.machine} {one.verb}")
    require(by, verb.approved_by, AREA)
    approved = approve(conn, proposal_id, payload_sha256=payload_sha256, reason=reason, by=by, now=now)
    if verb.do is not None:
        result_id = verb.do(conn, approved, by, now)
        if find_proposal(conn, proposal_id).used_at is None:
            use(conn, approved, now=now, result_id=result_id)
    return find_proposal(conn, proposal_id)


def reject_and_tell(
    conn: Connection[Any],
    proposal_id: str,
    verbs: Mapping[tuple[str, str], Paired],
    *,
    reason: str,
    by: Caller,
    now: datetime,
) -> Proposal:
    """Turn it down, or withdraw one's own, and let its noun know. Raises what `reject` raises, NotAllowed."""
    one = find_proposal(conn, proposal_id)
    verb = verbs.get((one.machine, one.verb))
    if one.maker_id != by.principal_id:
        require(by, verb.approved_by if verb else APPROVE, AREA)
    rejected = reject(conn, proposal_id, reason=reason, by=by, now=now)
    if verb is not None and verb.undo is not None:
        verb.undo(conn, rejected, by, now)
    return rejected


def use(conn: Connection[Any], one: Proposal, *, now: datetime, result_id: str | None = None) -> None:
    """Use up the approval of a verb that is no step of a machine. Raises ApprovalNeeded, ProposalDecided when it was used."""
    conn.execute(
        """insert into approval_use (proposal_id, machine, subject_id, verb, step, result_id, at)
           values (%s, %s, %s, %s, null, %s, %s)""",
        [one.id, one.machine, one.subject_id, one.verb, result_id, now],
    )


def approved_of(
    conn: Connection[Any],
    machine: str,
    subject_id: str,
    verb: str,
    payload: Mapping[str, Any],
    *,
    now: datetime,
    maker_id: str | None = None,
) -> Proposal | None:
    """The proposal of exactly this, of `maker_id` if given, that is approved and not used yet; None without one."""
    for one in _proposals_of_this(conn, machine, subject_id, verb, digest_of(payload)):
        if one.state(now) == "approved" and maker_id in (None, one.maker_id):
            return one
    return None


def _proposals_of_this(conn: Connection[Any], machine: str, subject_id: str, verb: str, digest: bytes) -> list[Proposal]:
    """Every proposal of exactly this, newest first: however many others there are of the same thing."""
    with conn.cursor(row_factory=class_row(Proposal)) as cur:
        return cur.execute(
            f"""{PROPOSAL_SQL} where (p.machine, p.subject_id, p.verb, p.payload_sha256) = (%s, %s, %s, %s)
                order by p.made_at desc, p.id desc""",
            [machine, subject_id, verb, digest],
        ).fetchall()


PROPOSAL_SQL: Final = """
    select p.id, p.machine, p.subject_id, p.verb, p.program_id, p.payload, encode(p.payload_sha256, 'hex') as payload_sha256, p.reason,
           p.maker_id, p.maker, p.made_at, p.expires_at, d.decision, d.checker_id, d.checker, d.at as decided_at,
           d.reason as decision_reason, u.at as used_at, u.result_id
    from approval_proposal p
    left join lateral (select * from approval_decision d where d.proposal_id = p.id
                       order by (d.decision = 'approved'), d.at desc, d.checker_id limit 1) d on true
    left join approval_use u on u.proposal_id = p.id"""


def find_proposal(conn: Connection[Any], proposal_id: str) -> Proposal:
    """Raises NotFound."""
    return row_by_id(conn, Proposal, "proposal", f"{PROPOSAL_SQL} where p.id = %s", proposal_id)


def proposals_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Proposal]:
    """Those of these ids, in any order."""
    with conn.cursor(row_factory=class_row(Proposal)) as cur:
        return cur.execute(f"{PROPOSAL_SQL} where p.id = any(%s)".encode(), [list(ids)]).fetchall()


def _waiting(conn: Connection[Any], proposal_id: str) -> Proposal:
    _lock(conn, proposal_id)
    one = find_proposal(conn, proposal_id)
    if one.decision is not None or one.used_at is not None:
        raise ProposalDecided(id=proposal_id, decision=one.decision, by=one.checker)
    return one


def _decide(conn: Connection[Any], one: Proposal, decision: str, *, reason: str, by: Caller, now: datetime) -> None:
    _refuse_reason(reason, decision)
    conn.execute(
        """insert into approval_decision (proposal_id, maker_id, payload_sha256, expires_at, decision, checker_id, checker, session_id,
                  reason, at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            one.id,
            one.maker_id,
            bytes.fromhex(one.payload_sha256),
            one.expires_at,
            decision,
            by.principal_id,
            by.actor,
            by.session_id,
            reason,
            now,
        ],
    )


def _refuse_reason(reason: str, verb: str) -> None:
    if not reason.strip():
        raise ReasonRequired(verb=verb, field="reason", limit="at least one word")
    if len(reason) > REASON_MAX:
        raise InvalidInput("reason", f"at most {REASON_MAX} characters")


def _lock(conn: Connection[Any], what: str) -> None:
    """One at a time decides on this; until the end of the transaction."""
    conn.execute("select pg_advisory_xact_lock(4271036, hashtext(%s))", [what])
