"""Escrows as a noun: routes, commands and forms follow from it. Opening one has a route of its own, since there is no thing yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import InvalidInput
from counterfoil.operations import approvals
from counterfoil.operations.access.access import APPROVE, OPERATE, Caller
from counterfoil.operations.noun_pages import First, SortKey, between_amounts, between_moments, of_party
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.trial import trial
from counterfoil.operations.verbs import Field, Noun, Part, Verb, VerbCall, VerbResult
from counterfoil.settlement.escrow import escrows, freezing, moving
from counterfoil.settlement.escrow.model import (
    ESCROW,
    ESCROWS,
    ConditionStanding,
    Escrow,
    EscrowEvidence,
    EscrowMovement,
    conditions_of,
    evidence_of,
    list_escrows,
    movements_of,
    show_escrow,
)
from counterfoil.settlement.escrow.moving import EscrowRefuses, Hand
from counterfoil.settlement.payments.paying_back import BANK, paid_by


def _hand(one: VerbCall) -> Hand:
    return Hand(one.actor, one.now, one.make_id, one.reason or None)


def _fund(one: VerbCall) -> VerbResult:
    if one.taken["provider"] not in one.providers:
        bank = "; what came to the client money account takes two people: fund-from-bank"
        raise InvalidInput("provider", f"one of {', '.join(sorted(one.providers))}{bank}", got=one.taken["provider"][:40])
    return VerbResult(escrows.fund_escrow(one.conn, one.subject_id, _hand(one), **one.taken))


def _fund_from_bank(one: VerbCall) -> approvals.Proposal:
    """Nobody but who types it says that this money came: what would be refused then is refused now, and a second person looks."""
    escrow = show_escrow(one.conn, one.subject_id, lock=True)
    amount = one.taken["amount"]
    payload = {
        "amount": str(escrow.amount - escrow.funded if amount is None else amount),
        "reference": one.taken["reference"],
    }
    with trial(one.conn):
        escrows.fund_escrow(one.conn, escrow.id, _hand(one), provider=BANK, reference=payload["reference"], amount=amount)
    return one.propose(ESCROW, "fund_from_bank", payload, escrow.program_id)


def _funded_from_bank(conn: Connection[Any], one: approvals.Proposal, by: Caller, now: datetime) -> str:
    made = f"esm_{one.id.partition('_')[2]}"  # one movement for each approval
    given: dict[str, Any] = {"reference": one.payload["reference"], "amount": int(one.payload["amount"])}
    escrows.fund_escrow(conn, one.subject_id, Hand(by.actor, now, lambda _: made, one.reason), provider=BANK, **given)
    return made


PAIRED: Final = (approvals.Paired(ESCROW.name, "fund_from_bank", _funded_from_bank),)


def _release(one: VerbCall) -> VerbResult:
    return VerbResult(moving.release_escrow(one.conn, one.subject_id, _hand(one), **one.taken))


def _refund(one: VerbCall) -> VerbResult:
    return VerbResult(moving.refund_escrow(one.conn, one.subject_id, _hand(one), **one.taken))


def _rule(one: VerbCall) -> VerbResult:
    refund = one.taken.get("refund") or 0
    return VerbResult(moving.rule_escrow(one.conn, one.subject_id, _hand(one), refund=refund))


def _repay(one: VerbCall) -> VerbResult:
    return VerbResult(moving.repay_escrow(one.conn, one.subject_id, _hand(one), known=set(one.providers), **one.taken))


def _freeze(one: VerbCall) -> VerbResult:
    return VerbResult(freezing.freeze_escrow(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _unfreeze(one: VerbCall) -> VerbResult:
    return VerbResult(freezing.unfreeze_escrow(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _sign(one: VerbCall) -> VerbResult:
    return VerbResult(escrows.sign_escrow(one.conn, one.subject_id, make_id=one.make_id, actor=one.actor, now=one.now))


def _score(one: VerbCall) -> VerbResult:
    return VerbResult(
        escrows.report_score(one.conn, one.subject_id, **one.taken, source=one.reason, make_id=one.make_id, actor=one.actor, now=one.now)
    )


def _refusals(conn: Connection[Any], escrow_id: str, now: datetime) -> Mapping[str, str | None]:
    one = show_escrow(conn, escrow_id)
    is_so = f"it is {one.state}"
    row = conn.execute("select escrow_charged_back(%s)", [one.id]).fetchone()
    held = moving.charged_back_text(row[0]) if row and row[0] else None
    over = f"its time was over at {one.expires_at.isoformat()}" if now >= one.expires_at else None
    try:
        moving.refuse_release(conn, one, now)
        release = None
    except EscrowRefuses as refused:
        release = str(refused.facts["why"])
    return {
        "fund": is_so if one.state != "pending" else over,
        "fund_from_bank": is_so if one.state != "pending" else over,
        "release": release,
        "refund": held or (None if one.state in ("pending", "active") else is_so),
        "repay": held or (None if one.refunded > one.repaid else "nothing of it is owed back to its customer"),
        "sign": is_so if one.state in ESCROW.final else None,
        "report_score": is_so if one.state in ESCROW.final else None,
        "freeze": None if one.state == "active" or (one.state == "disputed" and freezing.frozen_by_chargeback(conn, one.id)) else is_so,
        "unfreeze": held or (None if one.state in ESCROW.before("unfreeze") else is_so),
        "rule": held or (None if one.state == "disputed" else f"{is_so}, and only what is disputed is ruled on"),
    }


def _amount(help: str) -> Field:  # noqa: A002 - the field's own word
    return Field("amount", help, "amount", required=False, example="1250")


ALL_IT_HOLDS: Final = (_amount("Without it, all that it holds."),)
VERBS: Final = (
    Verb(
        "fund",
        OPERATE,
        "Fund",
        "Take a payment that lies in suspense. Each counts once. Payments that name the escrow as their reference fund it by themselves.",
        do=_fund,
        done="{id} is {state}.",
        reason=False,
        takes=(
            Field("provider", "The provider that took the payment.", example="simulator"),
            Field("reference", "The provider's id of the payment.", example="ch_1042"),
            _amount("Without it, all that the escrow lacks or the payment has."),
        ),
    ),
    Verb(
        "fund_from_bank",
        OPERATE,
        "Fund from the bank",
        "Take money that came to the client money account. No provider told of it, so two people look at the bank's record of it.",
        propose=_fund_from_bank,
        takes=(
            Field("reference", "The bank's reference. Each counts once.", example="2026-11-26/81"),
            _amount("Without it, all that the escrow lacks."),
        ),
    ),
    Verb(
        "release",
        OPERATE,
        "Release",
        "Let the payee have it, when every condition holds: fees are taken at the rates of the day it began, and the rest is paid out.",
        do=_release,
        reason=False,
        takes=ALL_IT_HOLDS,
    ),
    Verb(
        "refund",
        OPERATE,
        "Refund",
        "Owe it back to the customer. No fees are taken.",
        do=_refund,
        takes=ALL_IT_HOLDS,
    ),
    Verb(
        "repay",
        OPERATE,
        "Record as paid back",
        "The customer has what was refunded or expired: note through whom, and under which reference. Each reference pays once.",
        do=_repay,
        done="Its customer has the money; {id} is {state}.",
        reason=False,
        takes=(
            *paid_by("bank"),
            _amount("Without it, all that is owed."),
        ),
    ),
    Verb(
        "sign",
        OPERATE,
        "Sign",
        "Sign every condition that waits for your signature. A signature is not taken back; a freeze stops what it would let happen.",
        do=_sign,
        done="{id} is signed.",
        reason=False,
    ),
    Verb(
        "report_score",
        OPERATE,
        "Report a score",
        "Record a score for the conditions that ask for one; the last word counts. The reason says where it can be seen.",
        do=_score,
        done="{id} has its score.",
        takes=(Field("score", "A number, such as 4.5.", example="4.5"),),
    ),
    Verb(
        "freeze",
        OPERATE,
        "Freeze",
        "It is disputed: nothing leaves it, and it does not expire until that is over. What a chargeback froze is then frozen by a "
        "person, too, and stays so when the bank has decided.",
        do=_freeze,
    ),
    Verb("unfreeze", OPERATE, "Unfreeze", "The dispute was withdrawn. If its time was over meanwhile, it expires now.", do=_unfreeze),
    Verb(
        "rule",
        APPROVE,
        "Rule on it",
        "End a dispute: so much goes back to the customer, and the rest to the payee, whatever the conditions say. Whoever froze it last "
        "does not rule on it.",
        do=_rule,
        takes=(Field("refund", "What the customer gets; absent, nothing.", "amount", required=False, example="1250"),),
    ),
)
ESCROW_NOUN: Final = Noun(
    "escrow",
    "escrows",
    "esc",
    ESCROW,
    VERBS,
    show_escrow,
    _refusals,
    row=Escrow,
    rows=list_escrows,
    by_id=ESCROWS.by_id,
    sorts=(
        SortKey("created_at", datetime),
        SortKey("expires_at", datetime),
        SortKey("amount", int, money=True),
    ),
    narrows=(*of_party("payee", "customer"), *between_moments("created_at", "opened"), *between_amounts("amount")),
    help="Customers' money that waits for its conditions.",
    parts=(
        Part("conditions", ConditionStanding, conditions_of),
        Part("movements", EscrowMovement, movements_of),
        Part("evidence", EscrowEvidence, evidence_of),
    ),
    columns=("id", "customer_id", "payee_id", "asset", "amount", "remaining", "state", "expires_at"),
    first=First("A platform opens it over the API: POST /api/escrows."),
    sought=(FoundBy("reference", "of this reference"), FoundBy("amount", "of this amount", "amount")),
)
