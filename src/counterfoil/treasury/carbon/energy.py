"""Energy in: what each agent used, where and when. A record counts once; all of what is sent is recorded, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.problems import InvalidInput
from counterfoil.treasury.carbon.model import open_unit

RECORDS_MAX: Final = 10_000
SKEW: Final = timedelta(minutes=5)


class NewEnergy(NamedTuple):
    """What an agent used, evenly from `starts_at` to `ends_at`, within one day of UTC; `reference` is the caller's own and counts once."""

    reference: str
    agent_id: str
    region: str
    starts_at: datetime
    ends_at: datetime
    watt_hours: int


class EnergyImport(NamedTuple):
    """How many records there were, and how many of them were not known."""

    records: int
    new: int


def import_energy(
    conn: Connection[Any], program_id: str, given: Sequence[NewEnergy], *, make_id: MakeId, actor: str, now: datetime
) -> EnergyImport:
    """Record energy. Raises InvalidInput, naming the record and the field: then nothing of it is recorded."""
    open_unit(conn, program_id, now=now)
    agents = {row[0] for row in conn.execute("select id from agent where program_id = %s", [program_id])}
    records = [_checked(one, number, agents, now) for number, one in enumerate(given, 1)]
    if len({one.reference for one in records}) < len(records):
        raise InvalidInput("records", "each reference once")
    with conn.cursor() as cur:
        cur.executemany(
            """insert into carbon_energy (id, program_id, agent_id, reference, region, day, starts_at, ends_at, watt_hours, actor, at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (program_id, reference) do nothing""",
            [
                (
                    make_id("energy"),
                    program_id,
                    one.agent_id,
                    one.reference,
                    one.region,
                    one.starts_at.date(),
                    one.starts_at,
                    one.ends_at,
                    one.watt_hours,
                    actor,
                    now,
                )
                for one in records
            ],
        )
        new = cur.rowcount
    _refuse_other(conn, program_id, records)
    return EnergyImport(len(records), new)


def _checked(one: NewEnergy, number: int, agents: set[str], now: datetime) -> NewEnergy:
    starts_at, ends_at = one.starts_at.astimezone(UTC), one.ends_at.astimezone(UTC)
    where = f"records[{number}]"
    if one.agent_id not in agents:
        raise InvalidInput(f"{where}.agent_id", "an agent of the program", got=one.agent_id[:40])
    if ends_at > now + SKEW:
        raise InvalidInput(f"{where}.ends_at", "not later than now: it is energy that was used", got=ends_at.isoformat())
    if not starts_at < ends_at or (ends_at - timedelta(microseconds=1)).date() != starts_at.date():
        raise InvalidInput(f"{where}.ends_at", "later than starts_at, and on the same day of UTC; part what goes over midnight")
    return one._replace(starts_at=starts_at, ends_at=ends_at)


def _refuse_other(conn: Connection[Any], program_id: str, records: Sequence[NewEnergy]) -> None:
    """What is known under a reference says the same, or it is a mistake of somebody."""
    columns = [list(column) for column in zip(*records, strict=True)]
    row = conn.execute(
        """select e.reference from carbon_energy e
           join unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[])
                as g (reference, agent_id, region, starts_at, ends_at, watt_hours) on g.reference = e.reference
           where e.program_id = %s and (e.agent_id, e.region, e.starts_at, e.ends_at, e.watt_hours)
                                       is distinct from (g.agent_id, g.region, g.starts_at, g.ends_at, g.watt_hours) limit 1""",
        [*columns, program_id],
    ).fetchone()
    if row is not None:
        raise InvalidInput("records", "under a reference that is known, what is known of it", got=row[0][:40])
