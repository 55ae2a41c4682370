"""Payout batches as a noun: what a person may do with one, declared once. Routes, commands, forms and `allowed` follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import APPROVE, OPERATE
from counterfoil.operations.noun_pages import First, SortKey, between_amounts, between_moments
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Begin, Field, Noun, Part, Verb, VerbCall, VerbResult, of_all
from counterfoil.payouts.batches import deciding, executing, gathering
from counterfoil.payouts.batches.batches import (
    BatchApproval,
    BatchLine,
    PayoutBatch,
    approvals_of,
    batches_by_id,
    lines_of,
    list_batches,
    show_batch,
    standing_batch,
    stopped_lines_of,
)
from counterfoil.payouts.batches.machine import PAYOUT_BATCH


def _who(one: VerbCall) -> dict[str, Any]:
    return {"by": one.by, "now": one.now}


def _because(one: VerbCall) -> dict[str, Any]:
    return {"reason": one.reason, **_who(one)}


def _submit(one: VerbCall) -> VerbResult:
    state = deciding.submit_batch(one.conn, one.subject_id, **_who(one))
    found = show_batch(one.conn, one.subject_id)
    needed = counted(found.approvers, "person approves it", "people approve it")
    told = f"It takes people, because {found.not_by_rule}: {needed}." if found.not_by_rule else "The rule of the policy approved it."
    return VerbResult(state, told=told)


def _approve(one: VerbCall) -> VerbResult:
    before = show_batch(one.conn, one.subject_id).approvals
    state = deciding.approve_batch(one.conn, one.subject_id, seen=one.taken.get("sha256"), **_who(one))
    found = show_batch(one.conn, one.subject_id)
    told = f"{found.approvals} of {counted(found.approvers, 'person', 'people')} approved it."
    if found.approvals == before:
        told = f"You approved it before, which counts once: {told}"
    return VerbResult(state, told=told)


def _execute(one: VerbCall) -> VerbResult:
    return VerbResult(executing.execute_batch(one.conn, one.subject_id, **_who(one)))


def _reject(one: VerbCall) -> VerbResult:
    return VerbResult(deciding.reject_batch(one.conn, one.subject_id, **_because(one)))


def _edit(one: VerbCall) -> VerbResult:
    return VerbResult(deciding.edit_batch(one.conn, one.subject_id, **_because(one)))


def _add(one: VerbCall) -> VerbResult:
    gathering.add_payout(one.conn, one.subject_id, one.taken["payout_id"], **_who(one))
    return VerbResult("draft")


def _remove(one: VerbCall) -> VerbResult:
    gathering.remove_payout(one.conn, one.subject_id, one.taken["payout_id"], **_who(one))
    return VerbResult("draft")


def _take_back(one: VerbCall) -> VerbResult:
    return VerbResult(deciding.take_approval_back(one.conn, one.subject_id, **_because(one)))


def _stop(one: VerbCall) -> VerbResult:
    return VerbResult(executing.stop_batch(one.conn, one.subject_id, **_because(one)))


def _close(one: VerbCall) -> VerbResult:
    return VerbResult(executing.close_batch(one.conn, one.subject_id, **_because(one)))


def _cancel(one: VerbCall) -> VerbResult:
    return VerbResult(deciding.cancel_batch(one.conn, one.subject_id, **_because(one)))


def _gather(one: VerbCall) -> VerbResult:
    show_program(one.conn, one.taken["program_id"])
    wanted = gathering.Wanted(**{name: value for name, value in one.taken.items() if value is not None})
    made = gathering.gather_batch(one.conn, wanted, by=one.by, make_id=one.make_id, now=one.now)
    left = (
        f" {counted(made.skipped_total, 'payout that fits is', 'payouts that fit are')} left out; the first: {made.skipped[0].why}."
        if made.skipped
        else ""
    )
    lines = counted(made.lines, "payout")
    return VerbResult("draft", made.batch_id, f"A draft of {lines}.{left} Nothing is paid before people approve it.")


def _refusals(conn: Connection[Any], batch_id: str, now: datetime) -> Mapping[str, str | None]:
    one = standing_batch(conn, batch_id)
    words = {"add": "edit", "remove": "edit"}
    allowed = PAYOUT_BATCH.allowed(one.state)
    told = {verb.name: None if words.get(verb.name, verb.name) in allowed else f"it is {one.state.replace('_', ' ')}" for verb in VERBS}
    for verb in ("add", "remove"):
        told[verb] = None if one.state == "draft" else f"it is {one.state.replace('_', ' ')}: only a draft is changed"
    altered = "its lines are not those that were frozen" if one.altered else None
    return {
        **told,
        "approve": told["approve"] or altered,
        "execute": altered or executing.why_not_execute(conn, one, now),
        "close": executing.why_not_close(conn, one),
        "submit": told["submit"] or (None if one.amount else "it has no lines"),
    }


PATH: Final = "/admin/payouts/batch/{id}"
SEEN: Final = Field(
    "sha256",
    "The sha256 of the lines that you looked at: refused if they are others by now.",
    required=False,
    length_max=64,
    pattern="^[0-9a-f]{64}$",
    seen=True,
)
VERBS: Final = (
    Verb(
        "submit",
        OPERATE,
        "Submit",
        "Freeze its lines and have them approved. A small one, to payees that are known, is approved by the rule of the policy at once.",
        do=_submit,
        reason=False,
    ),
    Verb(
        "approve",
        APPROVE,
        "Approve",
        "Approve exactly these lines. It takes as many people as the policy says for its amount, and none "
        "of them made or changed it. A key does not approve.",
        do=_approve,
        takes=(SEEN,),
        reason=False,
        paths=(f"{PATH}/approve",),
    ),
    Verb(
        "execute",
        OPERATE,
        "Execute",
        "Pay it: its payouts are set aside and sent. Refused when the treasury does not cover it.",
        do=_execute,
        reason=False,
        done="{id} is {state}: its payouts are being sent.",
        paths=(f"{PATH}/execute",),
    ),
    Verb("reject", APPROVE, "Reject", "Turn it down for good. Its payouts can be gathered anew.", do=_reject),
    Verb(
        "edit",
        OPERATE,
        "Edit",
        "Make it a draft again, to add or remove payouts. What was approved of it is void.",
        do=_edit,
    ),
    Verb(
        "add",
        OPERATE,
        "Add a payout",
        "Put one more pending payout into a draft.",
        do=_add,
        reason=False,
        takes=(Field("payout_id", "Which payout.", example="po_01K…", bare=True),),
        done="{id} has one more payout.",
    ),
    Verb(
        "remove",
        OPERATE,
        "Remove a payout",
        "Take a payout out of a draft.",
        do=_remove,
        reason=False,
        takes=(Field("payout_id", "Which payout.", example="po_01K…", bare=True),),
        done="{id} has one payout less.",
    ),
    Verb("take_back", OPERATE, "Take the approval back", "What was approved is void: it is approved anew.", do=_take_back),
    Verb("stop", OPERATE, "Stop", "End its execution: what is not set aside yet leaves it, what is goes on.", do=_stop),
    Verb(
        "close",
        OPERATE,
        "Close",
        "Close a batch that was paid in part: what failed or left it is free for another one.",
        do=_close,
    ),
    Verb("cancel", OPERATE, "Cancel", "Give it up before it is executed. Its payouts can be gathered anew.", do=_cancel),
)
BATCH_NOUN: Final = Noun(
    "batch",
    "batches",
    "bat",
    PAYOUT_BATCH,
    VERBS,
    show_batch,
    _refusals,
    row=PayoutBatch,
    rows=list_batches,
    by_id=batches_by_id,
    sorts=(
        SortKey("created_at", datetime),
        SortKey("amount", int, money=True),
    ),
    narrows=(*between_moments("created_at", "gathered"), *between_amounts("amount")),
    help="Payouts that people approve together.",
    columns=("id", "program_id", "asset", "amount", "state", "lines", "lines_paid", "approvals", "approvers", "execute_by", "late"),
    parts=(
        Part("cover", executing.BatchCover, of_all(executing.cover_of)),
        Part("stopped", BatchLine, stopped_lines_of),
        Part("payouts", BatchLine, lines_of),
        Part("approved_by", BatchApproval, approvals_of),
    ),
    begin=Begin(
        "batch.gather",
        OPERATE,
        "Gather a payout batch",
        "A draft of every pending payout that fits and may be paid, each at what is owed now.",
        do=_gather,
        takes=(
            Field("program_id", "Of this program."),
            Field("asset", "In this asset."),
            Field("provider", "Only through this provider; all, if empty.", required=False),
            Field("created_before", "Only what was owed before this moment; all, if empty.", "moment", required=False),
            Field("amount_least", "Only of so much or more.", "amount", required=False),
            Field("amount_most", "Only of so much or less.", "amount", required=False),
        ),
    ),
    first=First("It gathers payouts that are due."),
    sought=(FoundBy("amount", "of this amount", "amount"),),
)
