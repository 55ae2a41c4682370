"""A key under a new secret: the one of before opens for a while longer, so that nothing that asks with it stands still."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.access.access import KeyRefused

OVERLAP: Final = "^(0|[1-9][0-9]{0,2})h$"
OVERLAP_MAX: Final = timedelta(days=7)
DAY: Final = "24h"


class KeyRotated(NamedTuple):
    """A key with its new secret, which is shown once. `before_until`: until then the one of before opens, too."""

    id: str
    name: str
    hint: str
    before_until: datetime


def overlap_of(given: str) -> timedelta:
    """How long the secret of before still opens: so many hours, as `24h`. Raises InvalidInput."""
    found = re.fullmatch(OVERLAP, given)
    span = timedelta(hours=int(found[1])) if found else None
    if span is None or span > OVERLAP_MAX:
        raise InvalidInput("overlap", "0h to 168h, in hours", got=given[:40])
    return span


def rotate_key(conn: Connection[Any], secret_id: str, key_id: str, secret: str, *, overlap: str, by: str, now: datetime) -> KeyRotated:
    """From now on this secret opens what the key opens. What was opened by those of before ends with them, sessions too.

    Raises NotFound, InvalidInput, KeyRefused for a key that is over.
    """
    until = now + overlap_of(overlap)
    row = conn.execute("select name, revoked_at, expires_at from api_key where id = %s for update", [key_id]).fetchone()
    if row is None:
        raise NotFound(what="API key", id=key_id)
    if row[1] is not None or (row[2] is not None and row[2] <= now):
        raise KeyRefused(id=key_id)
    conn.execute(
        """insert into api_key_secret (id, api_key_id, number, secret_hash, hint, overlap, before_until, created_by, created_at)
           values (%(id)s, %(key)s, 1 + (select count(*) from api_key_secret where api_key_id = %(key)s), %(hash)s, %(hint)s, %(overlap)s,
                   %(until)s, %(by)s, %(now)s)""",
        {
            "id": secret_id,
            "key": key_id,
            "hash": hashlib.sha256(secret.encode()).digest(),
            "hint": secret[-4:],
            "overlap": overlap,
            "until": until,
            "by": by,
            "now": now,
        },
    )
    conn.execute("update session set expires_at = %s where api_key_id = %s and expires_at > %s", [until, key_id, until])
    return KeyRotated(key_id, row[0], secret[-4:], until)


def ends_of_secret(conn: Connection[Any], secret: str) -> datetime | None:
    """Until when this secret of before opens its key; None for a key's newest, and for what is no key's."""
    row = conn.execute(
        """select min(n.before_until) from api_key_secret n
           join (select id as key_id, 0 as number from api_key where secret_hash = %(hash)s
                 union all select api_key_id, number from api_key_secret where secret_hash = %(hash)s) f
             on n.api_key_id = f.key_id and n.number > f.number""",
        {"hash": hashlib.sha256(secret.encode()).digest()},
    ).fetchone()
    return row[0] if row else None
