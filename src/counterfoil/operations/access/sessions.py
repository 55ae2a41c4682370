"""The sessions of people and keys: used, listed, ended, and renewed under another token when they rise in privilege."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import NotFound, check
from counterfoil.operations.access.access import Caller, SessionOver, SessionRules, open_session, session_caller

SEEN_EVERY: Final = timedelta(minutes=1)
SHOWN_MAX: Final = 50


class OpenSession(NamedTuple):
    """A session that opens something now. `idle_ends_at`: when it ends if nobody uses it. `key_name`: the key that opened it."""

    id: str
    principal_id: str
    key_name: str | None
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    idle_ends_at: datetime | None
    factor_until: datetime | None


def note_use(conn: Connection[Any], token: str, *, now: datetime) -> None:
    """Somebody uses this session; written down once a minute."""
    conn.execute(
        "update session set seen_at = %s where secret_hash = %s and (seen_at is null or seen_at < %s)",
        [now, hash_of(token), now - SEEN_EVERY],
    )


def open_sessions(
    conn: Connection[Any], principal_id: str, *, now: datetime, rows_max: int = SHOWN_MAX, after: str | None = None
) -> list[OpenSession]:
    """Those of a person or service that open something now, the newest first; with `after` those behind that one."""
    with conn.cursor(row_factory=class_row(OpenSession)) as cur:
        return cur.execute(
            """select s.id, s.principal_id, k.name as key_name, s.address, s.agent, s.created_at,
                      coalesce(s.seen_at, s.created_at) as seen_at,
                      least(s.expires_at, o.expires_at) as expires_at, s.seen_at + s.idle_s * interval '1 second' as idle_ends_at,
                      s.factor_until
               from session s left join api_key k on k.id = s.api_key_id left join session o on o.id = s.opened_by
               where s.principal_id = %(who)s and least(s.expires_at, o.expires_at) > %(now)s
                 and (s.idle_s is null or s.seen_at > %(now)s - s.idle_s * interval '1 second')
                 and (k.id is null or k.revoked_at is null and (k.expires_at is null or k.expires_at > %(now)s))
                 and (%(after)s::text is null
                      or (s.created_at, s.id) < (select a.created_at, a.id from session a
                                                 where a.id = %(after)s and a.principal_id = %(who)s))
               order by s.created_at desc, s.id desc limit %(rows)s""",
            {"who": principal_id, "now": now, "rows": rows_max, "after": after},
        ).fetchall()


def close_session(conn: Connection[Any], token: str, *, now: datetime) -> Caller | None:
    """Log out; closing a session that is gone is no error. Returns whose it was, if it was one that opened something."""
    try:
        caller: Caller | None = session_caller(conn, token, now=now)[0]
    except SessionOver:
        caller = None
    conn.execute("update session set expires_at = least(expires_at, %s) where secret_hash = %s", [now, hash_of(token)])
    return caller


def close_session_of(conn: Connection[Any], session_id: str, *, now: datetime) -> None:
    """End a session by its id, and with it what was opened by its token."""
    conn.execute("update session set expires_at = least(expires_at, %s) where id = %s", [now, session_id])


def end_session(conn: Connection[Any], principal_id: str, session_id: str, *, now: datetime) -> None:
    """It opens nothing any more. Raises NotFound for one that is not theirs."""
    done = conn.execute(
        "update session set expires_at = least(expires_at, %s) where id = %s and principal_id = %s", [now, session_id, principal_id]
    )
    if done.rowcount == 0:
        raise NotFound(what="session", id=session_id)


def end_other_sessions(conn: Connection[Any], principal_id: str, *, but: str | None, now: datetime) -> int:
    """Every login of theirs ends, but one, and also one that is being renewed; how many that were."""
    conn.execute("select 1 from principal where id = %s for update", [principal_id])
    return conn.execute(
        """update session set expires_at = %(now)s
           where principal_id = %(who)s and api_key_id is null and expires_at > %(now)s and id is distinct from %(but)s""",
        {"who": principal_id, "but": but, "now": now},
    ).rowcount


def renew_session(
    conn: Connection[Any],
    caller: Caller,
    session_id: str,
    token: str,
    csrf: str | None,
    *,
    now: datetime,
    rules: SessionRules,
    address: str = "",
    agent: str = "",
) -> datetime:
    """The same login under another token, because it may do more from now on; the old token opens nothing. It ends when the old one
    would have ended, which is returned. Raises SessionOver."""
    check(caller.session_id is not None, "what is renewed is a login of a person")
    conn.execute("select 1 from principal where id = %s for share", [caller.principal_id])  # whoever ends all of theirs sees this one
    row = conn.execute(
        """update session set expires_at = %s from session was
           where session.id = %s and was.id = session.id and session.expires_at > %s
           returning was.expires_at, was.idle_s, was.opened_by""",
        [now, caller.session_id, now],
    ).fetchone()
    if row is None:
        raise SessionOver()
    lasting = rules._replace(life=row[0] - now, idle=timedelta(seconds=row[1]) if row[1] else None)
    tied: dict[str, Any] = {"opened_by": row[2], "address": address, "agent": agent}
    open_session(conn, caller, session_id, token, csrf, now=now, rules=lasting, **tied)
    ends: datetime = row[0]
    return ends


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()
