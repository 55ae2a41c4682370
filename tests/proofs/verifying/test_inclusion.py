"""What shows that a journal or a payout is in the log: it verifies alone, and both verifiers refuse what was altered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import NotFound, Problem
from counterfoil.ledger.journals.journal import post
from counterfoil.ledger.problems import UnknownJournal
from counterfoil.payouts.payouts.reserving import told_attempt
from counterfoil.proofs.inclusion import making
from counterfoil.proofs.inclusion.making import InclusionTooLarge, NothingBooked, inclusion_file
from counterfoil.proofs.inclusion.stating import LINES_SAID, payout_of
from counterfoil.proofs.log.checkpoints import LogBehind, make_checkpoint
from counterfoil.proofs.log.job import origin_name
from counterfoil.proofs.log.key_changes import change_log_key
from counterfoil.proofs.log.notes import Checkpoint, cosign_note, read_proof, sign_note, write_proof
from counterfoil.proofs.log.quantum import key_beside
from counterfoil.proofs.log.records import LogRecord
from counterfoil.proofs.log.sequencing import append, sequence
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.stamps import GivenStamp
from counterfoil.proofs.verifying.verify import BROKEN, OK, UNKNOWN_KEYS, verify_package
from tests.builders import ORDER, PROGRAM, issue
from tests.proofs.builders import House
from tests.proofs.verifying.conftest import Case

Told = dict[str, Any]


def sequenced(house: House) -> None:
    with house.desk.database.transaction() as conn:
        size = sequence(conn, make_origin=origin_name(make_id), now=now(), waits=True).size
        make_checkpoint(conn, size, make_key_id=make_id("lgk"), now=now())


class Given(NamedTuple):
    """The files of a payout and of one of its journals."""

    case: Case
    payout_id: str
    payout: bytes
    journal_id: str
    journal: bytes
    journals: list[str]

    def of(self, kind: str, subject_id: str) -> bytes:
        with self.case.house.desk.database.transaction(read_only=True) as conn:
            return inclusion_file(conn, kind, subject_id).written()


@pytest.fixture(scope="module")
def given(case: Case) -> Given:
    sequenced(case.house)
    with case.house.desk.database.transaction(read_only=True) as conn:
        rows = conn.execute(
            """select j.id::text, pp.payout_id from provider_payout pp
               join journal j on j.source_type = 'provider_payout' and j.source_id = pp.id
               where pp.payout_id = (select min(id) from payout where state = 'completed') order by j.id"""
        ).fetchall()
        payout_id = rows[0][1]
        made = [inclusion_file(conn, *one).written() for one in (("payout", payout_id), ("journal", rows[0][0]))]
    return Given(case, payout_id, made[0], rows[0][0], made[1], [row[0] for row in rows])


def test_a_payout_is_shown_to_be_in_the_log_and_both_verifiers_say_so(given: Given) -> None:
    told = json.loads(given.payout)
    records = [json.loads(one["record"]) for one in told["entries"]]
    assert sorted(one["id"] for one in records) == sorted(given.journals), "all that was posted for it, and nothing else"
    assert len(records) >= 2, "it was reserved, and it was paid"
    code, said = given.case.verify(given.payout, given.case.keys)
    assert code == OK, said
    size = read_proof(told["entries"][0]["proof"])[2].split("\n")[1]
    assert said[0] == f"Inclusion of payout {given.payout_id}: {len(records)} of the {size} entries of the log {given.case.keys['origin']}."
    assert said[1].startswith(
        f"Entry {told['entries'][0]['place']}: journal {records[0]['id']} ({records[0]['kind']}) of {PROGRAM}, recorded "
    )
    line = records[0]["lines"][0]
    assert said[2] == f"  debit {line['debit']}, credit {line['credit']}: {line['amount']} (EUR, minor units)."
    unchecked = " ".join(one for one in said if one.startswith("Not checked here: "))
    for words in (
        "people vouch for it",
        "only the whole package holds every entry",
        "no time stamp was read",
    ):
        assert words in unchecked
    attempt = records[0]["source_id"]
    assert f"{attempt} is an attempt at {given.payout_id}: the entry that reserves for it says so." in said
    assert "entries name the attempts alone" not in unchecked
    assert given.of("payout", given.payout_id) == given.payout, "the same checkpoint gives the same bytes"


def test_of_an_attempt_of_which_no_entry_says_at_what_it_is_that_is_said(given: Given) -> None:
    """The one that reserves for it is left out; or it was written by a version that did not say so."""
    told = json.loads(given.payout)
    [attempt] = {json.loads(one["record"])["source_id"] for one in told["entries"]}
    left = [one for one in told["entries"] if json.loads(one["record"])["kind"] != "payout_reserve"]
    assert 0 < len(left) < len(told["entries"])
    code, said = given.case.verify(canonical_json({**told, "entries": left}).encode(), given.case.keys)
    doubt = f"Not checked here: that {attempt} are attempts at {given.payout_id}: the entries name the attempts alone."
    assert (code, doubt in said) == (OK, True), said
    assert not any("says so" in one for one in said)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "po_1"),
        ({"narrative": "Attempt 12 at po_1"}, "po_1"),
        ({"narrative": None}, None),
        ({"narrative": "attempt 1 at po_1"}, None),
        ({"narrative": "Attempt 0 at po_1"}, None),
        ({"narrative": "Attempt 1 at po_1 or po_2"}, None),
        ({"narrative": "Attempt 1 at po_1\n"}, None),
        ({"key": "x:pp_1"}, None),
        ({"key": "PAYOUT_RESERVE:pp_2"}, None),
        ({"source_type": "payout"}, None),
    ],
)
def test_which_payout_an_attempt_is_at_is_told_by_its_reservation_alone(case: Case, more: Told, told: str | None) -> None:
    """In the words that reserving writes, under the key that is the product's own."""
    plain = {"source_type": "provider_payout", "source_id": "pp_1", "key": "PAYOUT_RESERVE:pp_1", "narrative": told_attempt(1, "po_1")}
    journal = {**plain, **more}
    assert payout_of(journal) == told
    if journal["source_type"] == "provider_payout":
        assert case.verify.module.attempt_at(journal) == told


