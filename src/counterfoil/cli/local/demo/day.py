"""The demo's day: who used what, who pays how, and what goes wrong. The same every time."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.base.money import Asset, format_major
from counterfoil.client.client import Client

INVOICES: Final = 500
PAYEES: Final = 40
UNPAID: Final = 12  # customers who have not paid yet
PARTLY: Final = 3  # customers who paid half
OVERPAID: Final = 2  # customers who paid a tenth too much
BY_BATCH: Final = 3  # more customers, who pay in dollars: their payees' money waits for a batch
DOLLARS: Final = Asset("USD", 2)
SERVICES: Final = ("API calls", "Storage", "Render minutes", "Support hours", "Bandwidth")
HEADER: Final = "record_id,customer_id,payee_id,asset,quantity,unit_price,occurred_at,description"


class DemoFailed(Exception):
    """The day did not end as it must; the message says what is wrong."""


class Trouble(NamedTuple):
    """A fault that the provider is asked for, and what it shows."""

    fault: dict[str, Any]
    says: str


class Planted(NamedTuple):
    """A line of the provider's statement that will be wrong, and the break that must be found for it."""

    fault: dict[str, Any]
    kind: str
    says: str


def usage(now: datetime) -> str:
    """One day of usage as a CSV: one record for each customer."""
    lines = [HEADER]
    for number in range(1, INVOICES + 1):
        quantity = 1 + _dice("quantity", number, 40)
        price = 150 + _dice("price", number, 2_400)
        when = now - timedelta(hours=24) + timedelta(seconds=number * 60)
        lines.append(
            f"demo-{number:04},customer-{number:04},{payee_of(number)},EUR,{quantity},{price // 100}.{price % 100:02},"
            f"{when.isoformat(timespec='seconds')},{SERVICES[number % len(SERVICES)]}"
        )
    lines += [
        f"demo-usd-{number},customer-usd-{number},payee-{number:02},{DOLLARS.code},{number},120.00,"
        f"{(now - timedelta(hours=number)).isoformat(timespec='seconds')},Consulting"
        for number in range(1, BY_BATCH + 1)
    ]
    return "\n".join(lines) + "\n"


def payee_of(number: int) -> str:
    """Whom the customer used."""
    return f"payee-{1 + _dice('payee', number, PAYEES):02}"


def destinations() -> dict[str, str]:
    """Where payees are paid. One has not said where; one's bank refuses; one's bank sends the money back."""
    known = {f"payee-{number:02}": f"acct_{number:02}" for number in range(1, PAYEES)}
    return {**known, "payee-07": "closed_account_07", "payee-23": "returning_account_23"}


def payment(place: int, total: int) -> int:
    """What the customer of the nth invoice pays, in minor units."""
    if place < UNPAID:
        return 0
    if place < UNPAID + PARTLY:
        return total // 2
    if place < UNPAID + PARTLY + OVERPAID:
        return total + total // 10
    return total


def troubles() -> list[Trouble]:
    """What goes wrong on the way, and must leave no trace in the money.

    Orders that fail are fewer than open a circuit (`CircuitLimits.failures`): faults come first, and where a worker begins with a handful
    of orders all of these fail in a row. With seven the provider could be left alone for 30 seconds, then 60, then 120.
    """
    return [
        Trouble(
            {"fault": "timeout_after_accepting", "count": 2, "params": {"hold_ms": 4_000}},
            "2 payouts are accepted, and the answer never comes",
        ),
        Trouble({"fault": "error_after_accepting", "count": 2}, "2 payouts accepted, the answer is an error"),
        Trouble({"fault": "webhook_lost", "on": "payout.*", "count": 12}, "12 payout webhooks are lost"),
        Trouble({"fault": "webhook_lost", "on": "charge.*", "count": 5}, "5 payment webhooks are lost"),
        Trouble({"fault": "webhook_doubled", "count": 25}, "25 webhooks come twice"),
        Trouble({"fault": "webhook_late", "count": 10, "params": {"delay_ms": 2_000}}, "10 webhooks come late"),
        Trouble({"fault": "webhook_bad_signature", "count": 5}, "5 webhooks are signed badly at first"),
    ]


def planted(paid: list[str]) -> list[Planted]:
    """Three wrong lines in the statement, on payments of three invoices (ids in `paid`)."""
    lost, doubled, altered = paid[100], paid[200], paid[300]
    return [
        Planted({"fault": "line_lost", "on": "charge", "match": lost}, "MISSING_RIGHT", f"the payment of {lost} is left out"),
        Planted({"fault": "line_doubled", "on": "charge", "match": doubled}, "DUPLICATE_RIGHT", f"the payment of {doubled} is there twice"),
        Planted(
            {"fault": "line_altered", "on": "charge", "match": altered, "params": {"delta": "90"}},
            "AMOUNT_MISMATCH",
            f"the payment of {altered} is 0.90 off",
        ),
    ]


def work_for_people(operator: Client, program: str) -> list[str]:
    """What a day leaves to people: a dispute, a refund after the payout, a batch to approve, a payout that came back. Said in words."""
    payouts = list(operator.every("/api/payouts", programId=program))

    def one_that_is(state: str) -> dict[str, Any]:
        found = next((one for one in payouts if one["state"] == state and one["asset"] == "EUR"), None)
        if found is None:
            raise DemoFailed(f"no payout in EUR is {state}; see `counterfoil payouts list`")
        return found

    waiting, paid, returned = one_that_is("pending"), one_that_is("completed"), one_that_is("returned")
    dispute = operator.post("/api/disputes", {"invoiceId": waiting["invoiceId"], "reason": "the customer says that it never ran"})
    refund = operator.post("/api/refunds", {"invoiceId": paid["invoiceId"], "amount": "100", "reason": "an hour without service"})
    batch = operator.post("/api/batches", {"programId": program, "asset": DOLLARS.code})
    operator.say("batches", batch["id"], "submit")
    return [
        f"{dispute['id']}: a dispute; the payout of its invoice is held",
        f"{refund['id']}: a refund of {_euros(refund['amount'])} after the payout; its payee owes {_euros(refund['receivable'])} of it",
        f"{batch['id']}: a batch of {batch['lines']} payouts in {DOLLARS.code} that waits for a second person",
        f"{returned['id']}: a payout that the bank sent back",
    ]


def _euros(minor: str) -> str:
    return f"{format_major(int(minor), 2)} EUR"


def _dice(what: str, number: int, sides: int) -> int:
    """0 to sides - 1, looking random and always the same."""
    return int.from_bytes(hashlib.sha256(f"{what}:{number}".encode()).digest()[:8]) % sides
