"""What the transaction that asks has booked by itself: how a dry run tells what it would move, by the same code that moves it."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.money import Money


class BookedLine(NamedTuple):
    """One posting: which account is debited, which is credited, and with how much."""

    debit: str
    credit: str
    amount: Money


class BookedHere(NamedTuple):
    """The first lines of what was booked, in order; `more`: how many follow; `approved`: only once a second person has approved it."""

    lines: tuple[BookedLine, ...]
    more: int
    approved: bool = False


def booked_here(conn: Connection[Any], *, lines_max: int) -> BookedHere:
    """What this transaction has booked so far."""
    rows = conn.execute(
        """select d.name, c.name, p.amount, b.asset, count(*) over ()
           from journal j join book b on b.id = j.book_id join posting p on p.journal_id = j.id
           join account d on d.id = p.debit join account c on c.id = p.credit
           where j.written_by = pg_current_xact_id_if_assigned()
           order by j.recorded_at, j.id, p.line limit %s""",
        [lines_max],
    ).fetchall()
    lines = tuple(BookedLine(debit, credit, Money(amount, asset)) for debit, credit, amount, asset, _ in rows)
    return BookedHere(lines, rows[0][4] - len(lines) if rows else 0)
