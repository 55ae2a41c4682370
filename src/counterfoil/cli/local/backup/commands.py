"""`counterfoil backup …`"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from psycopg import Connection

from counterfoil.backups.backups import Backup, backups_that_count
from counterfoil.backups.job import proven_backup, prune
from counterfoil.backups.keys import BackupDamaged, new_backup_key, parse_backup_keys
from counterfoil.backups.making import read_through
from counterfoil.backups.measures import differences
from counterfoil.backups.recovery.bases import read_base
from counterfoil.backups.recovery.job import proven_base, prune_bases
from counterfoil.backups.restoring import find_stored, measured_at, restore
from counterfoil.backups.store import BASE, DUMP, BackupFolder
from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import DatabaseAway, NotFound, Problem
from counterfoil.base.settings import Settings
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, ListFormat, ListOutput, Output, patience, say, say_done, show_one, show_rows
from counterfoil.cli.local.installation import backup_folder, backup_keys, backups_here, settings_now, wal_of
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.log.notes import KeyEnd, NoteKey
from counterfoil.proofs.stores.copies import still_locked

app = typer.Typer(help="Back the database up, encrypted, to the store; without a word behind it, now.")
COLUMNS = ("id", "kind", "snapshotAt", "bytes", "logSize", "keyId", "state", "proven", "error")
BOOKS = ("program", "asset", "accounts", "postings", "debits", "credits")
ACTOR = "local:backup"
BackupName = Annotated[str | None, typer.Argument(metavar="[ID]", help="The backup's id, bkp_…, or its folder; the newest, if absent.")]
Keys = Annotated[
    Path | None,
    typer.Option("--keys", help="The keys that you trust (`signers pin`), for who has no database any more to ask.", exists=True),
]


@app.callback(invoke_without_command=True)
def backup(context: typer.Context, output: Output = TABLE) -> None:
    """Back the database up now: dump, encrypt, sign for it, put it into the store, and read it back to its end."""
    if context.invoked_subcommand is not None:
        return
    settings = settings_now()
    with backups_here(settings) as backups, patience("The database is being backed up"):
        made = backups.make(actor=ACTOR)
    assert made.bytes is not None
    where = backups.folder / made.id
    say_done(_shown(made, set()), output, f"{made.id}: {made.bytes:,} bytes in {where}, read back to the end. Key {made.key_id} opens it.")


@app.command("list")
def list_(output: ListOutput = ListFormat.TABLE) -> None:
    """Every backup in the store and every one that the database knows, the newest first. Works without the database, and says so."""
    settings = settings_now()
    store = BackupFolder(backup_folder(settings))
    try:
        with backups_here(settings) as backups, backups.database.transaction(read_only=True) as conn:
            kept, proven = backups_that_count(conn), {proven_backup(conn), proven_base(conn)}
    except DatabaseAway:
        typer.echo("The database does not answer: this is what lies in the store.", err=True)
        kept, proven = [], set()
        rows = [_in_store(store, one, "in the store") for one in store.ids()]
    else:
        known = {one.id: one for one in kept}
        there = set(store.ids())
        rows = [_shown(one, proven) | ({} if one.id in there or one.state != "kept" else {"state": "missing"}) for one in kept]
        rows += [_in_store(store, one, "unknown to the database") for one in there - set(known)]
        rows.sort(key=lambda row: str(row["id"]), reverse=True)
    show_rows(rows, COLUMNS, output, empty=f"No backup lies in {store.folder}.")
    if any(row["state"] in ("missing", "damaged") for row in rows):
        raise typer.Exit(NOT_GREEN)


@app.command("show")
def show(name: BackupName = None, output: Output = TABLE) -> None:
    """What a backup's manifest says: moment, log, books, rows of each table. Works without the database."""
    stored = find_stored(BackupFolder(backup_folder(settings_now())), name, kind=None)
    told = {one: value for one, value in stored.manifest.items() if one != "tables"}
    told["file"] = str(stored.file)
    told["tables"] = [{"table": table, "rows": rows} for table, rows in stored.manifest.get("tables", {}).items()]
    told.setdefault("books", [])
    show_one(
        told, output, parts=(("books", ("program", "asset", "accounts", "postings", "debits", "credits")), ("tables", ("table", "rows")))
    )


@app.command("verify")
def verify(name: BackupName = None, keys: Keys = None) -> None:
    """Read a backup to its end: signature, size and SHA-256, decryption, and every byte through pg_restore. It restores nothing:
    `counterfoil backup restore` does. Ends with 1 and says what is wrong."""
    settings = settings_now()
    stored = find_stored(BackupFolder(backup_folder(settings)), name, kind=None)
    is_base = stored.kind == BASE
    try:
        stored.refuse_damaged()
        with patience("The backup is being read"):
            if is_base:
                read_base(stored.folder, dict(stored.manifest), backup_keys(settings))
            else:
                read_through(stored.folder, dict(stored.manifest), backup_keys(settings), programs_of(settings))
        signed = signed_by(settings, stored, keys)
    except Problem as problem:
        say(f"{stored.id} is not good: {problem.sentence()}\n{problem.what_to_do()}")
        raise typer.Exit(NOT_GREEN) from problem
    how = "each file in it is as PostgreSQL's manifest says" if is_base else "pg_restore reads it to its end"
    say(f"{stored.id} is whole: it decrypts, and {how}. {signed}")
    say(f"Whether it can be restored, only restoring shows: counterfoil backup {'recover' if is_base else 'restore'}")


