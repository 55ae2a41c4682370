"""`counterfoil people first`, `rescue`, `second`: the administrators with whom everything else begins, one who is locked out, and one who
comes to another who is left alone.

On this machine, with the database's address: whoever has that may do more than any administrator anyway.
"""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Annotated, Any

import typer
from psycopg import Connection

from counterfoil.audit.actions import record_action
from counterfoil.base.edge import entropy, make_id, now
from counterfoil.base.problems import InvalidInput
from counterfoil.base.settings import Settings
from counterfoil.cli.core.output import TABLE, Output, Reason, show_rows
from counterfoil.cli.local.installation import local_database, settings_now
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import SECRET_BYTES
from counterfoil.operations.access.administering.second import announce_or_begin, tell_rescued
from counterfoil.operations.access.principals import named_person
from counterfoil.operations.access.records import AccessEvent, record_access

BY = "system:first"
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def first(
    name: Annotated[str, typer.Argument(help="Who administers.")],
    other: Annotated[str, typer.Argument(help="And who approves what they do: another person.")],
    output: Output = TABLE,
) -> None:
    """Add the first two administrators, once. Their one-time secrets are shown now and kept nowhere; each logs in with theirs."""
    with local_database(settings_now()) as database, database.transaction() as conn:
        if logins.was_ever_administered(conn):
            limit = "an installation that nobody ever administered; two administrators add the next, and `people second` where one is left"
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
    for it. It is recorded, and all are told.
    """
    settings, at = settings_now(), now()
    with local_database(settings) as database, database.transaction() as conn:
        found = named_person(conn, name)
        once = logins.reset_person(conn, found.id, entropy(SECRET_BYTES), now=at)
        action_id = _recorded(conn, "person.rescue", found.id, {"name": found.name}, reason, at)
        tell_rescued(conn, action_id, found.name, by=_here(), reason=reason, now=at)
        event = AccessEvent(make_id("acc"), at, "password_reset", found.name, found.id, None, "", "", "counterfoil people rescue", None, "")
        record_access(conn, event)
    row = {"id": found.id, "name": found.name, "once": once, "link": link_for(once, address_of_pages(settings))}
    show_rows([row], ("id", "name", "once", "link"), output)


def second(
    name: Annotated[str, typer.Argument(help="Who administers beside the one who is left; they have a password already.")],
    reason: Reason,
    output: Output = TABLE,
) -> None:
    """Let a second administrator begin where one is left, who can agree with nobody, and nobody is locked out.

    The first time announces it: every channel, the pages, and the records tell it, and whoever administers or reads the records may stop
    it (`counterfoil people stop-second`). The same again after 72 hours, and within a week of that, makes them an administrator.
    """
    settings, at = settings_now(), now()
    with local_database(settings) as database, database.transaction() as conn:
        issuer = settings.login_issuer
        one = announce_or_begin(conn, name, reason=reason, by=_here(), issuer=issuer, make_id=make_id, now=at)
        state = one.state(at)
        verb = "person.begin_second" if state == "begun" else "person.announce_second"
        _recorded(conn, verb, one.principal_id, {"name": one.name, "announcement": one.id}, reason, at)
    row = {"id": one.id, "name": one.name, "state": state, "beginsAt": f"{one.begins_at:{MOMENT}}", "lapsesAt": f"{one.lapses_at:{MOMENT}}"}
    show_rows([row], tuple(row), output)


def _here() -> str:
    """Who types on this machine."""
    return f"local:{getpass.getuser()}"


def _recorded(conn: Connection[Any], verb: str, subject_id: str, payload: dict[str, Any], reason: str, at: datetime) -> str:
    """The id of the entry in the action log."""
    action_id = make_id("act")
    about: dict[str, Any] = {"verb": verb, "subject_id": subject_id, "reason": reason, "payload": payload, "at": at}
    record_action(conn, action_id, actor=_here(), role="local", request_id="", **about)
    return action_id


def address_of_pages(settings: Settings) -> str:
    """Where browsers find the pages."""
    return settings.public_url or f"http://{settings.host}:{settings.port or 8080}"


def link_for(once: str, url: str) -> str:
    """Where somebody with this one-time secret chooses their password."""
    return f"{url.rstrip('/')}/password?once={once}"
