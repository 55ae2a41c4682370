"""A program's fee rates, by version: added, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import NotFound
from counterfoil.settlement.fees.rules import HOLDBACK_DAYS, Rates, check_rates

_RATES: Final = f"""version, platform_bps, validator_bps, holdback_bps, coalesce(days, {HOLDBACK_DAYS})
                from fee_rate left join holdback_term using (program_id, version)"""


class NoRates(NotFound):
    """This program has no fee rates yet."""


def set_rates(
    conn: Connection[Any],
    program_id: str,
    *,
    platform_bps: int,
    validator_bps: int,
    holdback_bps: int,
    holdback_days: int = HOLDBACK_DAYS,
    actor: str,
    now: datetime,
) -> Rates:
    """Add the next version of a program's rates; settlements from now on use it. Raises InvalidInput, NotFound."""
    check_rates(platform_bps, validator_bps, holdback_bps, holdback_days)
    # One at a time, so that two people do not both write version n + 1.
    conn.execute("select pg_advisory_xact_lock(hashtextextended('fee_rate:' || %s, 0))", [program_id])
    if conn.execute("select 1 from program where id = %s", [program_id]).fetchone() is None:
        raise NotFound(what="program", id=program_id)
    row = conn.execute(
        """insert into fee_rate (program_id, version, platform_bps, validator_bps, holdback_bps, actor, recorded_at)
           select %(program)s, coalesce(max(version), 0) + 1, %(platform)s, %(validator)s, %(holdback)s, %(actor)s, %(now)s
           from fee_rate where program_id = %(program)s returning version""",
        {
            "program": program_id,
            "platform": platform_bps,
            "validator": validator_bps,
            "holdback": holdback_bps,
            "actor": actor,
            "now": now,
        },
    ).fetchone()
    assert row is not None
    conn.execute("insert into holdback_term (program_id, version, days) values (%s, %s, %s)", [program_id, row[0], holdback_days])
    return Rates(row[0], platform_bps, validator_bps, holdback_bps, holdback_days)


def rates_now(conn: Connection[Any], program_ids: Sequence[str]) -> dict[str, Rates]:
    """The latest rates of each program. Raises NoRates for one that has none."""
    rows = conn.execute(
        f"""select distinct on (program_id) program_id, {_RATES} where program_id = any(%s) order by program_id, version desc""",
        [list(program_ids)],
    ).fetchall()
    found = {row[0]: Rates(*row[1:]) for row in rows}
    for program_id in program_ids:
        if program_id not in found:
            raise NoRates(program=program_id)
    return found


def rates_of(conn: Connection[Any], program_id: str, version: int) -> Rates:
    """One version of a program's rates. Raises NoRates."""
    row = conn.execute(f"select {_RATES} where program_id = %s and version = %s", [program_id, version]).fetchone()
    if row is None:
        raise NoRates(program=program_id, version=version)
    return Rates(*row)
