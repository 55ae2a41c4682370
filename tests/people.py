"""People who logged in: whoever approves something in a test is one of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.operations.access.access import SECRET_BYTES, Caller
from counterfoil.operations.access.logins import grant_role, log_in
from counterfoil.operations.access.principals import create_principal


def log_in_as(
    conn: Connection[Any], name: str, *roles: str, at: datetime | None = None, life: timedelta = timedelta(days=3650)
) -> tuple[Caller, str]:
    """A person of this name, added if they are new, with a login and its token."""
    at = at or now()
    row = conn.execute("select id from principal where name = %s and kind = 'person'", [name]).fetchone()
    found = row[0] if row else create_principal(conn, make_id("prn"), kind="person", name=name, by="test", now=at).id
    for role in roles:
        grant_role(conn, make_id("grant"), found, role, by="test", now=at)
    caller = Caller("", name, "+".join(sorted(roles)), found)
    return log_in(conn, make_id("ses"), entropy(SECRET_BYTES), caller, now=at, life=life)


def who(conn: Connection[Any], actor: str) -> Caller:
    """Who `person:mira` is, logged in for ten years from long ago."""
    name = actor.removeprefix("person:")
    row = conn.execute(
        """select p.id, s.id from principal p join session s on s.principal_id = p.id
           where p.name = %s and p.kind = 'person' and s.api_key_id is null limit 1""",
        [name],
    ).fetchone()
    if row is not None:
        return Caller("", name, "", row[0], row[1])
    return log_in_as(conn, name, at=datetime.fromisoformat("2020-01-01T00:00:00Z"))[0]
