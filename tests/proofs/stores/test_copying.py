"""The job that copies: each file once, looked at each day, let go in its time; a store that is away holds up nobody and is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.base.machine import Move, take_steps
from counterfoil.operations.access.access import Caller
from counterfoil.operations.verbs import VerbCall
from counterfoil.operations.work.runner import Runner
from counterfoil.proofs.stores.copies import COPY, COPY_NOUN, Copy, let_go, list_copies, places_of, still_locked
from counterfoil.proofs.stores.copying import Copying, all_files, copy_round
from counterfoil.proofs.stores.folder import FolderStore
from counterfoil.proofs.stores.monitors import MONITORS
from counterfoil.proofs.stores.objects import FileToCopy, ObjectStore, StoreAway
from counterfoil.proofs.stores.proof_files import proof_files
from tests.builders import Clock
from tests.conftest import NOW
from tests.proofs.stores.conftest import Bucket

LOCKED = timedelta(days=30)
NAME = "prf_01-0123456789abcdef.zip"
KEY = f"proofs/packages/{NAME}"


class Place:
    """A folder of proofs, a store, and a worker that copies from the one to the other."""

    def __init__(self, database: Any, folder: Path, store: ObjectStore, more: Callable[[], Iterator[FileToCopy]] | None = None) -> None:
        self.clock, self.folder, self.database = Clock(NOW), folder, database
        (folder / "packages").mkdir(parents=True)
        self.runner = Runner(database, self.clock, "w", lease=timedelta(minutes=1), rows_max=10, call_limit=timedelta(seconds=1))
        files = all_files(lambda: proof_files(folder, LOCKED), *([more] if more else []))
        self.copying = Copying(store, files, make_id)

    def package(self, name: str = NAME, body: bytes = b"a signed package") -> Path:
        path = self.folder / "packages" / name
        path.write_bytes(body)
        return path

    def round(self) -> Any:
        return copy_round(self.copying, self.runner)

    def copies(self) -> list[Copy]:
        with self.database.transaction() as conn:
            return list_copies(conn, rows_max=100, after=None, state=None)

    def found(self) -> set[str]:
        with self.database.transaction() as conn:
            return {one.code for one in MONITORS if conn.execute(str(one.offenders).encode(), {"now": self.clock.now}).fetchall()}


@pytest.fixture
def place(database: Database, tmp_path: Path, bucket: Bucket) -> Place:
    return Place(database, tmp_path / "proofs", bucket.store)


@pytest.fixture(params=["s3", "folder"])
def either(request: Any, database: Database, tmp_path: Path, bucket: Bucket) -> Place:
    """With a store of each kind."""
    (tmp_path / "share").mkdir()
    return Place(database, tmp_path / "proofs", bucket.store if request.param == "s3" else FolderStore(tmp_path / "share"))


def test_what_is_signed_is_copied_once_and_its_proof_tells_where(either: Place) -> None:
    either.package()
    assert either.round().handled == 1
    assert either.round().handled == 0, "the next round finds it there"
    [one] = either.copies()
    assert (one.path, one.state, one.subject_id, one.locked_until) == (KEY, "kept", "prf_01", NOW + LOCKED)
    with either.database.transaction() as conn:
        [told] = places_of(conn, "prf_01", rows_max=10)
    assert (told.store, told.path, told.state) == (either.copying.store.address, KEY, "kept")


def test_the_newest_checkpoint_is_copied_under_its_size(either: Place) -> None:
    checkpoints = either.folder / "checkpoints"
    checkpoints.mkdir()
    for name in ("latest", f"{42:016d}"):
        (checkpoints / name).write_text("counterfoil/log_1\n42\nroot\n\n— signed\n")
    either.round()
    assert [one.path for one in either.copies()] == [f"proofs/checkpoints/{42:016d}"]


def test_checkpoints_and_the_statements_of_the_logs_keys_can_be_read_when_a_key_for_encryption_is_gone(either: Place) -> None:
    """Deleting a key must not destroy the evidence."""
    (either.folder / "checkpoints").mkdir()
    for name in ("latest", f"{42:016d}", "key-lgk_1"):
        (either.folder / "checkpoints" / name).write_text("counterfoil/log_1\n42\nroot\n\n— signed\n")
    either.package()
    assert {one.key.rpartition("/")[2]: one.outlives_keys for one in either.copying.files()} == {
        f"{42:016d}": True,
        "key-lgk_1": True,
        NAME: False,
    }
    either.round()
    assert {one.path.rpartition("/")[2] for one in either.copies() if one.state == "kept"} == {f"{42:016d}", "key-lgk_1", NAME}


def test_a_store_that_is_away_keeps_nobody_and_is_told_after_a_while(database: Database, tmp_path: Path) -> None:
    place = Place(database, tmp_path / "proofs", FolderStore(tmp_path / "share"))
    place.package()
    with pytest.raises(StoreAway, match="not there"):
        place.round()
    [one] = place.copies()
    assert (one.state, one.attempt) == ("waiting", 1)
    assert "the folder is not there" in str(one.last_error)
    assert place.found() == set()
    place.clock.advance(minutes=16)
    assert place.found() == {"COPIES_BEHIND"}
    (tmp_path / "share").mkdir()
    assert place.round().handled == 1
    assert place.found() == set()


def test_checkpoints_that_a_store_was_away_for_are_held_by_the_newest_and_wait_no_more(database: Database, tmp_path: Path) -> None:
    """One that waited for ever made a warning that never ended, with the reason that its file were not there."""
    place = Place(database, tmp_path / "proofs", FolderStore(tmp_path / "share"))
    checkpoints = place.folder / "checkpoints"
    checkpoints.mkdir()
    for size in (42, 43):
        for name in ("latest", f"{size:016d}"):
            (checkpoints / name).write_text(f"counterfoil/log_1\n{size}\nroot\n\n— signed\n")
        with pytest.raises(StoreAway, match="not there"):
            place.round()
        place.clock.advance(minutes=16)
    assert place.found() == {"COPIES_BEHIND"}
    (tmp_path / "share").mkdir()
    place.round()
    assert {one.path.rpartition("/")[2]: (one.state, one.last_error) for one in place.copies() if one.state == "kept"} == {
        f"{43:016d}": ("kept", None)
    }
    place.clock.advance(minutes=61)
    place.round()
    assert sorted(one.state for one in place.copies()) == ["dropped", "kept"]
    assert place.found() == set()


def test_a_copy_that_somebody_wrote_over_is_found_within_a_day_and_can_be_copied_anew(place: Place, bucket: Bucket) -> None:
    place.package()
    place.round()
    bucket.other.put_object(**bucket.full(KEY), Body=b"forged")
    place.clock.advance(hours=25)
    place.round()
    [one] = place.copies()
    assert one.state == "wrong"
    assert "another version lies over it" in str(one.error)
    assert place.found() == {"COPY_WRONG"}
    with place.database.transaction() as conn:
        call = VerbCall(
            conn, one.id, Caller("key_1", "t", "administrator"), place.clock.now, make_id, "the key of a former colleague; revoked"
        )
        [verb] = COPY_NOUN.verbs
        assert verb.do is not None
        verb.do(call)
    place.round()
    assert [each.state for each in place.copies()] == ["kept"]
    assert place.found() == set()


def test_what_the_policy_keeps_no_more_goes_when_its_lock_is_over_and_not_before(place: Place) -> None:
    path = place.package()
    place.round()
    path.unlink()
    place.round()
    assert [one.state for one in place.copies()] == ["kept"], "a file that is lost is not one that was pruned"
    with place.database.transaction() as conn:
        let_go(conn, ["proofs/packages/prf_01-"], now=place.clock.now)
        locked = still_locked(conn, now=place.clock.now)
    assert locked is not None
    assert (locked.copies, locked.until) == (1, NOW + LOCKED)
    place.round()
    assert [one.state for one in place.copies()] == ["kept"]


def test_a_lock_that_the_bucket_made_longer_is_told_and_nothing_goes(place: Place, bucket: Bucket) -> None:
    path = place.package()
    place.round()
    path.unlink()
    with place.database.transaction() as conn:
        let_go(conn, ["proofs/"], now=place.clock.now)
        conn.execute("update store_copy set locked_until = null")
    place.round()
    [one] = place.copies()
    assert one.state == "kept"
    assert one.locked_until is not None, "the store says until when"
    assert "keeps this copy" in str(one.error)


def test_the_database_refuses_to_call_a_locked_copy_dropped(place: Place) -> None:
    place.package()
    place.round()
    [one] = place.copies()
    with place.database.transaction() as conn, pytest.raises(psycopg.errors.CheckViolation, match="store_copy_is_dropped_when_unlocked"):
        take_steps(conn, COPY, [Move(one.id, "kept", "drop")], actor="t", at=NOW)


def test_what_is_written_again_takes_the_place_of_what_was_there_and_the_whole_ends_it(
    either: Place, tmp_path: Path, database: Database
) -> None:
    folder = tmp_path / "wal"
    folder.mkdir()
    part, whole = folder / "0001.partial.gz.age", folder / "0001.gz.age"

    def files() -> Iterator[FileToCopy]:
        if part.exists():
            yield FileToCopy("backups/wal/7/0001.partial.gz.age", part, changes=True)
        if whole.exists():
            yield FileToCopy("backups/wal/7/0001.gz.age", whole, locked=LOCKED)

    own = Place(database, tmp_path / "others", either.copying.store, files)
    for minute in range(3):
        part.write_bytes(b"x" * (minute + 1))
        own.round()
    there = list(own.copying.store.find("backups/wal/"))
    assert [(one.bytes, one.others) for one in there] == [(3, 0)], "the versions before it are gone"
    part.unlink()
    whole.write_bytes(b"whole")
    own.round()
    own.round()
    assert [one.key for one in own.copying.store.find("backups/wal/")] == ["backups/wal/7/0001.gz.age"]


def test_another_file_under_its_name_is_not_written_over_in_a_folder(database: Database, tmp_path: Path) -> None:
    share = tmp_path / "share"
    (share / "proofs" / "packages").mkdir(parents=True)
    (share / KEY).write_bytes(b"of another installation")
    place = Place(database, tmp_path / "proofs", FolderStore(share))
    place.package()
    assert place.round().failed == 1
    assert "another file lies there" in str(place.copies()[0].last_error)
    assert (share / KEY).read_bytes() == b"of another installation"


def test_a_worker_that_ends_between_the_store_and_the_row_copies_once_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.package()

    def ends(point: str) -> None:
        if point == "copies.put":
            raise KeyboardInterrupt

    monkeypatch.setattr("counterfoil.proofs.stores.copying.reached", ends)
    with pytest.raises(KeyboardInterrupt):
        place.round()
    monkeypatch.undo()
    assert place.round().handled == 0, "its lease is not over"
    place.clock.advance(minutes=2)
    assert place.round().handled == 1
    [one] = place.copies()
    assert one.state == "kept"
    assert place.found() == set()


def test_a_file_that_went_before_it_was_copied_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.package()

    original = place.copying.store.put

    def put(file: FileToCopy, *rest: Any) -> Any:
        path.unlink()
        return original(file, *rest)

    monkeypatch.setattr(place.copying.store, "put", put)
    assert place.round().failed == 1
    assert "No such file" in str(place.copies()[0].last_error)


def test_nothing_is_copied_where_the_folder_is_gone(place: Place) -> None:
    shutil.rmtree(place.folder)
    assert place.round().handled == 0
