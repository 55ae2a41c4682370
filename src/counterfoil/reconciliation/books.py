"""Our side and the provider's, in one shape: a row for each movement of the money that lies with a provider, net of fees."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from psycopg import Connection

from counterfoil.reconciliation.sources import read
from counterfoil.reconciliation.sources.shape import SourceRead

SCHEMA: Final = pa.schema(
    [
        ("external_id", pa.string()),
        ("reference", pa.string()),
        ("amount", pa.int64()),
        ("asset", pa.string()),
        ("booked_on", pa.date32()),
        ("memo", pa.string()),
    ]
)
FEE_SUFFIX: Final = "/fee"


class Movement(NamedTuple):
    """What moved the balance with a provider: `reference` is the provider's id of the object, `key` adds what happened to it."""

    key: str
    reference: str
    amount: int
    asset: str
    booked_on: date
    memo: str


class StatementSide(NamedTuple):
    """A provider's statement as it was read, with what the reader noticed."""

    table: pa.Table
    sha256: str
    rows: int
    notes: list[str]


def our_movements(conn: Connection[Any], program_id: str, provider: str, *, first: date, last: date) -> pa.Table:
    """What our books say moved at this provider on these days (effective, UTC), by journal: debits positive.

    The provider's own id stands with each: a charge's, or that of the payout that our attempt became there.
    """
    rows = conn.execute(
        """with clearing as (select a.id, b.asset from account a join book b on b.id = a.book_id
                             where b.program_id = %(program)s and a.name = 'clearing:' || %(provider)s::text),
           moved as (
               select p.journal_id, c.asset, p.amount from clearing c join posting p on p.debit = c.id
               where p.effective_at >= %(start)s::date and p.effective_at < %(end)s::date
               union all
               select p.journal_id, c.asset, -p.amount from clearing c join posting p on p.credit = c.id
               where p.effective_at >= %(start)s::date and p.effective_at < %(end)s::date)
           select case j.kind when 'payment' then 'charge' when 'payout_finalize' then 'payout'
                              when 'payout_return' then 'payout_return' else j.kind end,
                  coalesce(pp.provider_ref, j.source_id, j.key), sum(m.amount)::bigint, m.asset,
                  (j.effective_at at time zone 'UTC')::date
           from moved m join journal j on j.id = m.journal_id
           left join provider_payout pp on j.source_type = 'provider_payout' and pp.id = j.source_id
           group by j.id, j.kind, pp.provider_ref, j.source_id, j.key, m.asset, j.effective_at order by 2, 1""",
        {"program": program_id, "provider": provider, "start": first, "end": last + timedelta(days=1)},
    ).fetchall()
    return _table(Movement(f"{kind}:{ref}", ref, amount, asset, day, kind) for kind, ref, amount, asset, day in rows)


def their_movements(path: Path) -> StatementSide:
    """A statement of the simulator: each line net of its fee. A balance that does not carry is a note, and told with the result.

    Raises SourceBroken for a file that is cut short.
    """
    found = read(path, format="simulator", strict=False)
    return StatementSide(_table(_folded(found)), found.sha256, found.lines.num_rows, [*found.notes])


def _folded(found: SourceRead) -> Iterable[Movement]:
    """The reader gives a line's fee as a record of its own behind it; our books have one journal for both."""
    held: Movement | None = None
    for line in found.lines.to_pylist():
        if held is not None and line["external_id"].endswith(FEE_SUFFIX):
            held = held._replace(amount=held.amount + line["amount"])
            continue
        if held is not None:
            yield held
        memo, source = line["memo"], line["batch"]
        held = Movement(f"{memo}:{source}", source, line["amount"], line["asset"], line["booked_on"], memo)
    if held is not None:
        yield held


def _table(movements: Iterable[Movement]) -> pa.Table:
    rows = [one._asdict() for one in movements]
    return pa.Table.from_pylist([{**row, "external_id": row["key"]} for row in rows], schema=SCHEMA)
