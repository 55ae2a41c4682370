"""The books of a span: what moved on each side, and where every account stood at its end. Select only, bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from counterfoil.base.money import Money
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.accounts.chart import CHART
from counterfoil.ledger.clock import first_seq, to_us

LINES_MAX: Final = 2_000
PROGRAMS_NAMED_MAX: Final = 10_000
KEPT_APART: Final = (
    "clearing:*",
    "in_transit:*",
)  # one line for each provider; other families of accounts share a line
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ID_SLACK: Final = timedelta(minutes=10)  # a journal's id is made a moment before its postings


class BookLine(NamedTuple):
    """One account, or a family of accounts such as `escrow:*`: what moved in the span, and its balance at the end by side."""

    account: str
    accounts: int
    debits: Money
    credits: Money
    debit_balance: Money
    credit_balance: Money


class BookFlow(NamedTuple):
    """What was posted in a span from one line of a book to another."""

    program_id: str
    debit: str
    credit: str
    amount: Money


class BookOfSpan(NamedTuple):
    """One program's money in one asset. It balances when debits equal credits and debit balances equal credit balances."""

    program_id: str
    name: str
    debits: Money
    credits: Money
    difference: Money
    debit_balances: Money
    credit_balances: Money
    off_by: Money
    lines: tuple[BookLine, ...]

    @property
    def asset(self) -> str:
        """What it is counted in."""
        return self.debits.asset

    @property
    def balances(self) -> bool:
        """Do both pairs agree to the unit?"""
        return self.difference.minor == 0 and self.off_by.minor == 0

    @property
    def moved(self) -> bool:
        """Was anything posted in the span?"""
        return self.debits.minor != 0 or self.credits.minor != 0

    def balance_of(self, account: str) -> Money | None:
        """What one line stands at, debits positive; None when there is no such account."""
        found = next((line for line in self.lines if line.account == account), None)
        return found.debit_balance.minus(found.credit_balance) if found else None


def known_programs(conn: Connection[Any], *, rows_max: int = PROGRAMS_NAMED_MAX) -> dict[str, str]:
    """The name of every program by its id."""
    return dict(conn.execute("select id, name from program order by id limit %s", [rows_max]).fetchall())


def books_of_span(
    conn: Connection[Any], *, start: datetime, end: datetime, now: datetime, program_id: str | None = None
) -> list[BookOfSpan]:
    """Every book from `start` until before `end`, by the time of recording; balances at `end`, or now if that comes first.

    Movements come from the postings, present balances from the totals of the accounts, earlier ones from the balances that
    the postings carry: three records of the same money. Raises InvalidInput for more than 2,000 lines.
    """
    query = _LINES.format(signed=_SIGNED_NOW if end > now else _SIGNED_THEN)
    return _books(_rows_of_span(conn, query, start, end, program_id))


def flows_of_span(conn: Connection[Any], *, start: datetime, end: datetime, program_id: str | None = None) -> list[BookFlow]:
    """What moved between the lines of every book in this span, by the time of recording. Raises InvalidInput as `books_of_span`."""
    rows = _rows_of_span(conn, _FLOWS, start, end, program_id)
    return [BookFlow(program, debit, credit, Money(minor, asset)) for program, asset, debit, credit, minor in rows]


