"""What must hold of backups in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.invariant import Invariant
from counterfoil.base.migrations.runner import began_at
from counterfoil.reconciliation.runs.schedule import given_up_at

SCHEDULE: Final = "backup"
AGE_MIN: Final = timedelta(hours=2)  # also where a backup is wanted each minute
AGE_UNSET: Final = timedelta(days=2)
WAL_AGE_MAX: Final = timedelta(minutes=15)


class BackupTooOld(NamedTuple):
    """The newest backup is too old, or there is none: by `due_at` there should have been another."""

    what: str
    snapshot_at: datetime | None
    due_at: datetime


class WalBehind(NamedTuple):
    """The log of writes of a server that is not brought to the store: nothing that was committed since `kept_at` could be recovered."""

    server: str
    kept_at: datetime | None
    error: str | None


def _overdue(conn: Connection[Any], now: datetime) -> Sequence[BackupTooOld]:
    """Two moments of the schedule passed and nothing was backed up, two hours at least, or two days without one; a new installation has
    that time, too."""
    row = conn.execute(
        """select (select max(snapshot_at) from backup where state = 'kept'),
                  (select cron from reconciliation_schedule where name = %s and cron <> '')""",
        [SCHEDULE],
    ).fetchone()
    assert row is not None
    newest, cron = row
    began = began_at(conn)
    if began is None:
        return []
    last = max(began, newest or began)
    due_at = max(given_up_at(cron, last), last + AGE_MIN) if cron else last + AGE_UNSET
    return [BackupTooOld("newest backup", newest, due_at)] if now > due_at else []


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
        "Was a backup kept before two moments of its schedule passed?",
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