@app.command("prune")
def prune_(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and leave it.")] = False, output: Output = TABLE
) -> None:
    """Take away what the policy does not keep. Never the newest, nor the newest that a restore drill passed on, nor any younger one;
    the same of bases by the window of recovery, and of the log what lies before the oldest base. Copies in a store go once it locks them
    no more; what stays is said."""
    with backups_here(settings_now()) as backups:
        with backups.database.transaction(read_only=True) as conn:
            proven = proven_backup(conn)
        gone = prune(backups, actor=ACTOR, dry_run=dry_run)
        gone += prune_bases(wal_of(settings_now(), backups), actor=ACTOR, dry_run=dry_run)
        with backups.database.transaction(read_only=True) as conn:
            locked = still_locked(conn, now=backups.clock())
    why = "no restore drill has passed yet, so all are kept" if proven is None else "the policy keeps all"
    show_rows([_shown(one, {proven}) for one in gone], COLUMNS, output, empty=f"Nothing to prune: {why}.")
    if locked is not None:
        said = (
            f"{counted(locked.copies, 'file')} of {locked.bytes:,} bytes {'stays' if locked.copies == 1 else 'stay'} in the store of copies"
        )
        typer.echo(f"{said}: it locks them, the last until {locked.until:%Y-%m-%d}.", err=True)


@app.command("restore")
def restore_(
    to: Annotated[str, typer.Option("--to", help="The empty database, as a URL with the login that migrates.")],
    name: BackupName = None,
    keys: Keys = None,
) -> None:
    """Restore a backup into an empty database, wholly or not at all, and hold what came out against what was backed up.

    Needs the store and the key of the backup, and nothing else of counterfoil. Ends with 1 when something differs.
    """
    settings = settings_now()
    stored = find_stored(BackupFolder(backup_folder(settings)), name)
    signed = signed_by(settings, stored, keys)
    with patience("The backup is being restored"):
        restore(stored, backup_keys(settings), to, programs=programs_of(settings))
        found = differences(stored.manifest, measured_at(to))
    differ = [each for part in found.values() for each in part]
    say(f"{stored.id} of {stored.manifest['snapshot_at']} is restored. {signed}")
    if differ:
        say("\n".join(["It is not what was backed up:", *differ]))
        raise typer.Exit(NOT_GREEN)
    say("Rows, books and log are those that were backed up. What happened afterwards is not in it: before you serve, read")
    say("the page `back-up-and-restore`.")


@app.command("new-key")
def new_key() -> None:
    """A new key for backups, shown once. The first of COUNTERFOIL_BACKUP_KEYS encrypts; leave older ones behind it for older backups."""
    text = new_backup_key()
    typer.echo(text)
    typer.echo(f"Key {parse_backup_keys(text).current}. Keep a copy elsewhere: without it no backup opens.", err=True)


class SignedFor(Protocol):
    """What the log's key has signed for."""

    def refuse_foreign(self, keys: Sequence[NoteKey]) -> None:
        """Raises BackupForeign, BackupDamaged."""

    def doubt(self, keys: Sequence[NoteKey], conn: Connection[Any] | None) -> str | None:
        """Why its signature alone shows little."""


def signed_by(settings: Settings, stored: SignedFor, pinned: Path | None) -> str:
    """Who signed for it, in a sentence; that nobody could tell, where there is nothing to tell by. Raises BackupForeign, BackupDamaged."""
    try:
        doubt = _doubt(stored, _pinned(pinned), None) if pinned is not None else _doubt_by_database(settings, stored)
    except DatabaseUnasked:
        return "Its signature was NOT checked: the database does not answer, and no --keys were given."
    return f"It is signed by the log's key, BUT {doubt}." if doubt else "It is signed by the log's key."


class DatabaseUnasked(Exception):
    """The database does not answer."""


def _doubt(stored: SignedFor, known: Sequence[NoteKey], conn: Connection[Any] | None) -> str | None:
    stored.refuse_foreign(known)
    return stored.doubt(known, conn)


def _pinned(path: Path) -> Sequence[NoteKey]:
    try:
        told = json.loads(path.read_text("utf-8"))
        return [NoteKey(str(told["origin"]), bytes.fromhex(one["key"]), _end(one.get("ended"))) for one in told["log"]]
    except (ValueError, KeyError, TypeError) as error:
        raise typer.BadParameter(f"{path} is no file of keys: {error}", param_hint="--keys") from error


def _end(told: Mapping[str, Any] | None) -> KeyEnd | None:
    return None if told is None else KeyEnd(str(told["cause"]), datetime.fromisoformat(told["at"]))


def _doubt_by_database(settings: Settings, stored: SignedFor) -> str | None:
    with ExitStack() as opened:
        try:
            backups = opened.enter_context(backups_here(settings))
            conn = opened.enter_context(backups.database.transaction(read_only=True))
            known = note_keys(conn)
        except Problem as away:
            raise DatabaseUnasked from away
        return _doubt(stored, known, conn)


def programs_of(settings: Settings) -> str | None:
    """The folder of PostgreSQL's programs, if it is set."""
    return str(settings.postgres_bin) if settings.postgres_bin else None


def _in_store(store: BackupFolder, backup_id: str, state: str) -> dict[str, Any]:
    try:
        told = store.get(backup_id).manifest
    except (BackupDamaged, NotFound):
        return {"id": backup_id, "state": "damaged"}
    file = told["file"]
    return {
        "id": backup_id,
        "kind": told.get("kind", DUMP),
        "snapshotAt": told["snapshot_at"],
        "bytes": file["bytes"],
        "logSize": told["log"]["size"],
        "keyId": file["key_id"],
        "state": state,
        "proven": None,
        "error": None,
    }


def _shown(one: Backup, proven: Set[str | None]) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "snapshotAt": one.snapshot_at.isoformat() if one.snapshot_at else None,
        "bytes": one.bytes,
        "logSize": one.log_size,
        "keyId": one.key_id,
        "state": one.state,
        "proven": one.id in proven,
        "error": one.error,
    }
