"""Attacks on a package: every byte of it altered, and what somebody would do who knows how it is built, has its keys, or owns the database.

Each is refused by both verifiers, with the same exit code and the same sentence.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterfoil.base.edge import now
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.cli.main import run
from counterfoil.proofs.log.merkle import Frontier, leaf_hash
from counterfoil.proofs.log.notes import Checkpoint, cosign_note, sign_note
from counterfoil.proofs.log.quantum import key_beside
from counterfoil.proofs.packages import layout
from counterfoil.proofs.packages.container import directory, local_header, member_of
from counterfoil.proofs.signing.envelope import envelope, key_id
from counterfoil.proofs.verifying.reading import is_moment
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import BROKEN, INCOMPLETE, OK, UNKNOWN_KEYS, WORDS, verify_package
from tests.proofs.builders import Files, Person, a_person, packed, renamed, signed_anew, unpacked
from tests.proofs.verifying.conftest import Case
from tests.soak import SOAK


def test_the_package_holds_before_anybody_touches_it(case: Case) -> None:
    code, said = case.verify(case.package, case.keys, case.previous)
    assert code == OK, said
    assert any("No proof can show" in one for one in said)
    assert packed(case.files) == case.package
    code, said = case.verify(case.package, case.keys)
    assert code == OK
    assert any("whether the package of the period before ends" in one for one in said)


def small(case: Case) -> bytes:
    """The package with next to nothing in the files that are only there to be read by people: what is left is read by verifiers."""
    files = renamed({**case.files, "verify.py": b"#\n", "VERIFY.md": b"#\n"})
    return packed(signed_anew(files, [case.house.ann, case.house.otto]))


def unfound(case: Case, package: bytes, places: range) -> list[Any]:
    """Alterations of one byte at these places that one of the two verifiers does not refuse."""
    path, trusted = case.verify.folder / "flipped.zip", TrustedKeys.read(case.keys)
    path.write_bytes(package)
    assert verify_package(path, trusted).code == OK
    passed = []
    with path.open("r+b", buffering=0) as file:
        for place in places:
            mask = 1 + place * 37 % 255  # each of the 255 alterations of a byte, in turn
            os.pwrite(file.fileno(), bytes([package[place] ^ mask]), place)
            ours = verify_package(path, trusted)
            theirs, said = case.verify.module.judged(str(path), case.keys, "")
            os.pwrite(file.fileno(), package[place : place + 1], place)
            if ours.code not in (BROKEN, UNKNOWN_KEYS) or theirs != ours.code or not said[0]:
                passed.append((place, mask, ours, theirs))
    assert verify_package(path, trusted).code == OK, "it was put back each time"
    return passed


def test_every_single_byte_of_a_small_package_that_is_altered_is_found(case: Case) -> None:
    """By both, at every place: in a file, between two, in the list at the end."""
    package = small(case)
    assert unfound(case, package, range(len(package))) == []


def test_a_single_byte_of_a_whole_package_that_is_altered_is_found(case: Case) -> None:
    """Each 41st; every one in `make soak`."""
    assert unfound(case, case.package, range(0, len(case.package), 41 if SOAK == 1 else 1)) == []


Change = Callable[[Case, Files], Files]


def changed(name: str, change: Callable[[Any], Any]) -> Change:
    """A file of JSON is altered; nothing else."""

    def alter(_: Case, files: Files) -> Files:
        told = json.loads(files[name])
        return {**files, name: canonical_json(change(told) or told).encode()}

    return alter


def lines(change: Callable[[list[bytes]], list[bytes]], name: str = "entries.jsonl") -> Change:
    return lambda _, files: {**files, name: b"".join(one + b"\n" for one in change(files[name].splitlines()))}


def by_insiders(*changes: Change, manifest: Callable[[Any], None] = lambda _: None) -> Change:
    """Everybody who signs agrees to the alteration: manifest and signatures are made anew. The log's checkpoints are what they were."""

    def alter(case: Case, files: Files) -> Files:
        for one in changes:
            files = one(case, files)
        return signed_anew(renamed(files, manifest), [case.house.ann, case.house.otto])

    return alter


def journal(change: Callable[[Any], None]) -> Change:
    """A journal of the period says something else."""

    def alter(found: list[bytes]) -> list[bytes]:
        at = next(n for n, one in enumerate(found) if b'"type":"journal"' in one)
        told = json.loads(found[at])
        change(told)
        return [*found[:at], canonical_json(told).encode(), *found[at + 1 :]]

    return lines(alter)


