"""Programs, accounts and journals as they are listed and shown. Select only, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.ledger.problems import UnknownJournal, UnknownProgram
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey

LINES_MAX: Final = 10_000
LISTED_LINES_MAX: Final = 20  # of each journal in a list


class ListedProgram(NamedTuple):
    """A program and the assets it keeps books in, as pairs of code and scale."""

    id: str
    name: str
    opened_at: datetime
    assets: list[tuple[str, int]]


class ListedAccount(NamedTuple):
    """An account as it stands; minor units. `balance` is on its normal side, `held` what is set aside to lower it."""

    program_id: str
    asset: str
    name: str
    normal: str
    balance: int
    held: int
    debits: int
    credits: int
    no_overdraft: bool
    frozen: bool
    closed: bool
    opened_at: datetime

    @property
    def id(self) -> str:
        """What names it among all accounts."""
        return f"{self.program_id}:{self.asset}:{self.name}"


class ShownLine(NamedTuple):
    """One movement of a journal; minor units. `reversed_by` is set once it was reversed."""

    line: int
    debit: str
    credit: str
    amount: int
    debit_balance: int
    credit_balance: int
    movement: UUID | None
    reversed_by: UUID | None


class ShownJournal(NamedTuple):
    """A journal with its lines, of a very long one the first 10,000."""

    id: UUID
    program_id: str
    asset: str
    kind: str
    key: str
    actor: str
    narrative: str | None
    source_type: str | None
    source_id: str | None
    effective_at: datetime
    occurred_at: datetime | None  # late: it happened then, in a period that was closed, and is booked on the first open day
    recorded_at: datetime
    reverses: UUID | None
    line_count: int
    lines: list[ShownLine]


class BookTotals(NamedTuple):
    """One book's accounts added up; minor units. Debits and credits are equal, or something is very wrong."""

    program_id: str
    asset: str
    accounts: int
    debits: int
    credits: int
    difference: int


def list_programs(conn: Connection[Any], *, rows_max: int, after: str | None = None) -> list[ListedProgram]:
    """Programs by id."""
    with conn.cursor() as cur:
        rows = cur.execute(
            """select p.id, p.name, p.opened_at,
                      (select json_agg(json_build_array(a.code, a.scale) order by a.code)
                       from book b join asset a on a.code = b.asset where b.program_id = p.id)
               from program p where %(after)s::text is null or p.id > %(after)s order by p.id limit %(rows_max)s""",
            {"after": after, "rows_max": rows_max},
        ).fetchall()
    return [ListedProgram(row[0], row[1], row[2], [(code, scale) for code, scale in row[3] or []]) for row in rows]


def show_program(conn: Connection[Any], program_id: str) -> ListedProgram:
    """One program. Raises UnknownProgram."""
    found = conn.execute(
        """select p.id, p.name, p.opened_at,
                  (select json_agg(json_build_array(a.code, a.scale) order by a.code)
                   from book b join asset a on a.code = b.asset where b.program_id = p.id)
           from program p where p.id = %s""",
        [program_id],
    ).fetchone()
    if found is None:
        raise UnknownProgram(program=program_id)
    return ListedProgram(found[0], found[1], found[2], [(code, scale) for code, scale in found[3] or []])


def list_accounts(
    conn: Connection[Any],
    program_id: str,
    *,
    rows_max: int,
    asset: str | None = None,
    beginning: str | None = None,
    after: tuple[str, str] | None = None,
) -> list[ListedAccount]:
    """Accounts of a program by (asset, name), those whose name has this `beginning`; read along the index of their names."""
    with conn.cursor(row_factory=class_row(ListedAccount)) as cur:
        return cur.execute(
            f"""{_ACCOUNTS}
               where b.program_id = %(program)s and (%(asset)s::text is null or b.asset = %(asset)s)
                 and (%(beginning)s::text is null or starts_with(a.name, %(beginning)s))
                 and (%(after_asset)s::text is null or (b.asset, a.name) > (%(after_asset)s, %(after_name)s))
               order by b.asset, a.name limit %(rows_max)s""",
            {
                "program": program_id,
                "asset": asset,
                "beginning": beginning,
                "after_asset": after[0] if after else None,
                "after_name": after[1] if after else None,
                "rows_max": rows_max,
            },
        ).fetchall()


def _accounts_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[ListedAccount]:
    named = [one.split(":", 2) for one in ids]
    with conn.cursor(row_factory=class_row(ListedAccount)) as cur:
        return cur.execute(
            f"""{_ACCOUNTS} join unnest(%s::text[], %s::text[], %s::text[]) as n (program_id, asset, name)
                on (b.program_id, b.asset, a.name) = (n.program_id, n.asset, n.name)""".encode(),
            [list(column) for column in zip(*named, strict=True)],
        ).fetchall()


