"""Payouts as a noun: what a person may do with one, declared once. Routes, commands, forms and `allowed` follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import listed
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.approvals import Proposal
from counterfoil.operations.noun_pages import (
    Elsewhere,
    First,
    Narrow,
    SavedView,
    SortKey,
    ViewElsewhere,
    between_amounts,
    between_moments,
    of_party,
)
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Field, Noun, Part, Propose, Verb, VerbCall, VerbResult
from counterfoil.payouts.disputes.disputes import apply_ruling
from counterfoil.payouts.machines import PAYOUT, RESERVED
from counterfoil.payouts.next_action import next_action
from counterfoil.payouts.payouts import by_hand
from counterfoil.payouts.payouts.matter import NotNow, matter_of, require
from counterfoil.payouts.payouts.payout_rules import refusal_of
from counterfoil.payouts.payouts.proof import HopProof, proof_of
from counterfoil.payouts.payouts.verbs import list_payouts, payouts_by_id, show_payout
from counterfoil.payouts.provider_payouts import attempts_by_hand
from counterfoil.payouts.provider_payouts.conflicts import conflicts_of
from counterfoil.payouts.provider_payouts.paired import propose_end_of_conflict, propose_for_attempt
from counterfoil.payouts.provider_payouts.records import paid_by_statement, paid_by_webhook
from counterfoil.payouts.queries import OVER_AND_OWED


def _because(one: VerbCall) -> dict[str, Any]:
    return {"reason": one.reason, "actor": one.actor, "now": one.now}


def _retry(one: VerbCall) -> VerbResult:
    return VerbResult(by_hand.retry_payout(one.conn, one.subject_id, **_because(one)))


def _apply_ruling(verb: str) -> Callable[[VerbCall], VerbResult]:
    def do(one: VerbCall) -> VerbResult:
        # Not locked: a dispute is locked before its payouts, and what is true of it is looked at again under its lock.
        matter = matter_of(one.conn, one.subject_id, now=one.now)
        require(verb, matter)
        assert matter.dispute is not None
        apply_ruling(one.conn, matter.dispute.id, make_id=one.make_id, actor=one.actor, now=one.now)
        return VerbResult(show_payout(one.conn, one.subject_id).state)

    return do


def _cancel(one: VerbCall) -> VerbResult:
    return VerbResult(by_hand.cancel_payout(one.conn, one.subject_id, **_because(one)))


def _close(one: VerbCall) -> VerbResult:
    return VerbResult(by_hand.close_payout(one.conn, one.subject_id, **_because(one)))


def _reissue(one: VerbCall) -> VerbResult:
    new = by_hand.reissue_payout(one.conn, one.subject_id, one.make_id("po"), **_because(one))
    return VerbResult(show_payout(one.conn, one.subject_id).state, new.id)


def _ask(one: VerbCall) -> VerbResult:
    return VerbResult(by_hand.ask_provider(one.conn, one.subject_id, actor=one.actor, now=one.now))


def _rerun(one: VerbCall) -> VerbResult:
    return VerbResult(by_hand.rerun_payout(one.conn, one.subject_id, now=one.now))


def _cancel_attempt(one: VerbCall) -> VerbResult:
    return VerbResult(attempts_by_hand.cancel_attempt(one.conn, one.subject_id, **_because(one)))


def _quarantine(one: VerbCall) -> VerbResult:
    return VerbResult(attempts_by_hand.quarantine_attempt(one.conn, one.subject_id, **_because(one)))


def _look_up(one: VerbCall) -> VerbResult:
    return VerbResult(attempts_by_hand.release_attempt(one.conn, one.subject_id, "unknown", **_because(one)))


def _proposed(verb: str) -> Propose:
    def propose(one: VerbCall) -> Proposal:
        more: dict[str, Any] = {}
        evidence = one.reason
        if verb == "force_finalize":
            more |= _record(one)
        elif verb == "mark_failed":
            more |= {"error": one.reason, "seen_at": one.taken["seen_at"]}
            evidence = one.taken["evidence"]
        return propose_for_attempt(one.conn, one.make_id("prop"), one.subject_id, verb, evidence=evidence, by=one.by, now=one.now, **more)

    return propose


def _record(one: VerbCall) -> dict[str, Any]:
    """The record that says it was paid: a webhook, or the statement's line of a break."""
    webhook, case = one.taken.get("webhook_id"), one.taken.get("break_id")
    if (webhook is None) == (case is None):
        raise InvalidInput("webhook_id", "this or break_id, one of the two", got="both" if webhook else "neither")
    if webhook is not None:
        return {"fact": paid_by_webhook(one.conn, webhook, one.providers)}
    attempt = matter_of(one.conn, one.subject_id, now=one.now, lock=True).last
    if attempt is None:
        raise NotNow(payout=one.subject_id, verb="force_finalize", why="it has no attempt")
    fact, line = paid_by_statement(one.conn, str(case), attempt)
    return {"fact": fact, "line": line}


