"""A backup is one when it lies in the store, signed for, and was read back to its end; everything else is a failed one that says why."""

from __future__ import annotations

import io
import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from counterfoil.backups import making
from counterfoil.backups.backups import GONE, list_backups, show_backup
from counterfoil.backups.keys import (
    BackupDamaged,
    BackupKeyMissing,
    BackupKeyRefused,
    BackupKeys,
    BackupKeysUnset,
    kept_backup_keys,
    new_backup_key,
    parse_backup_keys,
)
from counterfoil.backups.making import Backups
from counterfoil.backups.measures import differences, measured
from counterfoil.backups.restoring import TargetNotEmpty, find_stored, measured_at, restore
from counterfoil.backups.store import DUMP, FILES, MANIFEST, BackupForeign, read_backup
from counterfoil.base.edge import Database, now
from counterfoil.base.encryption.key_file import KeyFileOpen
from counterfoil.base.postgres import dumping
from counterfoil.base.postgres.dumping import DumpFailed, PgDumpMissing, PgDumpOlder, dump_programs
from counterfoil.base.problems import Busy, NotFound
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.log.notes import NoteKey, sign_note
from tests.backups.conftest import KEY, posted
from tests.points import at_points


@pytest.fixture(scope="module")
def kept(backups: Backups) -> Any:
    """One backup that several tests look at."""
    return backups.store.get(backups.make(actor="test").id)


@pytest.fixture
def empty(make_database_url: Callable[..., str]) -> str:
    return make_database_url(empty=True)


def altered(kept: Any, folder: Path, **files: bytes) -> Any:
    """The same backup somewhere else, with other files."""
    place = folder / kept.id
    place.mkdir()
    for name in (FILES[DUMP], MANIFEST):
        (place / name).write_bytes(files.get(name.partition(".")[0], (kept.folder / name).read_bytes()))
    return read_backup(place)


def keys_of(backups: Backups) -> list[NoteKey]:
    with backups.database.transaction() as conn:
        return note_keys(conn)


def test_a_backup_holds_one_moment_signed_for_and_closed_to_others(backups: Backups, kept: Any) -> None:
    told = kept.manifest
    with backups.database.transaction() as conn:
        row = show_backup(conn, kept.id)
        assert {name: told[name] for name in ("books", "migrations", "log")} == {
            name: value for name, value in measured(conn).items() if name in ("books", "migrations", "log")
        }
    assert (row.state, row.sha256, row.bytes, row.log_size) == ("kept", told["file"]["sha256"], told["file"]["bytes"], told["log"]["size"])
    assert told["tables"]["journal"] == 1
    [book] = [one for one in told["books"] if one["program"] == "p"]
    assert (book["postings"], book["debits"], book["credits"]) == (1, "1000", "1000")
    assert told["checkpoint"].startswith(told["origin"])
    kept.refuse_damaged()
    kept.refuse_foreign(keys_of(backups))
    assert [stat.S_IMODE(path.stat().st_mode) for path in sorted(kept.folder.iterdir())] == [0o400, 0o400]
    assert stat.S_IMODE(backups.folder.stat().st_mode) == 0o700
    assert b"PGDMP" not in kept.file.read_bytes(), "nothing of it lies there in clear"


def test_another_program_opens_it(kept: Any, tmp_path: Path) -> None:
    """With the key and any implementation of age, without us."""
    from pyrage import decrypt_file, x25519

    decrypt_file(str(kept.file), str(tmp_path / "dump"), [x25519.Identity.from_str(KEY)])
    listed = subprocess.run([dump_programs(None, server_version=180_000) / "pg_restore", "-l", tmp_path / "dump"], capture_output=True)
    assert b"TABLE DATA public journal" in listed.stdout


def test_it_is_restored_as_it_was(backups: Backups, kept: Any, empty: str) -> None:
    restore(kept, backups.keys(), empty, programs=None)
    assert not any(differences(kept.manifest, measured_at(empty)).values())
    with psycopg.connect(empty) as conn, pytest.raises(psycopg.Error, match=r"never|append|refuse"):
        conn.execute("update journal set actor = 'x'")
    with pytest.raises(TargetNotEmpty):
        restore(kept, backups.keys(), empty, programs=None)


def test_what_is_missing_after_a_restore_is_named(backups: Backups, kept: Any, empty: str) -> None:
    restore(kept, backups.keys(), empty, programs=None)
    with psycopg.connect(empty, autocommit=True) as conn:
        conn.execute("alter table posting disable trigger all; alter table account disable trigger all")
        conn.execute("delete from posting; update account set credits = credits + 1 where name = 'clearing:x'; delete from migration")
    found = differences(kept.manifest, measured_at(empty))
    assert [name for name, differ in found.items() if differ] == ["rows", "trial balance", "schema"]
    assert "posting: 1 rows were backed up, 0 are there" in found["rows"]


