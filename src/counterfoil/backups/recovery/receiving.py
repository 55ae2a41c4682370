"""Bring the log of writes to the store: everything that the server has written by now, in one round; the worker makes one each minute.

Each round writes a moment into the books first, commits it, and fetches the log at least that far. So the log in the store holds a
commit that is not earlier than the moment, and every second before it can be recovered: that is what `until` of a segment says.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.backups.keys import BackupDamaged
from counterfoil.backups.making import Backups, signed_note
from counterfoil.backups.recovery.archive import FORMAT, WalFolder
from counterfoil.backups.recovery.segments import PARTIAL, Segment, header_says, segment_named
from counterfoil.base.postgres.dumping import DumpFailed
from counterfoil.base.postgres.replicating import WalSlot, have_slot, lsn_of, receiving, replication_programs
from counterfoil.base.problems import Busy, Problem
from counterfoil.proofs.log.checkpoints import origin_of
from counterfoil.proofs.log.records import moment

TURN: Final = 4_271_114  # the advisory lock of whoever fetches the log
ROUND_TIMEOUT_S: Final = 3_600  # after an outage hours of log may wait
HEAD_BYTES: Final = 64


class ReplicationUnset(Problem, kind="invalid"):
    """Nobody said how the server is reached for a copy of it, so no second can be recovered from these backups: dumps alone are made."""

    todo = "Set COUNTERFOIL_REPLICATION_URL: a login with REPLICATION. A hosted database has a recovery of its own instead."


class Mark(NamedTuple):
    """A moment that was committed, and a place in the log behind that commit."""

    at: datetime
    place: int


class WalRound(NamedTuple):
    """What a round did: how many segments it kept, and before which moment every commit lies in the store."""

    segments: int
    until: datetime
    system: str


@dataclass(frozen=True)
class WalArchive:
    """What the log of writes is kept with. `url`: where to replicate from. `spool`: a folder of this machine, in clear, for a minute's log.
    `window`: for how long back every second can be recovered."""

    backups: Backups
    url: Callable[[], str | None]
    spool: Path
    window: timedelta

    def source(self) -> str:
        """Where to replicate from. Raises ReplicationUnset."""
        found = self.url()
        if found is None:
            raise ReplicationUnset(setting="replication_url")
        return found

    def fetch(self) -> WalRound:
        """One round. Raises Busy while another fetches, ReplicationUnset, ReplicationRefused, WalProgramsMissing, DumpFailed."""
        url = self.source()
        with self._turn() as conn:
            slot = have_slot(url)
            before, mark = self._mark(conn, slot)
            try:
                self._receive(conn, url, slot, mark)
                kept = self._keep(conn, slot, before, mark)
            except (Problem, OSError) as error:
                self._failed(slot, error)
                raise
            self._note(slot, mark)
        return WalRound(kept, mark.at, slot.system)

    @contextmanager
    def _turn(self) -> Iterator[Connection[Any]]:
        with self.backups.database.transaction() as conn:
            conn.execute("select set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)")
            if conn.execute("select pg_try_advisory_xact_lock(%s)", [TURN]).fetchone() != (True,):
                raise Busy(what="the log of writes", detail="another process fetches it")
            yield conn

    def _mark(self, conn: Connection[Any], slot: WalSlot) -> tuple[Mark | None, Mark]:
        """The mark of the round before, unless the log began anew since, and a new one, committed and on the server's disk."""
        row = conn.execute("select kept_at, kept_place from wal_archive where system_id = %s", [slot.system]).fetchone()
        before = Mark(*row) if row and row[0] and not slot.fresh else None
        with self.backups.database.transaction() as beside:
            beside.execute("set local synchronous_commit = on")
            made = beside.execute(
                """insert into wal_archive as w (system_id, asked_at) values (%s, clock_timestamp())
                   on conflict (system_id) do update set asked_at = excluded.asked_at, ended_at = null returning asked_at""",
                [slot.system],
            ).fetchone()
        place = conn.execute("select pg_current_wal_flush_lsn()::text").fetchone()
        assert made is not None
        assert place is not None
        return before, Mark(made[0], lsn_of(place[0]))

    def _receive(self, conn: Connection[Any], url: str, slot: WalSlot, mark: Mark) -> None:
        spool = self._spool(slot)
        if slot.fresh:  # what lies here goes on from a place that the server has left
            for one in spool.iterdir():
                one.unlink()
        programs = replication_programs(self.backups.programs, server_version=conn.info.server_version)
        command = receiving(programs, url, spool, until=mark.place)
        try:
            done = subprocess.run(
                command.words,
                env=command.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ROUND_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DumpFailed(program="pg_receivewal", detail=f"it did not end within {ROUND_TIMEOUT_S} s") from error
        if done.returncode:
            raise DumpFailed(program="pg_receivewal", code=done.returncode, detail=done.stderr.strip()[-800:] or "it said nothing")

    def _keep(self, conn: Connection[Any], slot: WalSlot, before: Mark | None, mark: Mark) -> int:
        """Every segment that was fetched, in its order. In the spool the newest stays: there pg_receivewal goes on."""
        spool, folder = self._spool(slot), WalFolder(self.backups.folder, slot.system)
        there = {(one.name, one.partial) for one in folder.kept()}
        found = sorted(path for path in spool.iterdir() if segment_named(path.name.removesuffix(PARTIAL), slot.segment_bytes))
        count = 0
        for path in found:
            name, partial = path.name.removesuffix(PARTIAL), path.name.endswith(PARTIAL)
            segment = segment_named(name, slot.segment_bytes)
            assert segment is not None
            if partial or (name, False) not in there:
                told = self._told(conn, path, segment, slot, _until(segment, slot, before, mark))
                folder.put(path, {**told, "partial": partial}, self.backups.keys(), lambda text: signed_note(conn, text))
                count += 1
        for path in found[:-1]:
            path.unlink()
        return count

    def _told(self, conn: Connection[Any], path: Path, segment: Segment, slot: WalSlot, until: datetime | None) -> dict[str, Any]:
        with path.open("rb") as file:
            wrong = header_says(file.read(HEAD_BYTES), segment, system=slot.system, segment_bytes=slot.segment_bytes)
            if wrong is not None:
                raise BackupDamaged(segment=path.name, because=wrong)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "format": FORMAT,
            "origin": origin_of(conn),
            "system": slot.system,
            "segment": segment.name(slot.segment_bytes),
            "segment_bytes": slot.segment_bytes,
            "until": None if until is None else moment(until),
            "sha256": digest,
        }

    def _spool(self, slot: WalSlot) -> Path:
        folder = self.spool / slot.system
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def _note(self, slot: WalSlot, mark: Mark) -> None:
        with self.backups.database.transaction() as conn:
            conn.execute(
                "update wal_archive set kept_at = %s, kept_place = %s, failed_at = null, error = null where system_id = %s",
                [mark.at, mark.place, slot.system],
            )

    def _failed(self, slot: WalSlot, error: Exception) -> None:
        why = error.sentence() if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
        with self.backups.database.transaction() as conn:
            conn.execute("update wal_archive set failed_at = clock_timestamp(), error = %s where system_id = %s", [why[:500], slot.system])


def _until(segment: Segment, slot: WalSlot, before: Mark | None, mark: Mark) -> datetime | None:
    """Before which moment every commit lies in this segment or before it: the newest mark that ends within."""
    end = segment.end(slot.segment_bytes)
    for one in (mark, before):
        if one is not None and one.place <= end:
            return one.at
    return None
