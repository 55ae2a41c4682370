"""`counterfoil credentials …`: the password that this installation opens its database with. On the machine that keeps the file."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from psycopg import OperationalError

from counterfoil.base.postgres.reach import refuse_unless_reached
from counterfoil.base.problems import DatabaseAway, Problem
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Format, Output, patience, show_one
from counterfoil.cli.local.crash_drill import take_part_in_drills
from counterfoil.cli.local.installation import settings_now
from counterfoil.operations.credentials import LoginSession, PasswordRotation, prepare, rotate, standing

app = typer.Typer(no_args_is_help=True)
SESSIONS = ("pid", "application", "address", "since", "state")


class NoPasswordHere(Problem):
    """The private database has no passwords: nobody but this folder's owner reaches its socket, so there is nothing to change."""


@app.command("show")
def show(output: Output = TABLE) -> None:
    """When the password was changed last, and which connections are older. Ends with 1 when some are."""
    with _address() as url:
        found = standing(url)
    _tell(found, output)


@app.command("prepare")
def prepare_() -> None:
    """Write the next password into the password file, beside the one in use, and change nothing yet.

    For more than one machine: prepare on one, copy the file to the others, then run `credentials rotate` on the first.
    """
    with _address() as url:
        file = prepare(url)
    typer.echo(f"{file} holds the password in use and the next one.")
    typer.echo("Copy it to every machine that connects; then run `counterfoil credentials rotate`.")


@app.command("rotate")
def rotate_(
    wait_s: Annotated[int, typer.Option("--wait-s", min=0, max=3600, help="Seconds to wait for connections of before to end.")] = 120,
    ends: Annotated[bool, typer.Option("--end-sessions", help="End those that are left then; what they do is rolled back.")] = False,
    output: Output = TABLE,
) -> None:
    """Change the password of the database's login while servers and workers run; they notice, and nobody is refused.

    Stopped half way, run it again: it goes on. Ends with 1 when connections of before are left after the wait, and names them.
    """
    with _address() as url, patience("The password is being changed"):
        done = rotate(url, actor=f"local:{getpass.getuser()}@{socket.gethostname()}", wait_s=wait_s, ends=ends)
    if output is Format.TABLE and done.resumed:
        typer.echo("An earlier run had been stopped after the database took the password; this one went on from there.")
    _tell(done, output)


def _tell(found: PasswordRotation, output: Format) -> None:
    show_one(_shown(found), output, parts=(("olderConnections", SESSIONS),))
    if found.left:
        raise typer.Exit(NOT_GREEN)


def _shown(found: PasswordRotation) -> dict[str, Any]:
    return {
        "login": found.login,
        "passwordFile": found.file or "none: the password stands in the address, or there is none",
        "rotatedAt": found.rotated_at.isoformat() if found.rotated_at else None,
        "olderConnections": [_session(one) for one in found.left],
    }


def _session(one: LoginSession) -> dict[str, Any]:
    return one._asdict() | {"since": one.since.isoformat()}


@contextmanager
def _address() -> Iterator[str]:
    """Of the database that is set. Raises NoPasswordHere, DatabaseAway, DatabaseLoginRefused."""
    settings = settings_now()
    if settings.drill_folder is not None:
        take_part_in_drills(settings.drill_folder, os.getpid())
    if settings.database_url is None:
        raise NoPasswordHere(folder=str(settings.data_folder))
    url = settings.database_url.get_secret_value()
    refuse_unless_reached(url)
    try:
        yield url
    except OperationalError as error:
        raise DatabaseAway(detail=str(error).strip().splitlines()[0]) from error
