"""The books as they were at a chosen second: what was committed by then is there, what came later is not; every other second is refused."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from counterfoil.backups.keys import BackupKeyMissing, BackupKeys, new_backup_key
from counterfoil.backups.recovery.archive import WalFolder
from counterfoil.backups.recovery.bases import base_of, make_base, reaches_in
from counterfoil.backups.recovery.reach import SecondNotReached
from counterfoil.backups.recovery.receiving import WalArchive
from counterfoil.backups.recovery.recovering import FolderNotEmpty, plan_recovery, recovered, stopped_before
from counterfoil.backups.store import BASE, BackupForeign
from counterfoil.base.edge import Database, now, set_up
from counterfoil.base.encryption.keys import carry
from counterfoil.base.invariant import run_invariants
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.problems import Problem
from counterfoil.drills.periods import held_against_proofs
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.log.notes import NoteKey
from counterfoil.proofs.log.sequencing import sequence
from counterfoil.wiring import INVARIANTS
from tests.backups.conftest import posted, proven_period
from tests.backups.recovery.conftest import a_moment, archive, own_books, own_server, proofs, switched
from tests.conftest import KEYS

__all__ = ("archive", "own_books", "own_server", "proofs")


def keys_of(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        return {row[0] for row in conn.execute("select key from journal").fetchall()}


@contextmanager
def gone_to(archive: WalArchive, at: datetime, folder: Path) -> Iterator[PrivatePostgres]:
    plan = plan_recovery(archive.backups.store, at)
    with recovered(plan, archive.backups.keys(), folder, programs=os.environ.get("COUNTERFOIL_TEST_POSTGRES_BIN")) as server:
        yield server


def nearest(archive: WalArchive, at: datetime, folder: Path) -> SecondNotReached:
    with pytest.raises(SecondNotReached) as refused, gone_to(archive, at, folder):
        raise AssertionError("it was reached")
    assert not folder.exists(), "nothing is left"
    return refused.value


def test_what_was_committed_by_a_second_is_there_and_nothing_later(archive: WalArchive, own_books: Database, tmp_path: Path) -> None:
    run = tmp_path.name
    began = now() - timedelta(minutes=1)
    posted(own_books, f"{run}-in-the-base")
    proof = proven_period(archive.backups, began, now())
    made = make_base(archive, actor="t")
    posted(own_books, f"{run}-before")
    at = a_moment(own_books)
    posted(own_books, f"{run}-after")
    archive.fetch()
    posted(own_books, f"{run}-never-fetched")
    covers = proven_period(archive.backups, proof.to_at, now())
    with gone_to(archive, at, tmp_path / "into") as server:
        mine = {key for key in keys_of(server.url) if key.startswith(run)}
        assert mine == {f"{run}-in-the-base", f"{run}-before"}
        assert str(stopped_before(server)) > at.strftime("%Y-%m-%d %H:%M:%S"), "by the server's own word"
        with psycopg.connect(server.url) as conn:
            carry(conn, KEYS)
            set_up(conn, "counterfoil_app", read_only=True)
            assert run_invariants(conn, list(INVARIANTS)) == []
        with psycopg.connect(server.url) as restored, own_books.transaction(snapshot=True) as live:
            found = held_against_proofs(live, restored, archive.backups.proof_folder)
        assert found.outcome == "passed", found
        assert {proof.id, covers.id} <= {one.split(" ")[0] for one in found.told.split("; ")}
    assert made.kind == BASE
    with pytest.raises(FolderNotEmpty), gone_to(archive, at, tmp_path / "into"):
        pass
    with PrivatePostgres(tmp_path / "into", binaries=os.environ.get("COUNTERFOIL_TEST_POSTGRES_BIN")) as again:
        assert f"{run}-before" in keys_of(again.url), "it is a data folder to serve from"
        serving = Database(again.url, keys=KEYS).open()
        posted(serving, f"{run}-goes-on")
        serving.close()


def test_each_commit_is_parted_from_the_next_by_its_second(
    archive: WalArchive, own_books: Database, own_server: PrivatePostgres, tmp_path: Path
) -> None:
    """Over several segments of the log, with rounds in between: at each moment just what had been committed."""
    run = tmp_path.name
    make_base(archive, actor="t")
    moments = []
    for number in range(4):
        posted(own_books, f"{run}-{number}")
        moments.append(a_moment(own_books))
        if number % 2:
            archive.fetch()
        switched(own_server)
    archive.fetch()
    for number in (0, 3):
        with gone_to(archive, moments[number], tmp_path / f"to-{number}") as server:
            assert {key for key in keys_of(server.url) if key.startswith(run)} == {f"{run}-{each}" for each in range(number + 1)}


def test_a_second_before_the_base_or_after_the_log_is_refused_with_the_nearest(
    archive: WalArchive, own_books: Database, tmp_path: Path
) -> None:
    with pytest.raises(SecondNotReached) as none:
        plan_recovery(archive.backups.store, now())
    assert none.value.facts["because"] == "no base backup lies in the store"
    before = a_moment(own_books)
    make_base(archive, actor="t")
    [reach] = reaches_in(archive.backups.store)
    early = nearest(archive, before, tmp_path / "early")
    assert "before the end of the first base backup" in str(early.facts["because"])
    assert (early.facts["nearest_before"], early.facts["nearest_after"]) == ("none", reach.start.isoformat())
    late = nearest(archive, reach.until, tmp_path / "late")
    assert "the log in the store ends before it" in str(late.facts["because"])
    assert (late.facts["nearest_before"], late.facts["nearest_after"]) == (reach.last.isoformat(), "none")
    posted(own_books, f"{tmp_path.name}-later")
    with gone_to(archive, reach.last, tmp_path / "last") as server:
        assert f"{tmp_path.name}-later" not in keys_of(server.url), "the nearest that was told can be reached"


@pytest.mark.parametrize("harm", ["gap", "first", "truncated", "altered", "swapped", "note"])
def test_a_log_with_a_gap_reaches_to_the_gap_and_no_further(
    archive: WalArchive, own_books: Database, own_server: PrivatePostgres, tmp_path: Path, harm: str
) -> None:
    """A segment that is missing, or not as it was written: what is behind it is refused, what is before it is reached."""
    run = tmp_path.name
    make_base(archive, actor="t")
    posted(own_books, f"{run}-early")
    early = a_moment(own_books)
    for number in range(4):
        archive.fetch()
        switched(own_server)
        posted(own_books, f"{run}-{number}")
    late = a_moment(own_books)
    archive.fetch()
    [reach] = reaches_in(archive.backups.store)
    kept = [one for one in WalFolder(archive.backups.folder, reach.base.system).kept() if one.segment.number in reach.numbers]
    assert len(kept) >= 4
    one, other = (kept[0], kept[1]) if harm == "first" else (kept[2], kept[1])
    for path in one.path.parent.iterdir():
        path.chmod(0o600) if path.is_file() else None
    body = one.path.read_bytes()
    noted = one.path.with_name(one.name + ".note")
    if harm in ("gap", "first"):
        one.path.unlink()
        noted.unlink()
    elif harm == "truncated":
        one.path.write_bytes(body[:-1])
    elif harm == "altered":
        one.path.write_bytes(body[:-9] + bytes([body[-9] ^ 1]) + body[-8:])
    elif harm == "swapped":
        one.path.write_bytes(other.path.read_bytes())
    else:
        noted.write_text("nothing")
    told = nearest(archive, late, tmp_path / "late")
    words = {"truncated": "bytes, and had", "altered": "another SHA-256", "swapped": "bytes, and had"}
    assert words.get(harm, "is missing behind") in str(told.facts["because"]), told.facts
    assert told.facts["nearest_after"] == "none"
    if harm == "first":
        assert told.facts["nearest_before"] == "none"
        nearest(archive, early, tmp_path / "early")
        return
    last = datetime.fromisoformat(str(told.facts["nearest_before"]))
    assert early <= last < late
    if harm not in ("gap", "altered"):
        return  # the second that is told is the same, whatever the harm: it is gone to where something is lacking, and where it is wrong
    with gone_to(archive, last, tmp_path / "nearest") as server:
        assert f"{run}-early" in keys_of(server.url)


def test_another_keys_and_another_houses_log_are_refused(archive: WalArchive, own_books: Database, tmp_path: Path) -> None:
    make_base(archive, actor="t")
    at = a_moment(own_books)
    archive.fetch()
    plan = plan_recovery(archive.backups.store, at)
    with own_books.transaction(read_only=True) as conn:
        known = note_keys(conn)
    plan.refuse_foreign(known)
    with pytest.raises(BackupForeign):
        plan.refuse_foreign([NoteKey(known[0].name, b"k" * 32)])
    segment = plan.segments[-1]
    told = json.loads(segment.note.rpartition("\n\n")[0])
    with pytest.raises(BackupForeign):
        segment._replace(note=segment.note.replace(told["until"], now().isoformat())).refuse_foreign(known)
    with pytest.raises(BackupKeyMissing), recovered(plan, BackupKeys([new_backup_key()]), tmp_path / "into", programs=None):
        pass
    assert not (tmp_path / "into").exists()


def test_a_disk_that_is_full_is_said_and_leaves_nothing(archive: WalArchive, own_books: Database, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", small], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this user mounts no file systems")
    try:
        make_base(archive, actor="t")
        at = a_moment(own_books)
        archive.fetch()
        with pytest.raises(OSError, match="No space left"), gone_to(archive, at, small / "into"):
            pass
        assert list(small.iterdir()) == []
        full = WalArchive(archive.backups, archive.url, small / "spool", archive.window)
        with pytest.raises((Problem, OSError)):
            full.fetch()
        with own_books.transaction() as conn:
            row = conn.execute("select failed_at is not null, error from wal_archive").fetchone()
        assert row is not None
        assert row[0], "the round says that it failed"
        archive.fetch()
        assert reaches_in(archive.backups.store)[0].until > at, "the next round makes it good"
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_round_that_is_broken_off_is_made_good_by_the_next(
    archive: WalArchive, own_books: Database, own_server: PrivatePostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between fetching and keeping, with a segment full in between: nothing is missing afterwards."""
    make_base(archive, actor="t")
    posted(own_books, f"{tmp_path.name}-one")
    switched(own_server)

    def killed(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(WalArchive, "_keep", killed)
        with pytest.raises(KeyboardInterrupt):
            archive.fetch()
    posted(own_books, f"{tmp_path.name}-two")
    at = a_moment(own_books)
    archive.fetch()
    [reach] = reaches_in(archive.backups.store)
    assert (reach.missing, reach.until > at) == (None, True)
    with gone_to(archive, at, tmp_path / "into") as server:
        assert {f"{tmp_path.name}-one", f"{tmp_path.name}-two"} <= keys_of(server.url)


def test_a_base_holds_the_log_that_was_there_when_it_was_begun(archive: WalArchive, own_books: Database) -> None:
    posted(own_books, f"{archive.spool}-x")
    with own_books.transaction() as conn:
        sequence(conn, make_origin=lambda: "x", now=now(), waits=True)
    made = make_base(archive, actor="t")
    stored = archive.backups.store.get(made.id)
    assert (stored.kind, stored.manifest["log"]["size"]) == (BASE, made.log_size)
    assert base_of(stored).ended_at == made.snapshot_at
