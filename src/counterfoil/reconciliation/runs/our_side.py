"""Our side of a run, from one snapshot: its lines, its balances and what is under way say the same moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.encryption.keys import keys_of
from counterfoil.ledger.problems import UnknownAccount
from counterfoil.ledger.reads.balances import balance
from counterfoil.reconciliation.bank_statements import Reach, reach_of
from counterfoil.reconciliation.movements import shifted_corrections
from counterfoil.reconciliation.runs.books import InFlight, bank_lines, end_of, in_flight, with_words
from counterfoil.reconciliation.runs.copying import Books, copy_out
from counterfoil.reconciliation.runs.overpaid import Overpaid, overpaid_of
from counterfoil.reconciliation.runs.pairings import Pairing


class Ours(NamedTuple):
    """What our database says. Balances by asset, debits less credits, at the end of the day before the days and at their end.

    `reach` and the bank's lines come with it where the other side is a bank: they lie in the same database.
    """

    flying: list[InFlight]
    booked_before: Mapping[str, int]
    booked: Mapping[str, int]
    shifted: Mapping[str, int]  # what corrections put into the lines of these days and not into their balances
    reach: Reach | None
    overpaid: list[Overpaid]


def read_ours(
    database: Books,
    one: Pairing,
    program_id: str,
    days: tuple[date, date],
    around: tuple[date, date],
    *,
    today: date,
    paths: Mapping[str, Path],
) -> Ours:
    """Write our lines of the days `around` to `paths["left"]`, a bank's to `paths["right"]`, and read the rest of our side.

    All of it sees one moment: a journal that is posted meanwhile is in the lines and in the balance, or in neither.
    """
    with database.transaction(snapshot=True) as conn:
        conn.execute("select set_config('idle_in_transaction_session_timeout', '0', true)")  # it waits while years are copied
        row = conn.execute("select pg_export_snapshot()").fetchone()
        snapshot = str(row[0]) if row else ""
        first, last = days
        ours = Ours(
            flying=_flying(conn, one, program_id, today),
            booked_before=_booked(conn, program_id, one.account, first - timedelta(days=1)),
            booked=_booked(conn, program_id, one.account, last),
            shifted=shifted_corrections(conn, program_id, one.account, first=first, last=last) if one.account else {},
            reach=reach_of(conn, program_id, one.account or "", on=last) if one.provider is None else None,
            overpaid=_overpaid(conn, one, program_id, days),
        )
        copy_out(database, one.ours(conn, program_id, *around), paths["left"], snapshot=snapshot)
        if one.provider is None:
            lines = bank_lines(program_id, one.account or "", first=around[0], last=around[1])
            keys = keys_of(conn)
            copy_out(database, lines, paths["right"], snapshot=snapshot, read=lambda batch: with_words(keys, batch))
    return ours


def _overpaid(conn: Connection[Any], one: Pairing, program_id: str, days: tuple[date, date]) -> list[Overpaid]:
    """Told once, by the source of the payouts: the clearing account itself is right."""
    if one.provider is None or one.lines != "payouts":
        return []
    return overpaid_of(conn, program_id, one.provider, first=days[0], last=days[1])


def _flying(conn: Connection[Any], one: Pairing, program_id: str, today: date) -> list[InFlight]:
    if one.provider is None or one.lines == "charges":
        return []
    since = datetime.combine(today - timedelta(days=one.wait_days), datetime.min.time(), UTC)
    return in_flight(conn, program_id, one.provider, since=since)


def _booked(conn: Connection[Any], program_id: str, account: str | None, on: date) -> dict[str, int]:
    if account is None:
        return {}
    rows = conn.execute("select asset from book where program_id = %s order by asset", [program_id]).fetchall()
    found = {}
    for (asset,) in rows:
        try:
            found[asset] = balance(conn, program_id, account, asset=asset, as_of=end_of(on), clock="effective").minor
        except UnknownAccount:
            continue
    return found
