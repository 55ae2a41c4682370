"""Writers that are frozen in the middle of a COPY: their connection is ended, and their program's others go on.

PostgreSQL ends the transaction of who is silent with a program's lock, but not while it waits for the rest of a COPY: the session counts
as active then, and no limit on statements is looked at before the next rows come. Such a writer would keep the lock while it is frozen;
so would one that is frozen amid the lines of a bank's file keep that of its cash account.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.problems import Busy, DatabaseAway
from counterfoil.ledger.write_context import SILENT_MAX_MS
from counterfoil.operations.mishaps import note_mishap

JOB: Final = "end-frozen-writers"
GONE_WITHIN_MS: Final = 5_000
COPIED: Final = ("public.posting", "public.bank_line")  # what is copied under a lock for which others wait

# A COPY of the most that is written at once takes about a second. Who still has rows to send after twenty does not send them.
_END: Final = """
    select pg_terminate_backend(a.pid, %s)
    from pg_stat_activity a join pg_stat_progress_copy c using (pid)
    where a.datname = current_database() and a.usename = session_user and a.pid <> pg_backend_pid()
      and c.relid = any(%s::regclass[]) and c.command = 'COPY FROM'
      and a.state = 'active' and a.wait_event = 'ClientRead' and a.query_start < clock_timestamp() - %s * interval '1 millisecond'"""


def end_frozen_writers(conn: Connection[Any], *, by: str, now: datetime) -> int:
    """End the connections of this login that stand in a COPY of one of these tables for longer than anybody may be silent; note how many.

    Nothing of such a transaction was committed: its writer hears of it when it wakes, and may send the same again under the same key.
    """
    row = conn.execute("select current_setting('role'), set_config('role', 'none', true)").fetchone()
    assert row is not None
    # As the login itself: the application's role may neither see nor end what is the login's.
    ended = conn.execute(_END, [GONE_WITHIN_MS, list(COPIED), SILENT_MAX_MS]).rowcount
    conn.execute("select set_config('role', %s, true)", [row[0]])
    note_mishap(conn, "lease_rescued", JOB, ended, worker=by, now=now)
    return ended


def end_if_frozen(database: Database, error: Exception, *, clock: Callable[[], datetime]) -> None:
    """For a writer that was refused with `error`: where its program was busy, a frozen one may be why. Who asks again then gets through."""
    if isinstance(error, Busy) and not isinstance(error, DatabaseAway):
        with suppress(Busy, psycopg.Error), database.transaction() as conn:
            end_frozen_writers(conn, by="writer", now=clock())
