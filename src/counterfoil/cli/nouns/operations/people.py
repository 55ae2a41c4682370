"""`counterfoil people …`"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked, server
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Output, Reason, say_done, show_one, show_rows, waits
from counterfoil.cli.local.setting_up.first_people import first, link_for, rescue
from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem

ID = "prn_"
LOGIN_COLUMNS = ("id", "address", "agent", "keyName", "createdAt", "seenAt", "expiresAt", "factorUntil")
app = command_group("Who may act, and in which roles.")
PrincipalId = Annotated[str, typer.Argument(metavar="WHO", help="The person or service: their name, or their id, prn_….")]
InProgram = Annotated[str | None, typer.Option("--program", help="In this program only; in every one that they see, if absent.")]
Role = Annotated[str, typer.Option("--role", help="viewer, operator, approver, controller, auditor or administrator.")]


@app.command("list")
def list_(output: Output = TABLE) -> None:
    """Every person and service, newest first."""
    with asked("audit") as client:
        rows = list(client.every("/api/people"))
    show_rows(rows, ("id", "kind", "name", "roles", "programRoles", "programId", "createdBy", "createdAt", "disabledAt"), output)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="A name that no other looks like; it stands in every record.")],
    reason: Reason,
    program: Annotated[str | None, typer.Option("--program", help="They see this program only.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Add a person without a role. The one-time secret is shown once: with it they log in and choose their password."""
    body = {"name": name, "reason": reason, **({"programId": program} if program else {})}
    with asked("administer") as client:
        added = client.post("/api/people", body, dry_run=dry_run)
    if added.get("once"):
        added["link"] = link_for(added["once"], server("administer", os.environ).url)
    show_one(added, output)


@app.command("grant")
def grant(
    principal_id: PrincipalId, role: Role, reason: Reason, program: InProgram = None, dry_run: DryRun = False, output: Output = TABLE
) -> None:
    """Give a person a role. Roles that nobody holds together are refused."""
    _say(principal_id, "roles", _role(role, reason, program), dry_run, output)


@app.command("revoke")
def revoke(
    principal_id: PrincipalId, role: Role, reason: Reason, program: InProgram = None, dry_run: DryRun = False, output: Output = TABLE
) -> None:
    """Take a role away. The last administrator stays."""
    _say(principal_id, "roles/revoke", _role(role, reason, program), dry_run, output)


@app.command("end")
def end(principal_id: PrincipalId, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """End a person or a service: no key, login or password of theirs opens anything."""
    _say(principal_id, "end", {"reason": reason}, dry_run, output)


@app.command("reset")
def reset(principal_id: PrincipalId, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """For who lost their password or second factor: both end, with every session of theirs, and a one-time secret lets them begin anew.

    It takes two administrators: whoever has the secret is that person.
    """
    with asked("administer") as client:
        done = client.post(f"/api/people/{_id_of(client, principal_id)}/reset", {"reason": reason}, dry_run=dry_run)
    if waits(done, output):
        return
    if done.get("once"):
        done["link"] = link_for(done["once"], server("administer", os.environ).url)
    show_one(done, output)


@app.command("logins")
def logins(principal_id: PrincipalId, output: Output = TABLE) -> None:
    """Where somebody is logged in now."""
    with asked("audit") as client:
        rows = client.get(f"/api/people/{_id_of(client, principal_id)}/logins")["data"]
    show_rows(rows, LOGIN_COLUMNS, output, empty="Nowhere.")


@app.command("end-logins")
def end_logins(principal_id: PrincipalId, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """End every login of a person now; they may log in again."""
    with asked("administer") as client:
        done = client.post(f"/api/people/{_id_of(client, principal_id)}/logins/end", {"reason": reason}, dry_run=dry_run)
    say_done(done, output, f"{done['ended']} ended.")


@app.command("link")
def link(
    principal_id: PrincipalId,
    issuer: Annotated[str, typer.Option("--issuer", help="The provider's issuer, as it names itself.")],
    subject: Annotated[str, typer.Option("--subject", help="Who they are there: the `sub` of their tokens.")],
    reason: Reason,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Whoever is this subject at the provider logs in as this person. It takes two administrators."""
    with asked("administer") as client:
        body = {"issuer": issuer, "subject": subject, "reason": reason}
        done = client.post(f"/api/people/{_id_of(client, principal_id)}/subjects", body, dry_run=dry_run)
    if not waits(done, output):
        say_done(done, output, f"{done['subject']} at {done['issuer']} is {done['principalId']}: {done['id']}.")


@app.command("unlink")
def unlink(
    principal_id: PrincipalId,
    link_id: Annotated[str, typer.Argument(help="The link's id, lnk_….")],
    reason: Reason,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """They log in by this subject no more; every login of theirs ends."""
    with asked("administer") as client:
        done = client.post(f"/api/people/{_id_of(client, principal_id)}/subjects/{link_id}/end", {"reason": reason}, dry_run=dry_run)
    say_done(done, output, f"{done['id']} is ended.")


@app.command("subjects")
def subjects(principal_id: PrincipalId, output: Output = TABLE) -> None:
    """Who somebody is at the provider that people log in by."""
    with asked("audit") as client:
        rows = client.get(f"/api/people/{_id_of(client, principal_id)}/subjects")["data"]
    show_rows(rows, ("id", "issuer", "subject", "linkedBy", "linkedAt", "endedAt"), output, empty="Nobody there.")


app.command("first")(first)
app.command("rescue")(rescue)


def _role(role: str, reason: str, program: str | None) -> dict[str, str]:
    return {"role": role, "reason": reason, **({"programId": program} if program else {})}


def _say(principal_id: str, verb: str, body: dict[str, str], dry_run: bool, output: Output) -> None:
    with asked("administer") as client:
        done = client.post(f"/api/people/{_id_of(client, principal_id)}/{verb}", body, dry_run=dry_run)
    if waits(done, output):
        return
    held = [*done["roles"], *(f"{one['role']} in {one['programId']}" for one in done["programRoles"])]
    ended = ", ended" if done["disabledAt"] else ""
    say_done(done, output, f"{done['name']}: {', '.join(held) or 'no role'}{ended}.")


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