def log_anew(case: Case, files: Files) -> Files:
    """The owner of the server signs another closing checkpoint, over the entries as they are now."""
    told = json.loads(files["consistency.json"])
    ahead = iter(bytes.fromhex(one) for one in told["subtrees"])
    tree = Frontier(told["old"], lambda *_: next(ahead))
    for one in files["entries.jsonl"].splitlines():
        tree.add(leaf_hash(one))
    origin = json.loads(files[layout.MANIFEST])["origin"]
    note = cosign_note(sign_note(Checkpoint(origin, tree.size, tree.root()).text(), origin, case.seed), origin, key_beside(case.seed))
    return {**files, "checkpoint.close": note.encode(), "consistency.json": canonical_json({**told, "new": tree.size}).encode()}


def amount(told: Any) -> None:
    told["lines"][0]["amount"] = str(int(told["lines"][0]["amount"]) + 1)


def raised(sheet: Any) -> None:
    """An account has more on both sides."""
    one = sheet["accounts"][0]
    one["debits"], one["credits"] = str(int(one["debits"]) + 5), str(int(one["credits"]) + 5)


def unfooted(sheet: Any) -> None:
    one = sheet["accounts"][0]
    one["debits"] = str(int(one["debits"]) + 5)
    balance = int(one["debits"]) - int(one["credits"])
    one["balance"] = str(balance if one["normal"] == "debit" else -balance)


def without(mapping: str) -> Callable[[Any], None]:
    return lambda told: told.__setitem__(mapping, told[mapping][:-1])


def put(path: str, value: Any) -> Callable[[Any], None]:
    """Set a value deep in a manifest."""

    def change(manifest: Any) -> None:
        *way, last = path.split(".")
        for one in way:
            manifest = manifest[one]
        manifest[last] = value(manifest[last]) if callable(value) else value

    return change


