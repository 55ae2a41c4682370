"""A program's fee rates, by version: added, never changed. Each is in force from its own moment on, until the next one is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.noun_pages import PlainList, SortKey, between_moments
from counterfoil.settlement.fees.rules import HOLDBACK_DAYS, FeeLimit, Rates, check_limit, check_rates
from counterfoil.settlement.usage.usage import assets_of

_LIMITED: Final = f"""r.version, r.platform_bps, r.validator_bps, r.holdback_bps, coalesce(h.days, {HOLDBACK_DAYS}),
                coalesce(l.fixed, 0), coalesce(l.minimum, 0), l.maximum"""
# Held shared by who settles and alone by who sets rates: else a version could begin before a settlement that did not see it.
_LOCK: Final = "hashtextextended('fee_rate:' || {program}, 0)"


class NoRates(NotFound):
    """This program has no fee rates in force yet."""


class RateVersion(NamedTuple):
    """A version of a program's rates: from when it is in force, and its limits by asset."""

    program_id: str
    version: int
    platform_bps: int
    validator_bps: int
    holdback_bps: int
    holdback_days: int
    effective_at: datetime
    actor: str
    recorded_at: datetime
    limits: list[FeeLimit]

    @property
    def id(self) -> str:
        """What names it among all versions."""
        return f"{self.program_id}:{self.version}"


def set_rates(
    conn: Connection[Any],
    program_id: str,
    *,
    platform_bps: int,
    validator_bps: int,
    holdback_bps: int,
    holdback_days: int = HOLDBACK_DAYS,
    limits: Sequence[FeeLimit] = (),
    effective_at: datetime | None = None,
    actor: str,
    now: datetime,
) -> Rates:
    """Add the next version of a program's rates; settlements from `effective_at` on use it, or from now. Raises InvalidInput, NotFound."""
    check_rates(platform_bps, validator_bps, holdback_bps, holdback_days)
    if effective_at is not None and effective_at < now:
        raise InvalidInput("effective_at", "not in the past: what was settled keeps its rates", got=effective_at.isoformat())
    # One at a time, so that two people do not both write version n + 1; and while nothing is being settled.
    conn.execute(f"select pg_advisory_xact_lock({_LOCK.format(program='%s')})", [program_id])
    if conn.execute("select 1 from program where id = %s", [program_id]).fetchone() is None:
        raise NotFound(what="program", id=program_id)
    begins = _after_what_was_settled(conn, program_id, effective_at, now)
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
    conn.execute("insert into fee_term (program_id, version, effective_at) values (%s, %s, %s)", [program_id, row[0], begins])
    _set_limits(conn, program_id, row[0], limits)
    return Rates(row[0], platform_bps, validator_bps, holdback_bps, holdback_days)


def _after_what_was_settled(conn: Connection[Any], program_id: str, effective_at: datetime | None, now: datetime) -> datetime:
    """When a new version begins. What was settled at its moment or later, as by a worker whose clock is ahead of ours, keeps its rates: one
    that begins now begins behind it. Raises InvalidInput where another moment was asked for."""
    begins = effective_at or now
    row = conn.execute("select max(at) from settlement where program_id = %s and at >= %s", [program_id, begins]).fetchone()
    if row is None or row[0] is None:
        return begins
    if effective_at is not None:
        limit = f"after {row[0].isoformat()}, when this program settled last: what was settled keeps its rates"
        raise InvalidInput("effective_at", limit, got=effective_at.isoformat())
    return row[0] + timedelta(microseconds=1)  # type: ignore[no-any-return]


def _set_limits(conn: Connection[Any], program_id: str, version: int, limits: Sequence[FeeLimit]) -> None:
    assets = assets_of(conn, program_id)
    for one in limits:
        if one.asset not in assets:
            raise InvalidInput("asset", f"one of {', '.join(sorted(assets))}", got=one.asset[:12])
        check_limit(one, assets[one.asset])
    if len({one.asset for one in limits}) != len(limits):
        raise InvalidInput("limits", "one for each asset")
    with conn.cursor() as cur:
        cur.executemany(
            "insert into fee_limit (program_id, version, asset, fixed, minimum, maximum) values (%s, %s, %s, %s, %s, %s)",
            [(program_id, version, *one) for one in limits],
        )


