"""What waits for a person of the nouns that declare it: one question for each, and of the drills those that are due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from psycopg import sql

from counterfoil.base.money import Money
from counterfoil.dashboard.today.needs import READ_MAX, ActionKind, InNeed
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.drills.drills import DrillStanding, standings
from counterfoil.operations.noun_pages import WaitingForPerson
from counterfoil.operations.verbs import Noun
from counterfoil.wiring import NOUNS

QUERY: Final = """select t.id, {whose}, {amount}, {asset}, {since}, {why}, {due} as due, count(*) over ()
                  from {table} t where ({where}) and (%(program)s::text is null or t.program_id = %(program)s)
                  order by due nulls last, t.id limit %(rows)s"""


class DrillDue(NamedTuple):
    """A drill that somebody has to run, and why."""

    standing: DrillStanding
    why: str


def waiting_of_nouns(ask: SectionContext) -> Iterator[ActionKind]:
    """Each kind that a noun declares, also where none waits."""
    for noun in NOUNS:
        for one in noun.waits:
            yield _kind(ask, noun, one)


def _kind(ask: SectionContext, noun: Noun, one: WaitingForPerson) -> ActionKind:
    parts = {name: sql.SQL(getattr(one, name)) for name in ("whose", "amount", "asset", "since", "why", "due", "where")}
    query = sql.SQL(QUERY).format(table=sql.Identifier(noun.machine.table), **parts)
    rows: list[Any] = ask.conn.execute(query, {"now": ask.clock(), "program": ask.program_id, "rows": READ_MAX}).fetchall()
    shown = tuple(
        InNeed(
            row[0],
            row[1] or row[0],
            Money(row[2], row[3]) if row[3] else None,
            row[4],
            row[5],
            None,
            one.command.format(id=row[0]),
            row[6],
        )
        for row in rows
    )
    ways = (*one.way, f"/admin/{noun.plural}" + (f"?state={one.state}" if one.state else ""))
    return ActionKind(one.key, one.title, one.meaning, rows[0][7] if rows else 0, shown, one.every, ways)


def drills_due(ask: SectionContext) -> ActionKind:
    """Drills that failed last, and those that were to pass before now."""
    now = ask.clock()
    rows = tuple(
        InNeed(
            one.standing.kind.name,
            one.standing.kind.title,
            None,
            one.standing.last.finished_at or now if one.standing.last else one.standing.due_at or now,
            one.why,
            None,
            f"counterfoil drills ask {one.standing.kind.name}",
            one.standing.due_at,
        )
        for one in (_due(each, late=each.due_at is not None and each.due_at < now) for each in standings(ask.conn))
        if one is not None
    )
    meaning = "What must work on the worst day is practised before: a drill counts when it passed within its days."
    way = ("Run it", "Run them", "/admin/drills")
    return ActionKind("drill", "Drills to be run", meaning, len(rows), rows, "counterfoil drills list", way)


def _due(one: DrillStanding, *, late: bool) -> DrillDue | None:
    if one.last is not None and one.last.state == "failed":
        return DrillDue(one, "it failed last")
    return DrillDue(one, "it did not pass in time" if one.passed_at else "it never passed") if late else None