_ACCOUNTS: Final = """select b.program_id, b.asset, a.name, case when a.debit_normal then 'debit' else 'credit' end as normal,
                             case when a.debit_normal then a.debits - a.credits else a.credits - a.debits end as balance,
                             case when a.debit_normal then a.credits_pending else a.debits_pending end as held,
                             a.debits, a.credits, a.no_overdraft, a.frozen, a.closed, a.opened_at
                      from account a join book b on b.id = a.book_id"""
ACCOUNT_LIST: Final = PlainList(
    "accounts",
    "",
    "listed_account",
    _accounts_by_id,
    (
        SortKey("name", str),
        SortKey("balance", int, money=True),
        SortKey("held", int, money=True),
        SortKey("opened_at", datetime),
    ),
    (
        Narrow("asset", "t.asset = %(asset)s", "Only in this asset.", "asset"),
        Narrow("beginning", "starts_with(t.name, %(beginning)s)", "Only names that begin so: payable:."),
    ),
)


def show_journal(conn: Connection[Any], journal_id: UUID, *, lines_max: int = LINES_MAX) -> ShownJournal:
    """One journal. Raises UnknownJournal."""
    found = _journals(conn, "j.id = %s", [journal_id], rows_max=1, lines_max=lines_max)
    if not found:
        raise UnknownJournal(journal=str(journal_id))
    return found[0]


JOURNAL_LIST: Final = PlainList(
    "journals",
    "",
    "journal",
    lambda conn, ids: _journals(conn, "j.id = any(%s)", [list(ids)], rows_max=len(ids), lines_max=LISTED_LINES_MAX),
    (SortKey("recorded_at", datetime, "id"), SortKey("key", str)),
    (
        Narrow("key", "t.key = %(key)s", "The journal with this key."),
        Narrow("source_id", "t.source_id = %(source_id)s", "Only those posted for this thing.", flag="source"),
    ),
)


def journals_of_sources(conn: Connection[Any], program_id: str, sources: Sequence[tuple[str, str]], *, rows_max: int) -> list[ShownJournal]:
    """What was posted because of these things, each a pair of type and id; newest first."""
    given = list(sources)
    return _journals(
        conn,
        "j.program_id = %s and (j.source_type, j.source_id) in (select * from unnest(%s::text[], %s::text[]))",
        [program_id, [kind for kind, _ in given], [subject for _, subject in given]],
        rows_max=rows_max,
        lines_max=LISTED_LINES_MAX,
    )


def _journals(conn: Connection[Any], where: str, given: list[Any], *, rows_max: int, lines_max: int) -> list[ShownJournal]:
    rows = conn.execute(
        f"""select j.id, j.program_id, b.asset, j.kind, j.key, j.actor, j.narrative, j.source_type, j.source_id,
                   j.effective_at, (select min(l.occurred_at) from late_posting l where l.journal_id = j.id), j.recorded_at,
                   j.reverses, j.lines
            from journal j join book b on b.id = j.book_id where {where} order by j.id desc limit %s""".encode(),
        [*given, rows_max],
    ).fetchall()
    lines = _lines(conn, [row[0] for row in rows], lines_max)
    return [ShownJournal._make((*row, lines.get(row[0], []))) for row in rows]


def _lines(conn: Connection[Any], journal_ids: Sequence[UUID], lines_max: int) -> dict[UUID, list[ShownLine]]:
    rows = conn.execute(
        """select p.journal_id, p.line, d.name, c.name, p.amount, p.debit_balance, p.credit_balance, p.movement, r.reversed_by
           from posting p join account d on d.id = p.debit join account c on c.id = p.credit
           left join reversal r on r.journal_id = p.journal_id and r.line = p.line
           where p.journal_id = any(%s) and p.line <= %s order by p.journal_id, p.line""",
        [list(journal_ids), lines_max],
    ).fetchall()
    found: dict[UUID, list[ShownLine]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(ShownLine(*row[1:]))
    return found


def book_totals(conn: Connection[Any], *, rows_max: int, program_id: str | None = None) -> list[BookTotals]:
    """Debits, credits and their difference of each book, by program and asset."""
    with conn.cursor(row_factory=class_row(BookTotals)) as cur:
        return cur.execute(
            """select b.program_id, b.asset, count(a.id) as accounts, coalesce(sum(a.debits), 0)::numeric as debits,
                      coalesce(sum(a.credits), 0)::numeric as credits,
                      (coalesce(sum(a.debits), 0) - coalesce(sum(a.credits), 0))::numeric as difference
               from book b left join account a on a.book_id = b.id
               where %(program)s::text is null or b.program_id = %(program)s
               group by b.id order by b.program_id, b.asset limit %(rows_max)s""",
            {"program": program_id, "rows_max": rows_max},
        ).fetchall()