def test_what_is_written_meanwhile_is_in_the_next(apart: Callable[..., Backups], empty: str) -> None:
    """Rows and manifest are of one moment, however long the dump takes."""
    own = apart()

    def write(point: str) -> None:
        if point == "backup.dumped":
            posted(own.database, f"meanwhile-{now().timestamp()}")

    with at_points(write):
        one = own.store.get(own.make(actor="test").id)
    restore(one, own.keys(), empty, programs=None)
    assert differences(one.manifest, measured_at(empty))["rows"] == []
    with own.database.transaction() as conn:
        assert measured(conn)["tables"]["journal"] == one.manifest["tables"]["journal"] + 1


@pytest.mark.parametrize("harm", ["cut short", "a byte flipped", "another's", "taken away"])
def test_a_dump_that_is_not_as_it_was_is_damaged(backups: Backups, kept: Any, tmp_path: Path, empty: str, harm: str) -> None:
    body = kept.file.read_bytes()
    half = len(body) // 2
    changed = {"cut short": body[:-1], "a byte flipped": body[:half] + bytes([body[half] ^ 1]) + body[half + 1 :], "another's": body[::-1]}
    one = altered(kept, tmp_path, dump=changed.get(harm, b""))
    if harm == "taken away":
        one.file.unlink()
    with pytest.raises(BackupDamaged):
        restore(one, backups.keys(), empty, programs=None)
    with psycopg.connect(empty) as conn:
        assert conn.execute("select count(*) from pg_class where relnamespace = 'public'::regnamespace").fetchone() == (0,)


