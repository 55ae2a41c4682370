"""Breaks as a noun: all that a person may do with one, declared once. Routes, commands, forms, bulk and spreadsheet follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.formats.amounts import told_problem
from counterfoil.base.problems import Problem
from counterfoil.ledger.journals.journal import NewPosting
from counterfoil.operations.access.access import ACCEPT_BREAK, APPROVE, OPERATE, WORK_BREAKS
from counterfoil.operations.approvals import Proposal, find_proposal
from counterfoil.operations.noun_pages import SortKey
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Do, Field, Noun, Verb, VerbCall, VerbResult
from counterfoil.reconciliation.breaks import adjusting, work
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.breaks.queries import breaks_by_id, show_break


def _how(one: VerbCall) -> dict[str, Any]:
    return {"now": one.now, "expected": one.expected}


def _step(name: str) -> Do:
    def do(one: VerbCall) -> VerbResult:
        return VerbResult(work.STEPS[name](one.conn, one.subject_id, actor=one.actor, reason=one.reason, **_how(one), **one.taken))

    return do


def _assign(one: VerbCall) -> VerbResult:
    owner = one.taken["owner"] or None
    return VerbResult(work.assign_break(one.conn, one.subject_id, owner=owner, actor=one.actor, **_how(one)))


def _comment(one: VerbCall) -> VerbResult:
    number = work.comment_on_break(one.conn, one.subject_id, text=one.taken["text"], actor=one.actor, **_how(one))
    return VerbResult(show_break(one.conn, one.subject_id).state, str(number))


def _adjust(one: VerbCall) -> Proposal:
    lines = [NewPosting(*each) for each in one.taken["lines"]]
    made = adjusting.propose_adjustment(
        one.conn,
        one.subject_id,
        one.make_id("prop"),
        lines=lines,
        effective_at=one.taken["effective_at"],
        reason=one.reason,
        by=one.by,
        **_how(one),
    )
    return find_proposal(one.conn, made.id)


def _write_off(one: VerbCall) -> Proposal:
    made = adjusting.propose_write_off(
        one.conn,
        one.subject_id,
        one.make_id("prop"),
        effective_at=one.taken["effective_at"],
        reason=one.reason,
        by=one.by,
        **_how(one),
    )
    return find_proposal(one.conn, made.id)


def _approve(one: VerbCall) -> VerbResult:
    sha256 = one.taken["payload_sha256"]
    state, posted = adjusting.approve_proposal(one.conn, one.subject_id, payload_sha256=sha256, reason=one.reason, by=one.by, **_how(one))
    return VerbResult(state, str(posted.journal_id))


def _withdraw(one: VerbCall) -> VerbResult:
    return VerbResult(adjusting.withdraw_proposal(one.conn, one.subject_id, reason=one.reason, by=one.by, **_how(one)))


EFFECTIVE: Final = Field("effective_at", "When it happened; absent: noon of the break's day.", "moment", required=False)
VERBS: Final = (
    Verb(
        "investigate",
        OPERATE,
        "Investigate",
        "It is yours, if it was unassigned. No money moves.",
        do=_step("investigate"),
        many=True,
    ),
    Verb(
        "wait",
        OPERATE,
        "Mark as timing difference",
        "A run matches it, or opens it again on its due date. No money moves.",
        do=_step("wait"),
        many=True,
    ),
    Verb(
        "mature",
        OPERATE,
        "End timing difference",
        "It is a break again, and not only late. No money moves.",
        do=_step("mature"),
        many=True,
    ),
    Verb(
        "reopen",
        OPERATE,
        "Reopen and unassign",
        "It is open again and unassigned: whoever investigates it next owns it. No money moves.",
        do=_step("reopen"),
        many=True,
    ),
    Verb(
        "accept",
        ACCEPT_BREAK,
        "Accept",
        "Closed for this amount: both records stand, and nothing is booked.",
        do=_step("accept"),
        many=True,
    ),
    Verb(
        "mark_duplicate",
        OPERATE,
        "Mark as duplicate",
        "Closed: it is shown through the break that it is a copy of. Nothing is booked.",
        do=_step("mark_duplicate"),
        takes=(
            Field(
                "duplicate_of",
                "The break that it is a copy of; absent: the only one for the same thing.",
                required=False,
                example="break_01K…",
            ),
        ),
        many=True,
    ),
    Verb(
        "adjust",
        OPERATE,
        "Propose a journal",
        "Nothing is posted until another person approves exactly this. What the ledger would refuse is refused now.",
        propose=_adjust,
        takes=(Field("lines", "The movements that put the books right, in the break's asset.", "lines"), EFFECTIVE),
    ),
    Verb(
        "write_off",
        OPERATE,
        "Propose a write-off",
        "The difference goes to `bad_debt` once another person approves it; only within the limit of the program and asset.",
        propose=_write_off,
        takes=(EFFECTIVE,),
    ),
    Verb(
        "approve",
        APPROVE,
        "Approve and post",
        "It is posted at once, in your name and its maker's: exactly what its hash names, and never by its maker.",
        do=_approve,
        done="{id} is {state} by journal {made}.",
        takes=(Field("payload_sha256", "The hash of the journal that you looked at.", short="sha256"),),
    ),
    Verb(
        "withdraw",
        WORK_BREAKS,
        "Withdraw or decline",
        "Nothing is booked; it is investigated again, or matched when the newest run no longer found it.",
        do=_withdraw,
    ),
    Verb(
        "assign",
        WORK_BREAKS,
        "Assign",
        "Its state stays.",
        do=_assign,
        done="{id} has its new owner; it is {state}.",
        reason=False,
        takes=(
            Field(
                "owner",
                "Whose it is from now on; absent or empty: unassigned.",
                required=False,
                bare=True,
                example="olga",
            ),
            Field("reason", "Why. Kept in the action log.", required=False),
        ),
        many=True,
    ),
    Verb(
        "comment",
        WORK_BREAKS,
        "Comment",
        "Kept for ever, never changed; closed breaks take comments, too.",
        do=_comment,
        done="The comment is kept; the break is {state}.",
        reason=False,
        takes=(Field("text", "What to say.", "prose", bare=True, example="asked the bank"),),
        many=True,
    ),
)
# Where the verb is said of the machine in other words.
_MOVES: Final[Mapping[str, tuple[str, ...]]] = {
    "adjust": ("propose",),
    "write_off": ("propose",),
    "approve": ("adjust", "write_off"),
    "assign": tuple(verb for _, verb in BREAK.transitions),
}


def _refusals(conn: Connection[Any], break_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    case = show_break(conn, break_id)
    there = f"it is {case.state.replace('_', ' ')}"
    allowed = set(BREAK.allowed(case.state))
    why = {one.name: None if allowed & set(_MOVES.get(one.name, (one.name,))) else there for one in VERBS}
    why["comment"] = None
    if why["write_off"] is None:
        why["write_off"] = _no_write_off(conn, case)
    return why


def _no_write_off(conn: Connection[Any], case: work.Break) -> str | None:
    """The same check that the verb makes, in the words that it would use."""
    try:
        adjusting.refuse_write_off(conn, case)
    except Problem as problem:
        return told_problem(conn, problem)
    return None


BREAK_NOUN: Final = Noun(
    "break",
    "breaks",
    "break",
    BREAK,
    VERBS,
    show_break,
    _refusals,
    by_id=breaks_by_id,
    sorts=(SortKey("opened_at", datetime), SortKey("due_on", date), SortKey("at_stake", int, money=True)),
    sought=(
        FoundBy("identity", "of this record"),
        FoundBy("reference", "of this reference"),
        FoundBy("at_stake", "of this amount", "size"),
        FoundBy("abs(difference)", "this is its difference", "size"),
    ),
)
# What a spreadsheet says in its column `action`: owner and comment have columns of their own.
ACTIONS: Final = tuple(one.name for one in VERBS if one.many and one.reason)
