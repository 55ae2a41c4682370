"""API keys as they are listed: never a secret."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.access.access import ApiKey
from counterfoil.operations.noun_pages import PlainList, SortKey

_SELECT: Final = """
    select id, name, role, principal_id, program_id, coalesce(s.hint, k.hint) as hint, created_by, created_at, expires_at, revoked_at,
           last_used_at, scopes, s.before_until
    from api_key k left join lateral (select hint, before_until from api_key_secret r where r.api_key_id = k.id
                                      order by number desc limit 1) s on true"""


def keys_of(conn: Connection[Any], principal_id: str, *, rows_max: int) -> list[ApiKey]:
    """Those of a person or a service, the newest first."""
    return _read(conn, "where principal_id = %(owner)s order by id desc limit %(rows)s", {"owner": principal_id, "rows": rows_max})


def keys_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[ApiKey]:
    """These; one that is not there is not in the answer."""
    return _read(conn, "where id = any(%(ids)s)", {"ids": list(ids)})


def _read(conn: Connection[Any], ending: str, given: dict[str, Any]) -> list[ApiKey]:
    with conn.cursor(row_factory=class_row(ApiKey)) as cur:
        return cur.execute(f"{_SELECT} {ending}".encode(), given).fetchall()


KEY_LIST: Final = PlainList(
    "keys", "key", "api_key", keys_by_id, (SortKey("name", str), SortKey("created_at", datetime), SortKey("role", str))
)
