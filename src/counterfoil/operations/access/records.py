"""What is recorded of access: logins, failures and refusals, each with address and key; and how many failures are too many."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import Kind, Problem

WINDOW: Final = timedelta(minutes=5)
OF_NAME_AND_ADDRESS: Final = 5
OF_NAME: Final = 25  # from anywhere: whoever guesses from many addresses is slowed down, and the owner rarely locked out
OF_ADDRESS: Final = 25
OF_ALL: Final = 200
RECORDED_MAX: Final = 50  # refused keys of one address within a window: nobody fills the table from outside
FORGOTTEN_MAX: Final = 100
TEXT_MAX: Final = 120


class TooManyAttempts(Problem):
    """Too many attempts to log in failed; wait before the next."""

    kind: ClassVar[Kind] = "busy"
    todo: ClassVar[str] = "Wait as long as the answer says, then log in with the right password."


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
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)[:TEXT_MAX]


def buckets_of(looks: str, address: str) -> dict[str, int]:
    """What a failure counts for, and how many are allowed of each; `looks` is the skeleton of the name, empty when a key was given.

    Nobody's failures lock everybody who has a name out; of keys, which nobody guesses, all together count, too, for the database's sake.
    """
    near = clean(address)
    if not looks:
        return {f"key-login:{near}": OF_NAME_AND_ADDRESS, "key-logins": OF_ALL}
    name = hashlib.sha256(looks.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return {f"both:{name}:{near}": OF_NAME_AND_ADDRESS, f"name:{name}": OF_NAME, f"address:{near}": OF_ADDRESS}


def refuse_if_many(conn: Connection[Any], buckets: dict[str, int], *, now: datetime) -> None:
    """Raise TooManyAttempts, with the seconds to wait, when one of these had its failures within five minutes."""
    rows = conn.execute(
        "select bucket, failures, began_at from access_attempt where bucket = any(%s) and began_at > %s",
        [list(buckets), now - WINDOW],
    ).fetchall()
    for bucket, failures, began in rows:
        if failures >= buckets[bucket]:
            wait_s = int((began + WINDOW - now).total_seconds()) + 1
            raise TooManyAttempts(limit=f"{buckets[bucket]} failures within 5 minutes", wait_seconds=wait_s)


def count_failure(conn: Connection[Any], buckets: Sequence[str], *, now: datetime) -> int:
    """One more failure of each; returns the most that one of them has. Old windows are forgotten on the way."""
    rows = conn.execute(
        """insert into access_attempt as a (bucket, began_at, failures) select unnest(%(buckets)s::text[]), %(now)s, 1
           on conflict (bucket) do update set
               failures = case when a.began_at > %(since)s then a.failures + 1 else 1 end,
               began_at = case when a.began_at > %(since)s then a.began_at else excluded.began_at end
           returning failures""",
        {"buckets": sorted(buckets), "now": now, "since": now - WINDOW},
    ).fetchall()
    conn.execute(
        f"""delete from access_attempt where bucket in (
               select bucket from access_attempt where began_at < %s order by began_at limit {FORGOTTEN_MAX} for update skip locked)""",
        [now - 2 * WINDOW],
    )
    return max((row[0] for row in rows), default=0)


def list_access(
    conn: Connection[Any],
    *,
    rows_max: int,
    kind: str | None = None,
    after: tuple[datetime, str] | None = None,
) -> list[AccessEvent]:
    """Logins, failures and refusals, newest first."""
    with conn.cursor(row_factory=class_row(AccessEvent)) as cur:
        return cur.execute(
            """select id, at, kind, name, principal_id, api_key_id, address, method, path, needs, request_id from access_event
               where (%(kind)s::text is null or kind = %(kind)s)
                 and (%(at)s::timestamptz is null or (at, id) < (%(at)s, %(id)s))
               order by at desc, id desc limit %(rows)s""",
            {"kind": kind, "rows": rows_max, "at": after[0] if after else None, "id": after[1] if after else None},
        ).fetchall()
