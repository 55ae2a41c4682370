"""`counterfoil people …`"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from counterfoil.cli.core.acts import add_act
from counterfoil.cli.core.connection import asked, server
from counterfoil.cli.core.derived import sort_help
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, Format, Json, ListFormat, ListOutput, Output, say_done, show_one, show_rows
from counterfoil.cli.local.setting_up.first_people import first, link_for, rescue, second
from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem
from counterfoil.operations.access.acts import (
    ADD_PERSON,
    END_LOGINS,
    END_PRINCIPAL,
    GRANT_ROLE,
    LINK_LOGIN,
    PERSON_ACTS,
    RESET_LOGIN,
    REVOKE_ROLE,
    STOP_SECOND,
    UNLINK_LOGIN,
)
from counterfoil.operations.access.principals import PRINCIPAL_LIST

ID = "prn_"
LOGIN_COLUMNS = ("id", "address", "agent", "keyName", "createdAt", "seenAt", "expiresAt", "factorUntil")
app = command_group("Who may act, and in which roles.")
PrincipalId = Annotated[str, typer.Argument(metavar="WHO", help="The person or service: their name, or their id, prn_….")]


@app.command("list")
def list_(
    sort: Annotated[str | None, typer.Option("--sort", help=sort_help(PRINCIPAL_LIST))] = None, output: ListOutput = ListFormat.TABLE
) -> None:
    """Every person and service, newest first unless sorted otherwise."""
    with asked("audit") as client:
        rows = list(client.every("/api/people", sort=sort))
        lacking = client.get("/api/people/lacking")["data"]
    show_rows(rows, ("id", "kind", "name", "roles", "programRoles", "programId", "createdBy", "createdAt", "disabledAt"), output)
    for one in lacking:  # a file of people says it beside itself
        typer.echo(f"{one['said']}\n  {one['do']}", err=output is not ListFormat.TABLE)


@app.command("logins")
def logins(principal_id: PrincipalId, output: Output = TABLE) -> None:
    """Where somebody is logged in now."""
    with asked("audit") as client:
        rows = client.get(f"/api/people/{_id_of(client, principal_id)}/logins")["data"]
    show_rows(rows, LOGIN_COLUMNS, output, empty="Nowhere.")


@app.command("subjects")
def subjects(principal_id: PrincipalId, output: Output = TABLE) -> None:
    """Who somebody is at the provider that people log in by."""
    with asked("audit") as client:
        rows = client.get(f"/api/people/{_id_of(client, principal_id)}/subjects")["data"]
    show_rows(rows, ("id", "issuer", "subject", "linkedBy", "linkedAt", "endedAt"), output, empty="Nobody there.")


@app.command("seconds")
def seconds(output: Output = TABLE) -> None:
    """Who was announced as a second administrator at the server's machine, and what became of it: the newest hundred."""
    with asked("read") as client:
        rows = client.get("/api/people/seconds")["data"]
    show_rows(rows, ("id", "name", "state", "beginsAt", "lapsesAt", "reason", "announcedBy", "stoppedBy"), output, empty="Nobody.")


app.command("first")(first)
app.command("rescue")(rescue)
app.command("second")(second)


def _with_link(done: Json, output: Format) -> None:
    """With the address at which they choose their password."""
    link = {"link": link_for(done["once"], server("administer", os.environ).url)} if done.get("once") else {}
    show_one(done | link, output)


def _held(done: Json, output: Format) -> None:
    held = [*done["roles"], *(f"{one['role']} in {one['programId']}" for one in done["programRoles"])]
    ended = ", ended" if done["disabledAt"] else ""
    say_done(done, output, f"{done['name']}: {', '.join(held) or 'no role'}{ended}.")


def _ended(done: Json, output: Format) -> None:
    say_done(done, output, f"{done['ended']} ended.")


def _linked(done: Json, output: Format) -> None:
    say_done(done, output, f"{done['subject']} at {done['issuer']} is {done['principalId']}: {done['id']}.")


def _stopped(done: Json, output: Format) -> None:
    say_done(done, output, f"{done['name']} does not become an administrator by {done['id']}.")


def _unlinked(done: Json, output: Format) -> None:
    say_done(done, output, f"{done['id']} is ended.")


def _id_of(client: Client, who: str) -> str:
    """The id behind a name of somebody who was not ended; what looks like an id, or names nobody, is asked for as it stands."""
    if who.startswith(ID):
        return who
    found = [one for one in client.every("/api/people") if one["name"] == who and not one["disabledAt"]]
    if len(found) != 1:
        said = {
            "title": f"There is nobody called {who} here; `counterfoil people list` names everybody.",
            "kind": "missing",
        }
        raise ApiProblem(said, 404)
    return str(found[0]["id"])


SHOWN = {
    ADD_PERSON: _with_link,
    GRANT_ROLE: _held,
    REVOKE_ROLE: _held,
    END_PRINCIPAL: _held,
    RESET_LOGIN: _with_link,
    END_LOGINS: _ended,
    LINK_LOGIN: _linked,
    UNLINK_LOGIN: _unlinked,
    STOP_SECOND: _stopped,
}
for _act in (ADD_PERSON, STOP_SECOND, *PERSON_ACTS):
    add_act(app, _act, SHOWN[_act], subject=_id_of)
