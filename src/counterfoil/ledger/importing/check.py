"""Hold our books against the balances that a file brings along, day by day.

The order within a day need not be recorded, so a day of an account ties when its opening balance and our movements of that day
make one of the balances that the file gives for the day. Where they do not, the difference is told and the next day begins at
the file's balance: each difference is told once, and nothing is forced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.money import Asset, parse_major
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.importing.files import rows_of
from counterfoil.ledger.importing.map import ImportMap, amount_of, effective_of, fill, zone

ACCOUNTS_PER_READING: Final = 500


class DayBreak(NamedTuple):
    """A day that does not tie: what we count, the file's nearest balance, and the difference (theirs less ours), in minor units."""

    account: str
    day: date
    ours: int
    theirs: int
    difference: int
    reason: str  # "rounding" up to the map's limit, "difference" above it, "not in our books" where we have no posting that day


class BalanceCheck(NamedTuple):
    """How many account-days there are and tie, and those that do not, by account and day."""

    days: int
    tied: int
    breaks: list[DayBreak]

    def by_reason(self) -> dict[str, int]:
        """How many breaks there are of each reason."""
        reasons = [found.reason for found in self.breaks]
        return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def check_balances(
    open_transaction: Callable[[], AbstractContextManager[Connection[Any]]],
    program_id: str,
    path: Path,
    mapped: ImportMap,
) -> BalanceCheck:
    """Every account-day of the file against our postings of that day, by their effective time in the map's time zone.

    Raises InvalidInput when the map names no balance. Keeps the balances of the file in memory, a number for each row.
    """
    if not mapped.balance:
        raise InvalidInput("map.balance", "column and account of the file's own balance")
    asset = mapped.journal["asset"]
    with open_transaction() as conn:
        row = conn.execute(
            "select b.id, a.scale from book b join asset a on a.code = b.asset where b.program_id = %s and b.asset = %s",
            [program_id, asset],
        ).fetchone()
    if row is None:
        raise InvalidInput("map.journal.asset", "one asset of this program", got=asset[:40])
    book, unit = row[0], Asset(asset, row[1])
    theirs = _their_days(path, mapped, unit)
    rounding = parse_major(mapped.balance.get("rounding", "0"), unit, "map.balance.rounding")
    days = 0
    breaks: list[DayBreak] = []
    names = sorted(theirs)
    for start in range(0, len(names), ACCOUNTS_PER_READING):
        with open_transaction() as conn:
            ours = _our_days(conn, book, names[start : start + ACCOUNTS_PER_READING], mapped.effective.get("timezone", "UTC"))
        for name in names[start : start + ACCOUNTS_PER_READING]:
            days += len(theirs[name])
            breaks += _breaks_of(name, theirs[name], ours.get(name, {}), rounding)
    return BalanceCheck(days, days - len(breaks), breaks)


def _breaks_of(name: str, theirs: dict[date, list[int]], ours: dict[date, int], rounding: int) -> Iterator[DayBreak]:
    opening = 0
    for day, balances in sorted(theirs.items()):
        counted = opening + ours.get(day, 0)
        nearest = min(balances, key=lambda balance: (abs(balance - counted), balance))
        difference = nearest - counted
        if difference:
            reason = "rounding" if abs(difference) <= rounding else "difference"
            yield DayBreak(name, day, counted, nearest, difference, reason if day in ours else "not in our books")
        opening = nearest


def _their_days(path: Path, mapped: ImportMap, unit: Asset) -> dict[str, dict[date, list[int]]]:
    found: dict[str, dict[date, list[int]]] = {}
    rule = {
        "unit": mapped.amount["unit"],
        "decimal": mapped.amount.get("decimal", "."),
        "column": mapped.balance["column"],
    }
    where = zone(mapped.effective.get("timezone", "UTC"))
    for row in rows_of(path, mapped):
        day = effective_of(row.values, mapped.effective).astimezone(where).date()
        balances = found.setdefault(fill(mapped.balance["account"], row.values), {}).setdefault(day, [])
        balances.append(amount_of(row.values, rule, unit, zero=True))
    return found


def _our_days(conn: Connection[Any], book: int, names: list[str], where: str) -> dict[str, dict[date, int]]:
    """What moved on these accounts each day, on their normal side."""
    found: dict[str, dict[date, int]] = {}
    for name, day, minor in conn.execute(
        """select a.name, (s.effective_at at time zone %(zone)s)::date,
                  sum(case when s.debit = a.debit_normal then s.amount else -s.amount end)::bigint
           from account a
           cross join lateral (
               select effective_at, amount, true as debit from posting where segment = any(segments_of(a.id)) and posting.debit = a.id
               union all
               select effective_at, amount, false from posting where segment = any(segments_of(a.id)) and posting.credit = a.id) s
           where a.book_id = %(book)s and a.name = any(%(names)s)
           group by 1, 2""",
        {"zone": where, "book": book, "names": names},
    ):
        found.setdefault(name, {})[day] = minor
    return found
