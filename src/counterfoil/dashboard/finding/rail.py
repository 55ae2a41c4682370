"""The rail of every page: where each of them stands, declared once, by its address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from counterfoil.dashboard.finding.lists import list_pages_of
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.operations.verbs import Noun

# In the order of the rail. A test holds this against the pages and the nouns: each stands here once.
GROUPS: Final = (
    ("", ("reconciliation", "day", "approvals")),
    (
        "Money",
        (
            *("money-map", "customers", "usage-imports", "invoices", "intents", "overpayments", "unidentified-payments", "escrows"),
            *("holdbacks", "affiliates", "commissions"),
        ),
    ),
    ("Payouts", ("payouts", "batches", "destinations", "refunds", "disputes", "chargebacks")),
    ("Reconciliation", ("breaks", "reconciliation/runs", "coverage", "bank-statements", "client-money")),
    ("Response", ("alerts", "incidents", "runbook-runs", "sentinel-runs", "levels", "notices")),
    ("Operations", ("queues", "webhooks", "deliveries", "circuits")),
    ("Agents", ("agents", "transactions", "carbon")),
    ("Settings", ("people", "keys", "endpoints", "limits")),
    ("Record", ("audit", "proofs", "signers", "copies", "backups", "drills")),
)
WORDS: Final = {"runbook-runs": "Playbooks", "sentinel-runs": "Sentinel", "deliveries": "Deliveries out", "circuits": "Circuit breakers"}
BESIDE: Final = ("silences", "proof-exports")  # reached from the pages of notices, and of proofs


class RailEntry(NamedTuple):
    """A page as the rail names it; `question`: what it answers; `needs`: the permission of whoever sees it."""

    path: str
    words: str
    question: str
    needs: str


class RailGroup(NamedTuple):
    """Entries below one title; the first group has none."""

    title: str
    entries: tuple[RailEntry, ...]


def rail_of(nouns: Sequence[Noun]) -> tuple[RailGroup, ...]:
    """The rail of a dashboard over these nouns: groups without a page are left out."""
    known: dict[str, DashboardPage] = {page.path: page for page in PAGES if page.menu}
    known |= {page.path: page for _, page in list_pages_of(nouns)}
    helps = {f"/admin/{one.plural}": one.help for one in nouns}
    found = []
    for title, places in GROUPS:
        entries = tuple(
            RailEntry(path, WORDS.get(place, known[path].menu), helps.get(path) or known[path].question, known[path].needs)
            for place in places
            if (path := f"/admin/{place}") in known
        )
        if entries:
            found.append(RailGroup(title, entries))
    return tuple(found)
