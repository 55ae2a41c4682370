"""The two machines of a payout: what we owe a payee for one settlement, and one attempt to pay it at a provider."""

from __future__ import annotations

from typing import Final

from counterfoil.base.machine import Machine
from counterfoil.operations.work.runner import Queue

PAYOUT: Final = Machine(
    name="payout",
    table="payout",
    initial=("pending",),
    transitions={
        ("pending", "reserve"): "processing",
        ("pending", "cancel"): "cancelled",
        ("processing", "complete"): "completed",
        ("processing", "fail"): "failed",
        ("processing", "doubt"): "reconcile_required",
        ("reconcile_required", "complete"): "completed",
        ("reconcile_required", "fail"): "failed",
        ("failed", "retry"): "pending",
        ("failed", "cancel"): "cancelled",
        ("completed", "return"): "returned",
    },
    reasoned=frozenset({"cancel", "retry"}),
)

PROVIDER_PAYOUT: Final = Machine(
    name="provider_payout",
    table="provider_payout",
    initial=("queued",),
    transitions={
        ("queued", "send"): "sending",
        ("sending", "accept"): "sent",
        ("sending", "requeue"): "queued",
        ("sending", "fail"): "failed",
        ("sending", "lose"): "unknown",
        ("sent", "succeed"): "succeeded",
        ("sent", "fail"): "failed",
        ("sent", "lose"): "unknown",
        ("unknown", "accept"): "sent",
        ("unknown", "succeed"): "succeeded",
        ("unknown", "fail"): "failed",
        ("unknown", "requeue"): "queued",
        ("succeeded", "return"): "returned",
    },
)

RESERVING: Final = Queue("reserve", "payout", ("pending",))
SENDING: Final = Queue("send", "provider_payout", ("queued",))
PULLING: Final = Queue("pull", "provider_payout", ("sent", "unknown"))
REPAIRING: Final = Queue("repair", "provider_payout", ("sending",))