def _rows_of_span(conn: Connection[Any], query: str, start: datetime, end: datetime, program_id: str | None) -> list[Any]:
    given = {
        "first_id": first_id(start - _ID_SLACK),
        "last_id": first_id(end + _ID_SLACK),
        "first_seq": first_seq(to_us(start) // 1000),
        "last_seq": first_seq(to_us(end) // 1000),
        "program": program_id,
        "folded": _folded(),
        "rows_max": LINES_MAX + 1,
    }
    rows = conn.execute(query.encode(), given).fetchall()
    if len(rows) > LINES_MAX:
        raise InvalidInput("program", f"one program: all of them have more than {LINES_MAX} lines", got=program_id)
    return rows


def _books(rows: list[Any]) -> list[BookOfSpan]:
    books = []
    for program_id, name, asset in dict.fromkeys(row[:3] for row in rows):
        own = [row[3:] for row in rows if row[:3] == (program_id, name, asset) and row[3] is not None]
        lines = tuple(BookLine(row[0], row[1], *(Money(minor, asset) for minor in row[2:])) for row in own)
        sums = [Money(sum(row[place] for row in own), asset) for place in range(2, 6)]
        debits, credits_, debit_balances, credit_balances = sums
        pairs = (debits, credits_, debits.minus(credits_), debit_balances, credit_balances)
        books.append(BookOfSpan(program_id, name, *pairs, debit_balances.minus(credit_balances), lines))
    return books


def _folded() -> list[str]:
    patterns = [rule.pattern for rule in CHART if rule.pattern.endswith(":*") and rule.pattern not in KEPT_APART]
    return [pattern.removesuffix("*") for pattern in patterns]


def first_id(moment: datetime) -> UUID:
    """The smallest time-ordered journal id of a moment."""
    return UUID(int=(moment - _EPOCH) // timedelta(milliseconds=1) << 80)


_SIGNED_NOW: Final = "a.debits - a.credits"
_SIGNED_THEN: Final = """coalesce((
        select a.debits - a.credits where a.last_seq < %(last_seq)s
        union all
        select (case when a.debit_normal then 1 else -1 end) * (case when n.debit = a.id then n.debit_balance else n.credit_balance end)
        from newest_postings(a.id, %(last_seq)s, 1) n where a.last_seq >= %(last_seq)s), 0)"""
_SPAN: Final = """
        select debit, credit, amount from posting
        where journal_id >= %(first_id)s and journal_id < %(last_id)s and seq >= %(first_seq)s and seq < %(last_seq)s"""
_FOLDED: Final = """coalesce((select prefix || '*' from unnest(%(folded)s::text[]) as f (prefix)
                                  where starts_with({name}, prefix) limit 1), {name})"""
_FLOWS: Final = f"""
    select b.program_id, b.asset, {_FOLDED.format(name="d.name")}, {_FOLDED.format(name="c.name")}, sum(s.amount)::bigint
    from ({_SPAN}) s join account d on d.id = s.debit join account c on c.id = s.credit join book b on b.id = d.book_id
    where %(program)s::text is null or b.program_id = %(program)s
    group by 1, 2, 3, 4 order by 1, 2, 3, 4 limit %(rows_max)s"""
_LINES: Final = (
    """
    with span as ("""
    + _SPAN
    + """),
    moved as (
        select id, sum(debited) as debited, sum(credited) as credited
        from (select debit as id, amount as debited, 0::bigint as credited from span
              union all select credit, 0, amount from span) sides
        group by id),
    stood as (
        select a.book_id, a.name, coalesce(m.debited, 0) as debited, coalesce(m.credited, 0) as credited, {signed} as signed
        from account a join book b on b.id = a.book_id left join moved m on m.id = a.id
        where %(program)s::text is null or b.program_id = %(program)s),
    folded as (
        select book_id, """
    + _FOLDED.format(name="s.name")
    + """ as line,
               debited, credited, signed
        from stood s where debited <> 0 or credited <> 0 or signed <> 0)
    select b.program_id, p.name, b.asset, f.line, count(f.line), coalesce(sum(f.debited), 0)::bigint,
           coalesce(sum(f.credited), 0)::bigint, coalesce(sum(greatest(f.signed, 0)), 0)::bigint,
           coalesce(sum(greatest(-f.signed, 0)), 0)::bigint
    from book b join program p on p.id = b.program_id left join folded f on f.book_id = b.id
    where %(program)s::text is null or b.program_id = %(program)s
    group by b.program_id, p.name, b.asset, f.line order by b.program_id, b.asset, f.line limit %(rows_max)s"""
)
