"""`counterfoil login`, `counterfoil logout`"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from counterfoil.cli.core.connection import TIMEOUT_S, server
from counterfoil.cli.core.kept_logins import keep_login, login_at
from counterfoil.cli.core.secrets_asked import asked_unseen
from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem

app = typer.Typer(no_args_is_help=True)


@app.command("login")
def login(
    name: Annotated[str, typer.Argument(help="Your name, as it was added.")],
    from_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin",
            help="Read the password from the first line of standard input, a new one from the second.",
        ),
    ] = False,
    shown: Annotated[
        bool, typer.Option("--print", help="Print the token instead of keeping it; it goes into COUNTERFOIL_API_KEY.")
    ] = False,
) -> None:
    """Log in for an hour. With a one-time secret you choose your password now."""
    url = server("read", os.environ).url
    told = [line.rstrip("\n") for line in sys.stdin][:2] if from_stdin else [_typed("Password")]
    body = {"name": name, "password": told[0] if told else ""}
    with Client(url, timeout_s=TIMEOUT_S) as client:
        try:
            done = client.post("/api/logins", {**body, **({"newPassword": told[1]} if len(told) > 1 else {})})
        except ApiProblem as problem:
            if problem.name != "PasswordNeeded" or from_stdin:
                raise
            chosen = _typed("New password, 12 characters or more", again=True)
            done = client.post("/api/logins", {**body, "newPassword": chosen})
    if shown:
        typer.echo(done["token"])
        return
    path = keep_login(url, done["token"], os.environ)
    roles = ", ".join(done["roles"]) or "no role"
    typer.echo(f"{done['name']} ({roles}) is logged in at {url} until {done['expiresAt']}. Kept in {path}.")


@app.command("logout")
def logout() -> None:
    """End the login at the server and forget its token here."""
    url = server("read", os.environ).url
    token = login_at(url, os.environ)
    if token is None:
        typer.echo(f"Nobody is logged in at {url}.")
        return
    keep_login(url, None, os.environ)
    with Client(url, token, timeout_s=TIMEOUT_S) as client:
        client.post("/api/logins/end")
    typer.echo("You are logged out.")


def _typed(question: str, *, again: bool = False) -> str:
    return asked_unseen(question, instead="--password-stdin", how="give it on standard input", again=again)
