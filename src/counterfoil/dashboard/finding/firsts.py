"""What an empty list says: where the first of each comes from, and what to do for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class FirstOne(NamedTuple):
    """Where the first comes from; `command` makes it, where a person does."""

    says: str
    command: str = ""


FIRST: Final[Mapping[str, FirstOne]] = {
    "invoice": FirstOne("Usage is imported, and invoices are issued of it.", "counterfoil invoices issue"),
    "intent": FirstOne("Each invoice has one from the moment at which it is issued.", "counterfoil invoices issue"),
    "overpayment": FirstOne("It comes when a customer pays more than is owed, or pays too late."),
    "payout": FirstOne("It is made of each settlement, once an invoice is paid."),
    "destination": FirstOne("Payees are paid nowhere before somebody says where.", "counterfoil destinations set PAYEE"),
    "refund": FirstOne("It comes when a customer gets money back."),
    "dispute": FirstOne("It comes when a customer complains."),
    "escrow": FirstOne("A platform opens it over the API: POST /api/escrows."),
    "affiliate": FirstOne("Whoever refers customers is set up once.", "counterfoil affiliates set NAME --reason …"),
    "commission": FirstOne(
        "It comes with the settlement of a sale that an affiliate referred.", "counterfoil affiliates set NAME --reason …"
    ),
    "chargeback": FirstOne("It comes when a customer's bank takes a payment back, and the provider says so."),
    "holdback": FirstOne("It comes with a settlement where the rates of the program keep something back."),
    "batch": FirstOne("It gathers payouts that are due."),
    "circuit": FirstOne("It comes when a provider fails again and again. Until then all of them are called."),
    "endpoint": FirstOne("No partner is told anything.", "counterfoil webhooks create https://partner.example/hooks --owner-email …"),
    "delivery": FirstOne("It comes when something happens that an endpoint wants to know."),
    "proof": FirstOne(
        "It is made on the first of a month, of the month before; at once by hand.", "counterfoil proof export 2026-10-01 2026-11-01"
    ),
    "proof_export": FirstOne(
        "It comes when a proof is made: by the schedule on the first of a month, or by hand.",
        "counterfoil proof export 2026-10-01 2026-11-01",
    ),
    "copy": FirstOne("It comes when a store for copies is set up, and something is to be kept there.", "counterfoil copies stored"),
    "backup": FirstOne("It is made by the schedule of the worker; at once by hand.", "counterfoil jobs run backup"),
    "alert": FirstOne("It comes when a check finds something. Whether anybody checks is said by the runs.", "counterfoil sentinel list"),
    "incident": FirstOne("It comes with an alert that somebody answers within a time."),
    "sentinel_run": FirstOne("A worker makes one each five minutes; at once by hand.", "counterfoil sentinel run"),
    "runbook_run": FirstOne("It is begun of a checklist or a playbook.", "counterfoil runbook run morning"),
}
