"""A restore drill passes on a backup that can be restored and is ours; on every other it fails, and says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from counterfoil.backups.job import proven_backup
from counterfoil.backups.keys import BackupKeys
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.backups.store import MANIFEST
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.invariant import Invariant
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.drills import restore as drills
from counterfoil.drills.drills import RESTORE, Drill, checks_of, list_drills
from counterfoil.drills.running import DrillMeans, run_drill
from counterfoil.proofs.log.checkpoints import keys_of_log, note_keys, origin_of, seed_of
from counterfoil.proofs.log.key_changes import change_log_key
from counterfoil.proofs.log.notes import open_note, sign_note
from counterfoil.wiring import INVARIANTS
from tests.backups.conftest import KEY, apart, backups, books, posted, proven_period
from tests.conftest import a_database

__all__ = ("apart", "backups", "books")


def drilled(
    own: Backups, folder: Path, wanted: str | None = None, invariants: Any = INVARIANTS
) -> tuple[Drill, dict[str, tuple[str, str]]]:
    done = run_drill(DrillMeans(own, invariants, folder / "scratch"), RESTORE, wanted=wanted, actor="t")
    with own.database.transaction() as conn:
        looked = {one.what: (one.outcome, one.told) for one in checks_of(conn, done.id)}
        text, _ = open_note(str(done.evidence), note_keys(conn))
    told = json.loads(text)
    assert (told["id"], told["outcome"]) == (done.id, done.state), "the evidence is signed, and says the same"
    assert [one["what"] for one in told["checks"]] == list(looked)
    return done, looked


def test_a_good_backup_is_proven_with_its_time_and_its_loss(apart: Callable[..., Backups], tmp_path: Path, monkeypatch: Any) -> None:
    own = apart()
    began = now() - timedelta(minutes=1)
    posted(own.database, f"before-{make_id('tst')}")
    ended = proven_period(own, began, now())
    posted(own.database, f"between-{make_id('tst')}")
    made = own.make(actor="t")
    posted(own.database, f"after-{made.id}")
    covers = proven_period(own, ended.to_at, now())
    tried: list[str] = []
    can_send = drills.RestoreDrill._can_send

    def by_a_worker(drill: Any, server: PrivatePostgres) -> str | None:
        """What a worker would do there: its first transaction does not even begin."""
        as_worker = Database(server.url, connections_max=1).open()
        try:
            with pytest.raises((Problem, psycopg.Error)) as refused, as_worker.transaction() as conn:
                conn.execute("update event set state = state")
            tried.append(str(refused.value))
        finally:
            as_worker.close()
        return can_send(drill, server)

    monkeypatch.setattr(drills.RestoreDrill, "_can_send", by_a_worker)
    done, looked = drilled(own, tmp_path)
    assert (done.state, done.error) == ("passed", None), looked
    assert {outcome for outcome, _ in looked.values()} == {"passed"}
    assert list(looked) == list(drills.PARTS)
    assert "read-only" in tried[0] or "read-write" in tried[0], tried
    assert (done.backup_id, done.root_matches, done.lost_s is not None, (done.restore_ms or 0) > 0) == (made.id, True, True, True)
    told = looked["proofs"][1]
    assert f"{ended.id} (waiting): roots, counts, totals and trial balance of entries" in told
    assert (
        f"{covers.id} (waiting): the opening root and {int(made.log_size or 0) - covers.open_size} of its {covers.entries} entries" in told
    )
    assert 0 < int(made.log_size or 0) - covers.open_size < covers.entries, "the backup's moment lies within the period"
    assert list((tmp_path / "scratch").iterdir()) == [], "nothing of it is left"
    with own.database.transaction() as conn:
        assert proven_backup(conn) == made.id


@pytest.mark.parametrize("harm", ["corrupted", "truncated", "foreign", "old", "missing", "garbled"])
def test_a_backup_that_proves_nothing_fails_the_drill_and_says_why(apart: Callable[..., Backups], tmp_path: Path, harm: str) -> None:
    own = apart()
    made = own.make(actor="t")
    folder = own.folder / made.id
    dump = folder / "dump.age"
    for path in folder.iterdir():
        path.chmod(0o600)
    body = dump.read_bytes()
    if harm == "corrupted":
        dump.write_bytes(body[:-9] + bytes([body[-9] ^ 1]) + body[-8:])
    elif harm == "truncated":
        dump.write_bytes(body[:-1])
    elif harm == "missing":
        dump.unlink()
    elif harm == "garbled":
        (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace('"sha256"', '"sha257"', 1))
    elif harm == "foreign":
        note = (folder / MANIFEST).read_text()
        (folder / MANIFEST).write_text(
            sign_note(note.rpartition("\n\n")[0] + "\n", json.loads(note.rpartition("\n\n")[0])["origin"], b"s" * 32)
        )
    else:
        own = apart(folder=own.folder, clock=lambda: now() + timedelta(days=3))
    done, looked = drilled(own, tmp_path, invariants=INVARIANTS[:1])
    words = {
        "corrupted": ("backup", "another SHA-256"),
        "truncated": ("backup", "bytes, and had"),
        "missing": ("backup", "is not there"),
        "garbled": ("backup", "does not say, or not as it must: file"),
        "foreign": ("signature", "no known key signed it"),
        "old": ("age", "older than 2 days"),
    }
    part, said = words[harm]
    assert (done.state, looked[part][0], said in looked[part][1]) == ("failed", "failed", True), looked
    assert said in str(done.error)
    if harm != "old":
        assert looked["restore"][0] == "not_checked", "what it did not come to is not green"


def test_what_a_stolen_key_of_the_log_signs_is_refused_from_its_end_on_and_doubted_before_it(
    apart: Callable[..., Backups], tmp_path: Path
) -> None:
    """The thief makes a backup that fits in everything; only what the database knows of before, to the byte, still counts."""
    own = apart()
    made = own.make(actor="t")
    stored = own.store.get(made.id)
    with own.database.transaction() as conn:
        origin, seed = origin_of(conn), seed_of(conn, keys_of_log(conn)[0].id)
        change = change_log_key(conn, make_id("lgk"), cause="stolen", folder=None, by="t", now=now())
    with own.database.transaction() as conn:
        known = note_keys(conn)
    assert [one.ended.cause if one.ended else None for one in known if not one.is_quantum] == [None, "stolen"]
    done, looked = drilled(own, tmp_path, invariants=INVARIANTS[:1])
    assert (looked["signature"][0], done.state) == ("passed", "passed"), "the database knows this very manifest"
    assert "whoever has it could have made this" in str(stored.doubt(known, None)), "who has no database any more is told"

    def by_the_thief(at: datetime) -> None:
        told = {**stored.manifest, "by": "thief", "snapshot_at": at.isoformat()}
        (stored.folder / MANIFEST).chmod(0o600)
        (stored.folder / MANIFEST).write_text(sign_note(json.dumps(told) + "\n", origin, seed))

    for at, said in (
        (change.created_at + timedelta(seconds=1), "signed by a key of the log that had ended on"),
        (change.created_at - timedelta(seconds=1), "its key was told as stolen on"),
    ):
        by_the_thief(at)
        done, looked = drilled(own, tmp_path, invariants=INVARIANTS[:1])
        assert (done.state, looked["signature"][0], said in looked["signature"][1]) == ("failed", "failed", True), looked
    own.make(actor="t")
    done, looked = drilled(own, tmp_path, invariants=INVARIANTS[:1])
    assert done.state == "passed", "the key that followed signs"


def test_no_backup_at_all_fails_the_drill(apart: Callable[..., Backups], tmp_path: Path) -> None:
    done, looked = drilled(apart(), tmp_path)
    assert (done.state, looked["backup"][0], looked["checks"][0]) == ("failed", "failed", "not_checked")


def test_a_backup_that_was_mistyped_is_no_failed_drill(apart: Callable[..., Backups], tmp_path: Path) -> None:
    own = apart()
    with own.database.transaction() as conn:
        before = list_drills(conn, rows_max=1, after=None, state=None)
    for mistyped in ("", "newest", "drl_01M8M6S11CE8P8DX5BNTNTJGXG"):
        with pytest.raises(InvalidInput):
            run_drill(DrillMeans(own, INVARIANTS, tmp_path / "scratch"), RESTORE, wanted=mistyped, actor="t")
    with own.database.transaction() as conn:
        assert list_drills(conn, rows_max=1, after=None, state=None) == before


def test_books_that_are_not_as_they_were_backed_up_and_a_check_that_finds_something_fail_the_drill(
    apart: Callable[..., Backups], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = apart()
    proven_period(own, now() - timedelta(minutes=5), now())
    posted(own.database, f"later-{make_id('tst')}")  # what is taken away last is of after the period
    own.make(actor="t")
    plain = drills.restore

    def harmed(stored: Any, keys: Any, url: str, **more: Any) -> None:
        plain(stored, keys, url, **more)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("alter table posting disable trigger all; alter table log_entry disable trigger all")
            conn.execute("delete from posting where journal_id = (select journal_id from posting order by seq limit 1)")
            conn.execute("delete from log_entry where index = (select max(index) from log_entry)")

    monkeypatch.setattr(drills, "restore", harmed)
    broken = Invariant("ALWAYS", "Is nothing there?", "select id from program", "critical", "x", "P1")
    unasked = Invariant("NEVER", "Can it be asked?", "select nothing from nowhere", "critical", "x", "P1")
    done, looked = drilled(own, tmp_path, invariants=[broken, unasked])
    assert (done.state, done.root_matches) == ("failed", False)
    assert {name for name, (outcome, _) in looked.items() if outcome == "failed"} >= {"rows", "trial balance", "log", "proofs", "checks"}
    assert "account p EUR clearing:x: debits" in looked["proofs"][1]
    assert "ALWAYS: 1 found" in looked["checks"][1]
    assert "NEVER could not be asked" in looked["checks"][1]


def test_a_restored_log_that_is_another_than_what_was_proven_since_fails_the_drill(
    apart: Callable[..., Backups], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry whose text was changed and whose hashes were not: no root shows it, the proof that covers the backup's moment does."""
    own = apart()
    first = now()
    posted(own.database, f"within-{make_id('tst')}")
    made = own.make(actor="t")
    posted(own.database, f"later-{made.id}")
    covers = proven_period(own, first, now())
    plain = drills.restore

    def harmed(stored: Any, keys: Any, url: str, **more: Any) -> None:
        plain(stored, keys, url, **more)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("alter table log_entry disable trigger all, drop constraint log_leaf_is_hashed")
            conn.execute("update log_entry set record = replace(record, '{', '{ ') where index = %s", [covers.open_size])

    monkeypatch.setattr(drills, "restore", harmed)
    done, looked = drilled(own, tmp_path, invariants=INVARIANTS[:1])
    assert covers.open_size < int(made.log_size or 0) < covers.close_size
    assert (done.state, done.root_matches) == ("failed", True), looked
    assert looked["proofs"] == ("failed", f"{covers.id}: entry {covers.open_size} of the restored log is another")


