"""The machine of a payout batch: gathered, frozen, approved, executed line by line."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from counterfoil.base.database import name_refusals
from counterfoil.base.machine import Machine
from counterfoil.base.problems import NotAllowed, Problem
from counterfoil.operations.approvals import SamePerson
from counterfoil.operations.events.events import declare
from counterfoil.operations.work.runner import Queue
from counterfoil.payouts.machines import PAYOUT

LINES_MAX: Final = 1_000
APPROVAL_LIFE: Final = timedelta(hours=24)  # then it takes new approvals
SERVICE_LEVEL: Final = timedelta(hours=24)  # from the approval until everything is paid; and for the approval itself

PAYOUT_BATCH: Final = Machine(
    name="payout_batch",
    table="payout_batch",
    initial=("draft",),
    transitions={
        ("draft", "submit"): "pending_approval",
        ("draft", "cancel"): "cancelled",
        ("pending_approval", "approve"): "approved",
        ("pending_approval", "reject"): "rejected",
        ("pending_approval", "edit"): "draft",
        ("pending_approval", "cancel"): "cancelled",
        ("approved", "execute"): "executing",
        ("approved", "expire"): "pending_approval",
        ("approved", "take_back"): "pending_approval",
        ("approved", "cancel"): "cancelled",
        ("executing", "finish"): "executed",
        ("executing", "fall_short"): "partially_executed",
        ("executing", "stop"): "partially_executed",
        ("partially_executed", "finish"): "executed",
        ("partially_executed", "close"): "closed",
    },
    reasoned=frozenset({"cancel", "reject", "edit", "take_back", "stop", "close"}),
)
# Of a payout: its line was paid, also where that came back later; its line will never be.
ARRIVED: Final = ("completed", "returned")
ENDED_UNPAID: Final = tuple(one for one in PAYOUT.final if one not in ARRIVED)
PAYS: Final = PAYOUT_BATCH.before("finish")  # in these its lines are paid
# How a payout leaves a batch that is not over, by the state of that; `{batch}` is its id.
LEAVES: Final = {
    "draft": "remove it from {batch}, or cancel {batch}",
    "pending_approval": "edit {batch} and remove it there, or cancel {batch}",
    "approved": "cancel {batch}; or take its approval back, edit it, and remove the payout there",
    "executing": "wait until {batch} is over, or stop it and then close it",
    "partially_executed": "wait until {batch} is over, or close it",
}
BATCHES: Final = Queue("batches", "payout_batch", ("approved", *PAYS), program="program_id")

EVENT_KINDS: Final = declare(
    info={
        "payout_batch_submitted": "A payout batch is frozen and waits for its approvals.",
        "payout_batch_approved": "A payout batch has all its approvals; it can be executed for 24 hours.",
        "payout_batch_executed": "Every line of a payout batch is paid.",
        "payout_batch_line_left": "A line left its batch: it is not any more what was approved.",
    },
    warning={
        "payout_batch_expired": "A payout batch was not executed within 24 hours: it takes new approvals.",
        "payout_batch_fell_short": "Some lines of a payout batch are not paid; a person retries or closes it.",
        "payout_policy_set": "Somebody set, with a second person, which payouts need an approval.",
    },
    critical={"payout_batch_altered": "The lines of a payout batch are not those that were approved: none of them is paid."},
)


class BatchNotNow(Problem):
    """This cannot be done with the payout batch as it stands; `why` is the reason."""


class BatchFrozen(Problem):
    """The lines of a batch change only while it is a draft."""

    todo = "Say `edit` first: what was approved is void then, and it is approved anew."


class BatchAltered(Problem):
    """The lines of the batch are not those that were frozen, or approved: nothing of it is paid."""

    todo = (
        "Find out who changed the rows of this batch. Cancel it, and gather a new one. If it is being executed, stop it, and close it "
        "once nothing of it is under way."
    )


class BatchMakerApproves(SamePerson, kind="forbidden"):
    """Whoever made or changed a batch does not approve it: it takes other people."""


class NotAllowedBy(Problem):
    """What an attempt was allowed by does not count any more, such as a policy that has a newer one. It is judged anew by itself."""


class PayoutInBatch(Problem):
    """The payout is in a batch that is not over; `do` says how it leaves that one."""


name_refusals(
    codes={"CF380": BatchFrozen, "CF381": BatchMakerApproves, "CF382": BatchAltered, "CF383": NotAllowed, "CF384": NotAllowedBy},
    constraints={"payout_batch_line_lives_once": PayoutInBatch},
)
