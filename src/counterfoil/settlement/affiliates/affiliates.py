"""Affiliates: a tree for each program, and which customer came through whom. What would be no tree the database refuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Machine, record_birth, take_step
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.base.rows import Records
from counterfoil.base.text import refuse_placeholder
from counterfoil.operations.events.events import NewEvent, declare, emit

NAME_MAX: Final = 100  # characters
DEPTH_MAX: Final = 10  # as `affiliate_depth_max` in the database
AFFILIATE: Final = Machine(
    name="affiliate",
    table="affiliate",
    initial=("active",),
    transitions={("active", "deactivate"): "inactive", ("inactive", "activate"): "active"},
    reasoned=frozenset({"deactivate", "activate"}),
)
EVENT_KINDS: Final = declare(
    info={
        "affiliate_placed": "An affiliate was added, or stands under another one now.",
        "affiliate_deactivated": "An affiliate earns nothing of sales from now on.",
        "affiliate_activated": "An affiliate earns commissions again.",
    },
)
EVENTS: Final = {"deactivate": "affiliate_deactivated", "activate": "affiliate_activated"}


class NotATree(Problem):
    """An affiliate would stand above itself, or too deep."""


class ReferredBefore(Problem):
    """This customer came through another affiliate, and stays with it."""


class Affiliate(NamedTuple):
    """An affiliate as it stands. `parent_id`: who is above it; `depth`: 1 for one under nobody; `customers`: how many it referred."""

    id: str
    program_id: str
    name: str
    parent_id: str | None
    depth: int
    customers: int
    created_at: datetime
    state: str
    state_at: datetime


class Placement(NamedTuple):
    """Under whom an affiliate stood from a moment on; None: under nobody."""

    number: int
    at: datetime
    parent_id: str | None
    actor: str
    reason: str


class Referral(NamedTuple):
    """A customer that came through an affiliate."""

    program_id: str
    customer_id: str
    affiliate_id: str
    actor: str
    at: datetime


def set_affiliate(
    conn: Connection[Any], program_id: str, name: str, parent_id: str | None, *, reason: str, make_id: MakeId, actor: str, now: datetime
) -> Affiliate:
    """Add an affiliate under this one, or move it there; None: under nobody. One that stands there already stays as it is.

    What was sold before keeps the path of its time. Raises InvalidInput, NotFound for a program or a parent, NotATree.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX:
        raise InvalidInput("name", f"1 to {NAME_MAX} characters, not counting spaces around them", got=len(name))
    if conn.execute("select 1 from program where id = %s", [program_id]).fetchone() is None:
        raise NotFound(what="program", id=program_id)
    now = after_sales(conn, program_id, now)
    known = AFFILIATES.read(conn, "where program_id = %s and name = %s", [program_id, name])
    if parent_id is not None and not AFFILIATES.read(conn, "where program_id = %s and id = %s", [program_id, parent_id]):
        raise NotFound(what="affiliate", id=parent_id)
    if known and known[0].parent_id == parent_id:
        return known[0]
    affiliate_id = known[0].id if known else _new(conn, program_id, name, make_id=make_id, actor=actor, now=now)
    _refuse_no_tree(conn, affiliate_id, parent_id)
    row = conn.execute(
        """insert into affiliate_placement (affiliate_id, number, program_id, parent_id, actor, reason, at)
           select %(id)s, count(*) + 1, %(program)s, %(parent)s, %(actor)s, %(reason)s, %(now)s
           from affiliate_placement where affiliate_id = %(id)s returning number""",
        {"id": affiliate_id, "program": program_id, "parent": parent_id, "actor": actor, "reason": reason, "now": now},
    ).fetchone()
    assert row is not None
    told = {"name": name, "parentId": parent_id or "", "reason": reason}
    emit(conn, [NewEvent("affiliate_placed", program_id, affiliate_id, told, once=str(row[0]))], at=now)
    return show_affiliate(conn, affiliate_id)


def hold_tree(conn: Connection[Any], program_id: str) -> None:
    """Let nobody change a program's tree, or who is active in it, until this transaction is over; others may hold it, too."""
    conn.execute("select pg_advisory_xact_lock_shared(hashtextextended('affiliate:' || %s, 0))", [program_id])


def after_sales(conn: Connection[Any], program_id: str, now: datetime) -> datetime:
    """When a change of a program's tree or rates takes effect: after every sale whose commissions were worked out by those of before.

    One change at a time, and none while commissions are worked out.
    """
    conn.execute("select pg_advisory_xact_lock(hashtextextended('affiliate:' || %s, 0))", [program_id])
    row = conn.execute(
        "select greatest(%s, (select max(at) + interval '1 microsecond' from commission_sale where program_id = %s))", [now, program_id]
    ).fetchone()
    assert row is not None
    return cast("datetime", row[0])


