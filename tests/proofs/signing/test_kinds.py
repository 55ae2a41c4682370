"""ML-DSA-44 beside Ed25519: kept, signed with and verified; where it cannot be checked it counts for nobody, and that is said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from counterfoil.base.edge import make_id, now
from counterfoil.base.problems import InvalidInput
from counterfoil.cli.nouns.proofs.key_files import KeyFileRefused, SigningKey, make_key_file
from counterfoil.proofs.log.quantum import KindMissing
from counterfoil.proofs.packages.store import stored
from counterfoil.proofs.proofs import SignatureWrong, request_of, sign_proof
from counterfoil.proofs.signing.envelope import Signed, envelope
from counterfoil.proofs.signing.kinds import ML_DSA_44
from counterfoil.proofs.signing.signers import add_signer, find_signer
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import BROKEN, INCOMPLETE, OK, verify_package
from tests.proofs.builders import House, Person, Verifiers, a_person, packed, unpacked

PASSPHRASE = "long enough for it"


@pytest.fixture
def lattice(house: House) -> Person:
    """Somebody whose key is of ML-DSA-44."""
    with house.desk.database.transaction() as conn:
        return a_person(conn, make_id("lea"), "approver", at=now() - timedelta(days=1), kind=mldsa.MLDSA44PrivateKey)


def without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that does not have it."""
    monkeypatch.delattr(mldsa, "MLDSA44PublicKey")


def test_a_package_that_is_signed_by_such_a_key_holds_and_the_verifier_without_it_counts_only_what_it_has_checked(
    house: House, lattice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof_id = house.exported(house.start, now()).id
    house.sign(proof_id, house.ann, lattice)
    with house.desk.database.transaction() as conn:
        assert find_signer(conn, lattice.signer_id).kind == "ML-DSA-44"
        body = bytes(request_of(conn, proof_id).statement)
    theirs, path, keys = Verifiers(tmp_path).module, tmp_path / "package.zip", house.keys()
    path.write_bytes(house.package(proof_id))
    name = next(one["person"] for one in keys["signers"] if one["id"] == lattice.signer_id)
    ours = verify_package(path, TrustedKeys.read(keys))
    assert (ours.code, any("signature" in one for one in ours.said)) == (OK, False), ours.said
    code, said = theirs.judged(str(path), keys, "")
    assert code == INCOMPLETE, "one of the two it has not checked"
    assert "It is signed by 1 of the 2 people that it takes, as far as can be checked here." in said
    assert any(one.startswith(f"Not checked here: the signature of {name}: it is of ML-DSA-44") for one in said), said
    with monkeypatch.context() as patched:
        without_it(patched)
        assert tuple(verify_package(path, TrustedKeys.read(keys))) == (code, said), "the same where the library does not have it"
    assert theirs.judged(str(path), {**keys, "quorum": 1}, "")[0] == OK, "and what it has checked is enough"
    files = unpacked(path.read_bytes())
    with_otto = {**files, "manifest.dsse.json": envelope(body, [one.signed(body) for one in (house.ann, house.otto, lattice)])}
    path.write_bytes(packed(with_otto))
    assert (theirs.judged(str(path), keys, "")[0], verify_package(path, TrustedKeys.read(keys)).code) == (OK, OK)
    for wrong in (bytes(ML_DSA_44.signature_bytes), lattice.signed(b"something else").signature, bytes(64)):
        signed = [house.ann.signed(body), Signed(lattice.public, wrong)]
        path.write_bytes(packed({**files, "manifest.dsse.json": envelope(body, signed)}))
        assert verify_package(path, TrustedKeys.read(keys)).code == BROKEN
        assert theirs.judged(str(path), keys, "")[0] == (BROKEN if len(wrong) == 64 else INCOMPLETE), "never green"


def test_the_server_takes_no_signature_or_key_of_it_that_is_wrong_and_says_when_it_cannot_tell(
    house: House, lattice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof_id = house.exported(house.start, now()).id

    def given(signature: bytes) -> str:
        with house.desk.database.transaction() as conn:
            by = lattice.caller
            return sign_proof(conn, proof_id, number=1, signer_id=lattice.signer_id, signature=signature, by=by, now=now())

    with house.desk.database.transaction() as conn:
        good = lattice.signed(bytes(request_of(conn, proof_id).statement)).signature
        assert stored(conn, house.folder, proof_id).envelope
    for wrong in (bytes(ML_DSA_44.signature_bytes), bytes(64), good[:-1] + bytes([good[-1] ^ 1])):
        with pytest.raises(SignatureWrong):
            given(wrong)
    with monkeypatch.context() as patched:
        without_it(patched)
        with pytest.raises(KindMissing):
            given(good)
        with pytest.raises(KindMissing), house.desk.database.transaction() as conn:
            a_person(conn, make_id("lee"), "approver", at=now(), kind=mldsa.MLDSA44PrivateKey)
    assert given(good) == "waiting"


def test_a_key_of_it_lies_in_a_file_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lea.pem"
    public = make_key_file(path, PASSPHRASE, ML_DSA_44)
    assert len(public) == ML_DSA_44.key_bytes
    key = SigningKey(path, PASSPHRASE)
    assert key.public == public
    mldsa.MLDSA44PublicKey.from_public_bytes(public).verify(key.sign(b"m"), b"m")
    with pytest.raises(KeyFileRefused):
        SigningKey(path, "another passphrase")
    without_it(monkeypatch)
    with pytest.raises(KindMissing, match="no ML-DSA-44"):
        make_key_file(tmp_path / "other.pem", PASSPHRASE, ML_DSA_44)
    assert not (tmp_path / "other.pem").exists()


def test_bytes_of_the_right_length_alone_are_a_key_of_it(house: House) -> None:
    """Every 1,312 bytes are some public key of ML-DSA-44, so the owner shows that theirs works by signing; other lengths are refused."""
    with pytest.raises(InvalidInput), house.desk.database.transaction() as conn:
        add_signer(
            conn,
            make_id("sgn"),
            principal_id=house.ann.caller.principal_id,
            role="controller",
            public_key=bytes(1311),
            valid_until=now() + timedelta(days=1),
            by="test",
            now=now(),
        )
