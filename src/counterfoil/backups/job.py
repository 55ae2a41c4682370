"""The job that makes a backup when the schedule wants one, and prunes by policy."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.backups.backups import Backup, kept_backups, note_pruned
from counterfoil.backups.copied_files import BELOW
from counterfoil.backups.making import Backups
from counterfoil.backups.monitors import SCHEDULE
from counterfoil.backups.pruning import to_prune
from counterfoil.backups.store import DUMP
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.proofs.stores.copies import let_go
from counterfoil.reconciliation.runs.schedule import take_set_slot
from counterfoil.reconciliation.runs.slot_ends import at_work, make_good

REST_S: Final = 20.0
ACTOR: Final = "system:backup"


def prune(backups: Backups, *, actor: str, dry_run: bool = False) -> list[Backup]:
    """Take away the dumps that the policy does not keep: the row says so first, then the files go. Returns those that went, or would."""
    with backups.database.transaction(commit=not dry_run) as conn:
        conn.execute("select id from backup where state = 'kept' order by id for update")
        going = to_prune(kept_backups(conn, DUMP), backups.policy, proven_id=proven_backup(conn))
        for one in going:
            note_pruned(conn, one.id, actor=actor, now=backups.clock())
    if not dry_run:
        take_away(backups)
    return going


def take_away(backups: Backups) -> None:
    """Files whose row says that they went: of this time, and what a process that was killed had left."""
    with backups.database.transaction(read_only=True) as conn:
        rows = conn.execute("select id from backup where id = any(%s) and state = 'pruned'", [backups.store.ids()]).fetchall()
    with backups.database.transaction() as conn:  # before the files go: who is killed in between asks again
        let_go(conn, [f"{BELOW}/{gone}/" for (gone,) in rows], now=backups.clock())
    for (gone,) in rows:
        backups.store.drop(gone)


def proven_backup(conn: Connection[Any]) -> str | None:
    """The newest backup that a restore drill has passed on."""
    row = conn.execute(
        """select b.id from backup b join drill d on d.backup_id = b.id
           where d.name = 'restore' and d.state = 'passed' and b.state = 'kept' order by b.snapshot_at desc limit 1"""
    ).fetchone()
    return None if row is None else str(row[0])


def _scheduled(context: JobContext, _: str | None) -> Tally:
    with context.database.transaction() as conn:
        slot = take_set_slot(conn, SCHEDULE, context.crons.get(SCHEDULE), by=context.runner.owner, now=context.clock())
    if slot is None:
        return Tally()
    with at_work(context.database, slot, context.clock):
        return _make(context, slot.slot_at)


def _on_demand(context: JobContext, _: str | None) -> Tally:
    done = _make(context, None)
    with context.database.transaction() as conn:
        make_good(conn, SCHEDULE, now=context.clock())
    return done


def _make(context: JobContext, slot_at: datetime | None) -> Tally:
    if context.backups is None:
        raise InvalidInput("backup_folder", "a folder for backups")
    context.backups.make(actor=ACTOR, slot_at=slot_at)
    prune(context.backups, actor=ACTOR)
    return Tally(handled=1)


JOBS: Final = (
    Job(
        "backup",
        None,
        _scheduled,
        "Backs the database up when the schedule wants it, reads the backup back, and prunes by policy. On demand, at once.",
        every=REST_S,
        on_demand=_on_demand,
    ),
)
