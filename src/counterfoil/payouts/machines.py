"""The machines of a payout: what we owe a payee for one settlement, one attempt to pay it at a provider, and a conflict about one."""

from __future__ import annotations

from typing import Final

from counterfoil.base.machine import Machine
from counterfoil.operations.events.events import declare
from counterfoil.operations.work.runner import Queue

PAYOUT: Final = Machine(
    name="payout",
    table="payout",
    initial=("pending",),
    transitions={
        ("pending", "reserve"): "processing",
        ("pending", "cancel"): "cancelled",
        ("pending", "complete"): "completed",
        ("pending", "net_out"): "refunded",
        ("pending", "hold"): "held",
        ("processing", "complete"): "completed",
        ("processing", "fail"): "failed",
        ("processing", "doubt"): "reconcile_required",
        ("processing", "unreserve"): "pending",
        ("processing", "hold"): "held",
        ("processing", "net_out"): "refunded",
        ("reconcile_required", "complete"): "completed",
        ("reconcile_required", "fail"): "failed",
        ("reconcile_required", "unreserve"): "pending",
        ("reconcile_required", "hold"): "held",
        ("reconcile_required", "net_out"): "refunded",
        ("failed", "retry"): "pending",
        ("failed", "cancel"): "cancelled",
        ("failed", "complete"): "completed",
        ("failed", "net_out"): "refunded",
        ("failed", "hold"): "held",
        ("held", "release"): "pending",
        ("held", "net_out"): "refunded",
        ("held", "complete"): "completed",
        ("held", "cancel"): "cancelled",
        ("cancelled", "complete"): "completed",
        ("completed", "return"): "returned",
        ("completed", "net_out"): "refunded",
        ("returned", "complete"): "completed",
        ("returned", "close"): "refunded",
        ("returned", "net_out"): "refunded",
    },
    reasoned=frozenset({"cancel", "retry", "close"}),
    ended=frozenset({"completed", "cancelled", "returned"}),
)

PROVIDER_PAYOUT: Final = Machine(
    name="provider_payout",
    table="provider_payout",
    initial=("queued",),
    transitions={
        ("queued", "send"): "sending",
        ("queued", "accept"): "sent",
        ("queued", "succeed"): "succeeded",
        ("queued", "fail"): "failed",
        ("queued", "lose"): "unknown",
        ("queued", "cancel"): "cancelled",
        ("queued", "quarantine"): "quarantined",
        ("sending", "accept"): "sent",
        ("sending", "succeed"): "succeeded",
        ("sending", "requeue"): "queued",
        ("sending", "fail"): "failed",
        ("sending", "lose"): "unknown",
        ("sending", "cancel"): "cancelled",
        ("sending", "quarantine"): "quarantined",
        ("sent", "succeed"): "succeeded",
        ("sent", "fail"): "failed",
        ("sent", "lose"): "unknown",
        ("sent", "quarantine"): "quarantined",
        ("sent", "force_finalize"): "succeeded",
        ("unknown", "accept"): "sent",
        ("unknown", "succeed"): "succeeded",
        ("unknown", "fail"): "failed",
        ("unknown", "requeue"): "queued",
        ("unknown", "cancel"): "cancelled",
        ("unknown", "quarantine"): "quarantined",
        ("unknown", "force_finalize"): "succeeded",
        ("unknown", "mark_failed"): "failed",
        ("quarantined", "succeed"): "succeeded",
        ("quarantined", "fail"): "failed",
        ("quarantined", "force_finalize"): "succeeded",
        ("quarantined", "cancel"): "cancelled",
        ("quarantined", "release_to_queue"): "queued",
        ("quarantined", "release_to_look_up"): "unknown",
        ("quarantined", "release_cancelled"): "cancelled",
        ("succeeded", "return"): "returned",
        ("failed", "pay_late"): "succeeded",
        ("failed", "return_late"): "returned",
        ("cancelled", "pay_late"): "succeeded",
        ("cancelled", "return_late"): "returned",
    },
    reasoned=frozenset(
        {
            "cancel",
            "quarantine",
            "release_to_look_up",
            "force_finalize",
            "mark_failed",
            "release_to_queue",
            "release_cancelled",
        }
    ),
    paired=frozenset({"force_finalize", "mark_failed", "release_to_queue", "release_cancelled"}),
    ended=frozenset({"succeeded", "failed", "cancelled"}),
)

