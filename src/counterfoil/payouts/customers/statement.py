"""Statements of customers: every document in order, with the balance after each. Read from the view `customer_entry`.

A balance above 0 is owed by the customer, below 0 to the customer or held for them in escrow. It is proven against the books each time it
is asked for: what is due on invoices, and what the customer's accounts hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.invariant import Invariant
from counterfoil.base.problems import InvalidInput, NotFound, TooLarge
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey

LINES_MAX: Final = 10_000
# What the books say of each customer: due on invoices, owed by them, owed to them, and held for them in escrow.
BOOKED: Final = """
    select program_id, customer_id, asset, sum(amount)::bigint as amount from (
        select program_id, customer_id, asset, total - credited - written_off - paid from invoice where state <> 'cancelled'
        union all
        select program_id, customer_id, asset, amount from customer_account
        union all
        select e.program_id, e.customer_id, e.asset, a.debits - a.credits
        from escrow e join book b on b.program_id = e.program_id and b.asset = e.asset
        join account a on a.book_id = b.id and a.name = 'escrow:' || e.id
    ) part (program_id, customer_id, asset, amount) group by program_id, customer_id, asset"""


class CustomerBalance(NamedTuple):
    """What stands between a customer and the house in one asset, in minor units; `overdue`: what of it is due and late."""

    program_id: str
    customer_id: str
    asset: str
    balance: int
    overdue: int
    documents: int
    last_at: datetime

    @property
    def id(self) -> str:
        """What names it among all balances."""
        return f"{self.program_id}:{self.customer_id}:{self.asset}"


class CustomerDocument(NamedTuple):
    """One document: minor units, and the balance after it. `about`: the invoice or the escrow that it belongs to."""

    number: int
    at: datetime
    kind: str
    document_id: str
    about: str | None
    amount: int
    balance: int


class CustomerStatement(NamedTuple):
    """A customer's statement of a span, `start` included and `end` not; minor units. `balance`: of everything until now, and `in_books`
    what the books say of it; they agree, or something is wrong."""

    program_id: str
    customer_id: str
    asset: str
    start: datetime
    end: datetime
    opening: int
    closing: int
    charged: int
    settled: int
    balance: int
    in_books: int
    lines: tuple[CustomerDocument, ...]

    @property
    def agrees(self) -> bool:
        """Do the documents say what the books say?"""
        return self.balance == self.in_books


def statement_of_customer(
    conn: Connection[Any], program_id: str, customer_id: str, *, asset: str | None, start: datetime, end: datetime
) -> CustomerStatement:
    """What happened with a customer from `start` until before `end`. `asset`: the only one that the customer has, if absent.

    Raises NotFound for a customer without a document, InvalidInput, TooLarge for a span of more than 10,000 documents.
    """
    if end <= start:
        raise InvalidInput("endTime", "later than startTime")
    asset = _asset(conn, program_id, customer_id, asset)
    who = {"program": program_id, "customer": customer_id, "asset": asset, "start": start, "end": end}
    of_them = "from customer_entry where program_id = %(program)s and customer_id = %(customer)s and asset = %(asset)s"
    row = conn.execute(
        f"select coalesce(sum(amount) filter (where at < %(start)s), 0)::bigint, coalesce(sum(amount), 0)::bigint {of_them}", who
    ).fetchone()
    assert row is not None
    opening, balance = row
    found = conn.execute(
        f"""select at, kind, document_id, about, amount, %(opening)s + sum(amount) over (order by at, place, document_id)
            {of_them} and at >= %(start)s and at < %(end)s order by at, place, document_id limit {LINES_MAX + 1}""",
        {**who, "opening": opening},
    ).fetchall()
    if len(found) > LINES_MAX:
        raise TooLarge(field="endTime", limit=f"a span of at most {LINES_MAX} documents")
    lines = tuple(
        CustomerDocument(number, one[0], one[1], one[2], one[3], one[4], int(one[5])) for number, one in enumerate(found, start=1)
    )
    booked = conn.execute(
        f"select amount from ({BOOKED}) b where (program_id, customer_id, asset) = (%(program)s, %(customer)s, %(asset)s)", who
    ).fetchone()
    closing = lines[-1].balance if lines else opening
    charged = sum(one.amount for one in lines if one.amount > 0)
    in_books = booked[0] if booked else 0
    return CustomerStatement(
        program_id, customer_id, asset, start, end, opening, closing, charged, charged - (closing - opening), balance, in_books, lines
    )


def _asset(conn: Connection[Any], program_id: str, customer_id: str, given: str | None) -> str:
    rows = conn.execute(
        "select distinct asset from customer_entry where program_id = %s and customer_id = %s order by asset", [program_id, customer_id]
    ).fetchall()
    known = [row[0] for row in rows]
    if not known:
        raise NotFound(what="customer", id=customer_id)
    if given is None and len(known) == 1:
        return str(known[0])
    if given is None or given not in known:
        raise InvalidInput("asset", f"one of {', '.join(known)}", got=given)
    return given


def balances_of_customers(conn: Connection[Any], ids: Sequence[str]) -> list[CustomerBalance]:
    """Those of these ids, in any order."""
    named = [_named(one) for one in ids]
    with conn.cursor(row_factory=class_row(CustomerBalance)) as cur:
        return cur.execute(
            """select program_id, customer_id, asset, balance, overdue, documents, last_at from customer_balance
               where program_id = any(%(programs)s) and customer_id = any(%(customers)s) and id = any(%(ids)s)""",
            {"programs": [one[0] for one in named], "customers": [one[1] for one in named], "ids": list(ids)},
        ).fetchall()


def _named(balance_id: str) -> tuple[str, str]:
    """The program and the customer of a balance; a customer's own id may have colons in it."""
    program, _, rest = balance_id.partition(":")
    return program, rest.rpartition(":")[0]


CUSTOMER_LIST: Final = PlainList(
    "customers",
    "",
    "customer_balance",
    balances_of_customers,
    (
        SortKey("customer_id", str),
        SortKey("balance", int, money=True),
        SortKey("overdue", int, money=True),
        SortKey("documents", int),
        SortKey("last_at", datetime),
    ),
    (Narrow("asset", "t.asset = %(asset)s", "Only in this asset.", "asset"),),
    order="customerId",
)


INVARIANTS: Final = (
    Invariant(
        "CUSTOMER_BALANCE",
        "Do the documents of every customer add up to what the books say: due on invoices, owed by them, owed to them, held for them?",
        """with said as (select program_id, customer_id, asset, sum(amount)::bigint as amount from customer_entry
                          group by program_id, customer_id, asset),
                 booked as ("""
        + BOOKED
        + """)
            select coalesce(s.customer_id, b.customer_id), s.amount, b.amount
            from said s full join booked b using (program_id, customer_id, asset)
            where coalesce(s.amount, 0) <> coalesce(b.amount, 0)""",
        "critical",
        "A customer's statement says something else than the books.",
        "P12",
    ),
)
