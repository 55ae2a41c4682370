"""The report of a period: what agrees, what does not, and what nobody looked at; four formats that say the same."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta

import httpx2
import openpyxl
import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.money import Asset
from counterfoil.reconciliation.breaks.work import accept_break, investigate_break
from counterfoil.reconciliation.client_money import make_client_money
from counterfoil.reconciliation.period_report.files import FORMATS, write_period_report
from counterfoil.reconciliation.period_report.report import report_of_period
from counterfoil.reconciliation.runs import run as runs
from tests.reconciliation.runs.builders import PROGRAM, TODAY, YESTERDAY, House, at

ALL = ("simulator", "simulator:payouts", "simulator:charges")
ASSETS = {"EUR": Asset("EUR", 2)}


def report(house: House, first: date = YESTERDAY, last: date = TODAY):
    with house.database.transaction() as conn:
        return report_of_period(conn, list(house.pairings.values()), PROGRAM, first=first, last=last, today=house.clock.now.date())


def everything(house: House, first: date = YESTERDAY, last: date = TODAY) -> None:
    for source in ALL:
        house.run(source, first, last)


def accept(house: House) -> None:
    now = house.clock.now
    with house.database.transaction() as conn:
        for (break_id,) in conn.execute("select id from break where state = 'open' order by id").fetchall():
            investigate_break(conn, break_id, actor="ann", now=now)
            accept_break(conn, break_id, actor="ann", now=now, reason="the bank's fee")


def test_a_period_that_nobody_looked_at_is_incomplete_and_says_so(house: House):
    found = report(house)
    assert found["verdict"] == "incomplete"
    assert {(one["source"], one["why"]) for one in found["not_checked"]} == {(name, "not checked: it was never reconciled") for name in ALL}


def test_when_every_source_agrees_on_every_day_it_is_reconciled(house: House):
    house.charged("ch-1", 1000, TODAY)
    everything(house)
    found = report(house)
    assert (found["verdict"], found["items"], found["not_checked"]) == ("reconciled", [], [])
    assert [one["source"] for one in found["sources"]] == sorted(ALL)
    row = next(one for one in found["footing"] if one["pairing"] == "simulator" and one["side"] == "left")
    assert row["source"] == row["matched"] == {"rows": 1, "minor": "1000"}


def test_a_day_that_was_not_over_when_it_was_read_is_not_checked_once_it_is_over(house: House):
    house.clock.now = at(TODAY, 2)
    everything(house)
    assert report(house)["verdict"] == "reconciled", "of the day that is not over nobody can have seen more"
    house.charged("ch-1", 1000, TODAY, there=False)  # at noon, after the night's run
    house.clock.now = at(TODAY + timedelta(days=1), 0)
    found = report(house)
    told = {(one["source"], one["why"]) for one in found["not_checked"]}
    assert told == {(name, f"not checked: {TODAY}: read on {TODAY} at 02:00 UTC, before the day was over") for name in ALL}
    assert found["verdict"] == "incomplete"
    house.clock.now = at(TODAY + timedelta(days=1), 2)
    everything(house)
    found = report(house)
    assert (found["verdict"], found["not_checked"], bool(found["items"])) == ("not reconciled", [], True)


def test_a_stale_source_is_told_apart_from_one_that_was_never_looked_at_and_from_one_that_failed(house: House):
    house.charged("ch-1", 1000, YESTERDAY)
    house.run("simulator", YESTERDAY)
    house.run("simulator:charges", YESTERDAY, TODAY)
    house.provider.broken = httpx2.ConnectError("gone")
    with pytest.raises(Exception, match="gone"):
        house.run("simulator:charges", TODAY)
    why = {}
    for one in report(house)["not_checked"]:
        why.setdefault(one["source"], []).append(one["why"])
    assert why["simulator"] == [f"stale: {TODAY}: no run; the last conclusion reaches to {YESTERDAY}"]
    assert why["simulator:payouts"] == ["not checked: it was never reconciled"]
    assert "simulator:charges" not in why  # the failed attempt takes nothing away from the conclusion before it


def test_breaks_are_listed_once_and_once_accepted_the_period_is_reconciled_with_them(house: House):
    day = TODAY - timedelta(days=5)
    house.charged("ch-1", 1000, day, there=False)
    house.provider.line("charge", "ch-1", 1000, day, fee=30, reference="inv-1")
    for _ in range(2):
        everything(house, day, TODAY)
        house.charged(make_id("ch"), 10, TODAY)
    everything(house, TODAY, TODAY)
    found = report(house, day, TODAY)
    assert found["verdict"] == "not reconciled"
    assert [(one["kind"], one["day"], one["age_days"]) for one in found["items"]] == [("AMOUNT_MISMATCH", day.isoformat(), 5)]
    assert found["kinds"] == [
        {
            "source": "simulator",
            "kind": "AMOUNT_MISMATCH",
            "asset": "EUR",
            "breaks": 1,
            "at_stake_minor": "30",
            "accepted": 0,
        }
    ]
    assert found["ageing"] == [{"age": "1 to 6 days", "asset": "EUR", "breaks": 1, "at_stake_minor": "30"}]
    accept(house)
    found = report(house, day, TODAY)
    assert (found["verdict"], found["ageing"]) == ("reconciled with accepted items", [])


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_report_is_the_same_bytes_in_every_format(house: House, form: str):
    if form == "pdf":
        pytest.importorskip("typst")
    house.charged("ch-1", 1000, TODAY, there=False)
    house.provider.line("charge", "ch-2", 500, YESTERDAY)
    everything(house)
    first, second = (write_period_report(report(house), form, ASSETS).body for _ in range(2))
    assert first == second
    assert len(first) > 200


def test_the_formats_say_the_same(house: House):
    house.charged("ch-1", 123_456, TODAY, there=False)
    everything(house)
    told = report(house)
    canonical = write_period_report(told, "json", ASSETS).body
    assert json.loads(canonical) == told
    assert canonical == (json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()
    rows = list(csv.DictReader(io.StringIO(write_period_report(told, "csv", ASSETS).body.decode())))
    items = [row for row in rows if row["section"] == "items"]
    assert {(row["kind"], row["at_stake_minor"]) for row in items} == {("MISSING_RIGHT", "123456")}
    book = openpyxl.load_workbook(io.BytesIO(write_period_report(told, "xlsx", ASSETS).body))
    assert book["Summary"]["B1"].value == "not reconciled"
    cells = [cell.value for row in book["Breaks"].iter_rows() for cell in row]
    assert "1,234.56" in cells


def test_what_differs_is_told_in_whole_units(house: House):
    house.charged("ch-1", 123_456, TODAY, there=False)
    house.provider.line("charge", "ch-1", 123_426, TODAY)
    everything(house)
    [item] = [one for one in report(house)["items"] if one["source"] == "simulator:charges"]
    assert item["fields"] == "amount: 1,234.56 EUR ≠ 1,234.26 EUR; counterparty: inv-1 ≠ ch-1"
    assert (item["left"], item["right"]) == ("ch-1 1,234.56 EUR", "ch-1 1,234.26 EUR")


@pytest.mark.parametrize(("assets", "told"), [({"USDC": Asset("USDC", 6)}, "0.123456"), ({}, "123456 minor units of USDC")])
def test_an_asset_that_is_no_currency_is_told_by_the_decimals_that_books_have(house: House, assets: dict[str, Asset], told: str):
    house.charged("ch-1", 123_456, TODAY, there=False)
    everything(house)
    written = report(house)
    for item in written["items"]:
        item["asset"] = "USDC"
    book = openpyxl.load_workbook(io.BytesIO(write_period_report(written, "xlsx", assets).body))
    assert told in [cell.value for row in book["Breaks"].iter_rows() for cell in row]


def test_a_pdf_holds_the_verdict_and_needs_no_network(house: House):
    pytest.importorskip("typst")
    house.charged("ch-1", 1000, TODAY)
    everything(house)
    body = write_period_report(report(house), "pdf", ASSETS).body
    assert body.startswith(b"%PDF-")
    assert b"CreationDate" not in body


def test_a_day_without_a_statement_of_client_money_among_days_that_have_one_is_a_gap(house: House):
    house.charged("ch-1", 1000, TODAY - timedelta(days=4))
    everything(house, TODAY - timedelta(days=4))
    for day in (TODAY - timedelta(days=4), TODAY - timedelta(days=1)):
        with house.database.transaction() as conn:
            make_client_money(conn, PROGRAM, on=day, make_id=make_id, actor="t", now=house.clock.now)
    found = report(house, TODAY - timedelta(days=9), TODAY)
    why = next(one["why"] for one in found["not_checked"] if one["source"] == "client money")
    assert why == f"no statement was drawn up for 2 days from {TODAY - timedelta(days=3)} to {TODAY - timedelta(days=2)}"
    until = report(house, TODAY - timedelta(days=9), TODAY - timedelta(days=2))["not_checked"]
    assert why in [one["why"] for one in until], "the last day of a period that is over is asked for, too"
    assert found["verdict"] == "incomplete"


def test_an_unexplained_balance_reaches_the_report_of_the_period(house: House):
    house.charged("ch-1", 1000, TODAY)
    house.provider.closing_off = 7
    everything(house)
    assert report(house)["verdict"] == "not reconciled"


def test_why_a_break_is_there_is_told_by_the_decimals_that_books_have(house: House, monkeypatch: pytest.MonkeyPatch):
    """An asset of six decimals may be any: what the books say of it reaches the sentence."""
    monkeypatch.setattr(runs, "tell_in", lambda assets: lambda minor, code: f"{minor} of {assets[code].scale} decimals")
    house.charged("ch-1", 100_00, TODAY, there=False)
    house.provider.line("charge", "ch-1", 99_00, TODAY)
    everything(house)
    details = [row[0] for row in house.rows("select detail from run_finding where kind = 'AMOUNT_MISMATCH'")]
    findings = {one["finding"] for detail in details for one in detail["hypotheses"] if one["cause"] == "partial payment"}
    assert findings == {"9900 of 2 decimals of 10000 of 2 decimals"}
