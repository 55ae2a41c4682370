"""The log's own key is changed: the key of before says so, which both verifiers follow; one that was stolen or lost leads nowhere."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from psycopg import errors

from counterfoil.base.edge import make_id, now
from counterfoil.base.encryption.keys import EnvelopeDoesNotOpen
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.work.runner import Runner
from counterfoil.proofs.log.checkpoints import keys_of_log, latest_checkpoint, make_log_key, note_keys, seed_of
from counterfoil.proofs.log.job import keep_log
from counterfoil.proofs.log.key_changes import KeyChange, LogKeyGone, change_log_key, key_changes
from counterfoil.proofs.log.notes import Checkpoint, open_note, sign_note
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import BROKEN, OK, UNKNOWN_KEYS
from tests.dashboard.conftest import a_desk
from tests.proofs.builders import Files, House, Verifiers, a_house, packed, renamed, signed_anew, unpacked


class Changed(NamedTuple):
    """A house whose log has had three keys: the second was the word of the first, the third took the place of one that was stolen."""

    house: House
    verify: Verifiers
    pinned: list[dict[str, Any]]  # what an auditor was given: before any change, after the first, after both
    packages: list[bytes]  # of a period that ended before any change, after the first, after both
    seeds: list[bytes]
    changes: list[KeyChange]


def changed(house: House, cause: str) -> KeyChange:
    with house.desk.database.transaction() as conn:
        return change_log_key(conn, make_id("lgk"), cause=cause, folder=house.folder, by="test", now=now())


@pytest.fixture(scope="module")
def log(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changed]:
    folder = tmp_path_factory.mktemp("keys")
    with a_desk(server, folder) as desk:
        house = a_house(desk, folder / "store")
        pinned, packages, changes, begin = list[dict[str, Any]](), list[bytes](), list[KeyChange](), house.start
        for cause in ("planned", "stolen", None):
            end = now()
            proof = house.exported(begin, end)
            house.sign(proof.id, house.ann, house.otto)
            pinned.append(house.keys())
            packages.append(house.package(proof.id))
            begin = end
            if cause is not None:
                changes.append(changed(house, cause))
                house.worked(cause[0], "20.00")
                house.reconciled()
        with desk.database.transaction() as conn:
            seeds = [seed_of(conn, one.id) for one in reversed(keys_of_log(conn))]
        yield Changed(house, Verifiers(folder), pinned, packages, seeds, changes)


def test_who_has_the_first_key_alone_follows_its_word_and_no_further(log: Changed) -> None:
    first, second, third = log.pinned
    assert [["ended" in one for one in each["log"]] for each in log.pinned] == [[False], [False, True], [False, True, True]]
    assert log.verify(log.packages[0], first)[0] == OK
    code, said = log.verify(log.packages[1], first, log.packages[0])
    assert code == OK, said
    taken = f"The log has another key since entry {log.changes[0].size}, by the word of the one that you gave (counterfoil signers pin)."
    assert taken in said
    code, said = log.verify(log.packages[2], first, log.packages[1])
    assert (code, len(said)) == (UNKNOWN_KEYS, 1), said  # its opening checkpoint is by the key that was stolen, and there is a way to that
    assert log.verify(log.packages[2], second)[0] == UNKNOWN_KEYS
    for package, before in ((log.packages[0], None), (log.packages[1], log.packages[0]), (log.packages[2], log.packages[1])):
        code, said = log.verify(package, third, before)
        assert (code, taken in said) == (OK, False), said


def test_what_a_stolen_key_has_signed_is_doubted(log: Changed) -> None:
    doubt = "was signed before the log's key was stolen: a thief can sign a shorter log, too."
    for package, names in ((1, ["checkpoint.close"]), (2, ["checkpoint.open"])):
        _, said = log.verify(log.packages[package], log.pinned[2])
        assert [one for one in said if one.endswith(doubt)] == [f"Not checked here: whether {name} {doubt}" for name in names]
    _, said = log.verify(log.packages[2], log.pinned[2], log.packages[1])
    assert any(one.endswith("sign a shorter log, too (the package of before).") for one in said)


def resigned(log: Changed, files: Files, seed: bytes) -> Files:
    """Its closing checkpoint is signed by another key of the log."""
    lines = files["checkpoint.close"].decode().split("\n")
    end = json.loads(files["manifest.json"])["log"]["close"]["size"]
    note = sign_note(Checkpoint(lines[0], end, base64.b64decode(lines[2])).text(), lines[0], seed)
    return {**files, "checkpoint.close": note.encode()}


def by_insiders(log: Changed, files: Files) -> bytes:
    return packed(signed_anew(renamed(files), [log.house.ann, log.house.otto]))


def test_a_key_that_has_ended_signs_no_larger_log(log: Changed) -> None:
    """Whoever still has it, with everybody who signs proofs on their side: where the file of keys or the package tells its end."""
    ended = "checkpoint.close is signed by a key of the log that had ended by then."
    for package, seed, keys in ((1, 0, 0), (1, 0, 2), (2, 1, 2), (2, 0, 1)):
        made = by_insiders(log, resigned(log, unpacked(log.packages[package]), log.seeds[seed]))
        assert log.verify(made, log.pinned[keys]) == (BROKEN, [ended]), (package, seed, keys)


def test_a_statement_that_the_key_of_before_did_not_sign_leads_nowhere(log: Changed) -> None:
    """Put into the package by everybody who signs proofs."""
    files = unpacked(log.packages[1])
    told = json.loads(files["keys.json"])
    origin, good = told["origin"], told["log"][1]["ended"]["statement"]
    text = good.rpartition("\n\n")[0] + "\n"
    own, other = bytes(range(32)), bytes(range(1, 33))
    [mine] = {one for one in sign_note("x\n", origin, own).split("\n") if one.startswith("\u2014")}
    unsigned = "keys.json tells of a change of the log's key that its key of before did not sign."
    differs = "keys.json tells of another change of the log's key than its statement."
    for statement, said in (
        (sign_note(text, origin, log.seeds[1]), unsigned),
        (sign_note(text, origin, log.seeds[1], other), unsigned),
        (sign_note(text, origin, log.seeds[0], log.seeds[1]), unsigned),
        (sign_note(text, origin, log.seeds[1], log.seeds[0], other), unsigned),
        (good[:-1] + f"{mine}\n", unsigned),
        (sign_note(text.replace("planned", "lost"), origin, *log.seeds[1::-1]), differs),
        (sign_note(text.replace(f"\n{log.changes[0].size}\n", "\n7\n"), origin, *log.seeds[1::-1]), differs),
        (sign_note(text + "more\n", origin, *log.seeds[1::-1]), differs),
    ):
        altered = copy.deepcopy(told)
        altered["log"][1]["ended"]["statement"] = statement
        package = by_insiders(log, {**files, "keys.json": canonical_json(altered).encode()})
        assert log.verify(package, log.pinned[0]) == (BROKEN, [said])
    bare = copy.deepcopy(told)
    del bare["log"][1]["ended"]
    assert log.verify(by_insiders(log, {**files, "keys.json": canonical_json(bare).encode()}), log.pinned[0])[0] == UNKNOWN_KEYS


def test_a_file_of_keys_that_does_not_say_where_a_key_ended_is_none(log: Changed) -> None:
    for end in ({"size": "7", "cause": "planned"}, {"size": 7}, {"size": 7, "cause": None}, []):
        keys = copy.deepcopy(log.pinned[0])
        keys["log"][0]["ended"] = end
        for read in (TrustedKeys.read, log.verify.module.read_keys):
            with pytest.raises((KeyError, TypeError, ValueError)):
                read(keys)


def test_the_statement_leaves_the_database_and_checkpoints_go_on(log: Changed) -> None:
    house = log.house
    keep_log(Runner(house.desk.database, lambda _: now(), "test"), make_id, house.folder)
    with house.desk.database.transaction() as conn:
        known, last, every = note_keys(conn), latest_checkpoint(conn), key_changes(conn)
    assert [one.cause for one in every] == ["planned", "stolen"]
    for one, signers in zip(every, (2, 1), strict=True):
        left = house.folder / "checkpoints" / f"key-{one.key_id}"
        assert (left.read_text(), left.stat().st_mode & 0o777) == (one.statement, 0o444)
        assert len(open_note(left.read_text(), known)[1]) == signers
    assert last is not None
    assert open_note(last.note, known[:1])


def test_no_key_comes_without_a_statement_and_none_signs_beyond_its_end(log: Changed) -> None:
    database = log.house.desk.database

    def beyond(conn: Any) -> None:
        last = latest_checkpoint(conn)
        assert last is not None
        conn.execute(
            "insert into log_checkpoint (size, root, key_id, note, at) values (%s, %s, %s, 'n', %s)",
            [last.size + 1, last.root, log.changes[0].before_id, now()],
        )

    for write, said in (
        (lambda conn: make_log_key(conn, make_id("lgk"), now=now()), "by a statement"),
        (beyond, "signs no checkpoint more"),
    ):
        with pytest.raises(errors.Error, match=said), database.transaction() as conn:
            write(conn)
    with pytest.raises(InvalidInput), database.transaction() as conn:
        change_log_key(conn, make_id("lgk"), cause="bored", folder=None, by="t", now=now())


def test_a_key_that_does_not_open_signs_no_successor_and_is_lost(log: Changed, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = log.changes[1].key_id

    def opened(conn: Any, key_id: str) -> bytes:
        if key_id == newest:
            raise EnvelopeDoesNotOpen(table="log_key")
        return seed_of(conn, key_id)

    monkeypatch.setattr("counterfoil.proofs.log.key_changes.seed_of", opened)
    with log.house.desk.database.transaction(commit=False) as conn:
        with pytest.raises(LogKeyGone):
            change_log_key(conn, make_id("lgk"), cause="planned", folder=None, by="t", now=now())
        made = change_log_key(conn, make_id("lgk"), cause="lost", folder=None, by="t", now=now())
        assert (made.before_id, made.cause) == (newest, "lost")
