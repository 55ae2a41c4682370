"""Checkpoints: signed, consistent from one to the next, and outside of the database, where they tell of what was done inside."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from psycopg import errors

from counterfoil.api.nouns.proofs.signers import log_signer
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.encryption.keys import EnvelopeDoesNotOpen
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from counterfoil.operations.work.runner import Runner
from counterfoil.proofs.log.checkpoints import (
    CheckpointFolder,
    LogBehind,
    LogForked,
    LogNotBegun,
    boundary,
    keys_of_log,
    latest_checkpoint,
    make_checkpoint,
    note_keys,
    seed_of,
)
from counterfoil.proofs.log.job import keep_log
from counterfoil.proofs.log.key_changes import change_log_key, told_keys
from counterfoil.proofs.log.merkle import Leaves, root_of
from counterfoil.proofs.log.notes import NoteRefused, open_note, read_checkpoint, sign_note
from counterfoil.proofs.log.quantum import key_beside
from counterfoil.proofs.log.quantum_keys import QuantumKeyUnusable
from counterfoil.proofs.log.sequencing import sequence, unsequenced_since
from counterfoil.proofs.log.tree import size_of
from counterfoil.proofs.monitors import MONITORS
from tests.builders import NOW, PROGRAM, Clock, a_program
from tests.proofs.builders import a_border

ACCOUNTS = ("clearing:simulator", "payable:payee:a")


class Log:
    """A log that grows by hand, beside a clock that is moved."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder, self.clock = database, folder, Clock(now())
        self.runner = Runner(database, self.clock, "test", lease=timedelta(seconds=60))

    def moved(self, *keys: str) -> None:
        with self.database.transaction() as conn:
            for key in keys:
                post(conn, PROGRAM, key=key, kind="t", lines=[(*ACCOUNTS, 1)], asset="EUR", actor="t", now=NOW)

    def tick(self) -> int:
        """One run of the job, once no transaction of a test beside this one is waited for."""
        taken, deadline = 0, time.monotonic() + 20
        while time.monotonic() < deadline:
            with self.database.transaction() as conn:
                taken += sequence(conn, make_origin="test/log", now=self.clock.now).taken
            with self.database.transaction() as conn:
                if unsequenced_since(conn) is None:
                    break
        return taken + keep_log(self.runner, make_id, self.folder).handled

    def files(self) -> list[str]:
        return sorted(one.name for one in (self.folder / "checkpoints").iterdir())


@pytest.fixture
def log(database: Database, tmp_path: Path) -> Log:
    a_program(database)
    with database.transaction() as conn:
        open_accounts(conn, PROGRAM, ACCOUNTS, asset="EUR", actor="t", now=NOW)
    made = Log(database, tmp_path / "proofs")
    made.tick()
    return made


def test_a_checkpoint_is_made_each_minute_in_which_the_log_grew_and_leaves_the_database(log: Log) -> None:
    with log.database.transaction() as conn:
        first = size_of(conn)
    assert log.files() == [f"{first:016d}", "latest"]
    log.moved("a", "b")
    assert log.tick() == 2
    assert len(log.files()) == 2, "a minute has not passed"
    log.clock.advance(minutes=1)
    log.tick()
    log.tick()
    assert log.files() == [f"{first:016d}", f"{first + 2:016d}", "latest"]
    left = log.folder / "checkpoints" / f"{first + 2:016d}"
    assert stat.S_IMODE(left.stat().st_mode) == 0o444
    with log.database.transaction() as conn:
        text, signers = open_note(left.read_text(), note_keys(conn))
        told = read_checkpoint(text)
        hashes = [bytes(row[0]) for row in conn.execute("select leaf_hash from log_entry order by index").fetchall()]
        assert (told.size, told.root) == (first + 2, root_of(first + 2, Leaves(hashes)))
        assert [(one.name, one.is_quantum) for one in signers] == [(told.origin, False), (told.origin, True)]
    log.clock.advance(minutes=5)
    log.tick()
    assert len(log.files()) == 3, "nothing was added, so nothing is signed"
    with log.database.transaction() as conn:
        told_to_partners = conn.execute("select level, payload from event where name = 'checkpoint_signed' order by id").fetchall()
    assert [(level, payload["size"]) for level, payload in told_to_partners] == [("debug", first), ("debug", first + 2)]
    assert told_to_partners[-1][1]["note"] == left.read_text(), "an endpoint that asks for them has each, to the byte"