def rates_in_force(conn: Connection[Any], wanted: Iterable[tuple[str, str]], *, now: datetime) -> dict[tuple[str, str], Rates]:
    """The rates that each program's settlements in each asset use now, by (program, asset); no other ones are set until this transaction
    ends. Raises NoRates for a program that has none."""
    asked = sorted(set(wanted))
    shared = f"select pg_advisory_xact_lock_shared({_LOCK.format(program='one')}) from unnest(%s::text[]) as one"
    conn.execute(shared, [sorted({one[0] for one in asked})])
    rows = conn.execute(
        f"""select w.program_id, w.asset, {_LIMITED} from unnest(%s::text[], %s::text[]) as w (program_id, asset)
           join fee_rate r on r.program_id = w.program_id and r.version = fee_version_at(w.program_id, %s)
           left join holdback_term h on (h.program_id, h.version) = (r.program_id, r.version)
           left join fee_limit l on (l.program_id, l.version, l.asset) = (r.program_id, r.version, w.asset)""",
        [[one[0] for one in asked], [one[1] for one in asked], now],
    ).fetchall()
    found = {(row[0], row[1]): Rates(*row[2:]) for row in rows}
    for program_id, asset in asked:
        if (program_id, asset) not in found:
            raise NoRates(program=program_id)
    return found


def rates_of(conn: Connection[Any], program_id: str, version: int, asset: str) -> Rates:
    """One version of a program's rates, with its limits in an asset. Raises NoRates."""
    row = conn.execute(
        f"""select {_LIMITED} from fee_rate r
           left join holdback_term h on (h.program_id, h.version) = (r.program_id, r.version)
           left join fee_limit l on (l.program_id, l.version, l.asset) = (r.program_id, r.version, %s)
           where r.program_id = %s and r.version = %s""",
        [asset, program_id, version],
    ).fetchone()
    if row is None:
        raise NoRates(program=program_id, version=version)
    return Rates(*row)


def version_now(conn: Connection[Any], program_id: str, *, now: datetime) -> RateVersion:
    """The version that a program's settlements use now. Raises NoRates."""
    row = conn.execute("select fee_version_at(%s, %s)", [program_id, now]).fetchone()
    if row is None or row[0] is None:
        raise NoRates(program=program_id)
    return _versions(conn, "where v.program_id = %s and v.version = %s", [program_id, row[0]])[0]


def list_rates(conn: Connection[Any], program_id: str, *, rows_max: int, before: int | None = None) -> list[RateVersion]:
    """Every version of a program's rates, the newest first; those below `before`."""
    return _versions(
        conn,
        "where v.program_id = %s and v.version < coalesce(%s, 2147483647) order by v.version desc limit %s",
        [program_id, before, rows_max],
    )


def rates_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[RateVersion]:
    """The versions of these ids, in any order."""
    programs = [one.partition(":")[0] for one in ids]
    return _versions(conn, "where v.program_id = any(%s) and v.id = any(%s) order by v.id limit %s", [programs, list(ids), len(ids)])


def _versions(conn: Connection[Any], ending: str, given: Sequence[Any]) -> list[RateVersion]:
    with conn.cursor(row_factory=class_row(RateVersion)) as cur:
        found = cur.execute(
            f"""select v.program_id, v.version, v.platform_bps, v.validator_bps, v.holdback_bps,
                      coalesce(h.days, {HOLDBACK_DAYS}) as holdback_days, v.effective_at, v.actor, v.recorded_at,
                      coalesce((select jsonb_agg(jsonb_build_array(l.asset, l.fixed, l.minimum, l.maximum) order by l.asset)
                                from fee_limit l where (l.program_id, l.version) = (v.program_id, v.version)), '[]') as limits
               from listed_fee_version v left join holdback_term h using (program_id, version) {ending}""",
            given,
        ).fetchall()
    return [one._replace(limits=[FeeLimit(*each) for each in one.limits]) for one in found]


RATE_LIST: Final = PlainList(
    "fee_rates",
    "",
    "listed_fee_version",
    rates_by_id,
    (
        SortKey("version", int),
        SortKey("effective_at", datetime),
        SortKey("platform_bps", int),
        SortKey("validator_bps", int),
        SortKey("holdback_bps", int),
    ),
    between_moments("effective_at", "effective"),
    order="-version",
)