NO_POLICY = "does not say under which policy personal data is in it"
ENTRIES = "The entries do not lead to the closing checkpoint"
ALTERED = "is not the file that the manifest names"
ATTACKS: dict[str, tuple[Change, int, str]] = {
    # Without any key.
    "an entry is altered": (journal(amount), BROKEN, f"entries.jsonl {ALTERED}"),
    "the report is made green": (
        changed("reconciliation_report.json", lambda told: told["programs"][0].update(verdict="reconciled!")),
        BROKEN,
        f"reconciliation_report.json {ALTERED}",
    ),
    "a file is left out": (lambda _, files: {n: b for n, b in files.items() if n != "breaks.jsonl"}, BROKEN, "lacks breaks.jsonl"),
    "a file is put in": (lambda _, files: {**files, "zzz.json": b"{}"}, BROKEN, "zzz.json, which belongs to no package"),
    "the manifest is made anew, too": (
        lambda case, files: renamed(journal(amount)(case, files)),
        BROKEN,
        "The signed statement is about other files",
    ),
    "no policy of personal data is named any more": (
        by_insiders(manifest=put("personal_data.policy", {"name": ""})),
        BROKEN,
        "not built as a proof is ('sha256' is missing)",
    ),
    "the policy of personal data has no name": (
        by_insiders(manifest=put("personal_data.policy", {"name": "", "sha256": None, "since": "2020-01-01T00:00:00.000000Z"})),
        BROKEN,
        NO_POLICY,
    ),
    "the policy of personal data would command a terminal": (
        by_insiders(manifest=put("personal_data.policy", {"name": "\x1b[2J", "sha256": None, "since": "2020-01-01T00:00:00.000000Z"})),
        BROKEN,
        NO_POLICY,
    ),
    "the policy of personal data is of after the period": (
        by_insiders(manifest=put("personal_data.policy", {"name": "x", "sha256": None, "since": "9020-01-01T00:00:00.000000Z"})),
        BROKEN,
        NO_POLICY,
    ),
    "the policy of personal data has another digest than there are": (
        by_insiders(manifest=put("personal_data.policy", {"name": "x", "sha256": "A", "since": "2020-01-01T00:00:00.000000Z"})),
        BROKEN,
        NO_POLICY,
    ),
    "the manifest keeps its old name": (
        changed(layout.MANIFEST, put("late", 7)),
        BROKEN,
        "The id of the proof is not that of its manifest",
    ),
    "the signatures are taken off": (
        changed(layout.ENVELOPE, put("signatures", [])),
        INCOMPLETE,
        "signed by 0 of the 2 people",
    ),
    "one signature is taken off": (
        changed(layout.ENVELOPE, without("signatures")),
        INCOMPLETE,
        "signed by 1 of the 2 people",
    ),
    "a signature is there twice": (
        changed(layout.ENVELOPE, put("signatures", lambda found: [found[0], found[0]])),
        BROKEN,
        "Two signatures are of one key ({signer})",
    ),
    "signatures are exchanged": (
        changed(
            layout.ENVELOPE,
            put("signatures", lambda s: [{**s[0], "sig": s[1]["sig"]}, {**s[1], "sig": s[0]["sig"]}]),
        ),
        BROKEN,
        "The signature of {signer} is not of this statement",
    ),
    "the statement of another proof is put in": (
        lambda case, files: {**files, layout.ENVELOPE: unpacked(case.previous)[layout.ENVELOPE]},
        BROKEN,
        "The signed statement is about other files",
    ),
    "it is signed by a stranger": (
        lambda case, files: signed_anew(files, [case.house.ann, stranger(case)]),
        UNKNOWN_KEYS,
        "keys that are not among those you gave",
    ),
    "a whole package of another house": (
        lambda case, files: signed_anew(files, [stranger(case), stranger(case)]),
        UNKNOWN_KEYS,
        "2 of its signatures are by keys",
    ),
    # With keys of one who signs.
    "one signs with both their keys": (
        lambda case, files: signed_anew(files, [case.house.ann, twin(case)]),
        BROKEN,
        "Two signatures are of one person (ann)",
    ),
    "two sign in one role": (
        lambda case, files: signed_anew(files, [case.house.ann, colleague(case)]),
        BROKEN,
        "Two signatures are of one role (controller)",
    ),
    "it is signed before the key was valid": (
        lambda case, files: signed_anew(files, [case.house.ann, case.house.otto], at="2020-01-01T00:00:00.000000Z"),
        BROKEN,
        "The key of {signer} was not valid when this was signed",
    ),
    "it is signed when the key was over": (
        lambda case, files: signed_anew(files, [case.house.ann, case.house.otto], at="2090-01-01T00:00:00.000000Z"),
        BROKEN,
        "The key of {signer} was not valid when this was signed",
    ),
    # With everybody who signs, but not the log as it left.
    "an entry is altered by insiders": (by_insiders(journal(amount)), BROKEN, ENTRIES),
    "an entry is left out": (by_insiders(lines(lambda found: found[1:])), BROKEN, "entries, and the checkpoints want"),
    "an entry is put in": (by_insiders(lines(lambda found: [*found, found[0]])), BROKEN, "entries, and the checkpoints want"),
    "two entries change places": (by_insiders(lines(lambda found: [found[1], found[0], *found[2:]])), BROKEN, ENTRIES),
    "an entry becomes another": (by_insiders(lines(lambda found: [found[0], found[0], *found[2:]])), BROKEN, ENTRIES),
    "an entry is written in another form": (
        by_insiders(lines(lambda found: [found[0].replace(b":", b": ", 1), *found[1:]])),
        BROKEN,
        "Entry {first} is not written in its one form",
    ),
    "the last line is cut off": (
        by_insiders(lambda _, files: {**files, "entries.jsonl": files["entries.jsonl"][:-1]}),
        BROKEN,
        "The last line of entries.jsonl is cut off",
    ),
    "the opening checkpoint is the closing one": (
        by_insiders(lambda _, files: {**files, "checkpoint.open": files["checkpoint.close"]}),
        BROKEN,
        "checkpoint.open has another size or root",
    ),
    "a checkpoint is signed by somebody else": (
        by_insiders(lambda _, files: {**files, "checkpoint.close": forged(files["checkpoint.close"])}),
        UNKNOWN_KEYS,
        "checkpoint.close is signed by a key of the log",
    ),
    "a checkpoint has a root that was not signed": (
        by_insiders(
            lambda _, files: {
                **files,
                "checkpoint.close": files["checkpoint.close"].replace(
                    files["checkpoint.close"].split(b"\n")[2], files["checkpoint.open"].split(b"\n")[2]
                ),
            },
            manifest=lambda manifest: manifest["log"]["close"].update(root=manifest["log"]["open"]["root"]),
        ),
        BROKEN,
        "The signature of checkpoint.close is not of it",
    ),
    "the consistency proof is another": (
        by_insiders(changed("consistency.json", put("proof", lambda found: [*found[:-1], "00" * 32]))),
        BROKEN,
        "The opening checkpoint is not the beginning of the closing one",
    ),
    "the subtrees are another tree's": (
        by_insiders(changed("consistency.json", put("subtrees", lambda found: ["00" * 32 for _ in found]))),
        BROKEN,
        "The subtrees in consistency.json do not lead to the opening checkpoint",
    ),
    "it is of an earlier period": (
        by_insiders(changed("consistency.json", put("old", 0))),
        BROKEN,
        "consistency.json is of other checkpoints",
    ),
    "a balance is raised": (
        by_insiders(changed("trial_balance_close.json", raised)),
        BROKEN,
        "Opening balance and movements of {account} are not its closing balance",
    ),
    "an opening balance is raised": (
        by_insiders(changed("trial_balance_open.json", raised)),
        BROKEN,
        "Opening balance and movements of {account} are not its closing balance",
    ),
    "the trial balance does not foot": (
        by_insiders(changed("trial_balance_close.json", unfooted)),
        BROKEN,
        "trial_balance_close.json does not foot",
    ),
    "an account is left out": (
        by_insiders(changed("trial_balance_close.json", without("accounts"))),
        BROKEN,
        "trial_balance_close.json does not foot",
    ),
    "an account is named twice": (
        by_insiders(changed("trial_balance_close.json", put("accounts", lambda found: [*found, found[0]]))),
        BROKEN,
        "trial_balance_close.json names an account twice",
    ),
    "an account is turned round": (
        by_insiders(changed("accounts.json", put("accounts", lambda found: [{**one, "normal": "debit"} for one in found]))),
        BROKEN,
        "accounts.json lacks an account that was opened in the period",
    ),
    "the totals of the manifest are others": (
        by_insiders(manifest=put("totals", [])),
        BROKEN,
        "The totals of the manifest are not those of the entries",
    ),
    "the counts of the manifest are others": (
        by_insiders(manifest=put("counts.journal", 1)),
        BROKEN,
        "The counts of the manifest are not those of the entries",
    ),
    "the period ends before its entries": (
        by_insiders(manifest=put("period", {"from": "1999-01-01T00:00:00.000000Z", "to": "2000-01-01T00:00:00.000000Z"})),
        BROKEN,
        "Entry {first} was recorded after the period",
    ),
    "the period ends before it begins": (
        by_insiders(manifest=put("period.to", "2000-01-01T00:00:00.000000Z")),
        BROKEN,
        "does not say from when to when its period lasts",
    ),
    "late entries are not told": (by_insiders(manifest=put("late", 999)), BROKEN, "The counts of the manifest"),
    "the first entry is another": (
        by_insiders(manifest=put("log.first", 0)),
        BROKEN,
        "names another first or last entry",
    ),
    "an act is put in": (
        by_insiders(lines(lambda found: [*found, b'{"at":"","type":"action"}'], "actions.jsonl")),
        BROKEN,
        "actions.jsonl holds more than the entries",
    ),
    "an act is left out": (
        by_insiders(lines(lambda found: found[1:], "actions.jsonl")),
        BROKEN,
        "actions.jsonl does not say what the entries say",
    ),
    "an approval is put in": (
        by_insiders(lines(lambda found: [*found, b'{"at":"","type":"approval_use"}'], "approvals.jsonl")),
        BROKEN,
        "approvals.jsonl holds more than the entries",
    ),
    "a journal moves nothing": (
        by_insiders(journal(lambda told: told["lines"][0].update(amount="0"))),
        BROKEN,
        "Journal {journal} does not balance",
    ),
    "a journal moves less than nothing": (
        by_insiders(journal(lambda told: told["lines"][0].update(amount="-5"))),
        BROKEN,
        "Journal {journal} does not balance",
    ),
    "a journal moves a number that is no text": (
        by_insiders(journal(lambda told: told["lines"][0].update(amount=5))),
        BROKEN,
        "Journal {journal} does not balance",
    ),
    "a journal debits and credits one account": (
        by_insiders(journal(lambda told: told["lines"][0].update(credit=told["lines"][0]["debit"]))),
        BROKEN,
        "Journal {journal} does not balance",
    ),
    "a checklist that was signed is left out": (
        by_insiders(lines(lambda found: [one for one in found if b'"state":"signed"' not in one], "runs.jsonl")),
        BROKEN,
        "names other playbooks and checklists that ended than the entries",
    ),
    "a checklist that was not finished is left out": (
        by_insiders(lines(lambda found: [one for one in found if b'"state":"running"' not in one], "runs.jsonl")),
        BROKEN,
        "lacks a playbook or checklist that was begun in the period",
    ),
    "a checklist that was not finished says that it was signed": (
        by_insiders(lines(lambda found: [one.replace(b'"state":"running"', b'"state":"signed"') for one in found], "runs.jsonl")),
        BROKEN,
        "names other playbooks and checklists that ended than the entries",
    ),
    "a checklist that was closed says that it was signed": (
        by_insiders(lines(lambda found: [one.replace(b'"state":"closed"', b'"state":"signed"') for one in found], "runs.jsonl")),
        BROKEN,
        "names other playbooks and checklists that ended than the entries",
    ),
    "a checklist says that somebody else signed it": (
        by_insiders(lines(lambda found: [one.replace(b'"ended_by":"', b'"ended_by":"x') for one in found], "runs.jsonl")),
        BROKEN,
        "names other playbooks and checklists that ended than the entries",
    ),
    "a checklist is there twice": (
        by_insiders(lines(lambda found: [*found, next(one for one in found if b'"checklist"' in one)], "runs.jsonl")),
        BROKEN,
        "names a playbook or checklist twice",
    ),
    "what was not finished is not told": (
        by_insiders(manifest=put("runbooks.unfinished", [])),
        BROKEN,
        "counts other playbooks and checklists than runs.jsonl names",
    ),
    "an incomplete package says complete": (
        by_insiders(manifest=put("checks.failed", ["LEDGER_UNBALANCED: 1 found"])),
        BROKEN,
        "says complete, and names what was not checked",
    ),
    "what was not checked is not told": (
        by_insiders(
            changed(
                "reconciliation_report.json",
                lambda told: told["programs"][0]["not_checked"].append({"source": "bank", "why": "nobody looked"}),
            )
        ),
        BROKEN,
        "left unchecked",
    ),
    "a verdict without its reasons": (
        by_insiders(manifest=put("verdict", "incomplete")),
        BROKEN,
        "The verdict is not what the manifest's reasons lead to",
    ),
    "the manifest is of another format": (by_insiders(manifest=put("format", "x")), BROKEN, "of another format"),
    "the manifest lacks a field": (
        by_insiders(manifest=lambda told: told.pop("log")),
        BROKEN,
        "not built as a proof is ('log' is missing)",
    ),
    "the manifest is no object": (lambda _, files: {**files, layout.MANIFEST: b"[]"}, BROKEN, "manifest.json is no object of JSON"),
    # The owner of the server and everybody who signs: only what has left before tells.
    "the log is written anew": (
        by_insiders(journal(amount), log_anew, manifest=lambda _: None),
        BROKEN,
        "checkpoint.close has another size or root than the manifest says",
    ),
}