def test_a_checkpoint_that_does_not_leave_the_database_and_a_record_that_is_not_signed_are_said_after_a_quarter_of_an_hour(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    [check] = [one for one in MONITORS if one.code == "CHECKPOINT_BEHIND"]

    def why() -> list[str]:
        with log.database.transaction() as conn:
            assert isinstance(check.offenders, str)
            return [row[1] for row in conn.execute(check.offenders, {"now": log.clock.now}).fetchall()]

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(CheckpointFolder, "put", full_disk)
    log.moved("a")
    log.clock.advance(minutes=1)
    with pytest.raises(OSError, match="no space"):
        log.tick()
    assert why() == []
    log.clock.advance(minutes=16)
    assert why() == ["did not leave the database"]
    monkeypatch.undo()
    log.tick()
    assert why() == []
    log.moved("b")
    with log.database.transaction() as conn:
        sequence(conn, make_origin="test/log", now=log.clock.now)
    log.clock.advance(minutes=16)
    assert why() == ["not signed"]
    log.tick()
    assert why() == []


def test_the_private_half_of_the_logs_key_is_only_there_encrypted(log: Log) -> None:
    with log.database.transaction() as conn:
        ((key_id, clear, envelope),) = conn.execute("select id, seed, envelope from log_key").fetchall()
        seed = seed_of(conn, key_id)
    assert clear is None
    assert seed not in bytes(envelope)
    with psycopg.connect(log.database.url) as owner:
        owner.execute("alter table log_key disable trigger all")
        owner.execute("update log_key set envelope = envelope || 'x'")
    with log.database.transaction() as conn, pytest.raises(EnvelopeDoesNotOpen):
        seed_of(conn, key_id)


def tampered(log: Log, *statements: str) -> None:
    """What the owner of the database can do, all triggers off."""
    with psycopg.connect(log.database.url) as owner:
        owner.execute("set session_replication_role = replica")
        for one in ("log_entry", "log_checkpoint", "log_subtree", "posting", "journal", "seal"):
            owner.execute(f"alter table {one} disable trigger all".encode())
        for one in statements:
            assert owner.execute(one.encode()).rowcount > 0


def refused_unsigned(log: Log) -> None:
    """The log is told to be forked, again and again, and nothing more of it is signed."""
    with log.database.transaction() as conn:
        before = conn.execute("select size, root from log_checkpoint order by size").fetchall()
    files = log.files()
    for _ in range(2):
        with pytest.raises(LogForked):
            log.tick()
        log.clock.advance(minutes=1)
    with log.database.transaction() as conn:
        assert conn.execute("select size, root from log_checkpoint order by size").fetchall() == before
    assert log.files() == files


def test_a_log_that_was_rewritten_gets_no_checkpoint(log: Log) -> None:
    tampered(log, "update log_entry set record = 'x', leaf_hash = sha256('\\x00'::bytea || 'x') where index = 0")
    log.moved("a")
    log.clock.advance(minutes=1)
    refused_unsigned(log)


def test_what_has_left_tells_of_a_log_whose_owner_rewrote_everything_inside(log: Log) -> None:
    log.moved("a")
    log.clock.advance(minutes=1)
    log.tick()
    tampered(
        log,
        "delete from log_checkpoint",
        "delete from log_entry where relation = 'journal'",
    )
    log.clock.advance(minutes=1)
    log.moved("b", "c")
    refused_unsigned(log)


def test_a_database_that_was_restored_to_an_earlier_moment_is_told_of(log: Log) -> None:
    log.moved("a")
    log.clock.advance(minutes=1)
    log.tick()
    tampered(
        log,
        "delete from log_checkpoint where size = (select max(size) from log_checkpoint)",
        "delete from log_entry where relation = 'journal'",
        "delete from posting",
        "delete from journal",
    )
    log.clock.advance(minutes=1)
    log.moved("another")
    refused_unsigned(log)


def test_another_checkpoint_of_a_size_that_has_left_is_refused(log: Log) -> None:
    with log.database.transaction() as conn:
        last = latest_checkpoint(conn)
        assert last is not None
        kept = CheckpointFolder(log.folder, note_keys(conn))
        seed = seed_of(conn, last.key_id)
    kept.put(last.note)
    text = last.note.rpartition("\n\n")[0] + "\n"
    origin, size, _ = text.split("\n")[:3]
    other = sign_note(f"{origin}\n{size}\n{'A' * 43}=\n", origin, seed)
    with pytest.raises(LogForked):
        kept.put(other)
    with pytest.raises(NoteRefused):
        kept.put(sign_note(text, origin, b"\x01" * 32))


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A library without ML-DSA-44; undone, it has it."""
    monkeypatch.delattr(mldsa, "MLDSA44PublicKey")
    yield monkeypatch
    monkeypatch.undo()


def test_a_key_signs_with_ml_dsa_44_as_soon_as_the_library_has_it_and_never_again_without(older: pytest.MonkeyPatch, log: Log) -> None:
    def lines() -> list[int]:
        with log.database.transaction() as conn:
            return [row[0].count("\u2014 ") for row in conn.execute("select note from log_checkpoint order by size").fetchall()]

    def grown(key: str) -> None:
        log.moved(key)
        log.clock.advance(minutes=1)
        log.tick()

    with log.database.transaction() as conn:
        early, known = size_of(conn), keys_of_log(conn)[0]
    grown("a")
    assert (lines(), health_of(log)) == ([1, 1], "ready"), "of before the library was there"
    older.undo()
    with log.database.transaction() as conn:
        made = make_checkpoint(conn, early - 1, make_key_id="x", now=now())
        [(key, since)] = conn.execute("select key_id, size from log_key_quantum").fetchall()
    assert (made.note.count("\u2014 "), key, since) == (2, known.id, early + 2), "larger ones with Ed25519 alone are there already"
    grown("b")
    assert (lines(), health_of(log)) == ([2, 1, 1, 2], "ready")
    older.delattr(mldsa, "MLDSA44PublicKey")
    log.moved("c")
    log.clock.advance(minutes=1)
    with pytest.raises(QuantumKeyUnusable):
        log.tick()
    assert lines() == [2, 1, 1, 2], "no checkpoint without it"
    assert "signs none without" in health_of(log)
    with log.database.transaction() as conn:
        assert unsequenced_since(conn) is None, "what is recorded is numbered all the same"
    again = """insert into log_checkpoint select size + 1, root, key_id, regexp_replace(note, '[^\\n]+\\n$', ''), at
               from log_checkpoint order by size desc limit 1"""
    with pytest.raises(errors.Error, match="signs no checkpoint without it"), log.database.transaction() as conn:
        conn.execute(again.encode())
    with log.database.transaction() as conn:
        changed = change_log_key(conn, make_id("lgk"), cause="planned", folder=log.folder, by="t", now=log.clock.now)
    log.tick()
    assert lines() == [2, 1, 1, 2, 1], "a key that has not signed with it signs on"
    older.undo()
    grown("d")
    assert lines() == [2, 1, 1, 2, 1, 2]
    with log.database.transaction() as conn:
        told = told_keys(conn)
        assert [one["quantum"]["size"] for one in told] == [size_of(conn), since]
        assert told[0]["quantum"]["key"] == key_beside(seed_of(conn, changed.key_id)).public_key().public_bytes_raw().hex()


def health_of(log: Log) -> str:
    """Of the log's key, as the list of signers tells it."""
    with log.database.transaction() as conn:
        return log_signer(conn).health


def test_a_boundary_stays_where_it_was_found(log: Log) -> None:
    with log.database.transaction() as conn:
        before = size_of(conn)
        cut = a_border()
    log.moved("a")
    log.tick()
    with log.database.transaction() as conn:
        later = now()
        assert boundary(conn, cut, now=later) == before
        assert boundary(conn, later, now=later) == before + 1
    log.moved("b")
    log.tick()
    with log.database.transaction() as conn:
        assert boundary(conn, later, now=now()) == before + 1, "what comes later is of a later period"
        assert boundary(conn, cut, now=now()) == before
        with pytest.raises(LogBehind):
            boundary(conn, now() + timedelta(hours=1), now=now())


def test_boundaries_never_cross(log: Log) -> None:
    """A record that came late, behind one of a later time, is of the later period; a boundary asked for afterwards lies before it."""
    with log.database.transaction() as conn:
        size = size_of(conn)
        assert boundary(conn, NOW + timedelta(hours=2), now=now()) <= size
    log.moved("late")
    with log.database.transaction() as conn:
        sequence(conn, make_origin="x", now=now())
    with log.database.transaction() as conn:
        sizes = [boundary(conn, NOW + timedelta(hours=hour), now=now()) for hour in (1, 2, 3)]
    assert sizes == sorted(sizes)


def test_a_log_that_has_not_begun_says_so(database: Database) -> None:
    with database.transaction() as conn, pytest.raises(LogNotBegun):
        boundary(conn, NOW, now=now())


def test_everything_in_the_log_says_of_what_kind_it_is_and_when(log: Log) -> None:
    log.moved("a")
    log.tick()
    with log.database.transaction() as conn:
        rows = conn.execute("select relation, record from log_entry").fetchall()
    told: list[tuple[str, dict[str, Any]]] = [(relation, json.loads(record)) for relation, record in rows]
    assert {relation for relation, _ in told} == {"account_guard", "journal"}
    assert all(one["type"] == relation and one["at"].endswith("Z") for relation, one in told)


def test_a_folder_that_cannot_be_written_stops_the_job_and_nothing_else(log: Log) -> None:
    log.moved("a")
    log.folder = Path(__file__)  # a file is no folder
    log.clock.advance(minutes=1)
    with pytest.raises((OSError, Problem)):
        log.tick()
    with log.database.transaction() as conn:
        last = latest_checkpoint(conn)
        assert last is not None
        assert last.size == size_of(conn)
