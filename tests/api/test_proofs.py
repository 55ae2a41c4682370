"""Proofs and their signers over HTTP: made, fetched, signed by their people's own keys, asked for anew."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterfoil.base.edge import Database, now
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.importing.imports import import_file
from counterfoil.ledger.importing.map import load_map
from counterfoil.ledger.journals.journal import post
from counterfoil.proofs.disclosures.making import disclose
from counterfoil.proofs.log.merkle import leaf_hash, root_from_inclusion
from counterfoil.proofs.log.notes import NoteKey, open_note, read_checkpoint, read_proof
from counterfoil.proofs.signing.envelope import to_sign
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import OK, verify_package
from tests.api.office import Office, fresh, opened
from tests.builders import BANK_MAP, PROGRAM
from tests.people import log_in_as

PEOPLE = {"ann": "controller", "otto": "auditor"}
START = f"{now():%Y-%m-%d}T00:00:00Z"
KEYS: dict[str, Any] = {name: Ed25519PrivateKey.generate() for name in PEOPLE}


@pytest.fixture
def office(database: Database) -> Iterator[Office]:
    ids: dict[str, str] = {}

    def people(conn: Any, keys: dict[str, str]) -> None:
        for name, role in PEOPLE.items():
            caller, keys[name] = log_in_as(conn, name, role)
            ids[name] = caller.principal_id

    with opened(database, people) as found:
        found.key_ids |= ids
        yield found


def added(office: Office, name: str) -> str:
    """A person's key, added by two administrators: its id."""
    public = KEYS[name].public_key().public_bytes_raw().hex()
    until = (now() + timedelta(days=300)).isoformat()
    body = {"principalId": office.key_ids[name], "role": PEOPLE[name], "publicKey": public, "validUntil": until}
    done = office.by_two("/api/signers", body, role="administrator", checker="second administrator")
    assert (done.status_code, done.json()["person"]) == (201, name), done.text
    return str(done.json()["id"])


def exported(office: Office, **more: Any) -> dict[str, Any]:
    body = {"from": START, "to": now().isoformat()} | more
    made = office.ask("POST", "/api/proofs", role="controller", key=fresh(), json=body)
    assert made.status_code in (200, 201), made.text
    found: dict[str, Any] = made.json()
    return found


def signed(office: Office, proof_id: str, name: str, signer_id: str, **more: Any) -> Any:
    request = office.ask("GET", f"/api/proofs/{proof_id}/request", role=name).json()
    signature = base64.b64encode(KEYS[name].sign(to_sign(base64.b64decode(request["payload"])))).decode()
    body = {"number": request["number"], "signerId": signer_id, "signature": signature} | more
    return office.ask("POST", f"/api/proofs/{proof_id}/signatures", role=name, key=fresh(), json=body)