def test_a_proof_that_is_damaged_in_the_store_proves_nothing(apart: Callable[..., Backups], tmp_path: Path) -> None:
    own = apart(proof_folder=tmp_path / "proofs")
    made = proven_period(own, now() - timedelta(minutes=7), now())
    own.make(actor="t")
    sheet = tmp_path / "proofs" / "packages" / made.id / "trial_balance_close.json"
    sheet.chmod(0o600)
    sheet.write_text(sheet.read_text() + " ")
    done, looked = drilled(own, tmp_path, invariants=INVARIANTS[:1])
    assert (done.state, looked["proofs"][0]) == ("failed", "failed")
    assert made.id in looked["proofs"][1]
    assert "trial_balance_close.json" in looked["proofs"][1]


def test_without_any_proof_of_a_period_the_drill_says_that_nothing_was_compared(server: Any, tmp_path: Path) -> None:
    keys = BackupKeys([KEY])
    with a_database(server) as database:
        own = Backups(database, database.url, tmp_path / "b", lambda: keys, make_id, now, KeepPolicy(1, 1, 1), proof_folder=tmp_path / "p")
        own.make(actor="t")
        done, looked = drilled(own, tmp_path, invariants=INVARIANTS[:1])
    assert (done.state, looked["proofs"][0]) == ("failed", "not_checked")
    assert "proof export" in str(done.error)
