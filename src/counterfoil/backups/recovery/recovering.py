"""Recover the books as they were at a chosen second: the newest copy of before it, and the log of writes up to there."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from counterfoil.backups.keys import BackupDamaged, BackupKeys
from counterfoil.backups.recovery.archive import KeptSegment, WalFolder, opened
from counterfoil.backups.recovery.bases import bases_in, major_needed, walk
from counterfoil.backups.recovery.reach import RecoveryReach, reach_for, reach_of, refusal
from counterfoil.backups.store import BackupFolder, StoredBackup, doubt_of
from counterfoil.base.postgres.binaries import find
from counterfoil.base.postgres.launcher import PostgresNotStarted, PrivatePostgres
from counterfoil.base.problems import Problem
from counterfoil.proofs.log.notes import NoteKey

START_TIMEOUT_S: Final = 86_400  # weeks of log may have to be gone through
CONFIGURATION: Final = ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf")
BEFORE: Final = ".before"
HBA: Final = "local all all trust\n"  # its socket lies in a folder that is closed to others
_STOPPED: Final = re.compile(r"recovery stopping (?:before|after) commit of transaction \d+, time (.+)")


class FolderNotEmpty(Problem, kind="invalid"):
    """There is something in this folder already: nothing is ever recovered over it."""

    todo = "Name a folder that is not there yet."


class RecoveryFailed(Problem):
    """The server that was to go through the log ended, or could not begin. What it said is in the facts; nothing of it was left."""


@dataclass(frozen=True)
class Recovery:
    """A recovery that is about to be made: from which base, with which segments, to which moment."""

    at: datetime
    base: StoredBackup
    reach: RecoveryReach
    segments: Sequence[KeptSegment]
    others: Sequence[RecoveryReach]

    def refuse_foreign(self, keys: Sequence[NoteKey]) -> None:
        """Raises BackupForeign, BackupDamaged unless the log's key has signed for the base and for every segment."""
        self.base.refuse_foreign(keys)
        for one in self.segments:
            one.refuse_foreign(keys)

    def doubt(self, keys: Sequence[NoteKey], conn: Connection[Any] | None) -> str | None:
        """Of the base, or of the first segment that is to be doubted: the database knows bases, and no segments."""
        return self.base.doubt(keys, conn) or next((said for one in self.segments if (said := doubt_of(one.note, keys))), None)


def plan_recovery(store: BackupFolder, at: datetime) -> Recovery:
    """What it takes to come to this moment. Raises SecondNotReached with the reason, and the nearest moments before and after."""
    bases = bases_in(store)
    stored = {one.id: one for one, _ in bases}
    kept: dict[str, list[KeptSegment]] = {}
    reaches = []
    for _, base in bases:
        if base.system not in kept:
            kept[base.system] = WalFolder(store.folder, base.system).kept()
        reaches.append(reach_of(base, kept[base.system]))
    reach = reach_for(reaches, at)
    needed = _needed(reach, kept[reach.base.system], at)
    return Recovery(at, stored[reach.base.id], reach, needed, reaches)


def _needed(reach: RecoveryReach, kept: Sequence[KeptSegment], at: datetime) -> list[KeptSegment]:
    """From the segment that the base begins in, to the first that holds a commit of later than the moment."""
    there: dict[int, KeptSegment] = {}
    for one in kept:
        if one.segment.timeline == reach.base.timeline and (one.segment.number not in there or not one.partial):
            there[one.segment.number] = one
    found = []
    for number in reach.numbers:
        found.append(there[number])
        until = there[number].until
        if until is not None and until > at:
            break
    return found


@contextmanager
def recovered(plan: Recovery, keys: BackupKeys, folder: Path, *, programs: str | None) -> Iterator[PrivatePostgres]:
    """The server in `folder`, which must be empty or not there, with the books as they were; on no network, for as long as the block.

    What fails leaves nothing in the folder. Raises FolderNotEmpty, RecoveryFailed, SecondNotReached, BackupDamaged, PostgresNotFound.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FolderNotEmpty(folder=str(folder))
    try:
        server = _filled(plan, keys, folder, programs)
        with _went_through(server, plan):
            yield server
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _filled(plan: Recovery, keys: BackupKeys, folder: Path, programs: str | None) -> PrivatePostgres:
    told = plan.base.manifest["server"]
    binaries = find(programs, data_major=major_needed(plan.base))
    server = PrivatePostgres(
        folder,
        settings=_settings(plan.at),
        binaries=str(binaries),
        database=told["database"],
        superuser=told["superuser"],
        start_timeout_s=START_TIMEOUT_S,
    )
    server.data.mkdir(mode=0o700)
    plan.base.refuse_damaged()
    _unpack(plan, keys, server.data)
    _put_log(plan, keys, server.data / "pg_wal")
    _configure(server.data)
    server.adopt()
    return server


def _settings(at: datetime) -> dict[str, str]:
    """Nothing of how the server was set up once counts: least of all where it sent its log."""
    return {
        "recovery_target_time": at.isoformat(),
        "recovery_target_action": "promote",
        "recovery_target_timeline": "current",
        "restore_command": "false",  # the log lies in its place already
        "hot_standby": "off",  # nobody reads before it has come to its second
        "archive_mode": "off",
        "shared_preload_libraries": "",
        "ssl": "off",
    }


def _unpack(plan: Recovery, keys: BackupKeys, data: Path) -> None:
    def take(tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        tar.extract(member, data, filter="data")

    with opened(keys, plan.base.file, plan.base.manifest["file"]["key_id"]) as plain:
        walk(plain, take)
    for path in (data, *data.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)  # PostgreSQL starts on nothing that others can read


def _put_log(plan: Recovery, keys: BackupKeys, folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    for place, one in enumerate(plan.segments):
        try:
            one.refuse_damaged()
            one.open_into(keys, folder / one.name)
        except BackupDamaged as damaged:
            raise _cut_off(plan, place, damaged) from damaged
        (folder / one.name).chmod(0o600)


def _cut_off(plan: Recovery, place: int, damaged: BackupDamaged) -> Problem:
    """The log reaches to this segment, and not through it: the nearest moments are those before it, and those of other bases."""
    whole = reach_of(plan.reach.base, plan.segments[:place])
    broken = plan.segments[place].segment
    others = [one for one in plan.others if broken.timeline != one.base.timeline or broken.number not in one.numbers]
    return refusal([whole, *others], plan.at, damaged.sentence())


def _configure(data: Path) -> None:
    """As we run a server; how it was set up lies beside it."""
    for name in CONFIGURATION:
        if (data / name).exists():
            (data / name).rename(data / f"{name}{BEFORE}")
    (data / "postgresql.conf").write_text("")
    (data / "pg_hba.conf").write_text(HBA)
    (data / "pg_ident.conf").write_text("")
    (data / "recovery.signal").touch()
    for name in ("postmaster.pid", "standby.signal"):
        (data / name).unlink(missing_ok=True)


@contextmanager
def _went_through(server: PrivatePostgres, plan: Recovery) -> Iterator[None]:
    try:
        server.start()
    except PostgresNotStarted as problem:
        raise RecoveryFailed(
            base=plan.base.id, at=plan.at.isoformat(), detail=str(problem.facts.get("log") or problem.sentence())[-800:]
        ) from problem
    try:
        yield
    finally:
        server.stop()


def stopped_before(server: PrivatePostgres) -> str | None:
    """The time of the first commit that was left out, as the server told it."""
    return server.said(_STOPPED)
