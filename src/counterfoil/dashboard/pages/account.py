"""The page of one's own account: how one logs in, and where one is logged in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import Problem
from counterfoil.operations.access.access import Caller
from counterfoil.operations.access.second_factor import NewFactor, has_factor, recovery_codes_left
from counterfoil.operations.access.sessions import OpenSession, open_sessions


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


def account_shown(conn: Connection[Any], caller: Caller, *, now: datetime) -> AccountShown:
    """As it stands now."""
    who = caller.principal_id
    row = conn.execute("select set_at from password where principal_id = %s", [who]).fetchone()
    return AccountShown(row[0] if row else None, has_factor(conn, who), recovery_codes_left(conn, who), open_sessions(conn, who, now=now))
