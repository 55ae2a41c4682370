"""`counterfoil encryption …`: the keys, what is under which of them, and rows brought under another. On this machine, by the owner."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from psycopg import Connection, errors
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from counterfoil.base.edge import Database, entropy, set_up
from counterfoil.base.encryption.key_file import new_key, put_first
from counterfoil.base.encryption.keys import EncryptionKeys, id_of, parse_keys
from counterfoil.base.encryption.rotation import rotate as rotate_rows
from counterfoil.base.encryption.standing import KeyedRows, rows_by_key, unopened
from counterfoil.base.formats.counting import counted
from counterfoil.base.migrations.runner import OWNER, pending
from counterfoil.base.postgres.reach import connected
from counterfoil.base.problems import Problem
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Format, Output, show_rows
from counterfoil.cli.local.crash_drill import take_part_in_drills
from counterfoil.cli.local.installation import NotMigrated, addresses, keys_here, refuse_to_replace_keys, settings_now
from counterfoil.wiring import CONFIDENTIAL

app = typer.Typer(no_args_is_help=True)
UNOPENED = ("relation", "row", "why")
APP = "counterfoil_app"


class WrongLogin(Problem, kind="invalid"):
    """This login may not act in the role that is needed for this."""

    todo = "Set COUNTERFOIL_DATABASE_URL to the login that migrates, for this command alone."


@app.command("status")
def status(output: Output = TABLE) -> None:
    """How many rows are under which key, by its id. Ends with 1 when some are in clear, or under a key that is not the current one."""
    with _database(APP) as (database, keys):
        with database.transaction(read_only=True) as conn:
            found = rows_by_key(conn, CONFIDENTIAL)
        shown = [{"what": one.what, "rows": one.rows, "key": _key(one), "how": _how(one, keys)} for one in found]
        show_rows(shown, ("what", "rows", "key", "how"), output, empty="There is nothing confidential yet.")
        if any(one.key != keys.current for one in found):
            raise typer.Exit(NOT_GREEN)


@app.command("rotate")
def rotate(output: Output = TABLE) -> None:
    """Bring every row under the current key, which is the first: those under another one, and those written in clear before.

    Stop it and start it again as you like, on several machines too; servers and workers may run meanwhile. Needs the login that
    migrates. Ends with 1 when rows do not open, and names them.
    """
    with _database(OWNER) as (database, keys), _progress(output) as shown:
        done = rotate_rows(database.transaction, CONFIDENTIAL, keys, shown=shown)
        current = keys.current.hex()
    if output is Format.TABLE:
        typer.echo(
            f"{counted(done.rows, 'row is', 'rows are')} now under key {current}." if done.rows else f"All rows are under key {current}."
        )
    rows = [dict(zip(UNOPENED, one, strict=True)) for one in done.unopened]
    if rows or output is not Format.TABLE:
        show_rows(rows, UNOPENED, output)
    if rows:
        raise typer.Exit(NOT_GREEN)


@app.command("verify")
def verify(output: Output = TABLE) -> None:
    """Open everything that is encrypted, each in the row that it was written for. Ends with 1 and names what does not open."""
    with _database(APP) as (database, _), database.transaction(read_only=True) as conn:
        rows = [dict(zip(UNOPENED, one, strict=True)) for one in unopened(conn, CONFIDENTIAL)]
    show_rows(rows, UNOPENED, output, empty="Everything opens.")
    if rows:
        raise typer.Exit(NOT_GREEN)


@app.command("add-key")
def add_key() -> None:
    """Make a new key. For a private database it becomes the first in `encryption.keys` in the data folder; else it is shown, once."""
    settings = settings_now()
    text = new_key(entropy)
    name = id_of(parse_keys(text)[0]).hex()
    if settings.encryption_keys is not None or settings.database_url is not None:
        typer.echo(text)
        typer.echo(
            f"Key {name}. Put it into COUNTERFOIL_ENCRYPTION_KEYS of every process, and keep a copy elsewhere.",
            err=True,
        )
        return
    path = put_first(settings.data_folder, text)
    typer.echo(f"Key {name} is the first in {path}. Keep a copy elsewhere.")
    typer.echo("Start `counterfoil up` anew; then run `counterfoil encryption rotate`.")


@contextmanager
def _database(role: str) -> Iterator[tuple[Database, EncryptionKeys]]:
    """The database in this role, with the keys of these settings. Raises NotMigrated, SecretMissing, EncryptionKeysUnset, WrongLogin."""
    settings = settings_now()
    if settings.drill_folder is not None:
        take_part_in_drills(settings.drill_folder, os.getpid())
    with addresses(settings) as found:
        url = found.migrating if role == OWNER else found.serving
        with connected(url) as conn:
            _refuse_unmigrated(conn)
            _act_as(conn, role)
            refuse_to_replace_keys(conn, settings)
        keys = keys_here(settings)
        database = Database(url, role=role, connections_max=2, prepares=settings.database_prepares, keys=keys).open()
        try:
            yield database, keys
        finally:
            database.close()


def _act_as(conn: Connection[Any], role: str) -> None:
    try:
        set_up(conn, role, read_only=True)
    except errors.InsufficientPrivilege as error:
        raise WrongLogin(role=role) from error


def _refuse_unmigrated(conn: Connection[Any]) -> None:
    if lacking := pending(conn):
        raise NotMigrated(missing=lacking)


def _key(one: KeyedRows) -> str:
    return one.key.hex() if one.key else ""


def _how(one: KeyedRows, keys: EncryptionKeys) -> str:
    if one.key is None:
        return "in clear"
    if one.key == keys.current:
        return "current"
    return "older" if one.key in keys.known else "lost" if one.key in keys.lost else "not set"


@contextmanager
def _progress(output: Format) -> Iterator[Callable[[int, int], None]]:
    """Rows done of rows in all, on standard error, for people."""
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=output is not Format.TABLE) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)