def test_a_dump_whose_manifest_was_made_to_match_does_not_decrypt_and_is_not_signed_for(
    backups: Backups, kept: Any, tmp_path: Path, empty: str
) -> None:
    import hashlib

    body = kept.file.read_bytes()[:-1]
    told = {**kept.manifest, "file": {**kept.manifest["file"], "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}}
    note = json.dumps(told) + "\n\n" + kept.note.rpartition("\n\n")[2]
    one = altered(kept, tmp_path, dump=body, manifest=note.encode())
    one.refuse_damaged()
    with pytest.raises(BackupDamaged, match="signature is not of this text"):
        one.refuse_foreign(keys_of(backups))
    with pytest.raises(BackupDamaged, match="does not decrypt"):
        restore(one, backups.keys(), empty, programs=None)


def test_a_backup_of_another_installation_is_foreign(backups: Backups, kept: Any, tmp_path: Path) -> None:
    text = json.dumps({**kept.manifest, "origin": "other"}) + "\n"
    one = altered(kept, tmp_path, manifest=sign_note(text, "other", b"s" * 32).encode())
    with pytest.raises(BackupForeign, match="other"):
        one.refuse_foreign(keys_of(backups))
    text = json.dumps(dict(kept.manifest)) + "\n"
    (one.folder / MANIFEST).chmod(0o600)
    (one.folder / MANIFEST).write_text(sign_note(text, kept.manifest["origin"], b"s" * 32))
    with pytest.raises(BackupForeign, match="no known key signed it"):
        read_backup(one.folder).refuse_foreign(keys_of(backups))


@pytest.mark.parametrize("text", ["", "{}", "not a note", '{"format": "counterfoil-backup/9"}\n\n— x y\n', "[]\n\n— x y\n"])
def test_a_manifest_that_cannot_be_read_is_damaged(kept: Any, tmp_path: Path, text: str) -> None:
    with pytest.raises(BackupDamaged):
        altered(kept, tmp_path, manifest=text.encode())


def test_a_manifest_in_anothers_folder_is_damaged(kept: Any, tmp_path: Path) -> None:
    one = altered(kept, tmp_path)
    one.folder.rename(tmp_path / "bkp_01KA0000000000000000000000")
    with pytest.raises(BackupDamaged, match="its manifest is of bkp_"):
        read_backup(tmp_path / "bkp_01KA0000000000000000000000")


def test_without_its_key_it_does_not_open_and_says_which_it_was(kept: Any, backups: Backups, empty: str) -> None:
    with pytest.raises(BackupKeyMissing, match=backups.keys().current):
        restore(kept, BackupKeys([new_backup_key()]), empty, programs=None)
    older = BackupKeys([new_backup_key(), KEY])
    restore(kept, older, empty, programs=None)


def failed(own: Backups) -> Any:
    with own.database.transaction() as conn:
        return list_backups(conn, rows_max=1, after=None, state=None)[0]


def test_no_key_is_no_backup(apart: Callable[..., Backups]) -> None:
    own = apart(keys=lambda: BackupKeys([]))
    with pytest.raises(BackupKeysUnset):
        own.make(actor="test")
    assert (failed(own).state, "No key of backups is set" in failed(own).error, own.store.ids()) == ("failed", True, [])


def dumped_through(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """What the program for dumps writes goes through these words of a shell first."""
    said = dumping.dumping

    def through(*given: Any, **more: Any) -> dumping.Command:
        found = said(*given, **more)
        return found._replace(words=["sh", "-c", f'"$@" | {shell}', "sh", *found.words])

    monkeypatch.setattr(making, "dumping", through)


def test_a_dump_that_fails_in_the_middle_is_no_backup(apart: Callable[..., Backups], monkeypatch: pytest.MonkeyPatch) -> None:
    own = apart()
    dumped_through(monkeypatch, "head -c 5000; echo the disk is gone >&2; exit 3")
    with pytest.raises(DumpFailed, match="the disk is gone"):
        own.make(actor="test")
    assert (failed(own).state, own.store.ids(), list(own.folder.rglob(FILES[DUMP]))) == ("failed", [], [])


def test_a_dump_that_pg_restore_cannot_read_is_no_backup(apart: Callable[..., Backups], monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that ends well and wrote half: found by reading it back."""
    own = apart()
    dumped_through(monkeypatch, "head -c 500000")
    with pytest.raises(DumpFailed, match="pg_restore"):
        own.make(actor="test")
    assert (failed(own).state, own.store.ids()) == ("failed", [])


def test_one_at_a_time_and_who_was_killed_is_not_waited_for(apart: Callable[..., Backups]) -> None:
    own = apart()
    seen: list[str] = []

    def again(point: str) -> None:
        if point == "backup.dumped":
            with pytest.raises(Busy, match="another backup"):
                own.make(actor="second")
            seen.append(point)

    with at_points(again):
        own.make(actor="first")
    assert seen
    with own.database.transaction() as conn:
        begin = making.begin_backup
        begin(conn, own.make_id("bkp"), kind="dump", actor="killed", slot_at=None, now=now())
    own.make(actor="next")
    with own.database.transaction() as conn:
        found = list_backups(conn, rows_max=3, after=None, state=None)
    assert [(one.actor, one.state) for one in found] == [("next", "kept"), ("killed", "failed"), ("first", "kept")]
    assert found[1].error == GONE


def test_the_programs_must_be_there_and_not_older_than_the_server(tmp_path: Path) -> None:
    with pytest.raises(PgDumpMissing):
        dump_programs(str(tmp_path), server_version=160_000)
    for name in ("pg_dump", "pg_restore"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.4'\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(PgDumpOlder, match="16 or later"):
        dump_programs(str(tmp_path), server_version=160_000)
    assert dump_programs(str(tmp_path), server_version=150_004) == tmp_path


def test_a_password_does_not_stand_in_the_list_of_processes() -> None:
    words, environment = dumping.dumping(Path("/bin"), "postgresql://a:hush-hush@h/d", role="r", snapshot="s")
    assert "hush-hush" not in " ".join(words)
    assert environment["PGPASSWORD"] == "hush-hush"


def test_keys_are_read_from_a_setting_or_a_closed_file(tmp_path: Path) -> None:
    made = kept_backup_keys(tmp_path)
    assert kept_backup_keys(tmp_path).ids == made.ids
    first = new_backup_key()
    assert parse_backup_keys(f"# of this year\n{first}, {KEY}\n").ids == [BackupKeys([first]).current, BackupKeys([KEY]).current]
    for wrong in ("AGE-SECRET-KEY-1XXXX", "hello"):
        with pytest.raises(BackupKeyRefused) as refused:
            parse_backup_keys(wrong)
        assert wrong not in str(refused.value)
    (tmp_path / "backup.keys").chmod(0o644)
    with pytest.raises(KeyFileOpen):
        kept_backup_keys(tmp_path)


def test_a_large_stream_goes_through_in_pieces() -> None:
    """Neither way is a file held in memory."""

    class Endless(io.RawIOBase):
        left = 40 << 20
        largest = 0

        def read(self, size: int = -1) -> bytes:
            self.largest = max(self.largest, size)
            piece = b"x" * min(size, self.left)
            self.left -= len(piece)
            return piece

    class Counting(io.RawIOBase):
        total = largest = 0

        def write(self, piece: Any) -> int:
            self.total += len(piece)
            self.largest = max(self.largest, len(piece))
            return len(piece)

    source, sink = Endless(), Counting()
    BackupKeys([KEY]).encrypt(source, sink)
    assert source.left == 0
    assert sink.total > 40 << 20
    assert max(source.largest, sink.largest) <= 1 << 20


def test_a_backup_is_found_by_its_id_its_folder_or_as_the_newest(backups: Backups, kept: Any, tmp_path: Path) -> None:
    assert find_stored(backups.store, kept.id).id == kept.id
    assert find_stored(backups.store, str(kept.folder)).id == kept.id
    assert find_stored(backups.store, None).id == max(backups.store.ids())
    with pytest.raises(NotFound):
        find_stored(type(backups.store)(tmp_path / "nowhere"), None)


def test_every_table_is_counted(books: Database) -> None:
    with books.transaction() as conn:
        found = measured(conn)["tables"]
        names = conn.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        parts = conn.execute("select relname from pg_class where relkind = 'p' and relnamespace = 'public'::regnamespace").fetchall()
        assert set(found) == {name for (name,) in names} - {name for (name,) in parts}
        counted = conn.execute(sql.SQL("select count(*) from account")).fetchone()
    assert (found["account"],) == counted