def _end_conflict(one: VerbCall) -> Proposal:
    conflict, found = one.taken["conflict_id"], one.taken["found"]
    open_here = {each.id for each in conflicts_of(one.conn, one.subject_id)}
    if conflict not in open_here:
        raise InvalidInput(
            "conflict_id",
            f"a conflict of this payout: {', '.join(sorted(open_here)) or 'it has none'}",
            got=conflict[:80],
        )
    return propose_end_of_conflict(one.conn, one.make_id("prop"), conflict, found, evidence=one.reason, by=one.by, now=one.now)


def _refusals(conn: Connection[Any], payout_id: str, now: datetime) -> Mapping[str, str | None]:
    matter = matter_of(conn, payout_id, now=now)
    return {verb.name: refusal_of(verb.name, matter) for verb in VERBS}


OPS: Final = "/admin/ops/payouts/{id}"
VERBS: Final = (
    Verb(
        "retry",
        OPERATE,
        "Retry",
        "Try a payout again that failed for certain. Its money was given back, and is reserved anew. Three times at most.",
        do=_retry,
        done="{id} is {state} and will be sent again.",
    ),
    Verb(
        "cancel",
        OPERATE,
        "Cancel",
        "Give a payout up that nothing is under way for. Its money stays owed to the payee.",
        do=_cancel,
        done="{id} is {state}; its money stays owed to the payee.",
    ),
    Verb(
        "cancel_attempt",
        OPERATE,
        "Cancel the attempt",
        "Give up an attempt that waits to be sent and of which the provider can have "
        "nothing. Its money is owed to the payee again, and the payout is failed.",
        do=_cancel_attempt,
        done="The attempt at {id} is {state}; its money is owed to the payee.",
    ),
    Verb(
        "reissue",
        OPERATE,
        "Issue anew",
        "Make a new payout of what is still owed, with three tries of its own; after a cancellation, a return, or three failures.",
        do=_reissue,
        done="{made} pays what is still owed for {id}.",
    ),
    Verb("close", OPERATE, "Close", "End a returned payout for which nothing is owed any more.", do=_close),
    Verb(
        "force_reconcile",
        OPERATE,
        "Ask the provider now",
        "Have the provider asked now what became of an attempt. Moves no money by itself: the provider's answer decides.",
        do=_ask,
        done="The provider is asked about {id}, whose attempt is {state}.",
        reason=False,
        paths=(f"{OPS}/force-reconcile",),
    ),
    Verb(
        "rerun",
        OPERATE,
        "Do now what is next",
        "Reserve it, send it, or ask the provider, without waiting for its time. Never sends again what was sent.",
        do=_rerun,
        done="{id} is due now; it is {state}.",
        reason=False,
        paths=(f"{OPS}/rerun-outbox",),
    ),
    Verb(
        "quarantine",
        OPERATE,
        "Quarantine",
        "Stop a payout's attempt: it is not sent while that lasts. What the provider says of it is booked all the same.",
        do=_quarantine,
        done="The attempt at {id} is {state}.",
        paths=(f"{OPS}/quarantine",),
    ),
    Verb(
        "release_to_look_up",
        OPERATE,
        "Release and ask the provider",
        "End a quarantine: the provider is asked what became of the attempt, and its answer decides.",
        do=_look_up,
        done="The attempt at {id} is {state}; the provider is asked.",
        paths=(f"{OPS}/release",),
    ),
    Verb(
        "release_to_queue",
        OPERATE,
        "Release to the queue",
        "End a quarantine and let it be sent: only when no call of it ever began.",
        propose=_proposed("release_to_queue"),
    ),
    Verb(
        "release_cancelled",
        OPERATE,
        "Release and give its money back",
        "End a quarantine and give the attempt up: only when the provider can have nothing of it.",
        propose=_proposed("release_cancelled"),
    ),
    Verb(
        "mark_failed",
        OPERATE,
        "Mark as failed",
        "Give its money back, on evidence that the provider has not paid and will not; only "
        "while nobody knows what became of it, and no call of it can arrive any more. The reason is the error.",
        propose=_proposed("mark_failed"),
        reason_also="error",
        takes=(
            Field("evidence", "Where it can be seen that nothing was paid.", "prose"),
            Field("seen_at", "When that was seen; after the last call can no longer arrive.", "moment", example="2026-11-26T15:00:00Z"),
        ),
    ),
    Verb(
        "force_finalize",
        OPERATE,
        "Finalize as paid",
        "Book it as paid, on the provider's own record of this very payout, which was "
        "never applied, or on the line of a statement. Once for each attempt.",
        propose=_proposed("force_finalize"),
        paths=(f"{OPS}/force-finalize",),
        takes=(
            Field("webhook_id", "The stored webhook that says it was paid, such as a parked one.", required=False, example="whi_01K…"),
            Field(
                "break_id",
                "Or the break whose line of the provider's or the bank's statement says so.",
                required=False,
                example="break_01K…",
            ),
        ),
    ),
    Verb(
        "release_hold",
        OPERATE,
        "Release the hold",
        "Have a ruling for the payee, or in part for it, take effect now that it can no "
        "longer be appealed; the job disputes does it by itself.",
        do=_apply_ruling("release_hold"),
        done="{id} is {state}.",
    ),
    Verb(
        "refund",
        OPERATE,
        "Refund to the customer",
        "Have a ruling for the customer take effect now that it can no longer be appealed; the job disputes does it by itself.",
        do=_apply_ruling("refund"),
        done="{id} is {state}; its customer is owed the money.",
    ),
    Verb(
        "end_conflict",
        OPERATE,
        "End a conflict",
        "What was found paid is booked; what was booked and not paid is booked as returned.",
        propose=_end_conflict,
        takes=(
            Field("conflict_id", "The conflict, as the payout shows it.", example="pp_01K….1"),
            Field("found", "What was found.", "choice", choices=("paid", "not_paid")),
        ),
    ),
)
PAYOUT_NOUN: Final = Noun(
    "payout",
    "payouts",
    "po",
    PAYOUT,
    VERBS,
    show_payout,
    _refusals,
    help="What payees are paid, each of one settlement.",
    columns=("id", "state", "payee_id", "asset", "amount", "created_at", "state_at", "last_error", "invoice_id"),
    listed=list_payouts,
    views=(
        SavedView("failed", "failed", "t.state = 'failed'"),
        SavedView("in-doubt", "in doubt", "t.state = 'reconcile_required'"),
        SavedView("stuck", "stuck over 10 min", f"t.state in {listed(RESERVED)} and t.state_at < %(now)s - interval '10 minutes'"),
        SavedView("owed", "over and still owed", OVER_AND_OWED),
        SavedView("held", "held over 30 d", "t.state = 'held' and t.state_at < %(now)s - interval '30 days'"),
    ),
    views_elsewhere=(ViewElsewhere("missing for a paid invoice", "invoices", "no-payout"),),
    by_id=payouts_by_id,
    next_action=next_action,
    sorts=(SortKey("created_at", datetime), SortKey("amount", int, money=True)),
    narrows=(
        *of_party("payee"),
        Narrow(
            "provider",
            "exists (select from provider_payout pp where pp.payout_id = t.id and pp.provider = %(provider)s)",
            "Only those with an attempt at this provider.",
        ),
        *between_moments("created_at", "created"),
        *between_amounts("amount"),
        *of_party("invoice"),
        Narrow("key", "t.key = %(key)s", "Only the one with this key."),
    ),
    parts=(Part("proof", HopProof, proof_of, ("at", "what", "said", "id")),),
    elsewhere=(
        Elsewhere(
            "Show that what was posted for it is in the log, with a file that verifies alone.",
            "counterfoil proof inclusion {id}",
            page="/admin/payouts/{id}/inclusion",
        ),
    ),
    first=First("It is made of each settlement, once an invoice is paid."),
    sought=(
        FoundBy("key", "its key is this"),
        FoundBy("amount", "of this amount", "amount"),
    ),
)
