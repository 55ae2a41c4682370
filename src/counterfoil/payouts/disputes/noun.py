"""Disputes as a noun: what a person may do with one. Opening one and handing in a file have routes of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.formats.amounts import asset_of_book, told_amount
from counterfoil.base.machine import listed
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import APPROVE, OPERATE, Caller
from counterfoil.operations.noun_pages import (
    Elsewhere,
    FileOfThing,
    First,
    SavedFile,
    SortKey,
    TakenFile,
    WaitingForPerson,
    between_amounts,
    between_moments,
    of_party,
)
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Begin, Field, Noun, Part, Verb, VerbCall, VerbResult
from counterfoil.payouts.disputes import disputes
from counterfoil.payouts.disputes.disputes import DISPUTE_ROWS, Dispute, list_disputes, show_dispute
from counterfoil.payouts.disputes.evidence import Evidence, add_evidence, evidence_file, evidence_of
from counterfoil.payouts.disputes.machine import DISPUTE
from counterfoil.payouts.disputes.rules import OUTCOMES, POLICIES
from counterfoil.payouts.disputes.standing import HeldByDispute, held_by_dispute


def _step(verb: str) -> Callable[[VerbCall], VerbResult]:
    def do(one: VerbCall) -> VerbResult:
        return VerbResult(disputes.step(one.conn, one.subject_id, verb, reason=one.reason, by=one.by, now=one.now))

    return do


def _end(verb: str) -> Callable[[VerbCall], VerbResult]:
    def do(one: VerbCall) -> VerbResult:
        return VerbResult(disputes.end_unruled(one.conn, one.subject_id, verb, reason=one.reason, by=one.by, now=one.now))

    return do


def _appeal(one: VerbCall) -> VerbResult:
    return VerbResult(disputes.appeal(one.conn, one.subject_id, reason=one.reason, by=one.by, now=one.now))


def _resolve(one: VerbCall) -> VerbResult:
    ratio = one.taken.get("ratio_bps")
    if ratio and not (ratio.isascii() and ratio.isdigit() and len(ratio) <= 5):
        raise InvalidInput("ratio_bps", "from 0 to 10000 hundredths of a percent", got=ratio[:40])
    state = disputes.resolve(
        one.conn,
        one.subject_id,
        outcome=one.taken["outcome"],
        amount=one.taken.get("refund"),
        ratio_bps=int(ratio) if ratio else None,
        policy=one.taken.get("policy") or POLICIES[0],
        reason=one.reason,
        by=one.by,
        now=one.now,
    )
    return VerbResult(state, told=split_told(one, one.subject_id))


def split_told(call: VerbCall, dispute_id: str) -> str:
    """Who gets what by the ruling, in a sentence."""
    conn, one = call.conn, show_dispute(call.conn, dispute_id)
    amount = asset_of_book(conn, one.asset).told
    until = f"Nothing moves before {one.appeal_until:%Y-%m-%d %H:%M} UTC." if one.appeal_until else ""
    back = f"The customer gets back {amount(one.refund or 0)} of {amount(one.amount)}."
    split = disputes.split_of(conn, one)
    if split is None:
        return f"{back} {until}"
    fees = f"{amount(split.platform_fee)} platform fee, {amount(split.validator_fee)} validator fee"
    said = f"{back} Of the rest {amount(split.net)} are the payee's, {fees}"
    taken = disputes.taken_by(conn, one, make_id=call.make_id, actor=call.actor, now=call.now)
    if taken is not None and taken.refused:
        return f"{said}. What is held back then is not known: its refund could not be booked now: {taken.refused} {until}"
    if taken is None or (taken.held_back == split.holdback and not taken.owed):
        return f"{said}, {amount(split.holdback)} are held back. {until}"
    used = split.holdback - taken.held_back
    held = f"of {amount(split.holdback)} that would be held back {amount(used)} pay for it, and {amount(taken.held_back)} stay"
    owes = f"the payee then owes {amount(taken.owed)}" if taken.owed else ""
    return f"{said}. The payee was paid already, or is being paid: {'; '.join(filter(None, (held if used else '', owes)))}. {until}"


def _open(one: VerbCall) -> VerbResult:
    taken = one.taken
    made = disputes.open_dispute(
        one.conn, one.make_id("dsp"), taken["invoice_id"], cause=taken["cause"], make_id=one.make_id, by=one.by, now=one.now
    )
    about = told_amount(one.conn, made.amount, made.asset)
    return VerbResult(made.state, made.id, f"It is about {about} of {made.invoice_id}; what of that is not paid out is held.")


def _hand_in(conn: Connection[Any], dispute_id: str, name: str, content: bytes, by: Caller, now: datetime) -> dict[str, Any]:
    number, sha256 = add_evidence(conn, dispute_id, content, name=name, by=by, now=now)
    return {"id": dispute_id, "name": name, "sha256": sha256, "number": number}


def _evidence_file(conn: Connection[Any], dispute_id: str, number: int, _: datetime) -> SavedFile:
    """As it was handed in. No browser shows it: who disputes made it."""
    found = evidence_file(conn, dispute_id, number)
    return SavedFile(found.name, "application/octet-stream", found.content)


VERBS: Final = (
    Verb(
        "ask_evidence",
        OPERATE,
        "Ask for evidence",
        "Both sides hand in what they have, within 48 hours.",
        do=_step("ask_evidence"),
        reason=False,
    ),
    Verb("review", OPERATE, "Review", "Somebody looks at it and decides within 72 hours.", do=_step("review"), reason=False),
    Verb(
        "escalate",
        OPERATE,
        "Escalate",
        "Send it up a level, three at most; time-outs do the same, and decide nothing.",
        do=_step("escalate"),
        long_reason=True,
    ),
    Verb(
        "reject",
        OPERATE,
        "Reject",
        "It is no dispute that can be decided. What was held goes on its way. Who opened it or gave evidence does not reject it, and after "
        "an appeal nobody does.",
        do=_end("reject"),
        long_reason=True,
    ),
    Verb("cancel", OPERATE, "Cancel", "Who complained takes it back. What was held goes on its way.", do=_end("cancel"), long_reason=True),
    Verb(
        "resolve",
        APPROVE,
        "Decide",
        "Say who gets the money. Nothing moves for 7 days, in which it may be appealed once. Who opened it, "
        "gave evidence or decided it before does not decide it.",
        do=_resolve,
        long_reason=True,
        done="{id} is {state}. {told}",
        takes=(
            Field("outcome", "Who wins.", "choice", choices=OUTCOMES),
            Field("refund", "What the customer gets back, with the outcome partial.", "amount", required=False, example="33.33"),
            Field("ratio_bps", "Or its share of what is disputed, in hundredths of a percent.", required=False, example="3333"),
            Field(
                "policy",
                "Are fees those of what is kept (proportional, without it), or as they were taken?",
                "choice",
                required=False,
                choices=POLICIES,
            ),
        ),
    ),
    Verb(
        "appeal",
        OPERATE,
        "Appeal",
        "Have it decided anew by somebody else, once, before its ruling takes effect.",
        do=_appeal,
        long_reason=True,
    ),
)
DISPUTE_NOUN: Final = Noun(
    "dispute",
    "disputes",
    "dsp",
    DISPUTE,
    VERBS,
    show_dispute,
    row=Dispute,
    rows=list_disputes,
    by_id=DISPUTE_ROWS.by_id,
    sorts=(
        SortKey("opened_at", datetime),
        SortKey("amount", int, "exposure", money=True),
    ),
    narrows=(*of_party("payee", "customer", "invoice"), *between_moments("opened_at", "opened"), *between_amounts("exposure")),
    parts=(Part("on_hold", HeldByDispute, held_by_dispute), Part("evidence", Evidence, evidence_of)),
    elsewhere=(
        Elsewhere(
            "Hand in evidence, a file of at most 5 MB.",
            "counterfoil disputes add-evidence {id} FILE",
            takes=TakenFile("evidence", OPERATE, "dispute.evidence", _hand_in),
        ),
        Elsewhere(
            "Read a file that was handed in, by its number.",
            "counterfoil disputes download-evidence {id} 1",
            file=FileOfThing("evidence", _evidence_file, "evidence"),
        ),
    ),
    help="What customers complain of; what is not paid out is held until it is decided.",
    begin=Begin(
        "dispute.open",
        OPERATE,
        "Open a dispute",
        "What is not paid out of the invoice is held at once. A send that has begun is left; then the payee's holdback and next payouts "
        "wait.",
        do=_open,
        because="cause",
        takes=(
            Field("invoice_id", "Which invoice.", "id", prefix="inv", example="inv_01KA0000000000000000000000"),
            Field("cause", "What the customer complains of.", "prose", example="the parcel came empty"),
        ),
    ),
    waits=(
        WaitingForPerson(
            "dispute",
            "Disputes to be decided",
            "What is not paid out of its invoice is held. A time-out sends it up a level and decides nothing: people do, on its page.",
            f"t.state in {listed(DISPUTE.before('reject'))}",
            "counterfoil disputes show {id}",
            "counterfoil disputes list",
            ("Go on with it", "See the disputes"),
            whose="t.customer_id",
            amount="t.exposure",
            asset="t.asset",
            why="replace(t.state, '_', ' ') || ': ' || t.cause",
            due="t.due_at",
        ),
    ),
    first=First("It comes when a customer complains."),
    sought=(FoundBy("exposure", "about this amount", "amount"),),
)
