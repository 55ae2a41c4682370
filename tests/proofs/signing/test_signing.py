"""Requests for signatures: they wait for different people in different roles, name who is missing, and can be asked anew."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.database import AppendOnly
from counterfoil.base.edge import make_id, now
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.operations.access.logins import revoke_role
from counterfoil.proofs.packages.exporting import export_proof
from counterfoil.proofs.packages.store import ProofDamaged, keep_signed, stored
from counterfoil.proofs.proofs import (
    AlreadySigned,
    RequestOver,
    SignatureWrong,
    SignerNotReady,
    SignerNotYours,
    SignersTooFew,
    reissue,
    request_of,
    show_proof,
    sign_proof,
    signers_of,
)
from counterfoil.proofs.signing.signers import (
    SignerHealth,
    SignerKeyTaken,
    SignerRoleNotHeld,
    add_signer,
    list_signers,
    quorum_can_be_met,
    revoke_signer,
    signers_health,
)
from counterfoil.proofs.verifying.reading import ProofBroken
from counterfoil.proofs.verifying.signatures import refuse_another_request
from counterfoil.proofs.verifying.verify import INCOMPLETE, OK
from tests.dashboard.conftest import a_desk
from tests.proofs.builders import House, Person, Verifiers, a_house, a_person, unpacked


@pytest.fixture
def proof_id(house: House) -> str:
    """A proof that waits for its signatures; another each time."""
    return house.exported(house.start, now()).id


def signature(house: House, proof_id: str, one: Person) -> bytes:
    with house.desk.database.transaction() as conn:
        return one.signed(bytes(request_of(conn, proof_id).statement)).signature


def given(house: House, proof_id: str, one: Person, **more: Any) -> str:
    """One signature, handed in as its owner does."""
    told = {"number": 1, "signer_id": one.signer_id, "signature": signature(house, proof_id, one), "by": one.caller} | more
    with house.desk.database.transaction() as conn:
        return sign_proof(conn, proof_id, now=now(), **told)


def standings(house: House, proof_id: str) -> dict[str, str]:
    with house.desk.database.transaction() as conn:
        return {one.person: one.standing for one in signers_of(conn, proof_id) if one.person in ("ann", "otto")}


def test_a_proof_waits_for_two_people_in_different_roles_and_names_who_is_missing(house: House, proof_id: str) -> None:
    assert standings(house, proof_id) == {"ann": "missing", "otto": "missing"}
    assert given(house, proof_id, house.ann) == "waiting"
    assert standings(house, proof_id) == {"ann": "signed", "otto": "missing"}
    assert given(house, proof_id, house.otto) == "signed"
    with pytest.raises(RequestOver):
        given(house, proof_id, house.ann)


def test_where_three_must_sign_two_are_too_few_for_the_server_and_for_both_verifiers(house: House, tmp_path: Path) -> None:
    """A setting says how many; people who came after the request wait for the next."""
    with house.desk.database.transaction() as conn:
        mira = a_person(conn, make_id("mira"), "approver", at=now() - timedelta(days=1))
    proof_id = export_proof(house.exporter._replace(quorum=3), house.start, now(), by="test")[0].id
    verify, keys = Verifiers(tmp_path), {**house.keys(), "quorum": 3}
    assert house.sign(proof_id, house.ann, house.otto) == "waiting"
    code, said = verify(house.package(proof_id), keys)
    assert (code, "It is signed by 2 of the 3 people that it takes." in said) == (INCOMPLETE, True), said
    assert house.sign(proof_id, mira) == "signed"
    assert verify(house.package(proof_id), keys)[0] == OK
    assert json.loads(unpacked(house.package(proof_id))["keys.json"])["quorum"] == 3


def test_nobody_signs_twice_nor_for_another_nor_something_else(house: House, proof_id: str) -> None:
    given(house, proof_id, house.ann)
    with pytest.raises(AlreadySigned):
        given(house, proof_id, house.ann)
    with pytest.raises(SignerNotYours):
        given(house, proof_id, house.otto, by=house.ann.caller)
    with pytest.raises(SignatureWrong):
        given(house, proof_id, house.otto, signature=b"\x00" * 64)
    with pytest.raises(SignatureWrong):
        given(house, proof_id, house.otto, signature=signature(house, proof_id, house.ann))
    with pytest.raises(RequestOver):
        given(house, proof_id, house.otto, number=2)
    assert standings(house, proof_id) == {"ann": "signed", "otto": "missing"}


def test_a_second_person_in_the_same_role_is_refused(house: House, proof_id: str) -> None:
    with house.desk.database.transaction() as conn:
        carl = a_person(conn, make_id("carl"), "controller", at=now() - timedelta(days=1))
    given(house, proof_id, house.ann)
    with pytest.raises(AlreadySigned) as refused:
        given(house, proof_id, carl)
    assert (refused.value.facts["person"], refused.value.facts["role"]) == ("ann", "controller"), "who it was"


def test_a_key_that_was_revoked_or_is_over_does_not_sign_and_a_reissue_begins_anew(house: House) -> None:
    with house.desk.database.transaction() as conn:
        rita = a_person(conn, make_id("rita"), "approver", at=now() - timedelta(days=1))
        late = a_person(conn, make_id("late"), "operator", at=now() - timedelta(days=9), valid_for=timedelta(days=8))
    proof_id = house.exported(house.start, now()).id
    given(house, proof_id, rita)
    with pytest.raises(SignerNotReady):
        given(house, proof_id, late)
    with house.desk.database.transaction() as conn:
        revoke_signer(conn, rita.signer_id, reason="lost", by="test", now=now())
        assert reissue(conn, proof_id, reason="a key was lost", by="test", now=now()) == ("waiting", [rita.caller.name])
        assert request_of(conn, proof_id).number == 2
        healths = {one.signer.id: one.health for one in signers_health(conn, now())}
    assert (healths[rita.signer_id], healths[late.signer_id], healths[house.ann.signer_id]) == ("revoked", "expired", "ready")
    with pytest.raises(SignerNotReady):
        given(house, proof_id, rita, number=2)
    assert house.sign(proof_id, house.ann, house.otto) == "signed"
    with house.desk.database.transaction() as conn:
        anew = reissue(conn, proof_id, reason="once more", by="test", now=now())
        assert anew == ("waiting", ["ann", "otto"]), "also of one that was signed, and whose signatures are void is said"
        assert reissue(conn, proof_id, reason="and again", by="test", now=now()).void == []


def test_signatures_are_not_asked_for_anew_where_too_few_could_sign_and_what_was_signed_stays(server: Any, tmp_path: Path) -> None:
    """Otherwise a good proof would lose its signatures by it, and nobody could give it others."""
    with a_desk(server, tmp_path) as desk:
        house = a_house(desk, tmp_path / "store")
        proof_id = house.exported(house.start, now()).id
        assert house.sign(proof_id, house.ann, house.otto) == "signed"
        with house.desk.database.transaction() as conn:
            revoke_signer(conn, house.otto.signer_id, reason="lost", by="test", now=now())
        with house.desk.database.transaction() as conn, pytest.raises(SignersTooFew) as refused:
            reissue(conn, proof_id, reason="a key was lost", by="test", now=now())
        assert refused.value.facts == {"id": proof_id, "quorum": 2, "could": 1, "ready": ["ann as controller"]}
        with house.desk.database.transaction() as conn:
            assert (show_proof(conn, proof_id).state, request_of(conn, proof_id).number) == ("signed", 1)
            a_person(conn, make_id("olaf"), "operator", at=now())
            assert reissue(conn, proof_id, reason="with a new key", by="test", now=now()) == ("waiting", ["ann", "otto"])


def test_a_key_that_is_newer_than_the_request_waits_for_the_next(house: House, proof_id: str) -> None:
    with house.desk.database.transaction() as conn:
        newer = a_person(conn, make_id("newer"), "approver", at=now())
    with pytest.raises(SignerNotReady):
        given(house, proof_id, newer)
    with house.desk.database.transaction() as conn:
        reissue(conn, proof_id, reason="for the new key", by="test", now=now())
    assert given(house, proof_id, newer, number=2) == "waiting"


def test_who_does_not_hold_a_role_any_more_does_not_sign_in_it(house: House, proof_id: str) -> None:
    with house.desk.database.transaction() as conn:
        gone = a_person(conn, make_id("gone"), "approver", at=now() - timedelta(days=1))
        revoke_role(conn, gone.caller.principal_id, "approver", by="test", now=now())
        reissue(conn, proof_id, reason="x", by="test", now=now())
    with pytest.raises(SignerNotReady):
        given(house, proof_id, gone, number=2)


def test_a_signer_is_a_person_with_the_role_and_a_key_of_their_own(house: House) -> None:
    asked: dict[str, Any] = {"role": "controller", "public_key": house.ann.public, "valid_until": now() + timedelta(days=1), "by": "t"}
    cases: list[tuple[type[Problem], dict[str, Any]]] = [
        (SignerKeyTaken, {}),
        (SignerRoleNotHeld, {"role": "auditor"}),
        (InvalidInput, {"role": "viewer"}),
        (InvalidInput, {"public_key": b"short"}),
        (InvalidInput, {"valid_until": now()}),
        (InvalidInput, {"valid_until": now() + timedelta(days=9_999)}),
    ]
    for problem, more in cases:
        with pytest.raises(problem) as refused, house.desk.database.transaction() as conn:
            add_signer(conn, make_id("sgn"), principal_id=house.ann.caller.principal_id, now=now(), **(asked | more))
        if problem is SignerKeyTaken:
            assert (refused.value.facts["person"], refused.value.facts["role"]) == ("ann", "controller"), "whose it is"


def test_the_database_keeps_what_was_signed(house: House, proof_id: str) -> None:
    given(house, proof_id, house.ann)
    for statement in (
        "update signer set public_key = sha256('x')",
        "update proof set manifest_sha256 = sha256('x')",
        "delete from proof_signature",
        "update proof_request set quorum = 1",
        "update proof_file set sha256 = sha256('x')",
    ):
        with pytest.raises(Problem) as refused, house.desk.database.transaction() as conn:
            conn.execute(statement.encode())
        assert isinstance(refused.value, AppendOnly | Problem)


def test_enough_signers_are_counted_by_people_and_roles(house: House) -> None:
    with house.desk.database.transaction() as conn:
        known = list_signers(conn)[0]

    def ready(*pairs: str) -> list[SignerHealth]:
        made = [known._replace(principal_id=one.split()[0], role=one.split()[1]) for one in pairs]
        return [SignerHealth(one, "ready", None) for one in made]

    assert quorum_can_be_met(ready("ann controller", "otto auditor"), 2)
    assert not quorum_can_be_met(ready("ann controller", "ann auditor"), 2), "one person"
    assert not quorum_can_be_met(ready("ann controller", "otto controller"), 2), "one role"
    assert quorum_can_be_met(ready("ann controller", "ann auditor", "otto controller"), 2), "ann signs as auditor then"
    assert not quorum_can_be_met([one._replace(health="revoked") for one in ready("ann controller", "otto auditor")], 2)


def test_a_file_that_was_altered_in_the_store_is_not_handed_out(house: House, proof_id: str) -> None:
    house.sign(proof_id, house.ann, house.otto)
    with house.desk.database.transaction() as conn:
        package = stored(conn, house.folder, proof_id)
    kept = keep_signed(package)
    assert kept.read_bytes() == house.package(proof_id)
    assert kept.stat().st_mode & 0o777 == 0o444
    package.refuse_damaged()
    path = package.folder / "breaks.jsonl"
    path.chmod(0o644)
    path.write_text("{}\n")
    with pytest.raises(ProofDamaged):
        package.refuse_damaged()
    package.refuse_damaged("entries.jsonl")


def test_nobody_signs_what_is_not_the_proof_that_they_mean_or_not_the_files_that_they_saw(house: House, tmp_path: Path) -> None:
    """The server could ask for a signature of anything: the one who signs looks at it on their own machine."""
    end = now()
    mine, other = house.exported(house.start, end), house.exported(house.start, end - timedelta(milliseconds=1))
    with house.desk.database.transaction() as conn:
        asked = bytes(request_of(conn, mine.id).statement)
    package, altered = tmp_path / "mine.zip", tmp_path / "other.zip"
    package.write_bytes(house.package(mine.id))
    altered.write_bytes(house.package(other.id))
    for at_hand in (None, package):
        refuse_another_request(asked, mine.id, at_hand)
    cut = json.loads(asked)
    del cut["subject"]
    for body, proof_id, seen, said in (
        (asked, other.id, None, "another proof"),
        (asked, mine.id, altered, "other files"),
        (b'{"transfer":"everything"}', mine.id, None, "no proof"),
        (b"[]", mine.id, None, "no object of JSON"),
        (b"not json", mine.id, None, "cannot be read"),
        (canonical_json(cut).encode(), mine.id, package, "no proof"),
    ):
        with pytest.raises(ProofBroken, match=said):
            refuse_another_request(body, proof_id, seen)
