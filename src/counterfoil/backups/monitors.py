"""What must hold of backups in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.backups.store import BASE, DUMP
from counterfoil.base.invariant import Invariant
from counterfoil.base.migrations.runner import began_at
from counterfoil.reconciliation.runs.schedule import given_up_at

SCHEDULE: Final = "backup"
KINDS: Final = {SCHEDULE: DUMP, "base-backup": BASE}  # what each schedule of backups makes
AGE_MIN: Final = timedelta(hours=2)  # also where a backup is wanted each minute
AGE_UNSET: Final = timedelta(days=2)
WAL_AGE_MAX: Final = timedelta(minutes=15)


class BackupTooOld(NamedTuple):
    """The newest backup of a schedule's kind is too old, or there is none: by `due_at` there should have been another."""

    what: str
    snapshot_at: datetime | None
    due_at: datetime


class WalBehind(NamedTuple):
    """The log of writes of a server that is not brought to the store: nothing that was committed since `kept_at` could be recovered."""

    server: str
    kept_at: datetime | None
    error: str | None


def _overdue(conn: Connection[Any], now: datetime) -> Sequence[BackupTooOld]:
    """Two moments of a schedule passed and nothing of its kind was backed up, two hours at least: a dump says nothing of bases, which the
    log is replayed on. Without any schedule, two days without a backup. What is new, installation or schedule, has that time, too."""
    began = began_at(conn)
    if began is None:
        return []
    crons = {
        name: (cron, since)
        for name, cron, since in conn.execute(
            "select name, cron, since from reconciliation_schedule where name = any(%s) and cron <> ''", [list(KINDS)]
        ).fetchall()
    }
    newest = dict(conn.execute("select kind, max(snapshot_at) from backup where state = 'kept' group by kind").fetchall())
    if not crons:
        at = max(newest.values(), default=None)
        due_at = max(began, at or began) + AGE_UNSET
        return [BackupTooOld("newest backup", at, due_at)] if now > due_at else []
    found = []
    for name, (cron, since) in crons.items():
        at = newest.get(KINDS[name])
        last = at or max(began, since)
        due_at = max(given_up_at(cron, last), last + AGE_MIN)
        if now > due_at:
            found.append(BackupTooOld(f"newest {KINDS[name]}", at, due_at))
    return found


def _behind(conn: Connection[Any], now: datetime) -> Sequence[WalBehind]:
    """Wanted, and not in the store for a while. The server keeps what is not fetched, and its disk fills."""
    rows = conn.execute(
        """select system_id, kept_at, error from wal_archive
           where ended_at is null and system_id = (select system_identifier::text from pg_control_system())
             and case when kept_at is not null then kept_at < %(now)s - %(limit)s
                      else failed_at is not null or asked_at < %(now)s - %(limit)s end""",
        {"now": now, "limit": WAL_AGE_MAX},
    ).fetchall()
    return [WalBehind(*row) for row in rows]


MONITORS: Final = (
    Invariant(
        "BACKUP_OVERDUE",
        "Was a backup of its kind kept before two moments of each schedule of backups passed?",
        _overdue,
        "warning",
        "What happened since could not be restored: every payment of that time would have to be put together from the providers' records.",
        "P20",
        monitor=True,
    ),
    Invariant(
        "WAL_BEHIND",
        "Was the log of writes brought to the store within 15 minutes, where it is kept?",
        _behind,
        "warning",
        "What was committed since could not be recovered, and the server keeps its log until it is fetched: its disk fills.",
        "P20",
        monitor=True,
    ),
)
