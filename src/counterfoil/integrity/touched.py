"""What was touched in a span of time: the rows that a recent run asks of.

Every step of a noun is a row with its time, and every journal's id begins with its own; so what changed is found without looking at what
did not. A span with more than can be asked of at once is made shorter, and the rest follows in the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

ROWS_MAX: Final = 20_000  # journals, or steps, of one span
STEPPED: Final = (
    "intent",
    "invoice",
    "payout",
    "provider_payout",
    "payout_batch",
    "refund",
    "dispute",
    "escrow",
    "chargeback",
    "transaction",
    "break",
)
# What hangs together with what was touched, in this order: the noun, and the query of its ids among those that are known by then.
_TOGETHER: Final[Sequence[tuple[str, LiteralString]]] = (
    ("account", "select unnest(array[debit, credit]) from posting where journal_id = any(%(journal)s)"),
    ("payout", "select payout_id from provider_payout where id = any(%(provider_payout)s)"),
    ("invoice", "select invoice_id from intent where id = any(%(intent)s)"),
    ("invoice", "select invoice_id from refund where id = any(%(refund)s)"),
    ("invoice", "select invoice_id from dispute where id = any(%(dispute)s)"),
    ("settlement", "select id from settlement where invoice_id = any(%(invoice)s)"),
    (
        "settlement",
        """select source_id from journal
           where id = any(%(journal)s) and source_type in ('settlement', 'escrow_movement') and source_id is not null""",
    ),
    ("settlement", "select settlement_id from payout where id = any(%(payout)s)"),
    ("payout", "select id from payout where settlement_id = any(%(settlement)s)"),
    ("provider_payout", "select id from provider_payout where payout_id = any(%(payout)s)"),
    ("payment", "select id from payment where invoice_id = any(%(invoice)s)"),
    ("payment", "select payment_id from chargeback where id = any(%(chargeback)s) and payment_id is not null"),
    ("refund", "select refund_id from chargeback_refund where chargeback_id = any(%(chargeback)s)"),
    ("chargeback", "select chargeback_id from chargeback_refund where refund_id = any(%(refund)s)"),
)


class Span(NamedTuple):
    """Everything after `since`, up to `until`, and the ids that were touched in it, by noun."""

    since: datetime
    until: datetime
    ids: Mapping[str, Sequence[Any]]

    @property
    def counts(self) -> dict[str, int]:
        """How many of each noun."""
        return {noun: len(found) for noun, found in self.ids.items() if found}


def touched(conn: Connection[Any], *, since: datetime, now: datetime, rows_max: int = ROWS_MAX) -> Span:
    """What was touched after `since`, up to `now`, or up to an earlier moment when that is more than `rows_max` journals or steps."""
    until = _reach(conn, since, now, rows_max)
    ids: dict[str, set[Any]] = {noun: set() for noun in (*STEPPED, "journal", "account", "settlement", "payment")}
    bounds = {"first": _uuid(since), "last": _uuid(until + timedelta(milliseconds=1))}
    ids["journal"].update(row[0] for row in conn.execute("select id from journal where id >= %(first)s and id < %(last)s", bounds))
    steps = conn.execute(
        "select distinct machine, subject_id from step where at > %s and at <= %s and machine = any(%s)", [since, until, list(STEPPED)]
    )
    for machine, subject_id in steps:
        ids[machine].add(subject_id)
    for noun, query in _TOGETHER:
        ids[noun].update(row[0] for row in conn.execute(query, {name: list(found) for name, found in ids.items()}))
    return Span(since, until, {name: list(found) for name, found in ids.items()})


def _reach(conn: Connection[Any], since: datetime, now: datetime, rows_max: int) -> datetime:
    """Up to where `rows_max` rows reach; what was recorded at that very moment is taken along, so that there is always a way on."""
    given = {"since": since, "now": now, "first": _uuid(since), "last": _uuid(now), "more": rows_max}
    row = conn.execute(
        """select least((select at from step where at > %(since)s and at <= %(now)s order by at offset %(more)s limit 1),
                        (select recorded_at from journal where id >= %(first)s and id < %(last)s order by id offset %(more)s limit 1))""",
        given,
    ).fetchone()
    found = row[0] if row and row[0] else now
    return max(found, since + timedelta(milliseconds=1)) if found < now else now


def _uuid(at: datetime) -> UUID:
    """The first id of this moment."""
    return UUID(int=max(int(at.timestamp() * 1000), 0) << 80)
