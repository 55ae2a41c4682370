"""The envelope of a proof's signatures, read by a library that is not ours: any tool that knows DSSE may check it."""

from __future__ import annotations

import json

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from counterfoil.base.edge import now
from counterfoil.proofs.signing.envelope import key_id
from tests.proofs.builders import House, Person, a_person, unpacked


def known(*people: Person) -> list[SSlibKey]:
    """Their public keys, by the ids that the envelope gives them."""
    return [SSlibKey(key_id(one.public), "ed25519", "ed25519", {"public": one.public.hex()}) for one in people]


def test_another_library_finds_both_signatures_right_and_an_in_toto_statement_beneath_them(house: House) -> None:
    proof_id = house.exported(house.start, now()).id
    house.sign(proof_id, house.ann, house.otto)
    files = unpacked(house.package(proof_id))
    read = Envelope.from_dict(json.loads(files["manifest.dsse.json"]))
    assert read.verify(known(house.ann, house.otto), threshold=2).keys() == {key_id(one.public) for one in (house.ann, house.otto)}
    assert (read.payload_type, json.loads(read.payload)["_type"]) == ("application/vnd.in-toto+json", "https://in-toto.io/Statement/v1")
    with house.desk.database.transaction() as conn:
        stranger = a_person(conn, "lea", "approver", at=house.start)
    with pytest.raises(VerificationError):
        read.verify(known(house.ann, stranger), threshold=2)
    read.payload += b" "
    with pytest.raises(VerificationError):
        read.verify(known(house.ann, house.otto), threshold=1)
