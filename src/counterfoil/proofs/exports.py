"""Exports of proofs as they go: a row for each says what it does, how many entries are done of how many, and that it lives.

One whose process was killed falls silent: whoever looks is told for how long, and after a minute it is cut short.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import psycopg
import structlog
from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Machine, record_birth, take_step
from counterfoil.base.problems import Problem
from counterfoil.base.rows import Records
from counterfoil.operations.noun_pages import First, SavedView, SortKey
from counterfoil.operations.verbs import Noun
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally

ACTOR: Final = "system:proof-exports"
MAKING: Final = ".making"  # beside the packages, a folder for each export that is under way
BEAT_EVERY_S: Final = 2.0
SILENT_AFTER: Final = timedelta(seconds=10)  # then it is said
GONE_AFTER: Final = timedelta(minutes=1)  # then its process is gone
ERROR_MAX: Final = 2_000
REST_S: Final = 60.0
PROOF_EXPORT: Final = Machine(
    name="proof_export",
    table="proof_export",
    initial=("running",),
    transitions={
        ("running", "finish"): "made",
        ("running", "fail"): "failed",
        ("running", "cut_short"): "cut_short",
    },
)
_log = structlog.get_logger("counterfoil.proofs")


class ExportOver(Problem):
    """This export was taken for dead and is cut short: its process was silent for too long. Nothing of it was kept."""

    todo = "Export the period again."


class Snapshots(Protocol):
    """Where transactions come from: `base.edge.Database`."""

    def transaction(self, *, snapshot: bool = False) -> AbstractContextManager[Connection[Any]]:
        """One transaction; with `snapshot`, all of it sees one moment."""


class ProofExport(NamedTuple):
    """An export: the period, what it does, and how many entries it has written of how many; `entries` is null until they are counted.
    `silent_s`: for so many seconds nothing was heard of it, where it should have been; null when all is well. `proof_id`: what it made."""

    id: str
    from_at: datetime
    to_at: datetime
    state: str
    stage: str
    entries_done: int
    entries: int | None
    silent_s: int | None
    actor: str
    started_at: datetime
    heard_at: datetime
    finished_at: datetime | None
    took_ms: int
    proof_id: str | None
    error: str | None


PROOF_EXPORTS: Final = Records(
    ProofExport,
    f"""select id, from_at, to_at, state, stage, done as entries_done, total as entries,
              case when state = 'running' and heard_at < clock_timestamp() - interval '{SILENT_AFTER.seconds} s'
                   then extract(epoch from clock_timestamp() - heard_at)::integer end as silent_s,
              actor, started_at, heard_at, finished_at,
              greatest(0, extract(epoch from coalesce(finished_at, clock_timestamp()) - started_at) * 1000)::bigint as took_ms,
              proof_id, error from proof_export""",
    "export of a proof",
)


class ExportProgress:
    """What an export does and how far it is, told from its own thread and written down by another, so that it costs the export nothing."""

    def __init__(self) -> None:
        """It begins."""
        self.stage, self.done, self.total = "It begins", 0, None

    stage: str
    done: int
    total: int | None

    def at(self, stage: str) -> None:
        """What it does now."""
        self.stage = stage


def list_exports(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> list[ProofExport]:
    """Exports, newest first."""
    return PROOF_EXPORTS.newest(conn, rows_max=rows_max, after=after, state=state)


def exports_of(conn: Connection[Any], proof_id: str, *, rows_max: int) -> Sequence[ProofExport]:
    """Those that came to this proof, newest first: the first of them made it, the others found the same facts."""
    return PROOF_EXPORTS.read(conn, "where proof_id = %s order by id desc limit %s", [proof_id, rows_max])


@contextmanager
def exporting(database: Snapshots, export_id: str, start: datetime, end: datetime, *, by: str, at: datetime) -> Iterator[ExportProgress]:
    """An export is under way until the block ends: a thread writes down what it does. When the block raises, it failed, and why is kept."""
    with database.transaction() as conn:
        conn.execute(
            """insert into proof_export (id, from_at, to_at, actor, started_at, heard_at, stage, state, state_at)
               values (%s, %s, %s, %s, %s, clock_timestamp(), 'It begins', 'running', %s)""",
            [export_id, start, end, by, at, at],
        )
        record_birth(conn, PROOF_EXPORT, [export_id], "running", actor=by, at=at)
    progress, ending = ExportProgress(), threading.Event()

    def tell() -> None:
        while not ending.wait(BEAT_EVERY_S):
            try:
                with database.transaction() as conn:
                    _note(conn, export_id, progress)
            except (Problem, psycopg.Error):
                _log.warning("no sign of life: the database does not answer", export=export_id)

    thread = threading.Thread(target=tell, name=f"alive {export_id}", daemon=True)
    thread.start()
    try:
        yield progress
    except BaseException as error:
        ending.set()
        thread.join()
        ours = True
        with suppress(Problem, psycopg.Error):  # what went wrong first is told; without a word it is cut short
            ours = _fail(database, export_id, progress, error, by=by)
        if not ours and isinstance(error, OSError):
            raise ExportOver(export=export_id) from error  # its files were taken away under it
        raise
    finally:
        ending.set()
        thread.join()


def _note(conn: Connection[Any], export_id: str, progress: ExportProgress) -> None:
    conn.execute(
        "update proof_export set heard_at = clock_timestamp(), stage = %s, done = %s, total = %s where id = %s and state = 'running'",
        [progress.stage, progress.done, progress.total, export_id],
    )


def _fail(database: Snapshots, export_id: str, progress: ExportProgress, error: BaseException, *, by: str) -> bool:
    """It failed. False when it had been taken for dead."""
    told = error.sentence() if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
    with database.transaction() as conn:
        row = conn.execute(
            "select clock_timestamp() from proof_export where id = %s and state = 'running' for update", [export_id]
        ).fetchone()
        if row is None:
            return False
        _note(conn, export_id, progress)
        conn.execute("update proof_export set finished_at = %s, error = %s where id = %s", [row[0], told[:ERROR_MAX], export_id])
        take_step(conn, PROOF_EXPORT, export_id, "running", "fail", actor=by, at=row[0], cause=told[:200])
    return True


def lock_export(conn: Connection[Any], export_id: str) -> None:
    """From here on nobody takes it for dead. Raises ExportOver when somebody has."""
    if conn.execute("select from proof_export where id = %s and state = 'running' for update", [export_id]).fetchone() is None:
        raise ExportOver(export=export_id)


def finish_export(conn: Connection[Any], export_id: str, proof_id: str, progress: ExportProgress, *, by: str, now: datetime) -> None:
    """It came to this proof, new or known."""
    progress.at("It is made")
    _note(conn, export_id, progress)
    conn.execute("update proof_export set finished_at = %s, proof_id = %s where id = %s", [now, proof_id, export_id])
    take_step(conn, PROOF_EXPORT, export_id, "running", "finish", actor=by, at=now)


def bury_exports(database: Snapshots, folder: Path, *, now: datetime) -> int:
    """Exports whose process was killed are cut short, and say at what they were; what they had written is taken away. How many they are."""
    with database.transaction() as conn:
        rows = conn.execute(
            """select id, stage, done, total from proof_export
               where state = 'running' and heard_at < clock_timestamp() - %s order by id for update skip locked""",
            [GONE_AFTER],
        ).fetchall()
        for export_id, stage, done, total in rows:
            so_far = f", with {done:,} of {counted(total, 'entry', 'entries')} written" if total is not None else ""
            error = f"its process ended before it did, at: {stage}{so_far}"
            conn.execute("update proof_export set finished_at = %s, error = %s where id = %s", [now, error, export_id])
            take_step(conn, PROOF_EXPORT, export_id, "running", "cut_short", actor=ACTOR, at=now, cause=error[:200])
    for export_id, *_ in rows:
        shutil.rmtree(folder / MAKING / export_id, ignore_errors=True)
    return len(rows)


def _tick(context: JobContext, _: str | None) -> Tally:
    if context.proof_folder is None:
        return Tally()
    return Tally(handled=bury_exports(context.database, context.proof_folder, now=context.clock()))


def make_export_id(make_id: MakeId) -> str:
    """The id of an export, which its folder has, too."""
    return make_id(PROOF_EXPORT_NOUN.prefix)


JOBS: Final = (
    Job(
        "proof-exports",
        None,
        _tick,
        "Cuts exports of proofs short whose process is gone, and takes away what they had written.",
        every=REST_S,
    ),
)
PROOF_EXPORT_NOUN: Final = Noun(
    "proof_export",
    "proof-exports",
    "exp",
    PROOF_EXPORT,
    (),
    PROOF_EXPORTS.show,
    row=ProofExport,
    rows=list_exports,
    by_id=PROOF_EXPORTS.by_id,
    sorts=(SortKey("started_at", datetime), SortKey("from_at", datetime)),
    help="Proofs that are being made: how far each is, and whether it lives.",
    views=(
        SavedView("under-way", "Under way", "t.state = 'running'"),
        SavedView("without-proof", "Without a proof", "t.error is not null"),
    ),
    columns=(
        "id",
        "from_at",
        "to_at",
        "state",
        "stage",
        "entries_done",
        "entries",
        "silent_s",
        "started_at",
        "took_ms",
        "proof_id",
        "error",
    ),
    first=First(
        "It comes when a proof is made: by the schedule on the first of a month, or by hand.",
        "counterfoil proof export 2026-10-01 2026-11-01",
    ),
)
