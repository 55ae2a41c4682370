"""What one payee is given out of a package: it verifies alone, holds nothing of others, and both verifiers refuse what was altered."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterfoil.base.edge import now
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import NotFound
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from counterfoil.proofs.disclosures.making import BesideOthers, Disclosed, disclose
from counterfoil.proofs.log.notes import Checkpoint, cosign_note, sign_note
from counterfoil.proofs.log.quantum import key_beside
from counterfoil.proofs.packages.layout import ENVELOPE
from counterfoil.proofs.signing.envelope import envelope
from counterfoil.proofs.verifying.reading import ProofBroken
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import BROKEN, INCOMPLETE, OK, UNKNOWN_KEYS, verify_package
from tests.builders import PROGRAM
from tests.proofs.builders import Files, House, Person, a_border, packed, unpacked
from tests.proofs.verifying.conftest import Case

MINE, THEIRS, ONLY_SHARED = "payable:payee:payee-1", "payable:payee:payee-2", "payable:payee:payee-3"
CLEARING, TRANSIT = "clearing:simulator", "in_transit:simulator"


class Two(NamedTuple):
    """Two periods that follow each other, one over both, and what payee-1 was given of the second."""

    case: Case
    folder: Path
    first: Path
    second: Path
    both: Path

    def given(self, *paths: Path, payee: str = "payee-1", with_others: bool = True) -> tuple[bytes, Disclosed]:
        out = self.folder / "given.zip"
        out.unlink(missing_ok=True)
        made = disclose(paths or (self.first, self.second), payee, None, out, with_others=with_others)
        return out.read_bytes(), made


def moved(house: House, key: str, *lines: tuple[str, str, int], payout: str = "") -> None:
    source = ("provider_payout", payout) if payout else None
    with house.desk.database.transaction() as conn:
        post(conn, PROGRAM, key=key, kind="t", lines=lines, asset="EUR", actor="test", now=now(), source=source)


@pytest.fixture(scope="module")
def two(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Two:
    """In the first period a payout begins that ends in the second; another payee does the same beside."""
    house, folder = case.house, tmp_path_factory.mktemp("disclosures")
    with house.desk.database.transaction() as conn:
        open_accounts(conn, PROGRAM, [THEIRS, ONLY_SHARED], asset="EUR", actor="test", now=now())
    begins = a_border()
    moved(house, "d-1", (CLEARING, MINE, 500))
    moved(house, "d-2", (CLEARING, THEIRS, 700))
    moved(house, "d-3", (MINE, TRANSIT, 300), payout="pp_D1")
    moved(house, "d-4", (THEIRS, TRANSIT, 200), payout="pp_D2")
    middle = a_border()
    moved(house, "d-5", (TRANSIT, CLEARING, 300), payout="pp_D1")
    moved(house, "d-6", (TRANSIT, CLEARING, 200), payout="pp_D2")
    moved(house, "d-7", (CLEARING, MINE, 40))
    moved(house, "d-8", (CLEARING, MINE, 5), (CLEARING, THEIRS, 6), (CLEARING, ONLY_SHARED, 7))
    moved(house, "d-9", (MINE, TRANSIT, 25), payout="pp_D3")
    moved(house, "d-10", (TRANSIT, CLEARING, 25), payout="pp_D3")
    ends = a_border()

    def package(name: str, start: datetime, end: datetime) -> Path:
        proof = house.exported(start, end)
        house.sign(proof.id, house.ann, house.otto)
        path = folder / f"{name}.zip"
        path.write_bytes(house.package(proof.id))
        return path

    return Two(case, folder, package("first", begins, middle), package("second", middle, ends), package("both", begins, ends))


def keys_told(given: bytes) -> list[str]:
    return [json.loads(one)["key"] for one in unpacked(given)["disclosed.jsonl"].splitlines()]


def test_a_payee_is_given_what_concerns_them_and_both_verifiers_say_so(two: Two) -> None:
    given, made = two.given()
    assert made == Disclosed(entries=5, of_before=1, left_out=0)
    assert keys_told(given) == ["d-3", "d-5", "d-7", "d-8", "d-9", "d-10"], "with the payout that began before, and who it was of"
    code, said = two.case.verify(given, two.case.keys)
    assert code == OK, said
    proof = json.loads(unpacked(two.second.read_bytes())["manifest.json"])
    period, size = proof["period"], proof["log"]["close"]["size"] - proof["log"]["open"]["size"]
    assert said[:3] == [
        f"Disclosure for payee-1 in {PROGRAM}: 5 of the {size} entries of proof {proof['proof_id']}, {period['from']} to {period['to']}.",
        "1 of before the period: they show whose payouts ended in it.",
        f"Moved by them on {MINE}: debits 25, credits 45 (EUR, minor units).",
    ]
    unchecked = [one for one in said if one.startswith("Not checked here: ")]
    assert "only the whole package holds every entry" in unchecked[0]
    assert "that is in the package, not in a disclosure" in unchecked[1]
    assert two.given()[0] == given, "the same package and payee are the same bytes"
    assert any(two_said.endswith("a disclosure does not rest on it.") for two_said in two.case.verify(given, two.case.keys, given)[1])


def test_entries_that_name_other_payees_are_left_out_and_that_is_said(two: Two) -> None:
    given, made = two.given(two.second, with_others=False)
    assert (made, keys_told(given)) == (Disclosed(3, 0, 1), ["d-7", "d-9", "d-10"]), "without the period before, its payout is nobody's"
    assert b"payee-2" not in given
    code, said = two.case.verify(given, two.case.keys)
    assert (code, said[-1]) == (INCOMPLETE, "INCOMPLETE: 1 entries concern others, too, and whoever made this left them out.")
    with pytest.raises(BesideOthers):
        two.given(two.second, payee="payee-3", with_others=False)
    assert two.given(two.second, payee="payee-3")[1].entries == 1


def test_nothing_is_disclosed_of_nobody_or_of_what_is_no_whole_package(two: Two) -> None:
    for payee in ("payee-9", "payee"):
        with pytest.raises(NotFound):
            two.given(payee=payee)
    with pytest.raises(NotFound):
        disclose([two.second], "payee-1", "another-program", two.folder / "x.zip")
    with pytest.raises(ProofBroken, match="ends at another root"):
        two.given(two.second, two.first)
    altered = two.folder / "altered.zip"
    files = unpacked(two.second.read_bytes())
    altered.write_bytes(packed({**files, "entries.jsonl": files["entries.jsonl"].replace(b'"amount":"40"', b'"amount":"41"')}))
    with pytest.raises(ProofBroken, match="do not lead to the closing checkpoint"):
        two.given(altered)
    altered.write_bytes(two.given()[0])
    with pytest.raises(ProofBroken, match="no package of a proof"):
        two.given(altered)
    assert not (two.folder / "x.zip").exists()
    assert [one for one in two.folder.iterdir() if one.name.startswith(".disclosing")] == []


Change = Callable[[Two, Files], Files]


def told(name: str, **more: Any) -> Change:
    """disclosure.json, or the envelope, says something else."""
    return lambda _, files: {**files, name: canonical_json({**json.loads(files[name]), **more}).encode()}


def rows(change: Callable[[list[bytes]], list[bytes]], *names: str) -> Change:
    """Lines of these files are altered."""

    def alter(_: Two, files: Files) -> Files:
        return {**files, **{name: b"".join(one + b"\n" for one in change(files[name].splitlines())) for name in names}}

    return alter


ENTRIES, PROOFS = "disclosed.jsonl", "inclusion.jsonl"


def amount(found: list[bytes]) -> list[bytes]:
    return [one.replace(b'"amount":"40"', b'"amount":"4000"') for one in found]


def placed(found: list[bytes], at: int, one: bytes) -> list[bytes]:
    return [*found[:at], one, *found[at + 1 :]]


def with_entries_of(payee: str, *keys: str) -> Change:
    """Entries that are truly in the log, with true proofs, put in where they belong."""

    def alter(two: Two, files: Files) -> Files:
        more = unpacked(two.given(two.both, payee=payee)[0])
        pairs = dict[int, tuple[bytes, bytes]]()
        for one, wanted in ((more, keys), (files, None)):
            for entry, proof in zip(one[ENTRIES].splitlines(), one[PROOFS].splitlines(), strict=True):
                if wanted is None or json.loads(entry)["key"] in wanted:
                    pairs[json.loads(proof)["index"]] = (entry, proof)
        entries, proofs = zip(*(pairs[index] for index in sorted(pairs)), strict=True)
        return {**files, ENTRIES: b"".join(one + b"\n" for one in entries), PROOFS: b"".join(one + b"\n" for one in proofs)}

    return alter


def signed_again(*changes: Change, people: Callable[[Two], list[Person]] = lambda two: [two.case.house.ann, two.case.house.otto]) -> Change:
    """Whoever signs agrees: the statement names the files as they are now."""

    def alter(two: Two, files: Files) -> Files:
        for one in changes:
            files = one(two, files)
        statement = json.loads(base64.b64decode(json.loads(files[ENVELOPE])["payload"]))
        for one in statement["subject"]:
            if one["name"] in files:
                one["digest"] = {"sha256": hashlib.sha256(files[one["name"]]).hexdigest()}
        body = canonical_json(statement).encode()
        return {**files, ENVELOPE: envelope(body, [one.signed(body) for one in people(two)])}

    return alter


def another_root(seed: bytes | None) -> Change:
    """A checkpoint of the same size with another root, by the owner of the log or by somebody else."""

    def alter(two: Two, files: Files) -> Files:
        origin, size, *_ = files["checkpoint.close"].decode().split("\n")
        note = sign_note(Checkpoint(origin, int(size), b"\x05" * 32).text(), origin, seed or two.case.seed)
        if seed is None:
            note = cosign_note(note, origin, key_beside(two.case.seed))
        return {**files, "checkpoint.close": note.encode()}

    return alter


def strangers(two: Two) -> list[Person]:
    ann = two.case.house.ann
    return [Person(ann.caller, role, Ed25519PrivateKey.generate(), "sgn_x") for role in ("controller", "auditor")]


LEADS, OTHERS, WHOSE = "does not lead to the closing checkpoint", "about other files than these", "does not say whose entries these are"
ATTACKS: dict[str, tuple[Change, int, str]] = {
    "an entry is altered": (rows(amount, ENTRIES), BROKEN, LEADS),
    "an entry is replaced by a placeholder": (rows(lambda found: placed(found, 2, b"{}"), ENTRIES), BROKEN, LEADS),
    "an entry is replaced by its hash": (
        rows(lambda found: placed(found, 2, hashlib.sha256(b"\0" + found[2]).hexdigest().encode()), ENTRIES),
        BROKEN,
        LEADS,
    ),
    "an entry is taken out, its proof is not": (rows(lambda found: found[:-1], ENTRIES), BROKEN, "inclusion.jsonl holds more"),
    "a proof is taken out": (rows(lambda found: found[:-1], PROOFS), BROKEN, "A line of inclusion.jsonl cannot be read"),
    "what shows whose a payout is, is taken out": (rows(lambda found: found[1:], ENTRIES, PROOFS), BROKEN, "does not concern payee-1"),
    "every entry is taken out": (rows(lambda _: [], ENTRIES, PROOFS), BROKEN, "no entry of its period, so it shows nothing"),
    "all but the one of before are taken out": (rows(lambda found: found[:1], ENTRIES, PROOFS), BROKEN, "no entry of its period"),
    "an entry of another payee is put in": (with_entries_of("payee-2", "d-6", "d-4"), BROKEN, "does not concern payee-1"),
    "an entry of another period is put in": (with_entries_of("payee-1", "d-1"), BROKEN, "was in the log before the period"),
    "two entries change places": (rows(lambda found: [*found[:-2], found[-1], found[-2]], ENTRIES), BROKEN, LEADS),
    "and their proofs with them": (
        rows(lambda found: [*found[:-2], found[-1], found[-2]], ENTRIES, PROOFS),
        BROKEN,
        "do not lie in the order of the log",
    ),
    "an entry is there twice": (rows(lambda found: [*found, found[-1]], ENTRIES, PROOFS), BROKEN, "do not lie in the order of the log"),
    "a proof is of another place": (
        rows(lambda found: placed(found, 5, found[5].replace(b'"index":', b'"index":1')), PROOFS),
        BROKEN,
        "do not lie in the order of the log",
    ),
    "a place is no number": (rows(lambda found: placed(found, 0, b'{"index":true,"proof":[]}'), PROOFS), BROKEN, "in the order of the log"),
    "a proof has no hashes": (
        rows(lambda found: placed(found, 0, canonical_json({**json.loads(found[0]), "proof": []}).encode()), PROOFS),
        BROKEN,
        LEADS,
    ),
    "a proof has one hash more": (
        rows(
            lambda found: placed(found, 0, canonical_json({**(one := json.loads(found[0])), "proof": [*one["proof"], "00" * 32]}).encode()),
            PROOFS,
        ),
        BROKEN,
        LEADS,
    ),
    "it says that it is another's": (told("disclosure.json", payee="payee-2"), BROKEN, "does not concern payee-2"),
    "it says that it is of another program": (told("disclosure.json", program="other"), BROKEN, "does not concern payee-1"),
    "it is nobody's": (told("disclosure.json", payee=""), BROKEN, WHOSE),
    "its payee is no text to be shown": (told("disclosure.json", payee="\x1b[2J"), BROKEN, WHOSE),
    "less than nothing was left out": (told("disclosure.json", left_out=-1), BROKEN, WHOSE),
    "it says more than it may": (told("disclosure.json", complete=True), BROKEN, WHOSE),
    "it is of another format": (told("disclosure.json", format="x"), BROKEN, "of another format"),
    "the checkpoint is of another period": (
        lambda two, files: {**files, "checkpoint.close": unpacked(two.first.read_bytes())["checkpoint.close"]},
        BROKEN,
        OTHERS,
    ),
    "its verifier is another": (lambda _, files: {**files, "verify.py": b"print('OK')\n"}, BROKEN, OTHERS),
    "its signatures are of another package": (
        lambda two, files: {**files, ENVELOPE: unpacked(two.first.read_bytes())[ENVELOPE]},
        BROKEN,
        OTHERS,
    ),
    "its signatures are taken off": (told(ENVELOPE, signatures=[]), INCOMPLETE, "signed by 0 of the 2 people"),
    "it is signed by strangers": (signed_again(people=strangers), UNKNOWN_KEYS, "2 of its signatures are by keys"),
    "everybody signs another root": (signed_again(another_root(None)), BROKEN, LEADS),
    "everybody signs a root of a stranger": (
        signed_again(another_root(b"\x07" * 32)),
        UNKNOWN_KEYS,
        "checkpoint.close is signed by",
    ),
    "a file is put in": (lambda _, files: {**files, "zzz": b""}, BROKEN, "zzz, which belongs to no disclosure"),
    "a file is left out": (
        lambda _, files: {n: b for n, b in files.items() if n != PROOFS},
        BROKEN,
        "lacks inclusion.jsonl",
    ),
    "a package says that it is a disclosure": (
        lambda two, files: {**unpacked(two.second.read_bytes()), "disclosure.json": files["disclosure.json"]},
        BROKEN,
        "The disclosure lacks disclosed.jsonl, inclusion.jsonl",
    ),
    "whose it is, is no object": (lambda _, files: {**files, "disclosure.json": b"[]"}, BROKEN, "disclosure.json is no object of JSON"),
}


def test_every_attack_is_refused_by_both_with_a_sentence_that_names_it(two: Two) -> None:
    given, _ = two.given()
    passed = []
    for name, (change, wanted, sentence) in ATTACKS.items():
        altered = packed(change(two, unpacked(given)))
        assert altered != given, name
        code, said = two.case.verify(altered, two.case.keys)
        if (code, sentence in " ".join(said)) != (wanted, True):
            passed.append((name, code, said))
    assert passed == []


def test_an_entry_that_is_taken_out_with_its_proof_is_not_missed_and_that_is_said(two: Two) -> None:
    """What no disclosure shows: that it is all."""
    altered = packed(rows(lambda found: [*found[:2], *found[3:]], ENTRIES, PROOFS)(two, unpacked(two.given()[0])))
    code, said = two.case.verify(altered, two.case.keys)
    assert (code, said[0].startswith("Disclosure for payee-1 in main: 4 of the")) == (OK, True)
    assert "Not checked here: whether these are all entries that concern them: only the whole package holds every entry." in said


def test_no_single_byte_of_a_disclosure_can_be_altered(two: Two) -> None:
    """Each 97th; those of the container and of its files alike."""
    given, path, trusted = two.given()[0], two.folder / "flipped.zip", TrustedKeys.read(two.case.keys)
    passed = []
    for place in range(0, len(given), 97):
        altered = bytearray(given)
        altered[place] ^= 1 + place * 37 % 255
        path.write_bytes(bytes(altered))
        codes = {verify_package(path, trusted).code, two.case.verify.module.judged(str(path), two.case.keys, "")[0]}
        if codes not in ({BROKEN}, {UNKNOWN_KEYS}):
            passed.append((place, codes))
    assert passed == []


def test_a_disclosure_is_not_taken_for_the_package_of_before(two: Two) -> None:
    code, said = two.case.verify(two.second.read_bytes(), two.case.keys, two.given(two.first)[0])
    assert (code, said[0].startswith("The package of before: The package lacks")) == (BROKEN, True)
