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