def test_a_person_signs_with_a_key_of_ml_dsa_44_too(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(KEYS, "ann", mldsa.MLDSA44PrivateKey.generate())
    ann = added(office, "ann")
    [shown] = office.ask("GET", "/api/signers").json()["signers"]
    assert (shown["kind"], len(shown["publicKey"])) == ("ML-DSA-44", 2624)
    proof = exported(office)
    done = signed(office, proof["id"], "ann", ann)
    assert (done.status_code, done.json()["state"]) == (201, "waiting"), done.text
    short = base64.b64encode(bytes(66)).decode()
    assert signed(office, proof["id"], "ann", ann, signature=short).json()["type"].endswith("request_over") is False


def test_two_administrators_change_the_key_of_the_log(office: Office):
    before = exported(office, to=now().isoformat())
    pinned = office.ask("GET", "/api/signers/keys").json()["keys"]["log"]
    body = {"cause": "planned", "reason": "once a year"}
    done = office.by_two("/api/signers/log-key", body, role="administrator", checker="second administrator")
    assert (done.status_code, done.json()["cause"]) == (201, "planned"), done.text
    log = office.ask("GET", "/api/signers").json()["log"]
    assert (log["health"], [one["keyId"] for one in log["changes"]]) == ("ready", [done.json()["id"]])
    now_pinned = office.ask("GET", "/api/signers/keys").json()["keys"]["log"]
    assert [one["key"] for one in now_pinned] == [log["publicKey"], pinned[0]["key"]]
    assert now_pinned[1]["ended"]["size"] == done.json()["size"] >= before["closeSize"]


def test_a_payee_is_given_what_concerns_them_out_of_a_signed_proof(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    theirs, others = "payable:payee:p 1", "payable:payee:p-2"
    with office.database.transaction() as conn:
        open_accounts(conn, PROGRAM, [theirs, others, "suspense"], asset="EUR", actor="test", now=now())
        for key, account in (("mine", theirs), ("not mine", others)):
            post(conn, PROGRAM, key=key, kind="t", lines=[("suspense", account, 5)], asset="EUR", actor="t", now=now())
    signers = {name: added(office, name) for name in PEOPLE}
    proof = exported(office)["id"]

    def given(**more: Any) -> Any:
        body = {"payeeId": "p 1", "reason": "they asked for it", **more}
        return office.ask("POST", f"/api/proofs/{proof}/disclosures", role="controller", json=body)

    assert (given().status_code, given().json()["type"]) == (409, "/problems/ProofUnsigned")
    for name, signer in signers.items():
        signed(office, proof, name, signer)
    done = given()
    assert (done.status_code, f"{proof}-p_1.zip" in done.headers["content-disposition"]) == (200, True), done.text
    path = tmp_path / "theirs.zip"
    path.write_bytes(done.content)
    keys = office.ask("GET", "/api/signers/keys").json()["keys"]
    found = verify_package(path, TrustedKeys.read(keys))
    assert found.code == OK, found.said
    assert (b'"mine"' in done.content, b'"not mine"' in done.content) == (True, False)
    package = tmp_path / "whole.zip"
    package.write_bytes(office.ask("GET", f"/api/proofs/{proof}/package", role="controller").content)
    disclose([package], "p 1", None, tmp_path / "here.zip")
    assert (tmp_path / "here.zip").read_bytes() == done.content, "it is what the command makes of the package"
    with office.database.transaction() as conn:
        [row] = conn.execute("select actor, reason, payload from action where verb = 'proof.disclose'").fetchall()
    assert ("controller" in row[0], row[1]) == (True, "they asked for it")
    assert (row[2]["payeeId"], row[2]["entries"], row[2]["sha256"]) == ("p 1", 1, hashlib.sha256(done.content).hexdigest())
    for more, status, kind in (
        ({"payeeId": "p-9"}, 404, "NotFound"),
        ({"previous": [proof]}, 422, "ProofBroken"),
        ({"previous": ["prf_01KA0000000000000000000000"]}, 404, "NotFound"),
        ({"reason": ""}, 422, "InvalidInput"),
    ):
        refused = given(**more)
        assert (refused.status_code, refused.json()["type"]) == (status, f"/problems/{kind}"), refused.text
    for limit in ("ENTRIES_MAX", "BYTES_MAX"):
        with monkeypatch.context() as patch:
            patch.setattr(f"counterfoil.proofs.disclosures.stored.{limit}", 1)
            assert (given().status_code, given().json()["type"]) == (422, "/problems/DisclosureTooLarge")
    assert (
        office.ask("POST", f"/api/proofs/{proof}/disclosures", role="operator", json={"payeeId": "p 1", "reason": "x"}).status_code == 403
    )
    with office.database.transaction() as conn:
        assert conn.execute("select count(*) from action where verb = 'proof.disclose'").fetchone() == (1,), (
            "what is refused gives nothing out"
        )


def test_a_proof_is_made_signed_fetched_and_signed_anew(office: Office):
    nobody = office.ask("GET", "/api/signers").json()
    assert (nobody["canBeMet"], nobody["log"]["health"], nobody["signers"]) == (False, "not begun", [])
    ann, otto = (added(office, name) for name in PEOPLE)
    end = now().isoformat()
    made = exported(office, to=end)
    assert (made["state"], made["verdict"], made["existed"]) == ("waiting", "incomplete", False), "nothing was reconciled"
    assert exported(office, to=end)["existed"]
    exports = office.ask("GET", "/api/proof-exports").json()["data"]
    assert [(one["state"], one["proofId"], one["entriesDone"] == one["entries"]) for one in exports] == [("made", made["id"], True)] * 2
    shown = office.ask("GET", f"/api/proof-exports/{exports[0]['id']}").json()
    assert (shown["stage"], shown["silentS"], [one["verb"] for one in shown["steps"]]) == ("It is made", None, ["create", "finish"])
    status = office.ask("GET", "/api/signers").json()
    assert (status["canBeMet"], status["log"]["health"], status["quorum"]) == (True, "ready", 2)
    assert signed(office, made["id"], "ann", ann).json()["state"] == "waiting"
    again = signed(office, made["id"], "ann", ann)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/AlreadySigned")
    assert signed(office, made["id"], "ann", otto).json()["type"] == "/problems/SignerNotYours"
    bad = signed(office, made["id"], "otto", otto, signature="A" * 86 + "==")
    assert (bad.status_code, bad.json()["type"]) == (422, "/problems/SignatureWrong")
    for none in ("ä" * 88, "no base64"):
        refused = signed(office, made["id"], "otto", otto, signature=none)
        assert (refused.status_code, refused.json()["field"]) == (422, "signature"), none
    assert signed(office, made["id"], "otto", otto).json()["state"] == "signed"
    shown = office.ask("GET", f"/api/proofs/{made['id']}").json()
    assert {one["person"]: one["standing"] for one in shown["signers"]} == {"ann": "signed", "otto": "signed"}
    package = office.ask("GET", f"/api/proofs/{made['id']}/package", role="auditor")
    with zipfile.ZipFile(io.BytesIO(package.content)) as files:
        assert {one["name"] for one in shown["files"]} == set(files.namelist()) - {"manifest.dsse.json"}
        report = files.read("reconciliation_report.json")
    file = office.ask("GET", f"/api/proofs/{made['id']}/files/reconciliation_report.json", role="auditor")
    assert (file.content, file.headers["content-type"]) == (report, "application/json")
    assert office.ask("GET", "/api/proofs?state=signed").json()["data"][0]["id"] == made["id"]
    keys = office.ask("GET", "/api/signers/keys").json()["keys"]
    assert {one["person"] for one in keys["signers"]} == set(PEOPLE)
    anew = office.ask("POST", f"/api/proofs/{made['id']}/reissue", role="controller", key=fresh(), json={"reason": "a key was lost"})
    assert (anew.status_code, anew.json()["state"]) == (200, "waiting"), anew.text
    assert anew.json()["told"] == "What ann and otto signed counts no more."
    ended = office.ask("POST", f"/api/signers/{ann}/revoke", role="administrator", key=fresh(), json={"reason": "it was lost"})
    assert ended.json()["revokedAt"] is not None
    refused = signed(office, made["id"], "ann", ann)
    assert (refused.status_code, refused.json()["why"]) == (409, "revoked")
    assert office.ask("GET", "/api/signers").json()["canBeMet"] is False


def test_a_journal_is_shown_to_be_in_the_log(office: Office, tmp_path: Path):
    office.fund("fee:platform", 500)
    journal = office.ask("GET", "/api/journals?programId=main").json()["data"][0]["id"]
    early = office.ask("GET", f"/api/journals/{journal}/inclusion")
    assert (early.status_code, early.json()["type"]) == (503, "/problems/LogNotBegun")
    assert office.ask("POST", "/api/admin/ops/run/log", role="operator", key=fresh()).status_code == 200
    answered = office.ask("GET", f"/api/journals/{journal}/inclusion")
    told = answered.json()
    assert (told["kind"], told["id"], len(told["entries"])) == ("journal", journal, 1)
    [shown] = told["entries"]
    index, hashes, note = read_proof(shown["proof"])
    log = office.ask("GET", "/api/signers").json()["log"]
    keys = [NoteKey.read(log[name]) for name in ("noteKey", "quantumNoteKey")]
    text, signers = open_note(note, keys)
    assert signers == keys, "of Ed25519 and of ML-DSA-44"
    told = read_checkpoint(text)
    assert root_from_inclusion(index, told.size, leaf_hash(shown["record"].encode()), hashes) == told.root
    assert journal in shown["record"]
    keys_file = TrustedKeys.read(office.ask("GET", "/api/signers/keys").json()["keys"])
    (tmp_path / "j.json").write_bytes(answered.content)
    found = verify_package(tmp_path / "j.json", keys_file)
    assert (found.code, found.said[0].startswith(f"Inclusion of journal {journal}: 1 of the ")) == (OK, True), found.said
    trail = office.ask("GET", "/api/audit/export?account=fee:platform&format=csv", role="auditor")
    assert [row["amount"] for row in csv.DictReader(trail.text.splitlines())] == ["", "500"]
    assert office.ask("GET", "/api/audit/export", role="auditor").json()["field"] == "agentId"


def test_a_batch_is_shown_and_repaired_with_its_own_file_alone(office: Office, tmp_path: Path):
    path, mapped = tmp_path / "b.csv", tmp_path / "m.toml"
    path.write_text("id,amount,date\n1,100,2026-01-05T10:00:00Z\n")
    mapped.write_text(BANK_MAP)
    made = import_file(office.database.transaction, "main", path, load_map(BANK_MAP), actor="local:ops", clock=now)
    [batch] = office.ask("GET", "/api/finance/batches").json()["data"]
    assert (batch["id"], batch["state"], batch["rowsApplied"]) == (made.import_id.hex(), "complete", 1)
    assert office.ask("GET", f"/api/finance/batches/{batch['id']}").json() == batch
    given = {"params": {"map": base64.b64encode(BANK_MAP.encode()).decode()}, "role": "controller"}
    again = office.ask("POST", f"/api/finance/batches/{batch['id']}/repair", key=fresh(), content=path.read_bytes(), **given)
    assert (again.status_code, again.json()["posted"], again.json()["resumedAt"]) == (200, 0, 1)
    for headers in ({}, {"Dry-Run": "true"}):
        content = b"id,amount,date\n"
        other = office.ask("POST", f"/api/finance/batches/{batch['id']}/repair", key=fresh(), content=content, headers=headers, **given)
        assert (other.status_code, other.json()["type"]) == (409, "/problems/BatchOfAnotherFile"), headers
    assert office.ask("GET", f"/api/finance/batches/{'0' * 64}").status_code == 404
    assert office.ask("GET", "/api/finance/batches/x").status_code == 422


def test_what_is_no_period_no_proof_or_no_file_is_named(office: Office):
    later = (now() + timedelta(days=1)).isoformat()
    body = {"from": START, "to": later}
    assert office.ask("POST", "/api/proofs", role="controller", key=fresh(), json=body).json()["type"] == "/problems/PeriodNotOver"
    turned = office.ask("POST", "/api/proofs", role="controller", key=fresh(), json={"from": later, "to": START})
    assert (turned.status_code, turned.json()["field"]) == (422, "to")
    dry = office.ask("POST", "/api/proofs", role="controller", key=fresh(), json=body, headers={"Dry-Run": "true"})
    assert (dry.status_code, dry.json()["field"]) == (422, "dryRun")
    assert office.ask("GET", f"/api/proofs/prf_{'0' * 26}").status_code == 404
    made = exported(office)
    for name in ("../../encryption.keys", "..%2F..%2Fencryption.keys", "keys", "manifest.json.x"):
        assert office.ask("GET", f"/api/proofs/{made['id']}/files/{name}", role="auditor").status_code in (404, 422)
    key = office.ask("POST", "/api/signers", role="administrator", key=fresh(), json={"principalId": "x"})
    assert key.status_code == 422


def test_an_administrator_names_the_policy_of_personal_data_that_proofs_are_under(office: Office):
    assert office.ask("GET", "/api/signers").json()["personalDataPolicy"] is None
    body = {"name": "Privacy 2026-1", "sha256": "5a" * 32, "reason": "agreed by the board"}

    def named(role: str = "administrator", **more: Any) -> Any:
        return office.ask("POST", "/api/proofs/personal-data-policy", role=role, key=fresh(), json={**body, **more})

    done, again = named(), named()
    assert (done.status_code, done.json()["version"], again.json()["version"]) == (201, 1, 1), done.text
    assert named(name="Privacy 2027", sha256=None).json()["version"] == 2
    assert office.ask("GET", "/api/signers").json()["personalDataPolicy"] == "Privacy 2027"
    for wrong in ({"name": ""}, {"name": "x" * 201}, {"name": "\x1b[2J"}, {"sha256": "5A" * 32}, {"sha256": ""}, {"reason": ""}):
        assert named(**wrong).status_code == 422, wrong
    assert named(role="controller").status_code == 403
