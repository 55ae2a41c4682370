"""A payee's card: why its payouts are paused, smaller or late, each sentence from a fact, and the accounts that show the money."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.formats.counting import counted
from counterfoil.base.money import format_major
from counterfoil.base.problems import NotFound
from counterfoil.payouts.batches.facts import scales
from counterfoil.payouts.destinations.destinations import ShownDestination, list_destinations
from counterfoil.payouts.destinations.machine import NO_DESTINATION
from counterfoil.payouts.payees.facts import FACT_KINDS, FACTS_MAX, Effect, FactKind

ACCOUNTS = ("payable:payee:", "receivable:payee:", "holdback:payee:")


class CardLine(NamedTuple):
    """One sentence and the fact behind it: of which kind, its id, since and until when, and how much (minor units), where it has that."""

    effect: Effect
    sentence: str
    fact: str
    fact_id: str
    since: datetime | None
    until: datetime | None
    asset: str | None
    amount: int | None
    number: int


class CardAccount(NamedTuple):
    """An account of the payee, whose statement shows every movement; `balance` in minor units: what it is owed, owes, or is held back."""

    name: str
    asset: str
    balance: int
    frozen: bool


class PayeeCard(NamedTuple):
    """What a payee is told. `destination`: where it is paid now, if anywhere. No line: no reason is on record
    why a payout of it would wait."""

    program_id: str
    payee_id: str
    measured_at: datetime
    destination: ShownDestination | None
    lines: tuple[CardLine, ...]
    accounts: tuple[CardAccount, ...]


def card_of(conn: Connection[Any], program_id: str, payee_id: str, *, now: datetime) -> PayeeCard:
    """The card of a payee, paused before smaller before late. Of more than 20 of a kind the 21st line says that there are more.

    Raises NotFound for an unknown one.
    """
    given = {"program": program_id, "payee": payee_id, "rows_max": FACTS_MAX + 1, "no_destination": NO_DESTINATION}
    accounts = _accounts(conn, given)
    listed = list_destinations(conn, rows_max=FACTS_MAX, program_id=program_id, payee_id=payee_id)
    places = [one for one in listed if one.ended_at is None]  # the others are quarantined, and were replaced
    if not accounts and not places and not _known(conn, given):
        raise NotFound(what="payee", id=payee_id, program=program_id)
    decimals = scales(conn)
    lines: list[CardLine] = []
    for kind in FACT_KINDS:
        rows = conn.execute(kind.query + " limit %(rows_max)s", given).fetchall()
        lines += [_line(kind, row, payee_id, decimals) for row in rows[:FACTS_MAX]]
        if len(rows) > FACTS_MAX:  # what is cut is said
            more = f"There are more of this kind than these {FACTS_MAX}."
            lines.append(CardLine(kind.effect, more, kind.name, "", None, None, None, None, 1))
    return PayeeCard(program_id, payee_id, now, places[0] if places else None, tuple(lines), tuple(accounts))


def _line(kind: FactKind, row: tuple[Any, ...], payee_id: str, decimals: Mapping[str, int]) -> CardLine:
    fact_id, since, until, asset, amount, number, why = row
    figure = f"{format_major(amount, decimals[asset])} {asset}" if amount is not None else ""
    told = {"payee": payee_id, "id": fact_id, "since": _day(since), "until": _day(until), "amount": figure, "asset": asset}
    many = {f"{one}s": counted(number, one) for one in ("payout", "invoice", "part")}
    said = kind.says.format(**told, **many, why=why)
    return CardLine(kind.effect, said, kind.name, str(fact_id), since, until, asset, amount, number)


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "a time that is not known"


def _accounts(conn: Connection[Any], given: Mapping[str, Any]) -> list[CardAccount]:
    with conn.cursor(row_factory=class_row(CardAccount)) as cur:
        return cur.execute(
            """select a.name, b.asset,
                      (case when a.debit_normal then a.debits - a.credits else a.credits - a.debits end)::bigint as balance, a.frozen
               from account a join book b on b.id = a.book_id
               where b.program_id = %(program)s and a.name = any(%(names)s) order by b.asset, array_position(%(names)s, a.name)""",
            {**given, "names": [prefix + given["payee"] for prefix in ACCOUNTS]},
        ).fetchall()


def _known(conn: Connection[Any], given: Mapping[str, Any]) -> bool:
    query = """select exists (select from payout where program_id = %(program)s and payee_id = %(payee)s)
                   or exists (select from destination where program_id = %(program)s and payee_id = %(payee)s)
                   or exists (select from invoice where program_id = %(program)s and payee_id = %(payee)s)
                   or exists (select from escrow where program_id = %(program)s and payee_id = %(payee)s)"""
    return conn.execute(query, given).fetchone() == (True,)