def stranger(case: Case) -> Person:
    return Person(case.house.ann.caller, "auditor", Ed25519PrivateKey.generate(), "sgn_x")


def twin(case: Case) -> Person:
    """Another key of Ann's, in another role."""
    return _trusted(case, "ann", "auditor")


def colleague(case: Case) -> Person:
    return _trusted(case, "carl", "controller")


def _trusted(case: Case, name: str, role: str) -> Person:
    person = stranger(case)
    person_id = case.house.ann.caller.principal_id if name == "ann" else "prn_carl"
    case.keys["signers"].append(
        {**case.keys["signers"][0], "key": person.public.hex(), "person": name, "person_id": person_id, "role": role}
    )
    return person


def forged(note: bytes) -> bytes:
    text = note.decode().rpartition("\n\n")[0] + "\n"
    return sign_note(text, text.split("\n")[0], b"\x07" * 32).encode()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_with_a_sentence_that_names_it(case: Case, name: str) -> None:
    change, wanted, sentence = ATTACKS[name]
    keys = json.loads(json.dumps(case.keys))
    case = case._replace(keys=keys)
    altered = packed(change(case, case.files))
    assert altered != case.package, "nothing was altered"
    code, said = case.verify(altered, keys)
    assert (code, sentence.format(**facts_of(case)) in " ".join(said)) == (wanted, True), said


