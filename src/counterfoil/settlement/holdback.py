"""Holdback: what is kept back of each settlement for a while, as a tranche of its own with the date on which it is released.

The account `holdback:payee:…` is the sum of its open tranches, less what refunds have taken of them; an invariant holds it to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import Machine, Move, listed, record_birth, take_steps
from counterfoil.base.rows import Records, insert_rows
from counterfoil.operations.events.events import declare

HOLDBACK: Final = Machine(
    name="holdback_tranche",
    table="holdback_tranche",
    initial=("held",),
    transitions={("held", "release"): "released", ("held", "use_up"): "used_up"},
)
EVENT_KINDS: Final = declare(
    debug={"holdback_released": "What was held back of a settlement is payable now."},
    info={"holdback_waits": "A holdback's date has come, and something still keeps it."},
)


class HoldbackTranche(NamedTuple):
    """What is held back of one settlement: `amount` as it was kept, `remaining` less what refunds took of it; minor units."""

    id: str
    program_id: str
    settlement_id: str
    number: int
    payee_id: str
    asset: str
    amount: int
    remaining: int
    release_at: datetime
    state: str
    state_at: datetime
    last_error: str | None


class NewTranche(NamedTuple):
    """A tranche to be kept; minor units."""

    id: str
    program_id: str
    settlement_id: str
    payee_id: str
    asset: str
    amount: int
    days: int


def keep_back(conn: Connection[Any], tranches: Sequence[NewTranche], *, actor: str, now: datetime) -> None:
    """Write tranches down, in the transaction of their settlements."""
    if not tranches:
        return
    rows = [(*one[:-1], 1, "held", now, now, *[now + timedelta(days=one.days)] * 2) for one in tranches]
    texts, moments = ("id", "program_id", "settlement_id", "payee_id", "asset"), ("created_at", "state_at", "release_at", "due_at")
    columns = dict.fromkeys(texts, "text") | {"amount": "bigint", "number": "int", "state": "text"}
    insert_rows(conn, "holdback_tranche", columns | dict.fromkeys(moments, "timestamptz"), rows)
    record_birth(conn, HOLDBACK, [one.id for one in tranches], "held", actor=actor, at=now)


def held_of_payee(conn: Connection[Any], program_id: str, payee_id: str, asset: str) -> list[HoldbackTranche]:
    """A payee's open tranches with something in them, locked, the oldest first."""
    conn.execute(
        f"""select from holdback_tranche where program_id = %s and payee_id = %s and asset = %s
            and state in {listed(HOLDBACK.open)} order by id for update""",
        [program_id, payee_id, asset],
    )
    where = f"""where t.program_id = %s and t.payee_id = %s and t.asset = %s and t.state in {listed(HOLDBACK.open)}
                order by t.created_at, t.id"""
    return [one for one in TRANCHES.read(conn, where, [program_id, payee_id, asset]) if one.remaining]


def use(conn: Connection[Any], refund_id: str, taken: Mapping[str, int], *, actor: str, now: datetime) -> None:
    """Note what a refund takes of these locked tranches; one with nothing left is used up. The journal is the caller's."""
    with conn.cursor() as cur:
        cur.executemany(
            "insert into holdback_use (tranche_id, refund_id, amount) values (%s, %s, %s)",
            [(tranche, refund_id, minor) for tranche, minor in sorted(taken.items())],
        )
    empty = [one.id for one in tranches_by_id(conn, list(taken)) if not one.remaining]
    take_steps(conn, HOLDBACK, [Move(one, "held", "use_up") for one in empty], actor=actor, at=now, cause=refund_id)
    conn.execute("update holdback_tranche set due_at = null where id = any(%s)", [empty])


TRANCHES: Final = Records(
    HoldbackTranche,
    """select t.id, t.program_id, t.settlement_id, t.number, t.payee_id, t.asset, t.amount,
                      (t.amount - coalesce((select sum(u.amount) from holdback_use u where u.tranche_id = t.id), 0))::bigint as remaining,
                      t.release_at, t.state, t.state_at, t.last_error
               from holdback_tranche t""",
    "holdback",
    "t.",
)
show_tranche: Final = TRANCHES.show
tranches_by_id: Final = TRANCHES.by_id
list_tranches: Final = TRANCHES.newest


INVARIANTS: Final = (
    Invariant(
        "HOLDBACK_TIE",
        "Does every holdback account hold exactly what its open tranches keep, and has every tranche its settlement's holdback?",
        f"""with kept as (
               select t.program_id, t.asset, 'holdback:payee:' || t.payee_id as name,
                      sum(t.amount - coalesce((select sum(u.amount) from holdback_use u where u.tranche_id = t.id), 0)) as amount
               from holdback_tranche t where t.state in {listed(HOLDBACK.open)} group by t.program_id, t.asset, t.payee_id
           ), booked as (
               select b.program_id, b.asset, a.name, a.credits - a.debits as amount
               from account a join book b on b.id = a.book_id where a.name like 'holdback:payee:%'
           )
           select coalesce(k.name, b.name), k.amount, b.amount
           from kept k full join booked b using (program_id, asset, name) where coalesce(k.amount, 0) <> coalesce(b.amount, 0)
           union all
           select s.id, s.holdback, coalesce(sum(t.amount), 0) from settlement s left join holdback_tranche t on t.settlement_id = s.id
           group by s.id, s.holdback having s.holdback <> coalesce(sum(t.amount), 0)
           union all
           select t.id, t.amount, sum(u.amount) from holdback_tranche t join holdback_use u on u.tranche_id = t.id
           group by t.id, t.amount, t.state having sum(u.amount) > t.amount or (sum(u.amount) = t.amount) <> (t.state = 'used_up')""",
        "critical",
        "Money is held back that belongs to no settlement, or was let go without a record.",
        "P14",
    ),
)
