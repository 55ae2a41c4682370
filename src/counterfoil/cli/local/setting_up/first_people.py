"""`counterfoil people first`, `rescue`: the administrators with whom everything else begins, and one who is locked out.

On this machine, with the database's address: whoever has that may do more than any administrator anyway.
"""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from counterfoil.audit.actions import record_action
from counterfoil.base.edge import entropy, make_id, now
from counterfoil.base.problems import InvalidInput
from counterfoil.base.settings import Settings
from counterfoil.cli.core.output import TABLE, Output, Reason, show_rows
from counterfoil.cli.local.installation import local_database, settings_now
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import SECRET_BYTES
from counterfoil.operations.access.principals import named_person
from counterfoil.operations.access.records import AccessEvent, record_access

BY = "system:first"


def first(
    name: Annotated[str, typer.Argument(help="Who administers.")],
    other: Annotated[str, typer.Argument(help="And who approves what they do: another person.")],
    output: Output = TABLE,
) -> None:
    """Add the first two administrators, once. Their one-time secrets are shown now and kept nowhere; each logs in with theirs."""
    with local_database(settings_now()) as database, database.transaction() as conn:
        if logins.is_administered(conn):
            limit = "an installation that nobody administers yet; two administrators add the next"
            raise InvalidInput("people", limit)
        rows, url = [], address_of_pages(settings_now())
        for one in (name, other):
            random = entropy(SECRET_BYTES)
            made, once = logins.add_person(conn, make_id("prn"), random, name=one, by=BY, now=now())
            logins.grant_role(conn, make_id("grant"), made.id, "administrator", by=BY, now=now())
            rows.append({"id": made.id, "name": made.name, "role": "administrator", "once": once, "link": link_for(once, url)})
    show_rows(rows, ("id", "name", "role", "once", "link"), output)


def rescue(
    name: Annotated[str, typer.Argument(help="Who is locked out.")],
    reason: Reason,
    output: Output = TABLE,
) -> None:
    """Let somebody in again who lost their password or second factor, where no two administrators are left to do it.

    Their password, second factor and sessions end; the one-time secret is shown now and kept nowhere. Waits after failed logins do not hold
    for it. It is recorded.
    """
    settings, at = settings_now(), now()
    with local_database(settings) as database, database.transaction() as conn:
        found = named_person(conn, name)
        once = logins.reset_person(conn, found.id, entropy(SECRET_BYTES), now=at)
        record_action(
            conn,
            make_id("act"),
            actor=f"local:{getpass.getuser()}",
            role="local",
            verb="person.rescue",
            subject_id=found.id,
            reason=reason,
            request_id="",
            payload={"name": found.name},
            at=at,
        )
        event = AccessEvent(make_id("acc"), at, "password_reset", found.name, found.id, None, "", "", "counterfoil people rescue", None, "")
        record_access(conn, event)
    row = {"id": found.id, "name": found.name, "once": once, "link": link_for(once, address_of_pages(settings))}
    show_rows([row], ("id", "name", "once", "link"), output)


def address_of_pages(settings: Settings) -> str:
    """Where browsers find the pages."""
    return settings.public_url or f"http://{settings.host}:{settings.port or 8080}"


def link_for(once: str, url: str) -> str:
    """Where somebody with this one-time secret chooses their password."""
    return f"{url.rstrip('/')}/password?once={once}"
