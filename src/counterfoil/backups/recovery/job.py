"""The jobs of recovery: a base when the schedule wants one or the log has lost its base, the log each minute, and what is older goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.backups.backups import Backup, kept_backups, note_pruned
from counterfoil.backups.copied_files import BELOW
from counterfoil.backups.job import take_away
from counterfoil.backups.making import Backups
from counterfoil.backups.recovery.archive import ENDING, FOLDER, WalFolder
from counterfoil.backups.recovery.bases import bases_in, damaged_bases, make_base, reaches_in
from counterfoil.backups.recovery.receiving import WalArchive
from counterfoil.backups.store import BASE
from counterfoil.base.problems import Busy, InvalidInput
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.proofs.stores.copies import let_go
from counterfoil.reconciliation.runs.schedule import take_set_slot
from counterfoil.reconciliation.runs.slot_ends import at_work, make_good

SCHEDULE: Final = "base-backup"
REST_S: Final = 20.0
FETCH_S: Final = 60.0
ACTOR: Final = "system:backup"
AGAIN_AFTER: Final = timedelta(hours=1)  # a base that failed is not begun anew each moment


def bases_to_prune(kept: list[Backup], *, window: timedelta, proven_id: str | None, now: datetime) -> list[Backup]:
    """Bases that no second of the window needs, oldest first: pure.

    The newest from before the window stays, for the window begins in its reach; so do all that are younger, and the proven one with
    all that are younger than it. None goes while none was proven.
    """
    ordered = sorted(kept, key=lambda one: (one.snapshot_at, one.id), reverse=True)
    proven = next((place for place, one in enumerate(ordered) if one.id == proven_id), None)
    before = next((place for place, one in enumerate(ordered) if one.snapshot_at is not None and one.snapshot_at <= now - window), None)
    if proven is None or before is None:
        return []
    return list(reversed(ordered[max(proven, before) + 1 :]))


def prune_bases(archive: WalArchive, *, actor: str, dry_run: bool = False) -> list[Backup]:
    """Take away bases that the window does not need, and then the log from before the oldest that is kept. Returns the bases that went.

    Of a timeline without a base no log is taken away: who restored must do that by hand.
    """
    backups = archive.backups
    with backups.database.transaction(commit=not dry_run) as conn:
        conn.execute("select id from backup where state = 'kept' order by id for update")
        going = bases_to_prune(kept_backups(conn, BASE), window=archive.window, proven_id=proven_base(conn), now=backups.clock())
        for one in going:
            note_pruned(conn, one.id, actor=actor, now=backups.clock())
    if not dry_run:
        take_away(backups)
        _drop_log(backups)
    return going


def _drop_log(backups: Backups) -> None:
    """What lies before every base that lies in the store: also one that the database does not know keeps its log."""
    if damaged_bases(backups.store):
        return  # one whose manifest cannot be read may need it
    first: dict[tuple[str, int], int] = {}
    for _, one in bases_in(backups.store):
        key = (one.system, one.timeline)
        first[key] = min(first.get(key, one.first), one.first)
    for (system, timeline), number in first.items():
        log = WalFolder(backups.folder, system)
        names = [f"{BELOW}/{FOLDER}/{system}/{one.path.name.removesuffix(ENDING)}." for one in log.before(timeline, number)]
        with backups.database.transaction() as conn:  # before the files go: who is killed in between asks again
            let_go(conn, names, now=backups.clock())
        log.drop_before(timeline, number)


def proven_base(conn: Connection[Any]) -> str | None:
    """The newest base that a recovery drill has passed on."""
    row = conn.execute(
        """select b.id from backup b join drill d on d.backup_id = b.id
           where d.name = 'recovery' and d.state = 'passed' and b.state = 'kept' order by b.snapshot_at desc limit 1"""
    ).fetchone()
    return None if row is None else str(row[0])


def needs_base(archive: WalArchive) -> bool:
    """Does no base in the store reach to the newest of the log? Then a base that is made now is the only way to recover what comes."""
    with archive.backups.database.transaction(read_only=True) as conn:
        row = conn.execute("""select system_id, kept_at from wal_archive
               where ended_at is null and system_id = (select system_identifier::text from pg_control_system())""").fetchone()
        tried = conn.execute("select max(started_at) from backup where kind = %s", [BASE]).fetchone()
    if tried and tried[0] and archive.backups.clock() - tried[0] < AGAIN_AFTER:
        return False
    reaches = reaches_in(archive.backups.store)
    if row is None or row[1] is None:
        return not reaches
    return not any(one.base.system == row[0] and one.until >= row[1] for one in reaches)


def _archive(context: JobContext) -> WalArchive:
    if context.wal is None:  # where the whole server is copied from is asked by the archive itself
        raise InvalidInput("backup_folder", "a folder for backups")
    found: WalArchive = context.wal
    return found


def _scheduled(context: JobContext, _: str | None) -> Tally:
    cron = context.crons.get(SCHEDULE)
    with context.database.transaction() as conn:
        slot = take_set_slot(conn, SCHEDULE, cron, by=context.runner.owner, now=context.clock())
    if slot is not None:
        with at_work(context.database, slot, context.clock):
            return _make(context, slot.slot_at)
    return _on_demand(context, None) if cron and needs_base(_archive(context)) else Tally()


def _on_demand(context: JobContext, _: str | None) -> Tally:
    done = _make(context, None)
    with context.database.transaction() as conn:
        make_good(conn, SCHEDULE, now=context.clock())
    return done


def _make(context: JobContext, slot_at: datetime | None) -> Tally:
    archive = _archive(context)
    make_base(archive, actor=ACTOR, slot_at=slot_at)
    prune_bases(archive, actor=ACTOR)
    return Tally(handled=1)


def _fetch(context: JobContext, _: str | None) -> Tally:
    if not context.crons.get(SCHEDULE):
        return Tally()
    try:
        return Tally(handled=_archive(context).fetch().segments)
    except Busy:  # another worker fetches it
        return Tally()


def _fetch_now(context: JobContext, _: str | None) -> Tally:
    return Tally(handled=_archive(context).fetch().segments)


JOBS: Final = (
    Job(
        "base-backup",
        None,
        _scheduled,
        "Copies the whole server when the schedule wants it or the log has no base any more, and prunes bases and log. On demand, at once.",
        every=REST_S,
        on_demand=_on_demand,
    ),
    Job(
        "fetch-wal",
        None,
        _fetch,
        "Brings the server's log of writes to the store of backups, where a schedule of bases is set.",
        every=FETCH_S,
        on_demand=_fetch_now,
    ),
)
