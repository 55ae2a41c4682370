"""`counterfoil backup base|fetch-log|reach|recover|end-log`: any second of the last weeks, from copies of the server and its log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from counterfoil.backups.measures import measured
from counterfoil.backups.recovery.bases import damaged_bases, make_base, reaches_in
from counterfoil.backups.recovery.recovering import plan_recovery, recovered, stopped_before
from counterfoil.backups.store import BackupFolder
from counterfoil.base.postgres.replicating import drop_slot
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.moments import moment_of
from counterfoil.cli.core.output import TABLE, Output, patience, say, say_done, show_rows
from counterfoil.cli.local.backup.commands import ACTOR, Keys, app, programs_of, signed_by
from counterfoil.cli.local.installation import backup_folder, backup_keys, backups_here, settings_now, wal_of

REACHES = ("base", "from", "before", "missing", "damaged")


@app.command("base")
def base(output: Output = TABLE) -> None:
    """Copy the whole server now, encrypted, to the store, and bring its log of writes there: the beginning of what can be recovered."""
    settings = settings_now()
    with backups_here(settings) as backups, patience("The server is being copied"):
        made = make_base(wal_of(settings, backups), actor=ACTOR)
    assert made.bytes is not None
    told = {"id": made.id, "bytes": made.bytes, "snapshotAt": made.snapshot_at}
    say_done(told, output, f"{made.id}: {made.bytes:,} bytes, read back to the end. Each second from {made.snapshot_at} can be recovered.")


@app.command("fetch-log")
def fetch_log(output: Output = TABLE) -> None:
    """Bring the server's log of writes to the store now. The worker does it each minute, where a schedule of bases is set."""
    settings = settings_now()
    with backups_here(settings) as backups, patience("The log is being fetched"):
        done = wal_of(settings, backups).fetch()
    told = {"server": done.system, "segments": done.segments, "before": done.until}
    say_done(told, output, f"Everything that was committed before {done.until.isoformat()} lies in the store.")


@app.command("end-log")
def end_log() -> None:
    """Stop keeping the log of writes: the server keeps nothing for us any more, so its disk does not fill. Empty the setting of the
    schedule before. What lies in the store stays."""
    settings = settings_now()
    with backups_here(settings) as backups:
        was = drop_slot(wal_of(settings, backups).source())
        with backups.database.transaction() as conn:
            conn.execute("update wal_archive set ended_at = %s where ended_at is null", [backups.clock()])
    say("The server keeps its log for nobody any more." if was else "The server kept nothing for us.")


@app.command("reach")
def reach(output: Output = TABLE) -> None:
    """Which seconds can be recovered, by what lies in the store: from the end of each base, before the end of its log. Works without the
    database. Nothing is opened: whether a file is as it was written, recovering shows. Ends with 1 when a base's manifest is damaged."""
    store = BackupFolder(backup_folder(settings_now()))
    found, damaged = reaches_in(store), damaged_bases(store)
    rows: list[dict[str, Any]] = [
        {
            "base": one.base.id,
            "from": one.start.isoformat() if one.start < one.until else None,
            "before": one.until.isoformat() if one.start < one.until else None,
            "missing": one.missing_name,
            "damaged": None,
        }
        for one in found
    ]
    nothing = dict.fromkeys(("from", "before", "missing"))
    rows += [{"base": one.facts["id"], **nothing, "damaged": one.facts["because"]} for one in damaged]
    show_rows(rows, REACHES, output, empty="No base lies in the store, so no second can be recovered: counterfoil backup base")
    if damaged:
        raise typer.Exit(NOT_GREEN)


@app.command("recover")
def recover(
    at: Annotated[str, typer.Option("--at", help="The moment, such as 2026-11-27T10:00:05Z: everything that was committed by then.")],
    into: Annotated[Path, typer.Option("--into", help="A folder that is not there yet: a data folder of counterfoil.")],
    keys: Keys = None,
) -> None:
    """Recover the books as they were at a second, into a new folder; nothing that runs is touched. What was committed by then is in it,
    and nothing later. Ends with the nearest moments where that second cannot be recovered."""
    settings = settings_now()
    moment = moment_of(at)
    plan = plan_recovery(BackupFolder(backup_folder(settings)), moment)
    signed = signed_by(settings, plan, keys)
    with (
        patience("The base is unpacked, and the log gone through"),
        recovered(plan, backup_keys(settings), into.absolute(), programs=programs_of(settings)) as server,
    ):
        left_out, found = stopped_before(server), _measured(server.url)
    say(f"{into} holds the books as they were at {moment.isoformat()}, from {plan.base.id}. {signed}")
    say(f"The first commit that was left out was of {left_out}.")
    began = plan.base.manifest["log"]
    if int(found["log"]["size"]) < int(began["size"]):
        say(f"It is not what was backed up: the log has {found['log']['size']} entries, and had {began['size']} when the base was begun.")
        raise typer.Exit(NOT_GREEN)
    say("Before you serve from it, read the page `back-up-and-restore`.")


def _measured(url: str) -> dict[str, Any]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as conn, conn.transaction():
        conn.execute("select set_config('search_path', 'public, pg_temp', true), set_config('timezone', 'UTC', true)")
        return measured(conn)
