"""How often somebody asks, counted in the database for all processes together: each takes a part of a second's turns at a time."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import Problem

PARTS: Final = 10  # of a second's turns a process takes so much at a time; what it does not use it may use within a second
FORGOTTEN_MAX: Final = 100
FORGOTTEN_AFTER_S: Final = 60


class TooManyRequests(Problem, kind="busy"):
    """This key, login or address asks more often than it may."""


class TurnLimits(NamedTuple):
    """Requests within a second: of a key or a login, and of an address whoever asks there; None for as many as they like."""

    of_key: int | None = None
    of_address: int | None = None


NO_LIMITS: Final = TurnLimits()


def part_of(limit: int) -> int:
    """How many turns are taken at a time."""
    return max(1, limit // PARTS)


def take_turns(conn: Connection[Any], scope: str, limit: int) -> bool:
    """Take a part of this second's turns, by the database's clock. False when none are left."""
    row = conn.execute(
        """insert into request_turn as t (scope, second, taken)
           values (%(scope)s, floor(extract(epoch from clock_timestamp()))::bigint, %(part)s)
           on conflict (scope) do update set second = greatest(t.second, excluded.second),
               taken = case when t.second >= excluded.second then least(t.taken, %(limit)s) + excluded.taken else excluded.taken end
           returning taken, second""",
        {"scope": scope, "part": part_of(limit), "limit": limit},
    ).fetchone()
    if row is None or row[0] > limit:
        return False
    if row[0] == part_of(limit):  # the first of its second: old ones are forgotten on the way
        conn.execute(
            f"""delete from request_turn where scope in (
                   select scope from request_turn where second < %s order by second limit {FORGOTTEN_MAX} for update skip locked)""",
            [row[1] - FORGOTTEN_AFTER_S],
        )
    return True