PROVIDER_CONFLICT: Final = Machine(
    name="provider_conflict",
    table="provider_conflict",
    initial=("open",),
    transitions={
        ("open", "settle"): "settled",  # by the provider's present word
        ("open", "find_paid"): "paid",
        ("open", "find_unpaid"): "not_paid",
    },
    reasoned=frozenset({"find_paid", "find_unpaid"}),
    paired=frozenset({"find_paid", "find_unpaid"}),
)

PAYMENT_FILE: Final = Machine(
    name="payment_file",
    table="payment_file",
    initial=("made",),
    transitions={
        ("made", "download"): "downloaded",  # from then on the bank may have it
        ("made", "report"): "reported",
        ("downloaded", "report"): "reported",
        ("made", "cancel"): "cancelled",
    },
    reasoned=frozenset({"cancel"}),
)

# Of a payout: it is paid without anybody's doing; its money is set aside for an attempt.
UNDER_WAY: Final = tuple(one for one in PAYOUT.open if one != "failed")
RESERVED: Final = PAYOUT.before("unreserve")
# Of an attempt: its money left; its money was given back; what a settlement's money may be in; the provider may have it.
PAID: Final = PROVIDER_PAYOUT.after("succeed", "return")
GIVEN_BACK: Final = PROVIDER_PAYOUT.after("fail", "cancel")
SPENT: Final = (*PROVIDER_PAYOUT.open, "succeeded")
IN_FLIGHT: Final = ("sending", "sent", "unknown")
WENT_OUT: Final = (*IN_FLIGHT, "succeeded", "failed", "returned")

RESERVING: Final = Queue("reserve", "payout", ("pending",), program="program_id", money=True)
SEND_JOB: Final = "outbox"  # the job of that queue, by which a worker says that it sends
SENDING: Final = Queue("send", "provider_payout", ("queued",), lane="provider", program="program_id", money=True)
# An attempt that is over is asked about, too: a webhook alone said that it came back, or a conflict is open.
PULLING: Final = Queue(
    "pull",
    "provider_payout",
    ("sent", "unknown", "quarantined", "succeeded", "failed", "cancelled"),
    lane="provider",
    program="program_id",
)
REPAIRING: Final = Queue("repair", "provider_payout", ("sending",), program="program_id")

EVENT_KINDS: Final = declare(
    debug={
        "payout_created": "A payout was created for a settlement.",
        "payout_completed": "A payout arrived and is booked as final.",
    },
    info={
        "payout_idempotent_skip": "A payout with this key exists already; nothing was moved.",
        "payout_waiting": "A payout waits: its payee has no active destination, it needs an approval, or the ledger refuses it.",
        "payout_cancelled": "A payout was cancelled by a person.",
        "payout_unreserved": "A payout that was not sent yet is set aside anew: its destination or its amount changed.",
        "payout_netted_out": "Nothing is left to pay: all of it paid what the payee owed, or it was paid before.",
        "payout_held": "A dispute holds a payout.",
        "payout_reissued": "A new payout was made for what is still owed for a settlement.",
        "payment_file_made": "A file of payments lies ready to be brought to the bank.",
        "payment_file_reported": "The bank reported on payments; what it said is booked.",
    },
    warning={
        "payout_failed": "A payout failed for certain; its money is owed to the payee again.",
        "payout_returned": "A payout came back after it had arrived; it is owed again and never sent again by itself.",
        "payout_quarantined": "A person stopped an attempt: it is not sent while that lasts.",
        "payout_unknown": "Nobody knows yet whether a payout went out; it waits for the provider's answer.",
    },
    critical={
        "payout_overpaid": "An attempt turned out to be paid when its money had gone elsewhere: the payee owes it back.",
        "provider_status_conflict": "The provider contradicts what it said before, or paid another amount.",
    },
)
