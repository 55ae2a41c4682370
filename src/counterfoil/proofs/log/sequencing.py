"""The sequencer: gives every committed record its number in the log, without a gap, once, and skips none.

Ids and times are no order of commits: a transaction that began earlier may end later. So a record is taken only when its transaction, and
every older one, has ended: when `written_by` lies below the horizon, the oldest transaction that is still open. All of these have ended
by then and are visible; none can appear below the horizon any more. A record that is in the log already is never taken again.

A server counts the transactions of all its databases. One that is known to work in another database writes nothing here, however long
it lasts, and holds nothing back; one of which that is not known counts.

In a database that was restored, transactions are counted anew. Then all records are looked through once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection, sql

from counterfoil.base.failpoints import reached
from counterfoil.proofs.log.merkle import Frontier, leaf_hash
from counterfoil.proofs.log.records import SOURCES, LogRecord, RecordSource, WaitingRecord, read_records
from counterfoil.proofs.log.tree import STEP, StoredTree, size_of

ROWS_MAX: Final = 5_000  # records of a turn
LINES_MAX: Final = 200_000  # and lines of their journals, unless one alone has more
REMEMBERED_EVERY: Final = 1_000  # transactions that brought nothing
TURN: Final = 4_271_111  # the advisory lock of whoever sequences


class Turn(NamedTuple):
    """What one turn of the sequencer did. `drained`: everything below the horizon is in the log. None were taken by who had no turn."""

    taken: int
    drained: bool
    size: int


class _Position(NamedTuple):
    next_xid: int
    swept_xid: int | None  # all records are looked through from here on


def sequence(conn: Connection[Any], *, make_origin: str, now: datetime, rows_max: int = ROWS_MAX, waits: bool = False) -> Turn:
    """One turn: number what has been committed, at most `rows_max` records. One process at a time; another gets an empty turn.

    `make_origin` is what the log calls itself, if it begins now. Who needs the log complete `waits` for the other's turn to end, since
    an empty one says nothing of what is not numbered yet. Raises Busy when that takes too long.
    """
    if waits:
        await_turn(conn)
    else:
        got = conn.execute("select pg_try_advisory_xact_lock(%s)", [TURN]).fetchone()
        if got is None or not got[0]:
            return Turn(0, False, size_of(conn))
    begin_log(conn, make_origin, now)
    horizon, position, server = _where(conn)
    begin, end = (position.next_xid, horizon) if position.swept_xid is None else (position.swept_xid, None)
    waiting, cut_at = _waiting(conn, begin, end, rows_max)
    reached("log.before_append")
    size = append(conn, read_records(conn, waiting))
    if position.swept_xid is not None:
        # The sweep ends where nothing was left; what was open when it began is counted on from there.
        _remember(conn, _Position(position.next_xid, cut_at), server)
    elif waiting or horizon - position.next_xid > REMEMBERED_EVERY:
        # An idle turn writes nothing: the note itself would be a transaction to count.
        _remember(conn, _Position(horizon if cut_at is None else cut_at, None), server)
    reached("log.before_commit")
    return Turn(len(waiting), cut_at is None, size)


def await_turn(conn: Connection[Any]) -> None:
    """Let nobody else write to the log until this transaction ends. Raises Busy when that takes too long."""
    conn.execute("select pg_advisory_xact_lock(%s)", [TURN])


def begin_log(conn: Connection[Any], origin: str, now: datetime) -> None:
    """Give the log its name, once."""
    if conn.execute("select from log_origin").fetchone() is None:
        conn.execute("insert into log_origin (origin, began_at) values (%s, %s) on conflict do nothing", [origin, now])


def append(conn: Connection[Any], records: Sequence[LogRecord]) -> int:
    """Write records behind the last, with the roots of the subtrees that become complete by them. The new size."""
    first = size_of(conn)
    if not records:
        return first
    frontier, subtrees = Frontier(first, StoredTree(conn)), list[tuple[int, int, bytes]]()
    hashes = [leaf_hash(one.record.encode()) for one in records]

    def made(height: int, index: int, root: bytes) -> None:
        if height % STEP == 0:
            subtrees.append((height, index, root))

    for one in hashes:
        frontier.add(one, made)
    # In binary form: a list of texts is searched for what must be escaped otherwise, which took four fifths of a turn.
    conn.execute(
        """insert into log_entry (index, relation, row_id, recorded_at, leaf_hash, record)
           select * from unnest(%s::bigint[], %s::text[], %b::text[], %s::timestamptz[], %b::bytea[], %b::text[])""",
        [
            list(range(first, first + len(records))),
            [one.relation for one in records],
            [one.row_id for one in records],
            [one.recorded_at for one in records],
            hashes,
            [one.record for one in records],
        ],
    )
    if subtrees:
        conn.execute(
            "insert into log_subtree (height, index, hash) select * from unnest(%s::smallint[], %s::bigint[], %s::bytea[])",
            [list(column) for column in zip(*subtrees, strict=True)],
        )
    return frontier.size


def unsequenced_since(conn: Connection[Any]) -> datetime | None:
    """When the oldest record that is not in the log was recorded; None when all of them are. Looks from the position on."""
    row = conn.execute("select next_xid::text from log_position").fetchone()
    begin = int(row[0]) if row else 0
    waiting, _ = _waiting(conn, begin, None, ROWS_MAX)
    return min((one.recorded_at for one in read_records(conn, waiting)), default=None)


class Horizon(NamedTuple):
    """Below `oldest` every transaction that may write into this database has ended; none with the number `next` or above has ended."""

    oldest: int
    next: int


def horizon_of(conn: Connection[Any]) -> Horizon:
    """How far transactions have ended, at this statement."""
    # A transaction holds the lock of its own number until it ends, and a session never changes its database: what is found in another
    # one stays there. Who has ended since the snapshot, or waits prepared, is not found, and counts as one of ours. A snapshot does not
    # name the transaction that takes it, which may write still.
    row = conn.execute(
        """with seen as materialized (select pg_current_snapshot() as it),
                elsewhere as materialized (
                  select l.transactionid
                    from pg_locks l join pg_stat_activity a on a.pid = l.pid
                   where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted
                     and a.datid <> (select oid from pg_database where datname = current_database())
                     and (select pg_snapshot_xmin(it) <> pg_snapshot_xmax(it) from seen)),
                ours as (
                  select min(open.xid) as xid
                    from seen cross join lateral pg_snapshot_xip(seen.it) as open(xid)
                   where not exists (select from elsewhere where elsewhere.transactionid = open.xid::xid))
           select least(ours.xid, pg_current_xact_id_if_assigned(), pg_snapshot_xmax(seen.it))::text, pg_snapshot_xmax(seen.it)::text
             from seen cross join ours"""
    ).fetchone()
    assert row is not None
    return Horizon(int(row[0]), int(row[1]))


def _where(conn: Connection[Any]) -> tuple[int, _Position, str]:
    """The horizon, from where to go on, and whose transactions are counted."""
    horizon = horizon_of(conn)
    row = conn.execute(
        """select case when has_function_privilege('pg_control_system()', 'execute')
                       then (select system_identifier::text from pg_control_system()) else '' end"""
    ).fetchone()
    assert row is not None
    server = str(row[0])
    known = conn.execute("select next_xid::text, swept_xid::text, server from log_position").fetchone()
    if known is None or known[2] != server or int(known[0]) > horizon.next:
        return horizon.oldest, _Position(horizon.oldest, 0), server
    return horizon.oldest, _Position(int(known[0]), None if known[1] is None else int(known[1])), server


def _remember(conn: Connection[Any], position: _Position, server: str) -> None:
    conn.execute(
        """insert into log_position (server, next_xid, swept_xid) values (%(server)s, %(next)s::xid8, %(swept)s::xid8)
           on conflict (one) do update set server = %(server)s, next_xid = %(next)s::xid8, swept_xid = %(swept)s::xid8""",
        {
            "server": server,
            "next": str(position.next_xid),
            "swept": None if position.swept_xid is None else str(position.swept_xid),
        },
    )


def _waiting(conn: Connection[Any], begin: int, end: int | None, rows_max: int) -> tuple[list[WaitingRecord], int | None]:
    """Records from transaction `begin` on and below `end` that are not in the log, oldest transactions first; and, when not all were
    read, the transaction from which to go on."""
    found: list[WaitingRecord] = []
    for source in SOURCES:
        found += _of(conn, source, begin, end, rows_max + 1)
    found.sort(key=lambda one: (one.xid, one.relation, one.row_id))
    lines = kept = 0
    for one in found[:rows_max]:
        lines += one.lines
        if kept and lines > LINES_MAX:
            break
        kept += 1
    return found[:kept], found[kept].xid if kept < len(found) else None


def _of(conn: Connection[Any], source: RecordSource, begin: int, end: int | None, rows_max: int) -> list[WaitingRecord]:
    rows = conn.execute(
        sql.SQL("""
            select {key} as row_id, {writer}::text, {lines} from {table} n
            where {writer} >= %(begin)s::xid8 and (%(end)s::xid8 is null or {writer} < %(end)s::xid8)
              and not exists (select from log_entry e where e.relation = {relation} and e.row_id = {key})
            order by {writer} limit %(rows)s""").format(
            key=sql.SQL(source.key),
            writer=sql.SQL(source.writer),
            lines=sql.SQL(source.lines),
            table=sql.Identifier(source.relation),
            relation=sql.Literal(source.relation),
        ),
        {"begin": str(begin), "end": None if end is None else str(end), "rows": rows_max},
    ).fetchall()
    return [WaitingRecord(source.relation, str(row[0]), int(row[1]), int(row[2])) for row in rows]