def facts_of(case: Case) -> dict[str, Any]:
    """What sentences name: the first entry of the period, its first journal, the first account that its entries move, and whose signature
    stands first, by the id of their key."""
    found = list(map(json.loads, case.files["entries.jsonl"].splitlines()))
    first = next(one for one in found if one["type"] == "journal")
    account = json.loads(case.files["trial_balance_close.json"])["accounts"][0]["account"]
    signer = min((case.house.ann, case.house.otto), key=lambda one: key_id(one.public)).signer_id
    return {
        "first": json.loads(case.files[layout.MANIFEST])["log"]["first"],
        "journal": first["id"],
        "account": account,
        "signer": next(one["person"] for one in case.keys["signers"] if one["id"] == signer),
    }


def test_there_are_attacks_of_every_kind() -> None:
    """What the promise is about: at least so many ways to alter what a package is built of, each refused in words of its own."""
    assert len(ATTACKS) >= 25
    assert len({sentence for _, _, sentence in ATTACKS.values()}) >= 25
    assert {code for _, code, _ in ATTACKS.values()} == {BROKEN, INCOMPLETE, UNKNOWN_KEYS}


@pytest.mark.parametrize(
    ("name", "wanted"), [("an entry is altered", 1), ("one signature is taken off", 2), ("it is signed by a stranger", 3)]
)
def test_both_commands_end_with_the_code_and_name_what_is_wrong_first(
    case: Case, name: str, wanted: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    change, code, sentence = ATTACKS[name]
    package, keys = tmp_path / "p.zip", tmp_path / "k.json"
    package.write_bytes(packed(change(case, case.files)))
    keys.write_text(json.dumps(case.keys))
    monkeypatch.setattr("sys.argv", ["verify.py", str(package), "--keys", str(keys)])
    theirs = case.verify.module.main(), capsys.readouterr().out
    ours = run(["proof", "verify", str(package), "--keys", str(keys)]), capsys.readouterr().out
    assert (code, theirs[0], ours[0]) == (wanted, wanted, wanted), ours
    for said in (theirs[1], ours[1]):
        word, *sentences = said.splitlines()
        assert (word, sentence in " ".join(sentences)) == (WORDS[wanted], True), said


def test_two_packages_of_one_size_of_the_log_with_different_roots_are_told_apart(case: Case) -> None:
    """Everybody who signs and the owner of the log made another package of the period before, which leads to as many entries."""
    files = log_anew(case, journal(amount)(case, unpacked(case.previous)))
    size, root = files["checkpoint.close"].decode().split("\n")[1:3]
    told = json.loads(unpacked(case.previous)[layout.MANIFEST])["log"]["close"]
    assert (int(size), root == told["root"]) == (told["size"], False)
    fork = packed(signed_anew(renamed(files, put("log.close.root", root)), [case.house.ann, case.house.otto]))
    said = "The package of before ends at another root than this one begins with."
    assert case.verify(case.package, case.keys, fork) == (BROKEN, [said])


END, ORDER = "The end of the container is not as it must be.", "The files of the container do not lie in their order."


@pytest.mark.parametrize(
    ("name", "alter", "sentence"),
    [
        ("bytes behind it", lambda raw, files: raw + b"x", END),
        ("bytes before it", lambda raw, files: b"x" + raw, END),
        ("it is cut off", lambda raw, files: raw[:-1], END),
        ("it is empty", lambda raw, files: b"", "The file is too short to be a package."),
        ("it is no package", lambda raw, files: b"PK" * 500, END),
        ("packed anew by another program", lambda raw, files: other_zip(files, zipfile.ZIP_STORED), END),
        ("compressed", lambda raw, files: other_zip(files, zipfile.ZIP_DEFLATED), END),
        ("a file lies in it twice", lambda raw, files: in_our_form([*sorted(files.items()), ("zzz", b""), ("zzz", b"")]), ORDER),
        ("another program puts a file in twice", lambda raw, files: other_zip(files, zipfile.ZIP_STORED, twice="manifest.json"), END),
        ("its files change places", lambda raw, files: in_our_form(sorted(files.items(), reverse=True)), ORDER),
        (
            "a file is another than the list says",
            lambda raw, files: raw.replace(b"# How to verify", b"# How to verifi", 1),
            "VERIFY.md is not what",
        ),
    ],
)
def test_another_container_of_the_same_files_is_refused(case: Case, name: str, alter: Any, sentence: str) -> None:
    code, said = case.verify(alter(case.package, case.files), case.keys)
    assert (code, len(said), sentence in said[0]) == (BROKEN, 1, True), said


def in_our_form(files: list[tuple[str, bytes]]) -> bytes:
    """A container as ours are, of files in this order."""
    members = [member_of(*one) for one in files]
    return b"".join(local_header(member) + body for member, (_, body) in zip(members, files, strict=True)) + directory(members)


def other_zip(files: Files, method: int, *, twice: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name in sorted(files):
            made.writestr(name, files[name])
        if twice:
            with pytest.warns(UserWarning, match="Duplicate name"):
                made.writestr(twice, files[twice])
    return out.getvalue()


def test_of_a_package_that_says_nothing_of_playbooks_that_is_said(case: Case) -> None:
    """As packages were made before they held them."""
    altered = by_insiders(manifest=lambda told: told.pop("runbooks"))(case, case.files)
    code, said = case.verify(packed(altered), case.keys)
    assert (code, [one for one in said if "playbooks" in one and "package holds none" in one]) == (
        OK,
        ["Not checked here: playbooks and checklists: the package holds none of their runs."],
    )


def test_a_key_that_was_revoked_before_the_request_does_not_count(case: Case) -> None:
    keys = json.loads(json.dumps(case.keys))
    keys["signers"][0]["revoked_at"] = "2020-01-01T00:00:00.000000Z"
    assert case.verify(case.package, keys)[0] == BROKEN
    keys["signers"][0]["revoked_at"] = "2090-01-01T00:00:00.000000Z"
    assert case.verify(case.package, keys)[0] == OK


def test_keys_of_another_log_are_unknown(case: Case) -> None:
    keys = {**case.keys, "log": [{"key": "11" * 32, "made_at": "x"}]}
    assert case.verify(case.package, keys)[0] == UNKNOWN_KEYS
    assert case.verify(case.package, {**case.keys, "origin": "counterfoil/other"})[0] == BROKEN


def test_a_package_that_does_not_follow_the_one_of_before_is_refused(case: Case) -> None:
    code, said = case.verify(case.package, case.keys, case.package)
    assert (code, said) == (BROKEN, ["The package of before ends at another root than this one begins with."])


def before_changed(change: Change) -> Callable[[Case], bytes]:
    return lambda case: packed(change(case, unpacked(case.previous)))


@pytest.mark.parametrize(
    ("before", "wanted", "sentence"),
    [
        (before_changed(changed(layout.ENVELOPE, put("signatures", []))), INCOMPLETE, "It is signed by 0 of the 2 people that it takes."),
        (before_changed(changed(layout.ENVELOPE, without("signatures"))), INCOMPLETE, "It is signed by 1 of the 2 people that it takes."),
        (
            before_changed(lambda case, files: signed_anew(files, [stranger(case), stranger(case)])),
            UNKNOWN_KEYS,
            "2 of its signatures are by keys that are not among those you gave.",
        ),
        (
            before_changed(lambda case, files: signed_anew(files, [case.house.ann, case.house.otto], at="2020-01-01T00:00:00.000000Z")),
            BROKEN,
            "was not valid when this was signed.",
        ),
        (
            before_changed(lambda case, files: {**files, layout.ENVELOPE: case.files[layout.ENVELOPE]}),
            BROKEN,
            "The signed statement is about other files than these.",
        ),
        (before_changed(lambda _, files: {**files, "breaks.jsonl": b"x"}), BROKEN, "breaks.jsonl is not the file that the manifest names."),
        (before_changed(lambda _, files: {**files, layout.MANIFEST: b"[]"}), BROKEN, "manifest.json is no object of JSON."),
        (lambda case: case.previous[:-1], BROKEN, "The end of the container is not as it must be."),
    ],
)
def test_the_package_of_before_is_verified_as_far_as_this_one_rests_on_it(
    case: Case, before: Callable[[Case], bytes], wanted: int, sentence: str
) -> None:
    """Its files, its signatures by the same keys, its closing checkpoint: who is shown another one learns of which the fault is."""
    code, said = case.verify(case.package, case.keys, before(case))
    told = [one for one in said if one.startswith("The package of before: ")]
    assert (code, [sentence in one for one in told]) == (wanted, [True]), said


def test_that_the_entries_of_the_package_of_before_were_not_read_is_said(case: Case) -> None:
    assert any("the entries of the package of before" in one for one in case.verify(case.package, case.keys, case.previous)[1])


def test_a_signature_of_a_key_that_was_revoked_since_counts_and_what_it_does_not_show_is_said(case: Case) -> None:
    """The moment of the request is written by whoever asks: a key that was stolen signs for any."""
    keys = json.loads(json.dumps(case.keys))
    keys["signers"][0]["revoked_at"] = "2090-01-01T00:00:00.000000Z"
    person = keys["signers"][0]["person"]
    code, said = case.verify(case.package, keys)
    assert code == OK
    assert [one for one in said if "can date a request back" in one] == [
        f"Not checked here: whether {person} signed before their key was revoked: who has a stolen key can date a request back."
    ]


NO_MOMENTS: tuple[Any, ...] = (
    "",
    "x" * 27,
    "x" * 26 + "Z",
    "2026-10-01",
    "2026-10-01T00:00:00Z",
    "2026-10-01T00:00:00.000000",
    "2026-10-01T00:00:00.000000z",
    "2026-10-01 00:00:00.000000Z",
    "2026-10-01T00:00:00,000000Z",
    "2026-10-01T00:00:00.0000000Z",
    "2026-10-01T00:00:00.00000Z",
    "2026-10-01T00:00:00.000000Z\n",
    " 2026-10-01T00:00:00.00000Z",
    "2026-10-01T00:00:00.000000+00:00",
    "2026-10-01T02:00:00.000000+02:00",
    "2026-10-01T24:00:00.000000Z",
    "2026-10-01T00:60:00.000000Z",
    "2026-10-01T00:00:60.000000Z",
    "2026-13-01T00:00:00.000000Z",
    "2026-00-01T00:00:00.000000Z",
    "2026-02-29T00:00:00.000000Z",
    "2026-04-31T00:00:00.000000Z",
    "2026-04-00T00:00:00.000000Z",
    "0000-01-01T00:00:00.000000Z",
    "-026-10-01T00:00:00.000000Z",
    "+026-10-01T00:00:00.000000Z",
    "20261001T000000.000000000Z0",
    "2026-W40-4T00:00:00.000000Z",
    "\u0662\u0660\u0662\u0666-10-01T00:00:00.000000Z",
    "\uff12026-10-01T00:00:00.000000Z",
    "2026-10-01T00:00:00.00000\u0660Z",
    "9999-99-99T99:99:99.999999Z",
    None,
    True,
    0,
    1790812800,
    1.5,
    [],
    {},
    ["2026-10-01T00:00:00.000000Z"],
)
MOMENTS = ("0001-01-01T00:00:00.000000Z", "2024-02-29T23:59:59.999999Z", "2026-10-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z")


def test_both_verifiers_know_a_moment_by_one_form(case: Case) -> None:
    """The two questions alone, and at every place where a package or a file of keys tells a moment; what one says the other says."""
    theirs = case.verify.module
    assert [one for one in NO_MOMENTS if is_moment(one) or theirs.is_moment(one)] == []
    assert all(is_moment(one) and theirs.is_moment(one) for one in MOMENTS)
    drawn = random.Random(1)
    for _ in range(20_000 * SOAK):
        shaken = list(drawn.choice(MOMENTS))
        for _ in range(drawn.randint(1, 2)):
            shaken[drawn.randrange(len(shaken))] = drawn.choice("0123456789TZ:-.+ z\u0661")
        one = "".join(shaken)
        assert is_moment(one) == theirs.is_moment(one), one


@pytest.mark.parametrize("place", ["entry", "from", "to", "requested"])
def test_a_package_with_a_moment_of_another_form_is_refused_by_both_in_the_same_words(case: Case, place: str) -> None:
    files, said_of = case.files, {"entry": "when it was recorded", "requested": "when it was asked for"}
    for one in NO_MOMENTS:
        if place == "entry":
            altered = by_insiders(journal(put("at", one)))(case, files)
        elif place == "requested":
            told = json.loads(base64.b64decode(json.loads(files[layout.ENVELOPE])["payload"]))
            told["predicate"]["requested_at"] = one
            body = canonical_json(told).encode()
            altered = {**files, layout.ENVELOPE: envelope(body, [each.signed(body) for each in (case.house.ann, case.house.otto)])}
        else:
            altered = by_insiders(manifest=put(f"period.{place}", one))(case, files)
        code, said = case.verify(packed(altered), case.keys)
        assert (code, said_of.get(place, "from when to when") in said[0]) == (BROKEN, True), (one, said)


def test_a_file_of_keys_with_a_moment_of_another_form_is_none_to_both(case: Case) -> None:
    for name in ("valid_from", "valid_until", "revoked_at"):
        for one in NO_MOMENTS:
            if name == "revoked_at" and one is None:
                continue
            keys = json.loads(json.dumps(case.keys))
            keys["signers"][0][name] = one
            for read in (TrustedKeys.read, case.verify.module.read_keys):
                with pytest.raises((ValueError, TypeError)):
                    read(keys)


def test_balances_that_were_raised_before_and_after_are_found_beside_the_package_of_before(case: Case) -> None:
    both = by_insiders(*(changed(f"trial_balance_{when}.json", raised) for when in ("open", "close")))
    code, said = case.verify(packed(both(case, case.files)), case.keys, case.previous)
    assert (code, said) == (BROKEN, ["The package of before closes with other balances than this one opens with."])


def test_before_the_first_entry_there_are_no_balances(case: Case) -> None:
    whole = case.house.exported(case.house.start - timedelta(days=90), now())
    case.house.sign(whole.id, case.house.ann, case.house.otto)
    first = case._replace(package=case.house.package(whole.id))
    accounts = json.loads(first.files["accounts.json"])["accounts"]
    program, asset = accounts[0]["program"], accounts[0]["asset"]
    one, other = [each for each in accounts if (each["program"], each["asset"]) == (program, asset)][:2]

    def invented(sheet: Any) -> None:
        rows = {(each["program"], each["asset"], each["account"]): each for each in sheet["accounts"]}
        for each, side in ((one, "debits"), (other, "credits")):
            nothing = {**each, "debits": "0", "credits": "0", "balance": "0"}
            row = rows.setdefault((program, asset, each["account"]), nothing)
            row[side] = str(int(row[side]) + 900)
            balance = int(row["debits"]) - int(row["credits"])
            row["balance"] = str(balance if each["normal"] == "debit" else -balance)
        sheet["accounts"] = list(rows.values())

    both = by_insiders(*(changed(f"trial_balance_{when}.json", invented) for when in ("open", "close")))
    code, said = case.verify(packed(both(first, first.files)), case.keys)
    assert json.loads(first.files["manifest.json"])["log"]["open"]["size"] == 0
    assert (code, said) == (BROKEN, ["There are opening balances before the first entry of the log."])


def test_people_are_added_to_the_house_only_by_its_own_ways(case: Case) -> None:
    with case.house.desk.database.transaction() as conn:
        assert a_person(conn, "rita", "approver", at=now()).signer_id.startswith("sgn_")
