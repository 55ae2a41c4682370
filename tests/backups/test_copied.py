"""Backups in S3: copied with what is signed of them, brought back to a machine that has nothing, pruned when their lock is over."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.backups.backups import list_backups
from counterfoil.backups.copied_files import backup_files
from counterfoil.backups.job import prune
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.backups.store import read_backup
from counterfoil.base.edge import make_id
from counterfoil.operations.work.runner import Runner
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.stores.copies import list_copies, places_of, still_locked
from counterfoil.proofs.stores.copying import Copying, copy_round
from counterfoil.proofs.stores.objects import fetch_verified
from counterfoil.proofs.stores.s3 import S3Access, S3Store
from tests.backups.test_job import proven
from tests.builders import Clock
from tests.conftest import NOW
from tests.s3_server import a_bucket, s3_server

KEPT = timedelta(days=14)


@pytest.fixture(scope="module")
def access() -> Iterator[S3Access]:
    with s3_server() as reached:
        a_bucket(reached, "backups-of-books")
        yield reached


def test_a_backup_is_copied_fetched_and_let_go_when_its_lock_is_over(
    apart: Callable[..., Backups], access: S3Access, tmp_path: Path
) -> None:
    clock = Clock(NOW)
    own = apart(clock=clock, policy=KeepPolicy(1, 0, 0))
    store = S3Store("backups-of-books", "", access, lock="COMPLIANCE", kms_key=None)
    copying = Copying(store, lambda: backup_files(own.folder, kept=KEPT, window=KEPT), make_id)
    runner = Runner(own.database, clock, "w", lease=timedelta(minutes=1), rows_max=10, call_limit=timedelta(seconds=1))
    first = own.make(actor="t")
    copy_round(copying, runner)
    with own.database.transaction() as conn:
        places = places_of(conn, first.id, rows_max=10)
        keys = note_keys(conn)
    assert {(one.path.rpartition("/")[2], one.state) for one in places} == {("dump.age", "kept"), ("manifest.note", "kept")}
    assert {one.locked_until for one in places} == {NOW + KEPT}

    _is_brought_back(store, first.id, tmp_path / "elsewhere", keys)

    clock.advance(days=2)
    second = own.make(actor="t")
    proven(own, second.id)
    assert [one.id for one in prune(own, actor="t")] == [first.id]
    assert own.store.ids() == [second.id]
    copy_round(copying, runner)
    with own.database.transaction() as conn:
        locked = still_locked(conn, now=clock.now)
        assert {one.state for one in list_backups(conn, rows_max=9, after=None, state="pruned")} == {"pruned"}
        assert {one.state for one in places_of(conn, first.id, rows_max=10)} == {"kept"}, "pruned here, and locked there"
    assert locked is not None
    assert (locked.copies, locked.until) == (2, NOW + KEPT)
    assert len(list(store.find(f"backups/{first.id}/"))) == 2

    # The bucket's own clock lets go when it is time; here the lock is taken off by somebody with the right to.
    with own.database.transaction() as conn:
        conn.execute("update store_copy set locked_until = %s where subject_id = %s", [clock.now - timedelta(days=1), first.id])
        versions = {one.path: one.version for one in list_copies(conn, rows_max=99, after=None, state=None) if one.subject_id == first.id}
    _unlocked(access, versions)
    copy_round(copying, runner)
    assert list(store.find(f"backups/{first.id}/")) == []
    assert len(list(store.find(f"backups/{second.id}/"))) == 2


def test_a_damaged_backup_is_not_copied_as_a_good_one(apart: Callable[..., Backups], access: S3Access) -> None:
    own = apart(clock=Clock(NOW))
    store = S3Store("backups-of-books", "damaged", access, lock="COMPLIANCE", kms_key=None)
    copying = Copying(store, lambda: backup_files(own.folder, kept=KEPT, window=KEPT), make_id)
    runner = Runner(own.database, own.clock, "w", lease=timedelta(minutes=1), rows_max=10, call_limit=timedelta(seconds=1))  # type: ignore[arg-type]
    made = own.make(actor="t")
    file = own.store.get(made.id).file
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    copy_round(copying, runner)
    with own.database.transaction() as conn:
        told = {one.path.rpartition("/")[2]: (one.state, one.error) for one in places_of(conn, made.id, rows_max=9)}
    assert told["dump.age"][0] == "waiting"
    assert "changed since it was written" in str(told["dump.age"][1])


def _is_brought_back(store: S3Store, backup_id: str, folder: Path, keys: Any) -> None:
    """With nothing but the bucket: what comes is the backup, and our log's key has signed for it."""
    place = folder / backup_id
    place.mkdir(parents=True)
    for one in store.find(f"backups/{backup_id}/"):
        assert one.sha256 is not None
        fetch_verified(store, one, one.sha256, one.bytes, place / one.key.rpartition("/")[2])
    back = read_backup(place)
    back.refuse_damaged()
    back.refuse_foreign(keys)
    shutil.rmtree(folder)


def _unlocked(access: S3Access, versions: dict[str, str | None]) -> None:
    """As if its time were over, which moto does not wait for."""
    from tests.s3_server import client_of

    client = client_of(access)
    for path, version in versions.items():
        sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": NOW.replace(year=2020)}
        client.put_object_retention(Bucket="backups-of-books", Key=path, VersionId=version, Retention=sooner)
