"""Where processes are killed or frozen, and how each cycle proves that its fault landed in its window.

A process that reaches an armed point writes down that it is there and waits. Only then the evidence is looked at, in the database
and in the provider's journal, and only then it is killed: so no cycle can pass because nothing happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, LiteralString, NamedTuple, Protocol

from psycopg import Connection

SIMULATOR: Final = "simulator"


class OrdersThere(Protocol):
    """What a provider has of our orders, from its own books."""

    @property
    def provider(self) -> str:
        """Whose they are."""

    def by_key(self) -> Mapping[str, Any]:
        """The orders of each of our keys."""


Evidence = Callable[[Connection[Any], OrdersThere], bool]


class Window(NamedTuple):
    """A point to strike at: whose process, how, and what must be visible from outside while it waits there.

    `how`: kill (SIGKILL), or stop (SIGSTOP past its lease, while the others go on, an operator tries again, and then SIGCONT). `faults`
    of the provider are asked for first; `deed` is done while the process stands there. `path`: what is done, where it is more than that
    a customer pays.
    """

    victim: str  # worker, server or database
    point: str
    evidence: Evidence
    says: str
    how: str = "kill"
    faults: tuple[dict[str, Any], ...] = ()
    deed: str = ""  # close: a month-end, the books are closed up to this moment
    path: str = ""
    provider: str = SIMULATOR

    @property
    def plain(self) -> bool:
        """A kill, and nothing beside it."""
        return self.how == "kill" and not self.deed and "hold_ms" not in str(self.faults)

    @property
    def name(self) -> str:
        """As it is counted."""
        name = self.point if self.victim != "database" else f"database at {self.point}"
        more = [word for word in (self.how if self.how != "kill" else "", self.deed) if word]
        told = " ".join([name, *[f"({word})" for word in more], *(["(slow)"] if "hold_ms" in str(self.faults) else [])])
        return f"{self.path}: {told}" if self.path else told


def _found(conn: Connection[Any], query: LiteralString) -> bool:
    return bool(conn.execute(query).fetchall())


def in_transaction(conn: Connection[Any], _: OrdersThere) -> bool:
    """A transaction of the application is open and waits: what it wrote is not committed."""
    return _found(conn, "select 1 from pg_stat_activity where state = 'idle in transaction' and datname = current_database()")


def claimed(conn: Connection[Any], _: OrdersThere) -> bool:
    """A row is leased."""
    return _found(
        conn,
        """select 1 from intent where lease_until is not null union all
           select 1 from provider_payout where lease_until is not null""",
    )


def claimed_to_send(conn: Connection[Any], orders: OrdersThere) -> bool:
    """A provider payout is being sent, and its call has not begun."""
    query = "select 1 from provider_payout where state = 'sending' and request_sent_at is null and provider = %s"
    return bool(conn.execute(query, [orders.provider]).fetchall())


def announced_not_sent(conn: Connection[Any], orders: OrdersThere) -> bool:
    """A call is announced, and the provider has not heard of it."""
    keys = _sending_keys(conn, orders.provider)
    return bool(keys) and any(key not in orders.by_key() for key in keys)


def landed_not_recorded(conn: Connection[Any], orders: OrdersThere) -> bool:
    """The provider has the payout in its journal, and our books do not know what became of it."""
    return any(key in orders.by_key() for key in _sending_keys(conn, orders.provider))


def recorded(conn: Connection[Any], orders: OrdersThere) -> bool:
    """What the provider has is in our books."""
    query = "select idempotency_key from provider_payout where state in ('sent', 'succeeded') and provider = %s"
    rows = conn.execute(query, [orders.provider]).fetchall()
    return any(key in orders.by_key() for (key,) in rows)


def webhook_stored(conn: Connection[Any], _: OrdersThere) -> bool:
    """A webhook is stored; its sender has had no answer yet."""
    return _found(conn, "select 1 from webhook_in where received_at > now() - interval '20 seconds'")


def _sending_keys(conn: Connection[Any], provider: str) -> list[str]:
    query = "select idempotency_key from provider_payout where state = 'sending' and request_sent_at is not null and provider = %s"
    rows = conn.execute(query, [provider]).fetchall()
    return [row[0] for row in rows]


def announced_and_silent(conn: Connection[Any], orders: OrdersThere) -> bool:
    """A call is announced, nothing came back, and the provider has not heard of its key."""
    rows = conn.execute("select key from call_standing where kind is null and provider = %s", [orders.provider]).fetchall()
    return any(key not in orders.by_key() for (key,) in rows)


# The answer never comes, and the provider takes its time over it: nobody else may wait for it.
SLOW = (
    {"fault": "timeout_after_accepting", "on": "payout.create", "count": 2, "params": {"hold_ms": 1400}},
    {"fault": "webhook_lost", "on": "payout.*", "count": 2},
)
UNSURE = (
    {"fault": "error_after_accepting", "count": 3},
    {"fault": "webhook_lost", "on": "payout.*", "count": 3},
)

WINDOWS = (
    Window("server", "webhook_in.before_commit", in_transaction, "the webhook is verified and not stored"),
    Window("server", "webhook_in.after_commit", webhook_stored, "the webhook is stored and not acknowledged"),
    Window("worker", "webhooks.before_commit", in_transaction, "the payment is booked and not committed"),
    Window("worker", "verify.after_claim", claimed, "the intent is claimed, the charge not looked up"),
    Window("worker", "verify.after_call", claimed, "the charge is looked up and not recorded"),
    Window("worker", "settle.before_work", in_transaction, "before the settlement"),
    Window("worker", "settle.before_commit", in_transaction, "the settlement is written and not committed"),
    Window("worker", "events.before_commit", in_transaction, "the payout is created and not committed"),
    Window("worker", "reserve.before_work", in_transaction, "before the reservation"),
    Window("worker", "reserve.before_commit", in_transaction, "reserved and queued, not committed"),
    Window("worker", "send.after_claim", claimed_to_send, "claimed, the call not announced"),
    Window("worker", "send.before_call", announced_not_sent, "the call announced, not made"),
    Window("worker", "send.after_call", landed_not_recorded, "the provider has it, nothing recorded"),
    Window("worker", "send.after_store", landed_not_recorded, "the answer is stored and not applied"),
    Window("worker", "send.before_commit", landed_not_recorded, "recorded and not committed"),
    Window("worker", "send.after_commit", recorded, "committed, the tick not ended"),
    Window("worker", "pull.after_claim", claimed, "the look-up claimed and not made", faults=UNSURE),
    Window("worker", "pull.after_call", claimed, "looked up and not recorded", faults=UNSURE),
    Window("worker", "pull.before_commit", in_transaction, "the look-up recorded and not committed", faults=UNSURE),
    Window("database", "settle.before_commit", in_transaction, "the database dies under a settlement"),
    Window("database", "send.after_call", landed_not_recorded, "the database dies while the provider has the payout"),
    Window("worker", "send.connected", claimed_to_send, "frozen with an open connection, nothing announced", how="stop"),
    Window(
        "worker",
        "send.before_call",
        announced_and_silent,
        "frozen after its announcement; tried again by a person",
        how="stop",
    ),
    Window("worker", "send.after_call", landed_not_recorded, "frozen with the provider's answer in its hand", how="stop"),
    Window("worker", "settle.before_commit", in_transaction, "frozen in a transaction that others wait for", how="stop"),
    Window("worker", "send.after_call", landed_not_recorded, "a provider that is slow and silent", faults=SLOW),
    Window(
        "worker",
        "send.after_call",
        landed_not_recorded,
        "the books are closed before the answer is booked",
        deed="close",
    ),
)
# One of each kind of fault, for the suite; `make chaos` goes through all.
_SHORT = (
    "webhook_in.after_commit",
    "settle.before_commit",
    "send.before_call",
    "send.after_call",
    "pull.after_call",
    "database at send.after_call",
    "send.before_call (stop)",
    "send.after_call (slow)",
    "send.after_call (close)",
)
SHORT = tuple(window for window in WINDOWS if window.name in _SHORT)