def test_a_journal_is_shown_to_be_in_the_log_and_both_verifiers_say_so(given: Given) -> None:
    code, said = given.case.verify(given.journal, given.case.keys, given.case.previous)
    assert (code, said[0].startswith(f"Inclusion of journal {given.journal_id}: 1 of the ")) == (OK, True), said
    assert "Not checked here: the package of before: an inclusion file does not rest on it." in said
    assert not any("attempts" in one or "every entry" in one for one in said)


def test_a_time_stamp_given_beside_it_is_said_to_be_of_a_package(given: Given, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(given.journal)
    found = verify_package(path, TrustedKeys.read(given.case.keys), stamp=GivenStamp(b"x", []))
    assert (found.code, found.said[-1]) == (OK, "Not checked here: the time stamp: it is of a package, and this is none.")


def test_of_a_long_journal_the_first_lines_are_said_and_how_many_more_there_are(given: Given) -> None:
    house = given.case.house
    with house.desk.database.transaction() as conn:
        lines = [("clearing:simulator", "payable:payee:payee-1", one) for one in range(1, LINES_SAID + 4)]
        made = post(conn, PROGRAM, key="long", kind="t", lines=lines, asset="EUR", actor="test", now=now())
    with house.desk.database.transaction(read_only=True) as conn, pytest.raises(LogBehind):
        inclusion_file(conn, "journal", str(made.journal_id))
    sequenced(house)
    code, said = given.case.verify(given.of("journal", str(made.journal_id)), given.case.keys)
    assert (code, said[LINES_SAID + 1 : LINES_SAID + 3][1]) == (OK, "  and 3 lines more, in the file."), said


def test_nothing_is_shown_of_what_is_not_there_not_booked_or_too_much(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = "00000000-0000-7000-8000-000000000000"
    refused: list[tuple[str, str, type[Problem]]] = [
        ("journal", absent, UnknownJournal),
        ("payout", make_id("po"), NotFound),
        ("payout", given.payout_id, InclusionTooLarge),
    ]
    monkeypatch.setattr(making, "ENTRIES_MAX", 1)
    for kind, subject_id, problem in refused:
        with given.case.house.desk.database.transaction(read_only=True) as conn, pytest.raises(problem):
            inclusion_file(conn, kind, subject_id)


def test_nothing_is_shown_of_a_payout_for_which_nothing_was_posted_yet(given: Given) -> None:
    desk = given.case.house.desk
    [invoice] = issue(desk.database, "7.00", prefix="unbooked")
    desk.pay(invoice, 700)
    desk.deliver()
    desk.work(*(one for one in ORDER if one != "reserve"))
    ((payout_id,),) = desk.rows("select id from payout where invoice_id = %s", invoice)
    with desk.database.transaction(read_only=True) as conn, pytest.raises(NothingBooked):
        inclusion_file(conn, "payout", payout_id)


Change = Callable[[Given, Told], Told]


def entries(change: Callable[[list[Told]], list[Told]]) -> Change:
    return lambda _, told: {**told, "entries": change(told["entries"])}


def first(**more: Callable[[Told], Any]) -> Change:
    """The first entry says something else."""
    return entries(lambda found: [{**found[0], **{name: made(found[0]) for name, made in more.items()}}, *found[1:]])


def noted(change: Callable[[Given, str, int, str], str], *, only_first: bool = False) -> Change:
    """The proofs lead to another checkpoint."""

    def alter(given: Given, told: Told) -> Told:
        made, before = [], read_proof(told["entries"][0]["proof"])[2]
        origin, size, root = before.split("\n")[:3]
        new = change(given, origin, int(size), root)  # once: no two signatures of ML-DSA-44 are alike
        for at, one in enumerate(told["entries"]):
            place, hashes, note = read_proof(one["proof"])
            made.append({**one, "proof": write_proof(place, hashes, note if only_first and at else new)})
        return {**told, "entries": made}

    return alter


def signed(given: Given, origin: str, size: int, root: bytes, seed: bytes | None = None) -> str:
    note = sign_note(Checkpoint(origin, size, root).text(), origin, seed or given.case.seed)
    return note if seed else cosign_note(note, origin, key_beside(given.case.seed))


def with_entry_of(which: LiteralString) -> Change:
    """An entry that is truly in the log, with its true proof, and is of another thing."""

    def alter(given: Given, told: Told) -> Told:
        with given.case.house.desk.database.transaction(read_only=True) as conn:
            row = conn.execute(
                f"select j.id::text from journal j left join provider_payout p on p.id = j.source_id where {which} order by j.id limit 1",
                {"payout": given.payout_id},
            ).fetchone()
        assert row is not None
        [more] = json.loads(given.of("journal", row[0]))["entries"]
        [note] = {read_proof(one["proof"])[2] for one in told["entries"]}
        place, hashes, other = read_proof(more["proof"])
        assert note == other
        return {
            **told,
            "entries": sorted([*told["entries"], {**more, "proof": write_proof(place, hashes, note)}], key=lambda one: one["place"]),
        }

    return alter


LEADS, WRITTEN = "does not lead to the checkpoint", "A proof is not written as one is"
ATTACKS: dict[str, tuple[Change, int, str]] = {
    "an amount is altered": (first(record=lambda one: one["record"].replace('"amount":"', '"amount":"9')), BROKEN, LEADS),
    "a record is replaced": (first(record=lambda _: "{}"), BROKEN, LEADS),
    "a record is no text": (first(record=lambda _: 5), BROKEN, "not built as a proof is"),
    "a hash is left out": (
        first(proof=lambda one: "\n".join([*one["proof"].split("\n")[:2], *one["proof"].split("\n")[3:]])),
        BROKEN,
        LEADS,
    ),
    "it names another place": (first(place=lambda one: one["place"] + 1), BROKEN, "names another place than its proof"),
    "its place is no number": (first(place=lambda _: True), BROKEN, "names another place than its proof"),
    "its proof is of another place": (
        first(place=lambda _: 0, proof=lambda one: one["proof"].replace(f"index {one['place']}", "index 0", 1)),
        BROKEN,
        LEADS,
    ),
    "its proof is of another form": (first(proof=lambda one: one["proof"].replace("@v1", "@v2", 1)), BROKEN, WRITTEN),
    "its proof says more than ours do": (
        first(proof=lambda one: one["proof"].replace("\nindex", "\nextra AAAA\nindex", 1)),
        BROKEN,
        WRITTEN,
    ),
    "its index has a zero before it": (first(proof=lambda one: one["proof"].replace("index ", "index 0", 1)), BROKEN, WRITTEN),
    "its hash is too short": (first(proof=lambda one: one["proof"].replace("=\n", "\n", 1)), BROKEN, WRITTEN),
    "a payout's says that it is a journal's": (
        lambda _, told: {**told, "kind": "journal"},
        BROKEN,
        "of one journal, and holds more",
    ),
    "an entry of another thing is put in": (with_entry_of("j.source_type = 'settlement'"), BROKEN, "is not of po_"),
    "an attempt at another payout is put in": (
        with_entry_of("p.payout_id <> %(payout)s and j.kind = 'payout_reserve'"),
        BROKEN,
        "is not of po_",
    ),
    "entries change places": (entries(lambda found: found[::-1]), BROKEN, "do not lie in the order of the log"),
    "an entry is there twice": (entries(lambda found: [found[0], *found]), BROKEN, "do not lie in the order of the log"),
    "there are no entries": (entries(lambda _: []), BROKEN, "so it shows nothing"),
    "an entry says more": (first(more=lambda _: 1), BROKEN, "so it shows nothing"),
    "it is of nothing": (lambda _, told: {**told, "id": ""}, BROKEN, "does not say of what it is"),
    "its id is no text to be shown": (lambda _, told: {**told, "id": "\x1b[2J"}, BROKEN, "does not say of what it is"),
    "it is of another kind": (lambda _, told: {**told, "kind": "invoice"}, BROKEN, "does not say of what it is"),
    "it says more than it may": (lambda _, told: {**told, "complete": True}, BROKEN, "does not say of what it is"),
    "it is of another format": (lambda _, told: {**told, "format": "x"}, BROKEN, "of another format"),
    "the log's keys are no list": (lambda _, told: {**told, "log": 5}, BROKEN, "not built as a proof is"),
    "the owner of the log signs another root": (
        noted(lambda given, origin, size, _: signed(given, origin, size, b"\x05" * 32)),
        BROKEN,
        LEADS,
    ),
    "a stranger signs": (
        noted(lambda given, origin, size, _: signed(given, origin, size, b"\x05" * 32, b"\x07" * 32)),
        UNKNOWN_KEYS,
        "by a key of the log",
    ),
    "its second signature is taken off": (
        noted(lambda given, origin, size, _: signed(given, origin, size, b"\x05" * 32, given.case.seed)),
        BROKEN,
        "lacks the signature of ML-DSA-44",
    ),
    "a checkpoint of another log": (
        noted(lambda given, _, size, __: signed(given, "other/log", size, b"\x05" * 32)),
        BROKEN,
        "is of another log",
    ),
    "no checkpoint": (noted(lambda *_: "nothing\n"), BROKEN, "checkpoint is not written as a checkpoint is"),
    "a size with a zero before it": (
        noted(lambda given, origin, size, root: signed(given, origin, size, b"\x05" * 32).replace(f"\n{size}\n", f"\n0{size}\n", 1)),
        BROKEN,
        "checkpoint is not written as a checkpoint is",
    ),
    "the proofs lead to two checkpoints": (
        noted(lambda given, origin, size, _: signed(given, origin, size, b"\x05" * 32), only_first=True),
        BROKEN,
        "lead to different checkpoints",
    ),
}


def test_every_attack_is_refused_by_both_with_a_sentence_that_names_it(given: Given) -> None:
    fresh, passed = given.of("payout", given.payout_id), []
    for name, (change, wanted, sentence) in ATTACKS.items():
        altered = canonical_json(change(given, json.loads(fresh))).encode()
        assert altered != fresh, name
        code, said = given.case.verify(altered, given.case.keys)
        if (code, sentence in " ".join(said)) != (wanted, True):
            passed.append((name, code, said))
    assert passed == []


def test_it_is_read_in_its_one_form_alone(given: Given) -> None:
    for altered in (given.payout + b"\n", given.payout.replace(b'":', b'": ', 1), given.payout[:-1], b"{"):
        code, said = given.case.verify(altered, given.case.keys)
        assert (code, "The file" in said[0]) == (BROKEN, True), said


def test_no_single_byte_of_it_can_be_altered(given: Given, tmp_path: Path) -> None:
    """Each 23rd. What names keys beside the one that was given may say anything that it does not contradict: nothing rests on it. Of a
    signature of ML-DSA-44 Python alone checks that it is there, and by which key."""
    path, trusted, passed = tmp_path / "flipped.json", TrustedKeys.read(given.case.keys), []
    second = given.journal.rindex("\u2014 ".encode())
    unread = range(second, given.journal.index(b'"', second))
    for place in range(0, given.journal.index(b'"log":'), 23):
        altered = bytearray(given.journal)
        altered[place] ^= 1 + place * 37 % 255
        path.write_bytes(bytes(altered))
        ours, theirs = verify_package(path, trusted).code, given.case.verify.module.judged(str(path), given.case.keys, "")[0]
        if ours not in (BROKEN, UNKNOWN_KEYS) or (theirs != ours and not (place in unread and theirs == OK)):
            passed.append((place, ours, theirs, given.journal[place - 20 : place + 20]))
    assert passed == []


def test_whoever_has_the_key_of_before_comes_to_the_new_one(given: Given) -> None:
    """The file tells how the log's key was changed, as a package does."""
    old = given.case.keys
    with given.case.house.desk.database.transaction(commit=False) as conn:
        change_log_key(conn, make_id("lgk"), cause="planned", folder=None, by="test", now=now())
        size = append(conn, [LogRecord("bench", "one more", now(), "{}")])
        make_checkpoint(conn, size, make_key_id=make_id("lgk"), now=now())
        made = inclusion_file(conn, "payout", given.payout_id).written()
    code, said = given.case.verify(made, old)
    assert (code, any("has another key since entry" in one for one in said)) == (OK, True), said
    told = json.loads(made)
    without = [{name: value for name, value in one.items() if name != "ended"} for one in told["log"]]
    assert given.case.verify(canonical_json({**told, "log": without}).encode(), old)[0] == UNKNOWN_KEYS
