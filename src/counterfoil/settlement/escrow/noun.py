"""Escrows as a noun: routes, commands and forms follow from it. Opening one has a route of its own, since there is no thing yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.verbs import Field, Noun, Part, Verb, VerbCall, VerbResult
from counterfoil.settlement.escrow import escrows, moving
from counterfoil.settlement.escrow.model import (
    ESCROW,
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


def _hand(one: VerbCall) -> Hand:
    return Hand(one.actor, one.now, one.make_id, one.reason or None)


def _fund(one: VerbCall) -> VerbResult:
    known = {*one.providers, moving.BANK}
    if one.taken["provider"] not in known:
        raise InvalidInput("provider", f"one of {', '.join(sorted(known))}", got=one.taken["provider"][:40])
    return VerbResult(escrows.fund_escrow(one.conn, one.subject_id, _hand(one), **one.taken))


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
    return VerbResult(escrows.freeze_escrow(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _unfreeze(one: VerbCall) -> VerbResult:
    return VerbResult(escrows.unfreeze_escrow(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _sign(one: VerbCall) -> VerbResult:
    return VerbResult(escrows.sign_escrow(one.conn, one.subject_id, make_id=one.make_id, actor=one.actor, now=one.now))


def _score(one: VerbCall) -> VerbResult:
    return VerbResult(
        escrows.report_score(one.conn, one.subject_id, **one.taken, source=one.reason, make_id=one.make_id, actor=one.actor, now=one.now)
    )


def _refusals(conn: Connection[Any], escrow_id: str, now: datetime) -> Mapping[str, str | None]:
    one = show_escrow(conn, escrow_id)
    is_so = f"it is {one.state}"
    over = f"its time was over at {one.expires_at.isoformat()}" if now >= one.expires_at else None
    try:
        moving.refuse_release(conn, one, now)
        release = None
    except EscrowRefuses as refused:
        release = str(refused.facts["why"])
    return {
        "fund": is_so if one.state != "pending" else over,
        "release": release,
        "refund": None if one.state in ("pending", "active") else is_so,
        "repay": None if one.refunded > one.repaid else "nothing of it is owed back to its customer",
        "sign": is_so if one.state in ESCROW.final else None,
        "report_score": is_so if one.state in ESCROW.final else None,
        "freeze": None if one.state in ESCROW.before("freeze") else is_so,
        "unfreeze": None if one.state in ESCROW.before("unfreeze") else is_so,
        "rule": None if one.state == "disputed" else f"{is_so}, and only what is disputed is ruled on",
    }


VERBS: Final = (
    Verb(
        "fund",
        OPERATE,
        "Fund",
        "Take money in: a payment that lies in suspense, or one that came to the client money account. Each counts once. "
        "Payments that name the escrow as their reference fund it by themselves.",
        do=_fund,
        done="{id} is {state}.",
        reason=False,
        takes=(
            Field("provider", "The provider that took the payment, or bank for one that came to the client money account.", example="bank"),
            Field("reference", "The provider's id of the payment, or the bank's reference.", example="ch_1042"),
            Field("amount", "Without it, all that the escrow lacks or the payment has.", "amount", required=False, example="1250"),
        ),
    ),
    Verb(
        "release",
        OPERATE,
        "Release",
        "Let the payee have it, when every condition holds: fees are taken at the rates of the day it began, and the rest is paid out.",
        do=_release,
        reason=False,
        takes=(Field("amount", "Without it, all that it holds.", "amount", required=False, example="1250"),),
    ),
    Verb(
        "refund",
        OPERATE,
        "Refund",
        "Owe it back to the customer. No fees are taken.",
        do=_refund,
        takes=(Field("amount", "Without it, all that it holds.", "amount", required=False, example="1250"),),
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
            Field("provider", "The provider that paid it, or bank for a transfer from the client money account.", example="bank"),
            Field("reference", "The provider's or the bank's own reference of the payment.", example="re_1042"),
            Field("amount", "Without it, all that is owed.", "amount", required=False, example="1250"),
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
    Verb("freeze", OPERATE, "Freeze", "It is disputed: nothing leaves it, and it does not expire until that is over.", do=_freeze),
    Verb("unfreeze", OPERATE, "Unfreeze", "The dispute was withdrawn. If its time was over meanwhile, it expires now.", do=_unfreeze),
    Verb(
        "rule",
        OPERATE,
        "Rule on it",
        "End a dispute: so much goes back to the customer, and the rest to the payee, whatever the conditions say.",
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
    help="Customers' money that waits for its conditions.",
    parts=(
        Part("conditions", ConditionStanding, conditions_of),
        Part("movements", EscrowMovement, movements_of),
        Part("evidence", EscrowEvidence, evidence_of),
    ),
    columns=("id", "customer_id", "payee_id", "asset", "amount", "remaining", "state", "expires_at"),
)
