"""Refunds and holdbacks at the command line and over HTTP: what is refused says which field, and a dry run books nothing."""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path

import pytest

from tests.api.office import Office, charge_event, fresh, signed
from tests.api.test_one_payment import run
from tests.cli.conftest import Cli


def test_a_refund_is_opened_shown_and_recorded_as_paid(cli: Cli, office: Office):
    invoice = office.invoice()
    body = charge_event(invoice, "ch_refunded")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_refunded"))
    run(office, "webhooks")
    asked = ("refunds", "open", "--invoice-id", invoice["id"], "--reason", "late")
    assert cli(*asked, "--amount", "4.00", "--dry-run").code == 0
    assert cli("refunds", "list").out == "No such refunds.\n"
    assert "is owed 4.00 EUR" in cli(*asked, "--amount", "4.00").out
    assert "amount" in cli(*asked, "--amount", "6.01").err
    assert "is owed 6.00 EUR" in cli(*asked).out, "without an amount all that can still go back"
    last, first = cli("refunds", "list", "-o", "json").json()
    assert (first["escrow"], first["state"], last["amount"]) == ("400", "owed", "600")
    paid = cli("refunds", "execute", first["id"], "--provider", "bank", "--reference", "B-1")
    assert paid.out == f"{first['id']} is paid to its customer.\n"
    again = office.ask("POST", f"/api/refunds/{last['id']}/execute", role="operator", json={"provider": "bank", "reference": "B-1"})
    assert (again.status_code, again.json()["field"]) == (422, "reference")
    assert cli("invariants").code == 0


def test_holdbacks_are_listed_and_their_days_are_set_with_the_rates(cli: Cli, office: Office):
    assert cli("holdbacks", "list").out == "No such holdbacks.\n"
    assert office.ask("GET", "/api/holdbacks").json()["data"] == []
    rates = {"platformBps": 500, "validatorBps": 100, "holdbackBps": 1000}
    path = "/api/programs/main/rates"
    refused = office.ask("POST", path, role="administrator", key=fresh(), json=rates | {"holdbackDays": 3651})
    assert refused.status_code == 422
    office.ask("POST", path, role="administrator", key=fresh(), json=rates | {"holdbackDays": 7})
    assert office.ask("GET", path).json()["holdbackDays"] == 7


def test_a_dispute_is_opened_gets_its_evidence_and_is_rejected(cli: Cli, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    invoice = office.invoice()
    body = charge_event(invoice, "ch_disputed")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_disputed"))
    run(office, "webhooks")
    assert "about 10.00 EUR" in cli("disputes", "open", "--invoice-id", invoice["id"], "--reason", "empty").out
    (one,) = office.ask("GET", "/api/disputes").json()["data"]
    assert cli("invoices", "show", invoice["id"], "-o", "json").json()["state"] == "disputed"
    box = tmp_path / "böx.txt"
    box.write_bytes(b"a b\x00x")
    kept = cli("disputes", "add-evidence", one["id"], str(box), "-o", "json").json()
    assert (kept["number"], kept["sha256"]) == (1, hashlib.sha256(b"a b\x00x").hexdigest())
    assert kept["sha256"] in cli("disputes", "evidence", one["id"], "-o", "json").out
    assert "is there already" in cli("disputes", "download-evidence", one["id"], "1", "--to", str(box)).err
    assert cli("disputes", "download-evidence", one["id"], "1", "--to", str(tmp_path / "back")).code == 0
    assert (tmp_path / "back").read_bytes() == box.read_bytes()
    assert "no evidence 2" in cli("disputes", "download-evidence", one["id"], "2").err
    refused = cli("refunds", "open", "--invoice-id", invoice["id"], "--reason", "late")
    assert one["id"] in refused.err
    assert cli("disputes", "review", one["id"]).out == f"{one['id']} is under review.\n"
    assert "who opened it or gave evidence does not reject it" in cli("disputes", "reject", one["id"], "--reason", "no").err
    with monkeypatch.context() as somebody_else:
        somebody_else.setenv("COUNTERFOIL_URL", office.url)
        somebody_else.setenv("COUNTERFOIL_API_KEY", office.keys["controller"])
        assert cli("disputes", "reject", one["id"], "--reason", "no").out == f"{one['id']} is rejected.\n"
    assert cli("invoices", "show", invoice["id"], "-o", "json").json()["state"] == "paid"
    assert cli("invariants").code == 0


def test_a_charged_back_payment_is_shown_and_what_its_payee_owes_is_written_off_by_two(cli: Cli, office: Office):
    invoice = office.invoice()
    body = charge_event(invoice, "ch_taken")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_taken_1"))
    run(office, "webhooks")
    assert cli("chargebacks", "list").out == "No such chargebacks.\n"
    assert cli("debts", "list").out == "Nobody owes anything.\n"
    took = {"id": "cbk_1", "charge": "ch_taken", "amount": "1000", "fee": "1500", "asset": "EUR", "status": "open", "reason": "fraudulent"}
    at = {"answer_by": "2026-12-03T12:00:00Z", "updated_at": "2026-11-20T12:00:00Z"}
    body = json.dumps({"id": "evt_taken_2", "type": "chargeback.open", "data": took | at}).encode()
    assert office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_taken_2")).status_code == 200
    run(office, "webhooks")
    (one,) = cli("chargebacks", "list", "-o", "json").json()
    assert (one["state"], one["amount"], one["fee"], one["answerBy"][:10]) == ("open", "1000", "1500", "2026-12-03")
    assert "fraudulent" in cli("chargebacks", "show", one["id"]).out
    refused = cli("debts", "write-off", "payee-1", "EUR", "0.01", "--reason", "gone")
    assert "amount" in refused.err
    assert cli("invariants").code == 0


def test_a_reason_of_several_lines_is_read_from_a_file_or_from_standard_input(
    cli: Cli, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    invoice = office.invoice()
    body = charge_event(invoice, "ch_told")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_told"))
    run(office, "webhooks")
    told = tmp_path / "complaint.txt"
    told.write_bytes(b"The parcel came empty.\r\n\r\n- a photo\r\n\t- of the box\r\n")
    asked = ("disputes", "open", "--invoice-id", invoice["id"])
    for wrong, says in ((asked, "--reason"), ((*asked, "--file", str(told), "--reason", "x"), "not both")):
        refused = cli(*wrong)
        assert (refused.code, says in refused.err) == (2, True)
    assert "no text" in cli(*asked, "--file", str(tmp_path / "gone.txt")).err
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(1 << 40)  # no memory holds it: it is refused before it is read
    refused = cli(*asked, "--file", str(large))
    assert (refused.code, "more than 1,048,576 bytes" in refused.err) == (2, True), refused
    opened = cli(*asked, "--file", str(told), "-o", "json").json()
    kept = "The parcel came empty.\n\n- a photo\n    - of the box"
    assert cli("disputes", "show", opened["id"], "-o", "json").json()["cause"] == kept
    assert re.search(r"- a photo *\n", cli("disputes", "show", opened["id"]).out)
    monkeypatch.setattr("sys.stdin", io.StringIO("Seen.\nIt is theirs."))
    assert cli("disputes", "reject", opened["id"], "--file", "-").err, "who opened it does not reject it"
    monkeypatch.setattr("sys.stdin", io.StringIO("Seen.\r\nThey found it. "))
    assert cli("disputes", "cancel", opened["id"], "--file", "-").code == 0
    assert cli("disputes", "show", opened["id"], "-o", "json").json()["steps"][-1]["reason"] == "Seen.\nThey found it."
