"""What is recorded of access: logins, failures and refusals, each with address and key; and how many failures are too many."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.problems import Problem

WINDOW: Final = timedelta(minutes=5)  # doubled with each round of failures that follows a full one
ROUNDS_MAX: Final = 4  # up to 80 minutes
KNOWN_FOR: Final = timedelta(days=30)
OF_NAME_AND_ADDRESS: Final = 5
OF_NAME: Final = 25  # from anywhere, but for the addresses that its owner comes from: nobody who guesses locks them out there
OF_CODE: Final = 5  # of a person whose password was right
OF_ADDRESS: Final = 25
OF_ALL: Final = 200
RECORDED_MAX: Final = 50  # refused keys of one address within a window: nobody fills the table from outside
FORGOTTEN_MAX: Final = 100
TEXT_MAX: Final = 120


class TooManyAttempts(Problem, kind="busy"):
    """Too many attempts to log in failed; wait before the next."""

    todo = "Wait as long as the answer says, then log in with the right password."


class AccessEvent(NamedTuple):
    """Something that happened at the door. `path` is the route; `needs` the permission that was missing."""

    id: str
    at: datetime
    kind: str
    name: str
    principal_id: str | None
    api_key_id: str | None
    address: str
    method: str
    path: str
    needs: str | None
    request_id: str


def record_access(conn: Connection[Any], event: AccessEvent) -> None:
    """Keep it for the auditor, in a transaction of its own: the refusal that it tells of rolls nothing of it back."""
    cut = event._replace(name=clean(event.name), address=clean(event.address), path=clean(event.path), request_id=clean(event.request_id))
    conn.execute(
        """insert into access_event (id, at, kind, name, principal_id, api_key_id, address, method, path, needs, request_id)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        cut,
    )


def clean(text: str) -> str:
    """What a stranger typed, so that it can be stored and shown anywhere."""
    if not text.isprintable():
        text = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    return text[:TEXT_MAX]


def buckets_of(looks: str, address: str, *, known: bool = False) -> dict[str, int]:
    """What a failure counts for, and how many are allowed of each; `looks` is the skeleton of the name, empty when a key was given.

    `known`: the owner of the name came from this address lately. Nobody's failures lock everybody who has a name out; of keys, which
    nobody guesses, all together count, too, for the database's sake.
    """
    near = clean(address)
    if not looks:
        return {f"key-login:{near}": OF_NAME_AND_ADDRESS, "key-logins": OF_ALL}
    name = hashlib.sha256(looks.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    anywhere = {} if known else {f"name:{name}": OF_NAME}
    return {f"both:{name}:{near}": OF_NAME_AND_ADDRESS, **anywhere, f"address:{near}": OF_ADDRESS}


def code_bucket(principal_id: str) -> dict[str, int]:
    """What a wrong code counts for: the person, wherever it came from. Only who knows their password gets so far."""
    return {f"code:{principal_id}": OF_CODE}


def comes_from(conn: Connection[Any], looks: str, address: str, *, now: datetime) -> bool:
    """Did somebody of this name log in by name from this address within 30 days?"""
    row = conn.execute(
        """select exists (select from session s join principal p on p.id = s.principal_id
                          where p.skeleton = %s and s.address = %s and s.address <> '' and s.api_key_id is null and s.created_at > %s)""",
        [looks, address, now - KNOWN_FOR],
    ).fetchone()
    return row == (True,)


def count_attempt(conn: Connection[Any], buckets: Mapping[str, int], *, now: datetime) -> None:
    """Count an attempt before it is made, so that of many at once no more are made than are allowed; `take_back` when it was none.

    Raises TooManyAttempts with the seconds to wait; the caller rolls back, so that waiting does not grow by asking.
    """
    failed = _count(conn, buckets, now)
    waits = [(limit, began + wait - now) for limit, failures, began, wait in failed if failures > limit]
    if waits:
        limit, wait = max(waits, key=lambda one: one[1])
        raise TooManyAttempts(limit=f"{limit} failures", wait_seconds=int(wait.total_seconds()) + 1)


def take_back(conn: Connection[Any], buckets: Mapping[str, int]) -> None:
    """What `count_attempt` counted was no failure."""
    conn.execute("update access_attempt set failures = greatest(failures - 1, 0) where bucket = any(%s)", [sorted(buckets)])


def count_failure(conn: Connection[Any], buckets: Mapping[str, int], *, now: datetime) -> int:
    """One more failure of each; returns the most that one of them has. Old windows are forgotten on the way."""
    failed = _count(conn, buckets, now)
    conn.execute(
        f"""delete from access_attempt where bucket in (
               select bucket from access_attempt where began_at < %s order by began_at limit {FORGOTTEN_MAX} for update skip locked)""",
        [now - 2 * WINDOW * 2**ROUNDS_MAX],
    )
    return max((failures for _, failures, _, _ in failed), default=0)


def _count(conn: Connection[Any], buckets: Mapping[str, int], now: datetime) -> list[tuple[int, int, datetime, timedelta]]:
    """Of each: its limit, its failures, when its window began, how long that lasts. A window that follows a full one is twice as long."""
    over = "a.began_at + %(window)s * power(2, a.rounds) <= %(now)s"
    rows = conn.execute(
        f"""insert into access_attempt as a (bucket, began_at, failures)
            select bucket, %(now)s, 1 from unnest(%(buckets)s::text[]) as given (bucket) order by bucket
            on conflict (bucket) do update set
               failures = case when {over} then 1 else a.failures + 1 end,
               rounds = case when not {over} then a.rounds
                             when a.failures < (%(limits)s::jsonb ->> a.bucket)::int then 0 else least(a.rounds + 1, {ROUNDS_MAX}) end,
               began_at = case when {over} then excluded.began_at else a.began_at end
           returning bucket, failures, began_at, {WINDOW.total_seconds():.0f} * power(2, rounds)::int""",
        {"buckets": sorted(buckets), "limits": Jsonb(dict(buckets)), "now": now, "window": WINDOW},
    ).fetchall()
    return [(buckets[bucket], failures, began, timedelta(seconds=wait_s)) for bucket, failures, began, wait_s in rows]


def access_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[AccessEvent]:
    """Those of these ids, in any order."""
    with conn.cursor(row_factory=class_row(AccessEvent)) as cur:
        return cur.execute(
            """select id, at, kind, name, principal_id, api_key_id, address, method, path, needs, request_id
               from access_event where id = any(%s)""",
            [list(ids)],
        ).fetchall()
