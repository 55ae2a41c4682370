"""The states of a dispute, and what is told of it. Time-outs escalate; they never decide."""

from __future__ import annotations

from typing import Final

from counterfoil.base.machine import Machine
from counterfoil.operations.events.events import declare
from counterfoil.operations.work.runner import Queue

DISPUTE: Final = Machine(
    name="dispute",
    table="dispute",
    initial=("open",),
    transitions={
        ("open", "ask_evidence"): "evidence",
        ("open", "review"): "under_review",
        ("evidence", "review"): "under_review",
        ("open", "escalate"): "escalated",
        ("evidence", "escalate"): "escalated",
        ("under_review", "escalate"): "escalated",
        ("escalated", "escalate"): "escalated",
        ("open", "reject"): "rejected",
        ("evidence", "reject"): "rejected",
        ("under_review", "reject"): "rejected",
        ("escalated", "reject"): "rejected",
        ("open", "cancel"): "cancelled",
        ("evidence", "cancel"): "cancelled",
        ("under_review", "resolve"): "resolved_pending_appeal",
        ("escalated", "resolve"): "resolved_pending_appeal",
        ("resolved_pending_appeal", "appeal"): "under_review",
        ("resolved_pending_appeal", "finalize"): "final",
    },
    reasoned=frozenset({"escalate", "reject", "cancel", "resolve", "appeal"}),
)
DISPUTES: Final = Queue("disputes", "dispute", DISPUTE.open, program="program_id")
EVENT_KINDS: Final = declare(
    info={
        "dispute_resolved": "A dispute is decided; its ruling takes effect when it can no longer be appealed.",
        "dispute_ended": "A dispute is over, and what follows from it is booked.",
    },
    warning={
        "dispute_opened": "A customer disputes an invoice; what is not paid out of it is held.",
        "dispute_escalated": "Nobody decided a dispute in time, or a person sent it up.",
    },
    critical={"dispute_overdue": "A dispute is at the highest level and was not decided in time."},
)
