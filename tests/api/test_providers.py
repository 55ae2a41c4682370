"""Providers over HTTP: what each declares, and how it does, measured from the calls that were recorded; and files for the bank."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Any, cast

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.encryption.confidential import encrypt
from counterfoil.base.machine import record_birth
from counterfoil.operations.work.calls import NewCall, announce_call, store_answer
from counterfoil.payouts.machines import PAYMENT_FILE
from counterfoil.payouts.payment_files.files import CONFIDENTIAL
from tests.api.office import PROGRAM, Office, fresh
from tests.api.test_one_payment import run
from tests.api.test_payouts_by_hand import a_payout
from tests.operations.providers.how import NEEDS_BANK_FILES


def a_call(office: Office, ago_s: float, kind: str | None, ms: int = 100) -> None:
    """A call that was announced so long ago and, if at all, answered so much later."""
    at = now() - timedelta(seconds=ago_s)
    with office.database.transaction() as conn:
        call = NewCall(make_id("call"), fresh("pp"), "simulator", fresh("key"), bytes(32), "worker:test", 1)
        announce_call(conn, call, now=at, horizon=timedelta(minutes=15))
        if kind is not None:
            answered = at + timedelta(milliseconds=ms)
            store_answer(conn, call.id, kind=kind, answer={"error": "x", "after_s": 0}, now=answered, due_at=answered)
            conn.execute("update call_answer set state = 'applied', applied_at = now(), due_at = null where id = %s", [call.id])


def stats(office: Office, **params: Any) -> dict[str, Any]:
    found = office.ask("GET", "/api/providers", params=params).json()
    assert [one["id"] for one in found["data"]] == ["simulator"]
    return {**found["data"][0]["stats"], "from": found["measuredFrom"], "until": found["measuredUntil"]}


def test_a_provider_tells_what_its_adapter_declares(office: Office):
    [one] = office.ask("GET", "/api/providers").json()["data"]
    assert one["capabilities"] == {
        "keyMemoryS": 23 * 3600,
        "looksUpBy": ["key"],
        "absentAfterS": 0,
        "settlesWithinS": 24 * 3600,
        "horizonS": 900,
        "feeAsset": None,
        "ordersMax": 1,
        "callsAtOnce": 64,
    }
    assert one["circuits"] == []


def test_without_calls_nothing_is_measured_and_nothing_looks_well(office: Office):
    found = stats(office, hours=1)
    assert (found["calls"], found["availabilityBps"], found["latencyP50Ms"], found["lastSuccessAt"]) == (
        0,
        None,
        None,
        None,
    )
    assert found["from"] < found["until"]


def test_latency_availability_and_last_success_are_those_of_the_calls_of_the_span(office: Office):
    for number, kind in enumerate(["accepted", "accepted", "accepted", "refused", "later", "unclear"]):
        a_call(office, 60 + number, kind, ms=100 * (number + 1))
    a_call(office, 1_800, None)  # its horizon is over, and nothing came
    a_call(office, 30, None)  # may still be answered
    a_call(office, 90_000, "unclear", ms=60_000)  # of the day before
    found = stats(office)
    counted = {name: found[name] for name in ("calls", "accepted", "refused", "later", "unclear", "noAnswer", "open")}
    assert counted == {"calls": 8, "accepted": 3, "refused": 1, "later": 1, "unclear": 1, "noAnswer": 1, "open": 1}
    assert found["availabilityBps"] == 4 * 10_000 // 7
    assert (found["latencyP50Ms"], found["latencyP99Ms"]) == (350, 595)
    assert found["lastSuccessAt"] is not None
    assert found["lastFailureAt"] is not None
    assert stats(office, hours=48)["calls"] == 9


@pytest.mark.parametrize("hours", [0, 745, "x"])
def test_a_span_that_cannot_be_measured_is_refused_by_its_name(office: Office, hours: Any):
    refused = office.ask("GET", "/api/providers", params={"hours": hours})
    assert refused.status_code == 422
    assert "hours" in refused.text


def a_file(office: Office, body: bytes = b"<Document/>") -> str:
    file_id = make_id("pf")
    with office.database.transaction() as conn:
        conn.execute(
            """insert into payment_file (id, provider, program_id, asset, orders, amount, envelope, sha256, execute_on, created_at, state,
                                         state_at)
               values (%s, 'sepa', %s, 'EUR', 1, 9400, %s, sha256(%s), %s, now(), 'made', now())""",
            [file_id, PROGRAM, encrypt(conn, CONFIDENTIAL, [file_id], [body]), body, date(2026, 11, 27)],
        )
        record_birth(conn, PAYMENT_FILE, [file_id], "made", actor="test", at=now())
    return file_id


def test_a_file_is_downloaded_as_it_was_made_and_who_did_it_is_kept(office: Office):
    file_id = a_file(office)
    shown = office.ask("GET", f"/api/bank-files/{file_id}").json()
    assert (shown["state"], shown["amount"], shown["lines"]) == ("made", "9400", [])
    got = office.ask("POST", f"/api/bank-files/{file_id}/download", role="operator", key=fresh())
    assert (got.status_code, got.headers["content-type"]) == (200, "application/xml")
    assert hashlib.sha256(got.content).hexdigest() == shown["sha256"]
    after = office.ask("GET", "/api/bank-files", params={"state": "downloaded"}).json()["data"]
    assert [one["id"] for one in after] == [file_id]
    with office.database.transaction() as conn:
        [who] = conn.execute("select actor from step where subject_id = %s and verb = 'download'", [file_id]).fetchall()
    assert who[0]


def test_a_dry_run_gives_nobody_the_file(office: Office):
    file_id = a_file(office)
    asked = office.ask("POST", f"/api/bank-files/{file_id}/download", role="operator", key=fresh(), params={"dryRun": "true"})
    assert asked.status_code == 422
    assert office.ask("GET", f"/api/bank-files/{file_id}").json()["state"] == "made"


def test_a_file_is_cancelled_with_a_reason_while_nobody_has_it_and_refused_afterwards(office: Office):
    one, other = a_file(office), a_file(office)
    done = office.ask("POST", f"/api/bank-files/{one}/cancel", role="operator", key=fresh(), json={"reason": "wrong day"})
    assert (done.status_code, done.json()["state"], done.json()["ended"]) == (200, "cancelled", [])
    gone = office.ask("POST", f"/api/bank-files/{one}/download", role="operator", key=fresh())
    assert gone.status_code == 409
    office.ask("POST", f"/api/bank-files/{other}/download", role="operator", key=fresh())
    late = office.ask("POST", f"/api/bank-files/{other}/cancel", role="operator", key=fresh(), json={"reason": "late"})
    assert late.status_code == 409


def test_files_are_made_now_of_what_is_queued_for_the_bank(office: Office):
    pytest.importorskip("sepaxml", reason=NEEDS_BANK_FILES)
    pytest.importorskip("schwifty", reason=NEEDS_BANK_FILES)
    from counterfoil.operations.providers.accounts import bank_account_of
    from counterfoil.operations.providers.sepa.provider import SepaProvider

    payout = a_payout(office, destination=False)
    account = bank_account_of("DE89370400440532013000;COBADEFFXXX;House GmbH")
    office.wiring.providers["sepa"] = SepaProvider(account, gather_for=timedelta(days=1))  # type: ignore[index]
    iban = {"programId": PROGRAM, "payeeId": "bolt", "provider": "sepa", "token": "FR1420041010050500013M02606;Bolt"}
    assert office.by_two("/api/destinations", iban, role="administrator").status_code in (200, 201)
    office.fund("cash:bank:client", 100_000)
    run(office, "reserve")
    assert office.ask("GET", "/api/bank-files").json()["data"] == [], "it gathers for a day"
    key = fresh()
    made = office.ask("POST", "/api/bank-files", role="operator", key=key)
    assert (made.status_code, made.json()["handled"], made.json()["failed"]) == (200, 1, 0), made.text
    assert office.ask("POST", "/api/bank-files", role="operator", key=key).json() == made.json()
    (file,) = office.ask("GET", "/api/bank-files").json()["data"]
    (line,) = office.ask("GET", f"/api/bank-files/{file['id']}").json()["lines"]
    shown = office.ask("GET", f"/api/payouts/{payout}").json()
    assert (file["state"], line["payoutId"], line["amount"], line["state"]) == ("made", payout, shown["amount"], "sent")
    assert office.ask("POST", "/api/bank-files", role="operator", key=fresh()).json()["handled"] == 0


def a_report(file_id: str) -> bytes:
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt><OrgnlGrpInfAndSts>'
        f"<OrgnlMsgId>{file_id}</OrgnlMsgId><GrpSts>ACTC</GrpSts></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()


def take(office: Office, content: bytes) -> Any:
    params = {"fileName": "r.xml"}
    return office.ask("POST", "/api/bank-files/reports", role="operator", key=fresh(), content=content, params=params)


def test_a_report_is_refused_where_no_bank_is_set_up_that_could_say_what_it_means(office: Office):
    file_id = a_file(office)
    refused = take(office, a_report(file_id))
    assert (refused.status_code, refused.json()["id"]) == (404, "sepa")
    assert office.ask("GET", f"/api/bank-files/{file_id}").json()["state"] == "made"


def test_a_report_that_is_none_is_refused_and_one_of_the_bank_is_taken_once(office: Office):
    pytest.importorskip("sepaxml", reason=NEEDS_BANK_FILES)
    pytest.importorskip("schwifty", reason=NEEDS_BANK_FILES)
    from counterfoil.operations.providers.accounts import bank_account_of
    from counterfoil.operations.providers.sepa.provider import SepaProvider

    bank = SepaProvider(bank_account_of("DE89370400440532013000;COBADEFFXXX;House GmbH"))
    cast("dict[str, Any]", office.wiring.providers)[bank.name] = bank
    file_id = a_file(office)
    body = a_report(file_id)
    assert take(office, b"nothing").status_code == 422
    first, again = take(office, body), take(office, body)
    assert (first.status_code, again.status_code, again.json()["existed"]) == (201, 200, True)
    assert first.json()["fileId"] == file_id
    assert office.ask("GET", f"/api/bank-files/{file_id}").json()["state"] == "reported"