def _new(conn: Connection[Any], program_id: str, name: str, *, make_id: MakeId, actor: str, now: datetime) -> str:
    made = make_id("aff")
    conn.execute(
        "insert into affiliate (id, program_id, name, created_at, state, state_at) values (%s, %s, %s, %s, 'active', %s)",
        [made, program_id, name, now, now],
    )
    record_birth(conn, AFFILIATE, [made], "active", actor=actor, at=now)
    return made


def _refuse_no_tree(conn: Connection[Any], affiliate_id: str, parent_id: str | None) -> None:
    """The reason in words; the database refuses the same (`affiliate_is_placed`)."""
    if parent_id is None:
        return
    above = path_of(conn, parent_id)
    if affiliate_id in above:
        raise NotATree(affiliate=affiliate_id, parent=parent_id, why=f"{affiliate_id} stands above {parent_id}")
    row = conn.execute(
        """with recursive under (id, depth) as (
               select %(id)s::text, 1
               union all select a.id, u.depth + 1 from affiliate a join under u on a.parent_id = u.id where u.depth <= %(most)s)
           select max(depth) from under""",
        {"id": affiliate_id, "most": DEPTH_MAX},
    ).fetchone()
    deep = len(above) + int(row[0] if row else 1)
    if deep > DEPTH_MAX:
        raise NotATree(affiliate=affiliate_id, parent=parent_id, why=f"the tree would be {deep} deep, and may be {DEPTH_MAX}")


def refer(conn: Connection[Any], affiliate_id: str, customer_id: str, *, actor: str, now: datetime) -> Referral:
    """A customer came through this affiliate: what it buys from now on earns commissions. Once: saying it again changes nothing.

    Raises NotFound, ReferredBefore when it came through another, InvalidInput when the affiliate refers itself or is not active.
    """
    one = show_affiliate(conn, affiliate_id, lock=True)
    if customer_id in (one.id, one.name):
        raise InvalidInput("customer_id", "somebody else than the affiliate itself", got=customer_id)
    if one.state != "active":
        raise InvalidInput("id", "an affiliate that is active", got=one.state)
    refuse_placeholder(customer_id, "customer_id")
    conn.execute(
        """insert into referral (program_id, customer_id, affiliate_id, actor, at) values (%s, %s, %s, %s, %s)
           on conflict (program_id, customer_id) do nothing""",
        [one.program_id, customer_id, one.id, actor, now],
    )
    with conn.cursor(row_factory=class_row(Referral)) as cur:
        found = cur.execute(
            "select program_id, customer_id, affiliate_id, actor, at from referral where program_id = %s and customer_id = %s",
            [one.program_id, customer_id],
        ).fetchone()
    assert found is not None
    if found.affiliate_id != one.id:
        raise ReferredBefore(customer=customer_id, affiliate=found.affiliate_id, at=found.at.isoformat())
    return found


def change_activity(conn: Connection[Any], affiliate_id: str, verb: str, *, reason: str, actor: str, now: datetime) -> str:
    """Deactivate or activate: of sales while it is inactive its level stays with the platform. What it earned before is still paid,
    however little it is."""
    now = after_sales(conn, show_affiliate(conn, affiliate_id).program_id, now)
    one = show_affiliate(conn, affiliate_id, lock=True)
    state = take_step(conn, AFFILIATE, one.id, one.state, verb, actor=actor, at=now, reason=reason)
    conn.execute("update affiliate set due_at = least(due_at, %s) where id = %s", [now, one.id])
    emit(conn, [NewEvent(EVENTS[verb], one.program_id, one.id, {"reason": reason}, once=now.isoformat())], at=now)
    return state


def path_of(conn: Connection[Any], affiliate_id: str) -> list[str]:
    """An affiliate and those above it, itself first."""
    row = conn.execute("select affiliate_path(%s)", [affiliate_id]).fetchone()
    return list(row[0]) if row else []


AFFILIATES: Final = Records(
    Affiliate,
    """select id, program_id, name, parent_id, cardinality(affiliate_path(id)) as depth,
              (select count(*) from referral r where r.affiliate_id = affiliate.id) as customers, created_at, state, state_at
       from affiliate""",
    "affiliate",
)
show_affiliate: Final = AFFILIATES.show
list_affiliates: Final = AFFILIATES.newest


def placements_of(conn: Connection[Any], affiliate_id: str, *, rows_max: int) -> list[Placement]:
    """Where it stood, the first place first."""
    with conn.cursor(row_factory=class_row(Placement)) as cur:
        return cur.execute(
            "select number, at, parent_id, actor, reason from affiliate_placement where affiliate_id = %s order by number limit %s",
            [affiliate_id, rows_max],
        ).fetchall()


def referrals_of(conn: Connection[Any], affiliate_id: str, *, rows_max: int) -> Sequence[Referral]:
    """The customers that came through it, the last first."""
    with conn.cursor(row_factory=class_row(Referral)) as cur:
        return cur.execute(
            """select program_id, customer_id, affiliate_id, actor, at from referral where affiliate_id = %s
               order by at desc, customer_id limit %s""",
            [affiliate_id, rows_max],
        ).fetchall()
