"""The job that keeps the log: numbers what was committed, signs a checkpoint each minute, and puts it outside of the database."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from counterfoil.base.ids import MakeId
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Runner, Tally
from counterfoil.proofs.log.checkpoints import (
    CheckpointFolder,
    latest_checkpoint,
    make_checkpoint,
    note_keys,
    refuse_other_than_left,
    refuse_unless_beginning,
)
from counterfoil.proofs.log.key_changes import key_changes
from counterfoil.proofs.log.sequencing import sequence

REST_S: Final = 2.0
CHECKPOINT_EVERY: Final = timedelta(minutes=1)
SIGNED: Final = "checkpoint_signed"
EVENT_KINDS: Final = declare(
    debug={SIGNED: "A checkpoint of the log was signed, and is in the event as a C2SP note: who keeps it holds later proofs against it."}
)


def origin_name(make_id: MakeId) -> str:
    """What a log that begins calls itself."""
    return f"counterfoil/{make_id('log')}"


def keep_log(runner: Runner, make_id: MakeId, folder: Path | None) -> Tally:
    """One tick. Raises LogForked when what has left is not the beginning of the log any more."""
    with runner.database.transaction() as conn:
        turn = sequence(conn, make_origin=origin_name(make_id), now=runner.clock(conn))
    with runner.database.transaction() as conn:
        now = runner.clock(conn)
        last = latest_checkpoint(conn)
        due = last is None or (last.size < turn.size and now - last.at >= CHECKPOINT_EVERY)
        if turn.drained and turn.size and due:
            refuse_other_than_left(conn, folder)
            last = make_checkpoint(conn, turn.size, make_key_id=make_id("lgk"), now=now)
            emit(conn, [NewEvent(SIGNED, "", "log", {"size": last.size, "note": last.note}, once=str(last.size))], at=now)
    if folder is None or last is None:
        return Tally(handled=turn.taken)
    with runner.database.transaction() as conn:
        kept = CheckpointFolder(folder, note_keys(conn))
        left, changes = kept.latest(), key_changes(conn)
        if left is not None and (left.size, left.root) != (last.size, bytes(last.root)):
            refuse_unless_beginning(conn, left)
    for one in changes:
        kept.put_statement(one.key_id, one.statement)
    if left is None or left.size < last.size:
        kept.put(last.note)  # outside of a transaction: a slow disk holds nobody up
    with runner.database.transaction() as conn:
        if conn.execute("select from log_left where size >= %s", [last.size]).fetchone() is None:
            conn.execute(
                """insert into log_left (size, at) values (%s, %s)
                   on conflict (only_row) do update set size = excluded.size, at = excluded.at where log_left.size < excluded.size""",
                [last.size, runner.clock(conn)],
            )
    return Tally(handled=turn.taken)


def _tick(context: JobContext, _: str | None) -> Tally:
    return keep_log(context.runner, context.make_id, context.proof_folder)


JOBS: Final = (
    Job(
        "log",
        None,
        _tick,
        "Numbers what was recorded in the log, and signs a checkpoint of it each minute.",
        every=REST_S,
    ),
)
