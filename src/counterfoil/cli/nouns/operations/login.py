"""`counterfoil login`, `counterfoil logout`"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, Final

import typer

from counterfoil.cli.core.connection import TIMEOUT_S, server
from counterfoil.cli.core.kept_logins import keep_login, login_at
from counterfoil.cli.core.secrets_asked import asked_unseen
from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem

CODE: Final = "Code of your second factor"
app = typer.Typer(no_args_is_help=True)


@app.command("login")
def login(
    name: Annotated[str, typer.Argument(help="Your name, as it was added.")],
    from_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin",
            help="Read the password from the first line of standard input, a new one from the second, a code from the third.",
        ),
    ] = False,
    shown: Annotated[
        bool, typer.Option("--print", help="Print the token instead of keeping it; it goes into COUNTERFOIL_API_KEY.")
    ] = False,
) -> None:
    """Log in for an hour. With a one-time secret you choose your password now; with a second factor you give its code."""
    url = server("read", os.environ).url
    told = [line.rstrip("\n") for line in sys.stdin][:3] if from_stdin else [_typed("Password")]
    given = dict(zip(("password", "newPassword", "code"), told or [""], strict=False))
    body = {"name": name, **{field: text for field, text in given.items() if text or field == "password"}}
    with Client(url, timeout_s=TIMEOUT_S) as client:
        done = _asked(client, body, ask=not from_stdin)
    if shown:
        typer.echo(done["token"])
        return
    path = keep_login(url, done["token"], os.environ)
    of_programs = [f"{', '.join(held)} in {program}" for program, held in done["programRoles"].items()]
    roles = ", ".join([*done["roles"], *of_programs]) or "no role"
    typer.echo(f"{done['name']} ({roles}) is logged in at {url} until {done['expiresAt']}. Kept in {path}.")


@app.command("confirm")
def confirm(
    from_stdin: Annotated[bool, typer.Option("--code-stdin", help="Read the code from standard input.")] = False,
) -> None:
    """Give the code of your second factor again: an approval needs one that is a few minutes old at most."""
    url = server("read", os.environ).url
    code = sys.stdin.readline().strip() if from_stdin else asked_unseen(CODE, instead="--code-stdin", how="give it on standard input")
    with Client(url, login_at(url, os.environ), timeout_s=TIMEOUT_S) as client:
        done = client.post("/api/logins/confirm", {"code": code})
    keep_login(url, done["token"], os.environ)
    typer.echo(f"{done['name']} may approve; the login at {url} lasts until {done['expiresAt']}.")


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


def _asked(client: Client, body: dict[str, str], *, ask: bool) -> Any:
    """Log in, and ask for what lacks: a new password with a one-time secret, the code of a second factor."""
    lacking = {"PasswordNeeded": ("newPassword", "New password, 12 characters or more", True), "CodeNeeded": ("code", CODE, False)}
    while True:
        try:
            return client.post("/api/logins", body)
        except ApiProblem as problem:
            field, question, again = lacking.get(problem.name, ("", "", False))
            if not ask or not field or field in body:
                raise
            body = {**body, field: _typed(question, again=again)}


def _typed(question: str, *, again: bool = False) -> str:
    return asked_unseen(question, instead="--password-stdin", how="give it on standard input", again=again)
