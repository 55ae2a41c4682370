"""People who logged in: whoever approves something in a test is one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pyotp
from psycopg import Connection

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.operations.access.access import SECRET_BYTES, Caller
from counterfoil.operations.access.logins import grant_role, log_in
from counterfoil.operations.access.principals import create_principal


def log_in_as(
    conn: Connection[Any],
    name: str,
    *roles: str,
    at: datetime | None = None,
    life: timedelta = timedelta(days=3650),
    program_id: str | None = None,
) -> tuple[Caller, str]:
    """A person of this name, added if they are new, with a login and its token."""
    at = at or now()
    row = conn.execute("select id from principal where name = %s and kind = 'person'", [name]).fetchone()
    person = {"kind": "person", "name": name, "by": "test", "now": at, "program_id": program_id}
    found = row[0] if row else create_principal(conn, make_id("prn"), **person).id
    for role in roles:
        grant_role(conn, make_id("grant"), found, role, by="test", now=at)
    caller = Caller("", name, "+".join(sorted(roles)), found, None, program_id, is_person=True)
    return log_in(conn, make_id("ses"), entropy(SECRET_BYTES), caller, now=at, life=life)


def codes_of_two_steps(codes: pyotp.TOTP) -> tuple[str, str]:
    """This step's code and the following one's: both are taken a step early or late, so it matters not when they arrive."""
    at = now()
    return codes.at(at), codes.at(at + timedelta(seconds=codes.interval))


@contextmanager
def past_the_guard(url: str) -> Iterator[Connection[Any]]:
    """As a superuser who turned the guard of keys, roles and destinations off: for those that nobody could have approved."""
    guards = {
        "api_key": "two_people_api_key_create",
        "role_grant": "two_people_principal_grant",
        "destination": "two_people_destination_set",
        "api_key_secret": "two_people_api_key_rotate",
    }
    with psycopg.connect(url) as conn:
        for table, guard in guards.items():
            conn.execute(f"alter table {table} disable trigger {guard}".encode())
        yield conn
        for table, guard in guards.items():
            conn.execute(f"alter table {table} enable always trigger {guard}".encode())


def who(conn: Connection[Any], actor: str) -> Caller:
    """Who `person:mira` is, who may approve, logged in for ten years from long ago."""
    name = actor.removeprefix("person:")
    row = conn.execute(
        """select p.id, s.id from principal p join session s on s.principal_id = p.id
           where p.name = %s and p.kind = 'person' and s.api_key_id is null limit 1""",
        [name],
    ).fetchone()
    if row is not None:
        return Caller("", name, "", row[0], row[1])
    return log_in_as(conn, name, "approver", at=datetime.fromisoformat("2020-01-01T00:00:00Z"))[0]
