"""The page of one's own account: how one logs in, and where one is logged in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import Problem
from counterfoil.operations.access.access import Caller
from counterfoil.operations.access.second_factor import NewFactor, has_factor, recovery_codes_left
from counterfoil.operations.access.sessions import OpenSession, open_sessions

LATELY: Final = timedelta(minutes=5)


class AccountShown(NamedTuple):
    """What the page shows. `new_factor` and `codes` are shown this once; `waiting`: the id of a factor that waits for its first code."""

    password_set_at: datetime | None
    has_factor: bool
    codes_left: int
    sessions: Sequence[OpenSession]
    done: str | None = None
    refused: Problem | None = None
    new_factor: NewFactor | None = None
    waiting: str | None = None
    codes: tuple[str, ...] = ()
    next_path: str = ""


def happened_lately(conn: Connection[Any], caller: Caller, kind: str, *, now: datetime) -> bool:
    """Is it written down that this happened to whoever looks, a moment ago? `confirmed`: that their second factor is fresh."""
    if kind == "confirmed":
        found = conn.execute("select from session where id = %s and factor_until > %s", [caller.session_id, now])
    else:
        asked = [caller.principal_id, kind, now - LATELY]
        found = conn.execute("select from access_event where principal_id = %s and kind = %s and at > %s limit 1", asked)
    return found.fetchone() is not None


def account_shown(conn: Connection[Any], caller: Caller, *, now: datetime) -> AccountShown:
    """As it stands now."""
    who = caller.principal_id
    row = conn.execute("select set_at from password where principal_id = %s", [who]).fetchone()
    return AccountShown(row[0] if row else None, has_factor(conn, who), recovery_codes_left(conn, who), open_sessions(conn, who, now=now))
