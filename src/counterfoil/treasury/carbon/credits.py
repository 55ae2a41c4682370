"""Carbon credits: bought by their serials, and retired for somebody's emissions. What is retired never moves; the database refuses."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput
from counterfoil.base.rows import Records
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import CARBON_BUY, CARBON_RETIRE, KeySpace
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.noun_pages import PlainList, SortKey
from counterfoil.treasury.carbon.model import BOUGHT, HELD, UNIT, CarbonCredit, CarbonRetirement, open_unit, retired_for

COLUMNS = """c.id, c.program_id, c.registry, c.series, c.first_serial, c.last_serial, c.grams_each, c.vintage, c.reference, c.reason,
    c.actor, c.at, coalesce((select sum(r.last_serial - r.first_serial + 1) from carbon_retirement r where r.credit_id = c.id), 0)::bigint
    as retired"""


class NewCredit(NamedTuple):
    """Credits as they were bought: each serial from the first to the last stands for `grams_each`."""

    registry: str
    series: str
    first_serial: int
    last_serial: int
    grams_each: int
    vintage: int
    reference: str


def buy_credits(
    conn: Connection[Any], credit_id: str, program_id: str, new: NewCredit, *, reason: str, actor: str, now: datetime
) -> CarbonCredit:
    """One row, one journal, one event. Raises InvalidInput for a range of none, or of which a serial was bought before."""
    if new.last_serial < new.first_serial:
        raise InvalidInput("last_serial", f"{new.first_serial} or later", got=str(new.last_serial))
    open_unit(conn, program_id, now=now)
    conn.execute("select pg_advisory_xact_lock(hashtextextended('carbon:' || %s || ':' || %s, 0))", [new.registry, new.series])
    known = conn.execute(
        """select id, first_serial, last_serial from carbon_credit
           where (registry, series) = (%s, %s) and first_serial <= %s and last_serial >= %s limit 1""",
        [new.registry, new.series, new.last_serial, new.first_serial],
    ).fetchone()
    if known is not None:
        raise InvalidInput("first_serial", f"serials that were not bought before; {known[0]} has {known[1]} to {known[2]}")
    conn.execute(
        """insert into carbon_credit (id, program_id, registry, series, first_serial, last_serial, grams_each, vintage, reference, reason,
                                      actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [credit_id, program_id, *new, reason, actor, now],
    )
    grams = (new.last_serial - new.first_serial + 1) * new.grams_each
    _book(conn, program_id, CARBON_BUY, credit_id, (BOUGHT, HELD, grams), reason, actor, now)
    told = {"registry": new.registry, "series": new.series, "first": new.first_serial, "last": new.last_serial, "grams": str(grams)}
    emit(conn, [NewEvent("carbon_credits_bought", program_id, credit_id, {**told, "by": actor})], at=now)
    return show_credit(conn, credit_id)


def retire_credits(
    conn: Connection[Any],
    retirement_id: str,
    credit_id: str,
    *,
    first_serial: int,
    last_serial: int,
    agent_id: str | None,
    reason: str,
    actor: str,
    now: datetime,
) -> CarbonRetirement:
    """For the emissions of an agent, or of the house. Raises NotFound, and InvalidInput for serials that are not there or were retired."""
    credit = show_credit(conn, credit_id)
    conn.execute("select pg_advisory_xact_lock(hashtextextended('carbon:' || %s || ':' || %s, 0))", [credit.registry, credit.series])
    if not credit.first_serial <= first_serial <= last_serial <= credit.last_serial:
        limit = f"serials from {credit.first_serial} to {credit.last_serial}"
        raise InvalidInput("first_serial", limit, got=f"{first_serial} to {last_serial}")
    row = conn.execute(
        """select id, first_serial, last_serial from carbon_retirement
           where credit_id = %s and first_serial <= %s and last_serial >= %s limit 1""",
        [credit_id, last_serial, first_serial],
    ).fetchone()
    if row is not None:
        raise InvalidInput("first_serial", f"serials that are not retired; {row[0]} retired {row[1]} to {row[2]}")
    if agent_id is not None:
        found = conn.execute("select program_id from agent where id = %s", [agent_id]).fetchone()
        if found != (credit.program_id,):
            raise InvalidInput("agent_id", "an agent of the program that bought them", got=agent_id[:40])
    grams = (last_serial - first_serial + 1) * credit.grams_each
    one = CarbonRetirement(retirement_id, credit.program_id, credit_id, first_serial, last_serial, agent_id, grams, reason, actor, now)
    conn.execute(
        """insert into carbon_retirement (id, program_id, credit_id, first_serial, last_serial, agent_id, grams, reason, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        one,
    )
    _book(conn, credit.program_id, CARBON_RETIRE, retirement_id, (HELD, retired_for(agent_id), grams), reason, actor, now)
    told = {"credit": credit_id, "first": first_serial, "last": last_serial, "agent": agent_id, "grams": str(grams), "by": actor}
    emit(conn, [NewEvent("carbon_credits_retired", credit.program_id, retirement_id, told)], at=now)
    return one


def _book(
    conn: Connection[Any],
    program_id: str,
    space: KeySpace,
    source_id: str,
    line: tuple[str, str, int],
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    journal = NewJournal(
        key=space.key(source_id),
        kind=space.kind or "",
        lines=[line],
        asset=UNIT.code,
        actor=actor,
        narrative=reason,
        source=(space.source_type or "", source_id),
        space=space,
    )
    post_all(conn, [ProgramJournal(program_id, journal)], now=now)


CREDITS: Final = Records(CarbonCredit, f"select {COLUMNS} from carbon_credit c", "carbon credit", "c.")
show_credit: Final = CREDITS.show
list_credits: Final = CREDITS.newest
CREDIT_LIST: Final = PlainList(
    "carbon credits", "credit", "carbon_credit", CREDITS.by_id, (SortKey("at", datetime), SortKey("vintage", int), SortKey("series", str))
)
RETIREMENTS: Final = Records(CarbonRetirement, f"select {', '.join(CarbonRetirement._fields)} from carbon_retirement", "carbon retirement")
RETIREMENT_LIST: Final = PlainList(
    "carbon retirements", "retire", "carbon_retirement", RETIREMENTS.by_id, (SortKey("at", datetime), SortKey("grams", int))
)
