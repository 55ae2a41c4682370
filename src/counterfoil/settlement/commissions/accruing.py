"""Accrual: what affiliates earn of a referred sale, frozen with the path and the rates that it follows from. Once for each sale.

Told by an event of its own, so that a commission that cannot be worked out never holds up the payee's payout.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import record_birth
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import COMMISSION_ACCRUE
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.settlement.affiliates.affiliates import hold_tree
from counterfoil.settlement.commissions.model import COMMISSION
from counterfoil.settlement.commissions.rules import Base, Mode, base_of, commissions_of

ACTOR: Final = "system:worker"


class ReferredSale(NamedTuple):
    """A sale to a customer who was referred before it; amounts in minor units. `path`: who referred, then those above at its moment.

    It goes as far up as there are rates. `earns`: who of the path was active then, and is not the customer.
    """

    id: str
    program_id: str
    customer_id: str
    asset: str
    gross: int
    platform_fee: int
    at: datetime
    rate_version: int
    base: Base
    mode: Mode
    levels: list[int]
    mature_days: int
    path: list[str]
    earns: list[bool]


class Earned(NamedTuple):
    """A commission that is due of a sale; minor units."""

    id: str
    sale: ReferredSale
    affiliate_id: str
    level: int
    amount: int


def announce_referred(conn: Connection[Any], sale_ids: Sequence[str], *, now: datetime) -> None:
    """Tell which of these sales earn commissions."""
    told = [NewEvent("sale_referred", one.program_id, one.id, {"customerId": one.customer_id}) for one in _referred(conn, sale_ids)]
    emit(conn, told, at=now)


def accrue(conn: Connection[Any], sale_ids: Sequence[str], *, make_id: MakeId, now: datetime) -> list[Earned]:
    """Freeze path and rates of these sales, and book what each affiliate earned. Of a sale that has its commissions nothing is done."""
    for program_id in sorted({one.program_id for one in _referred(conn, sale_ids)}):
        hold_tree(conn, program_id)
    sales = _referred(conn, sale_ids)
    fresh = [one for one in sales if _freeze(conn, one)]
    earned = [each for one in fresh for each in _earned(one, make_id)]
    with conn.cursor() as cur:
        cur.executemany(
            """insert into commission (id, program_id, sale_id, affiliate_id, level, asset, amount, matures_at, created_at, state, state_at,
                                       due_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'accrued', %s, %s)""",
            [_row(one, now) for one in earned],
        )
    record_birth(conn, COMMISSION, [one.id for one in earned], "accrued", actor=ACTOR, at=now, cause="sale_referred")
    by_sale: dict[str, list[Earned]] = {}
    for one in earned:
        by_sale.setdefault(one.sale.id, []).append(one)
    post_all(conn, [_booking(group) for group in by_sale.values()], now=now)
    emit(conn, [_event(group) for group in by_sale.values()], at=now)
    return earned


def _referred(conn: Connection[Any], sale_ids: Sequence[str]) -> list[ReferredSale]:
    with conn.cursor(row_factory=class_row(ReferredSale)) as cur:
        return cur.execute(
            """select s.id, s.program_id, s.customer_id, s.asset, s.gross, s.platform_fee, s.at, r.version as rate_version, r.base, r.mode,
                      r.levels, r.mature_days, p.path, commission_earners(p.path, s.customer_id, s.at) as earns
               from sale s
               join referral f on (f.program_id, f.customer_id) = (s.program_id, s.customer_id) and f.at <= s.at
               join commission_rate r on (r.program_id, r.asset) = (s.program_id, s.asset)
                    and r.version = commission_version_at(s.program_id, s.asset, s.at)
               cross join lateral (select (affiliate_path_at(f.affiliate_id, s.at))[1:cardinality(r.levels)] as path) p
               where s.id = any(%s) and not exists (select from commission_sale c where c.id = s.id) order by s.id""",
            [list(sale_ids)],
        ).fetchall()


def _freeze(conn: Connection[Any], one: ReferredSale) -> bool:
    made = conn.execute(
        """insert into commission_sale (id, program_id, customer_id, asset, gross, platform_fee, rate_version, base_kind, mode, levels,
                                        path, earns, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::integer[], %s, %s::boolean[], %s) on conflict (id) do nothing""",
        [
            one.id,
            one.program_id,
            one.customer_id,
            one.asset,
            one.gross,
            one.platform_fee,
            one.rate_version,
            one.base,
            one.mode,
            one.levels,
            one.path,
            one.earns,
            one.at,
        ],
    )
    return made.rowcount == 1


def _earned(one: ReferredSale, make_id: MakeId) -> list[Earned]:
    base = base_of(one.base, gross=one.gross, platform_fee=one.platform_fee)
    due = commissions_of(base, one.mode, one.levels, one.earns)
    return [
        Earned(make_id("com"), one, affiliate, level, minor)
        for level, (affiliate, minor) in enumerate(zip(one.path, due, strict=True), start=1)
        if minor
    ]


def _row(one: Earned, now: datetime) -> tuple[Any, ...]:
    sale = one.sale
    matures = sale.at + timedelta(days=sale.mature_days)
    return (one.id, sale.program_id, sale.id, one.affiliate_id, one.level, sale.asset, one.amount, matures, now, now, matures)


def _booking(group: Sequence[Earned]) -> ProgramJournal:
    sale = group[0].sale
    journal = NewJournal(
        key=COMMISSION_ACCRUE.key(sale.id),
        kind=COMMISSION_ACCRUE.kind or "",
        lines=[("commission_expense", f"accrued:affiliate:{one.affiliate_id}", one.amount) for one in group],
        asset=sale.asset,
        actor=ACTOR,
        source=("commission_sale", sale.id),
        space=COMMISSION_ACCRUE,
    )
    return ProgramJournal(sale.program_id, journal)


def _event(group: Sequence[Earned]) -> NewEvent:
    sale = group[0].sale
    told = {"amount": str(sum(one.amount for one in group)), "asset": sale.asset, "affiliates": str(len(group))}
    return NewEvent("commission_accrued", sale.program_id, sale.id, told)
