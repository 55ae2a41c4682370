"""The second signature of a checkpoint, of ML-DSA-44, in a package: taken away, swapped, or not to be checked: it is told."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.proofs.disclosures.making import disclose
from counterfoil.proofs.log.notes import cosign_note
from counterfoil.proofs.log.quantum import key_beside
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import BROKEN, OK, verify_package
from tests.proofs.builders import Files, packed, renamed, signed_anew, unpacked
from tests.proofs.verifying.conftest import Case

CLOSE = "checkpoint.close"
ENDS = ("checkpoint.open", CLOSE)
UNREAD = "which cannot be checked here (counterfoil proof verify can, with a library that has it)."
NOT_GIVEN = "your file of keys has no such key of the log (counterfoil signers pin)."


def by_everybody(case: Case, files: Files) -> bytes:
    """Everybody who signs proofs is on the side of whoever altered it."""
    return packed(signed_anew(renamed(files), [case.house.ann, case.house.otto]))


def plain(note: bytes) -> bytes:
    """As Ed25519 alone signs it."""
    return b"\n".join(note.split(b"\n")[:-2]) + b"\n"


def with_keys(files: Files, change: Callable[[Any], None]) -> Files:
    told = json.loads(files["keys.json"])
    change(told)
    return {**files, "keys.json": canonical_json(told).encode()}


def as_keys(keys: Mapping[str, Any], change: Callable[[Any], None]) -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(dict(keys))
    change(found)
    return found


def unquantum(told: Any) -> None:
    del told["log"][0]["quantum"]


def begins_at(size: int) -> Callable[[Any], None]:
    def change(told: Any) -> None:
        told["log"][0]["quantum"]["size"] = size

    return change


def of_second(said: list[str]) -> list[str]:
    return [one for one in said if "ML-DSA-44 of" in one or "but Ed25519" in one]


def test_a_package_says_with_which_keys_its_checkpoints_are_signed_and_both_signatures_hold(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads(case.files["keys.json"])["log"][0]
    assert told["quantum"]["key"] == key_beside(case.seed).public_key().public_bytes_raw().hex()
    assert told == case.keys["log"][0]
    assert [case.files[one].count("\u2014 ".encode()) for one in ENDS] == [2, 2]
    code, said = case.verify(case.package, case.keys, case.previous)
    assert (code, of_second(said)) == (OK, []), said
    path = case.verify.folder / "package.zip"
    code, said = case.verify.module.judged(str(path), case.keys, "")
    unread = [f"Not checked here: the signature of ML-DSA-44 of {one}, {UNREAD}" for one in ENDS]
    assert (code, of_second(said)) == (OK, unread), "Python alone cannot, and says so"
    monkeypatch.delattr(mldsa, "MLDSA44PublicKey")
    assert tuple(verify_package(path, TrustedKeys.read(case.keys))) == (code, said), "as the other does where its library cannot"


def test_a_signature_that_was_taken_off_or_put_in_its_place_is_refused_by_both(case: Case) -> None:
    note, size = case.files[CLOSE], case.files[CLOSE].decode().split("\n")[1]
    since = case.keys["log"][0]["quantum"]["size"]
    other = mldsa.MLDSA44PrivateKey.generate()
    origin = case.keys["origin"]
    foreign = cosign_note(plain(note).decode(), origin, other).encode()
    lacks = f"{CLOSE} lacks the signature of ML-DSA-44 that the log's key gives from {since} entries on."
    mine = key_beside(case.seed)
    last = cosign_note(plain(case.files["checkpoint.open"]).decode(), origin, mine).splitlines()[-1]
    form = f"{CLOSE} is not written as a checkpoint is."
    assert int(size) > since
    for keys in (case.keys, as_keys(case.keys, unquantum)):
        for altered, said in (
            (plain(note), lacks),
            (foreign, f"{CLOSE} is signed by another key of ML-DSA-44 than the log's."),
            (note + note.splitlines(keepends=True)[-1], form),
            (plain(note) + plain(note).splitlines(keepends=True)[-1], form),
            (note.replace(b"\n\n" + note.splitlines(keepends=True)[4], b"\n\n"), form),
            (note[:-6] + b"A\n", form),
            (note[:-1], form),
        ):
            assert case.verify(by_everybody(case, {**case.files, CLOSE: altered}), keys) == (BROKEN, [said])
    # What only a library that has it finds: the right key's signature, of another checkpoint.
    swapped = by_everybody(case, {**case.files, CLOSE: plain(note) + f"{last}\n".encode()})
    path = case.verify.folder / "swapped.zip"
    path.write_bytes(swapped)
    ours = verify_package(path, TrustedKeys.read(case.keys))
    assert tuple(ours) == (BROKEN, [f"The signature of ML-DSA-44 of {CLOSE} is not of it."])
    code, said = case.verify.module.judged(str(path), case.keys, "")
    assert (code, [one for one in said if UNREAD in one][-1]) == (OK, f"Not checked here: the signature of ML-DSA-44 of {CLOSE}, {UNREAD}")


def test_a_key_in_the_package_that_is_another_than_the_one_that_was_given_is_refused(case: Case) -> None:
    other = mldsa.MLDSA44PrivateKey.generate()

    def swap(told: Any) -> None:
        told["log"][0]["quantum"]["key"] = other.public_key().public_bytes_raw().hex()

    origin = case.keys["origin"]
    files = {**case.files} | {one: cosign_note(plain(case.files[one]).decode(), origin, other).encode() for one in ENDS}
    altered = by_everybody(case, with_keys(files, swap))
    told = "keys.json tells of another key of ML-DSA-44 of the log than you gave."
    assert case.verify(altered, case.keys) == (BROKEN, [told])
    later = by_everybody(case, with_keys({**case.files, CLOSE: plain(case.files[CLOSE])}, begins_at(1 << 40)))
    assert case.verify(later, case.keys) == (BROKEN, [told]), "and one that is said to begin later"
    code, said = case.verify(altered, as_keys(case.keys, unquantum))
    assert (code, of_second(said)) == (OK, [f"Not checked here: the signature of ML-DSA-44 of {one}: {NOT_GIVEN}" for one in ENDS])


def test_packages_and_keys_of_before_go_on_and_what_has_no_second_signature_is_said(case: Case) -> None:
    alone = {one: plain(case.files[one]) for one in ENDS}
    before = by_everybody(case, with_keys({**case.files, **alone}, unquantum))
    older = as_keys(case.keys, unquantum)
    code, said = case.verify(before, older)
    assert (code, of_second(said)) == (OK, []), "nobody knew of it"
    code, said = case.verify(case.package, older)
    assert (code, of_second(said)) == (OK, [f"Not checked here: the signature of ML-DSA-44 of {one}: {NOT_GIVEN}" for one in ENDS])
    since = int(case.files[CLOSE].decode().split("\n")[1]) + 1
    code, said = case.verify(before, as_keys(case.keys, begins_at(since)))
    late = f"was signed with anything but Ed25519: the log's key gives a signature of ML-DSA-44 from {since} entries on."
    assert (code, of_second(said)) == (OK, [f"Not checked here: whether {one} {late}" for one in ENDS])
    first = case.keys["log"][0]["quantum"]["size"]
    lacks = f"checkpoint.open lacks the signature of ML-DSA-44 that the log's key gives from {first} entries on."
    assert case.verify(before, case.keys) == (BROKEN, [lacks]), "what is given counts, whatever the package tells"

    def followed(told: Any) -> None:
        told["log"].insert(0, {**told["log"][0], "key": "00" * 32})
        del told["log"][1]["quantum"]

    code, said = case.verify(before, as_keys(case.keys, followed))
    bare = "was signed with anything but Ed25519: this key of the log signs with that alone."
    assert (code, of_second(said)) == (OK, [f"Not checked here: whether {one} {bare}" for one in ENDS])


def test_a_disclosure_is_held_against_the_key_that_was_given(case: Case) -> None:
    paths = [case.verify.folder / name for name in ("whole.zip", "payee.zip")]
    paths[0].write_bytes(case.package)
    disclose(paths[:1], "payee-1", None, paths[1], with_others=True)
    files = unpacked(paths[1].read_bytes())
    code, said = case.verify(packed(files), case.keys)
    assert (code, of_second(said)) == (OK, [])
    code, said = case.verify(packed(files), as_keys(case.keys, unquantum))
    assert (code, len(of_second(said))) == (OK, 2)
    code, said = case.verify(packed({**files, CLOSE: plain(files[CLOSE])}), case.keys)
    assert (code, said) == (BROKEN, ["The signed statement is about other files than these."]), "who signs proofs covers it, too"


def test_a_file_of_keys_that_says_it_wrongly_is_none(case: Case) -> None:
    good = case.keys["log"][0]["quantum"]
    for wrong in (
        {"key": good["key"]},
        {**good, "size": "7"},
        {**good, "size": True},
        {**good, "key": "00" * 32},
        {**good, "key": "x"},
        [],
    ):
        keys = as_keys(case.keys, lambda told, wrong=wrong: told["log"][0].update(quantum=wrong))
        for read in (TrustedKeys.read, case.verify.module.read_keys):
            with pytest.raises((KeyError, TypeError, ValueError)):
                read(keys)
