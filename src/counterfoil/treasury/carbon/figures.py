"""What the source says of agents' days, from the energy and the newest intensities that are kept here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.treasury.carbon.rules import EmittedFigure, EnergyUse, IntensityPoint, bounds_of, emitted


class AgentDay(NamedTuple):
    """An agent's energy of a day in a region."""

    program_id: str
    agent_id: str
    region: str


def figures_of(
    conn: Connection[Any], day: date, *, region: str | None = None, program_id: str | None = None, agent_id: str | None = None
) -> dict[AgentDay, EmittedFigure]:
    """Of each agent and region with energy on that day; in the order of their names."""
    rows = conn.execute(
        """select program_id, agent_id, region, starts_at, ends_at, watt_hours from carbon_energy
           where day = %(day)s and (%(region)s::text is null or region = %(region)s)
                 and (%(program)s::text is null or program_id = %(program)s) and (%(agent)s::text is null or agent_id = %(agent)s)
           order by program_id, agent_id, region, starts_at, id""",
        {"day": day, "region": region, "program": program_id, "agent": agent_id},
    ).fetchall()
    uses: defaultdict[AgentDay, list[EnergyUse]] = defaultdict(list)
    for row in rows:
        uses[AgentDay(*row[:3])].append(EnergyUse(*row[3:]))
    points = {one: _points(conn, one, day) for one in {key.region for key in uses}}
    return {key: emitted(found, points[key.region]) for key, found in uses.items()}


def _points(conn: Connection[Any], region: str, day: date) -> Sequence[IntensityPoint]:
    start, end = bounds_of(day)
    rows = conn.execute(
        """select distinct on (point_at) point_at, period_s, value from carbon_intensity
           where region = %s and point_at > %s and point_at < %s order by point_at, number desc""",
        [region, start - timedelta(days=1), end],
    ).fetchall()
    return [IntensityPoint(at, timedelta(seconds=period_s), value) for at, period_s, value in rows]


def heard_of(conn: Connection[Any], region: str, day: date) -> datetime | None:
    """When the source was last heard of a day, or None."""
    row = conn.execute("select max(at) from carbon_fetch where (region, day) = (%s, %s)", [region, day]).fetchone()
    return row[0] if row else None


def booked_of(
    conn: Connection[Any], first: date, last: date, *, program_id: str | None = None, agent_id: str | None = None
) -> dict[date, dict[AgentDay, int]]:
    """Grams in the books by day: from their postings, not from what the sync noted."""
    rows = conn.execute(
        """select c.day, c.program_id, c.agent_id, c.region,
                  sum(case when a.id = p.credit then p.amount when a.id = p.debit then -p.amount else 0 end)::bigint
           from carbon_posting c
           left join journal j on j.source_type = 'carbon_posting' and j.source_id = c.id
           left join posting p on p.journal_id = j.id
           left join account a on a.id in (p.debit, p.credit) and a.name = 'carbon:agent:' || c.agent_id
           where c.day between %(first)s and %(last)s and (%(program)s::text is null or c.program_id = %(program)s)
                 and (%(agent)s::text is null or c.agent_id = %(agent)s)
           group by 1, 2, 3, 4""",
        {"first": first, "last": last, "program": program_id, "agent": agent_id},
    ).fetchall()
    booked: defaultdict[date, dict[AgentDay, int]] = defaultdict(dict)
    for day, *key, grams in rows:
        booked[day][AgentDay(*key)] = grams
    return booked
