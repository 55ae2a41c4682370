"""A proof has a page of its own: what it holds, who has signed, and a form that asks anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from counterfoil.base.edge import now
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from counterfoil.proofs.packages.exporting import export_proof
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import OK, verify_package
from tests.builders import PROGRAM
from tests.dashboard import days
from tests.dashboard.looking import key_of
from tests.dashboard.test_session import csrf_of, logged_in
from tests.proofs.builders import House, a_person


def looked(client: httpx2.Client, path: str, form: dict[str, str]) -> httpx2.Response:
    return client.post(path, data={"csrf": csrf_of(client), **form})


def test_a_proof_is_shown_with_its_files_and_its_verdict(desk: Any, tmp_path: Path):
    days.an_empty_day(desk)
    day = now().replace(hour=0, minute=0, second=0, microsecond=0)
    exporter = replace(desk.wiring, proof_folder=tmp_path / "proofs", clock=now).exporter()
    proof, _ = export_proof(exporter, day, now(), by="test")
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='controller')}"}
        page = httpx2.get(f"{url}/admin/proofs/{proof.id}", headers=headers)
        every = httpx2.get(f"{url}/admin/proofs", headers=headers)
        exports = httpx2.get(f"{url}/admin/proof-exports", headers=headers)
    assert page.status_code == 200, page.text
    assert "/admin/proof-exports?view=under-way" in every.text, "from the list to what is being made"
    assert (exports.status_code, proof.id in exports.text.replace("<wbr>", ""), "It is made" in exports.text) == (200, True, True)
    assert 'id="exports"' in page.text, "who came to this proof, and when"
    shown = page.text.replace("<wbr>", "")  # long words may break
    for said in (proof.id, "incomplete", "waiting", "manifest.json"):
        assert said in shown
    assert 'id="files"' in shown
    assert "You look with a key, without a session" in shown, "what is done on a page takes a login"


def test_a_payee_is_given_what_concerns_them_from_the_page_of_a_proof(desk: Any, tmp_path: Path):
    """Looked at, given a reason, confirmed: then the browser has the file, and the action log who gave it out."""
    days.an_empty_day(desk)
    house = House(desk, tmp_path / "proofs")
    desk.wiring = replace(desk.wiring, proof_folder=house.folder)
    theirs = "payable:payee:payee-1"
    with desk.database.transaction() as conn:
        open_accounts(conn, PROGRAM, [theirs, "suspense"], asset="EUR", actor="test", now=now())
        post(conn, PROGRAM, key="k", kind="t", lines=[("suspense", theirs, 5)], asset="EUR", actor="t", now=now())
    first = house.exported(now() - timedelta(days=90), now())
    proof = house.exported(first.to_at, now())
    path = f"/admin/proofs/{first.id}/disclosure"
    with days.served(desk) as url:
        client = logged_in(url, desk, role="auditor")
        assert "Not now: the proof waits for its signatures" in client.get(path).text
        house.sign(first.id, house.ann, house.otto)
        assert path in client.get(f"/admin/proofs/{first.id}").text
        asked = {"payee_id": "payee-1", "before": "3", "with_others": "no", "program_id": ""}
        told = looked(client, path, asked)
        assert "1 entry of the period concerns payee-1" in told.text
        for wrong, said in (
            ({"payee_id": "nobody"}, "nobody"),
            ({"before": "13"}, "a number from 0 to 12"),
            ({"payee_id": ""}, "1 to 180"),
        ):
            assert said in looked(client, path, {**asked, **wrong}).text
        assert desk.rows("select count(*) from action where verb = 'proof.disclose'") == [(0,)]

        form = {"csrf": csrf_of(client), **asked, "reason": "they asked", "confirm": "yes", "key": key_of(told.text)}
        assert "what is filled in is not what was looked at" in client.post(path, data={**form, "with_others": "yes"}).text
        given = client.post(path, data=form)
    assert (given.status_code, given.headers["content-type"]) == (200, "application/zip"), given.text[-500:]
    (tmp_path / "theirs.zip").write_bytes(given.content)
    found = verify_package(tmp_path / "theirs.zip", TrustedKeys.read(house.keys()))
    assert found.code == OK, found.said
    assert desk.rows("select subject_id, reason from action where verb = 'proof.disclose'") == [(first.id, "they asked")]
    assert proof.previous_id == first.id


def test_the_page_of_signers_says_who_signs_which_period_follows_which_and_who_is_missing(desk: Any, tmp_path: Path):
    days.an_empty_day(desk)
    house = House(desk, tmp_path / "proofs")
    with desk.database.transaction() as conn:
        a_person(conn, "rita", "approver", at=house.start, valid_for=timedelta(days=9))
        open_accounts(conn, PROGRAM, ["bad_debt"], asset="EUR", actor="test", now=now())
    first = house.exported(now() - timedelta(days=90), now())
    second = house.exported(first.to_at, now())
    third = house.exported(second.to_at + timedelta(microseconds=1), now())
    house.sign(first.id, house.ann, house.otto)
    house.sign(second.id, house.ann)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='viewer')}"}
        page, told = (httpx2.get(f"{url}/admin/signers{end}", headers=headers) for end in ("", ".json"))
    assert (page.status_code, told.status_code) == (200, 200), page.text
    answer = told.json()
    assert (answer["quorum"], answer["enough"]) == (2, True)
    assert {one["person"]: one["word"] for one in answer["signers"]} == {"ann": "ready", "otto": "ready", "rita": "ready, and ends soon"}
    assert [(one["proof"]["id"], one["proof"]["follows"], one["chain"], one["missing"]) for one in answer["periods"]] == [
        (third.id, None, "attention", ["ann", "otto", "rita"]),
        (second.id, first.id, "right", ["otto", "rita"]),
        (first.id, None, "right", []),
    ]
    assert [one["proof"]["signatures"] for one in answer["periods"]] == [0, 1, 2]
    shown = page.text.replace("<wbr>", "")
    for said in ("a gap: no proof ends where it begins", "could sign: otto, rita", "with the first entry", "enough to sign"):
        assert said in shown
    assert house.ann.public.hex()[:16] in shown


def test_signers_are_paged_as_every_list_and_all_of_them_count(desk: Any, tmp_path: Path):
    days.an_empty_day(desk)
    house = House(desk, tmp_path / "proofs")
    names = [f"signer {number:02}" for number in range(19)]  # beside ann and otto
    with desk.database.transaction() as conn:
        for name in names:
            a_person(conn, name, "approver", at=house.start)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='viewer')}"}
        with httpx2.Client(base_url=url, headers=headers, trust_env=False) as client:
            page, first = client.get("/admin/signers").text, client.get("/admin/signers.json").json()
            assert (len(first["signers"]), first["total"], first["enough"]) == (20, 21, True)
            assert f'/admin/signers?after={first["after"]}#signers">The next signers' in page
            assert "21 keys" in page
            rest = client.get(f"/admin/signers.json?after={first['after']}").json()
            assert (len(rest["signers"]), rest["after"]) == (1, None)
            shown = {one["person"] for one in first["signers"] + rest["signers"]}
            assert shown == {"ann", "otto", *names}
            beyond = client.get(f"/admin/signers?after=sgn_{'0' * 26}").text
            assert ("No more." in beyond, "Nobody signs yet" in beyond) == (True, False)
            assert client.get("/admin/signers?after=x").status_code == 422


def test_that_a_payout_and_a_journal_are_in_the_log_is_on_pages_of_theirs_with_the_file(desk: Any, tmp_path: Path):
    days.a_full_day(desk)
    days.through(desk)
    house = House(desk, tmp_path / "proofs")
    ((payout, journal),) = desk.rows(
        """select pp.payout_id, min(j.id::text) from provider_payout pp join journal j on j.source_id = pp.id
           group by 1 order by 1 limit 1"""
    )
    with days.served(desk) as url:
        client = logged_in(url, desk, role="viewer")
        path = f"/admin/payouts/{payout}/inclusion"
        early = client.get(path)
        assert (early.status_code, "Nothing is in the log yet" in early.text) == (503, True), "and the page says what it waits for"
        house.exported(house.start, now())
        assert path in client.get(f"/admin/payouts/{payout}").text, "from the payout's own page"
        page, told = client.get(path), client.get(f"{path}.json").json()
        file = client.get(f"{path}/file")
        assert f"/admin/journals/{journal}/inclusion" in page.text
        of_journal = client.get(f"/admin/journals/{journal}/inclusion")
        assert client.get("/admin/journals/x/inclusion").status_code == 422
        entries = client.get("/admin/entries", params={"account": "clearing:*", "asset": "EUR"})
    assert (page.status_code, of_journal.status_code) == (200, 200), page.text
    assert "/admin/journals/" in entries.text, "from the entries behind a figure"
    assert "payable:payee:" in of_journal.text
    assert told["entries"][0]["journalId"] == journal
    assert file.headers["content-disposition"] == f'attachment; filename="{payout}.inclusion.json"'
    (tmp_path / "x.json").write_bytes(file.content)
    found = verify_package(tmp_path / "x.json", TrustedKeys.read(house.keys()))
    assert found.code == OK, found.said
