"""The report of a month: figures from the postings, the same bytes for the same books, and never final without a reason to be."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from typer.core import TyperGroup

from counterfoil.base.edge import Database
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.cli.core.commands import load
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from counterfoil.reports import sections as report_sections
from counterfoil.reports.files import write_monthly
from counterfoil.reports.monthly import month_of, monthly_report
from counterfoil.reports.sections import ReportSection, unbalanced
from counterfoil.treasury.agents.model import account_name
from counterfoil.treasury.two_phase.transactions import cancel_transaction, finish_transaction
from tests.builders import NOW, PROGRAM
from tests.stories.superuser import by_a_superuser
from tests.treasury.carbon.office import CarbonOffice, carbon_office
from tests.treasury.purse import begun, give, run, transfer

ASSETS = {code: Asset(code, scale) for code, scale in {"EUR": 2, "JPY": 0, "CO2E": 0}.items()}
AFTER = datetime(2026, 12, 5, tzinfo=UTC)


@pytest.fixture
def office(database: Database) -> Iterator[CarbonOffice]:
    with carbon_office(database) as made:
        yield made


@pytest.fixture
def busy(office: CarbonOffice) -> CarbonOffice:
    """Two agents, money and a transaction in October, a transaction and grams in November."""
    payer, payee = office.agent(), office.agent()
    october = datetime(2026, 10, 7, tzinfo=UTC)
    with office.database.transaction() as conn:
        give(conn, payer, 1)  # opens the accounts
        lines = [("cash:bank:own", account_name(payer), 1_000_00)]
        post(conn, PROGRAM, key="october", kind="test", lines=lines, asset="EUR", actor="test", now=NOW, effective_at=october)
        run(conn, transfer(conn, payer, payee, 30_00))
    office.used(payer, 1_000_000)
    office.sync()
    return office


def report(office: CarbonOffice, month: str = "2026-11", *, now: datetime = AFTER) -> dict[str, Any]:
    with office.database.transaction(read_only=True) as conn:
        return monthly_report(conn, [], office.means, month_of(month, PROGRAM, now=now), now=now)


def test_every_balance_leads_from_its_opening_to_its_closing(busy: CarbonOffice) -> None:
    told = report(busy)
    found = {(row["asset"], row["accounts"]): row for row in told["sections"]["balances"]}
    euro = found["EUR", "treasury:agent"]
    figures = [euro[f"{name}_minor"] for name in ("opening", "debits", "credits", "closing")]
    assert figures == ["100000", "3000", "3001", "100001"]
    assert found["EUR", "cash:bank"]["closing_minor"] == "-100001", "credits less debits"
    assert found["CO2E", "carbon:agent"]["closing_minor"] == "362874"
    october = report(busy, "2026-10")
    [row] = [row for row in october["sections"]["balances"] if row["accounts"] == "treasury:agent"]
    assert (row["opening_minor"], row["closing_minor"]) == ("0", "100000"), "what is effective in October is of October"


def test_agents_transactions_and_carbon_stand_in_it(busy: CarbonOffice) -> None:
    told = report(busy)["sections"]
    payer, payee = busy.agents
    by = {row["agent"]: row for row in told["agents"]}
    assert (by[payer]["opening_minor"], by[payer]["sent_minor"], by[payer]["other_minor"]) == ("100000", "3000", "1")
    assert (by[payee]["received_minor"], by[payee]["closing_minor"]) == ("3000", "3000")
    [committed] = told["transactions"]
    assert (committed["state"], committed["number"], committed["moved_minor"]) == ("committed", 1, "3000")
    [grams] = told["carbon"]
    assert (grams["agent"], grams["watt_hours"], grams["emitted_minor"]) == (payer, 1_000_000, "362874")
    assert [row["what"] for row in told["service_levels"]] == ["transactions: from begun to committed"]


def test_it_says_why_it_is_not_final(busy: CarbonOffice) -> None:
    told = report(busy, now=NOW)
    assert told["verdict"] == "not final"
    assert "The month is not over." in told["notes"]
    assert any(note.startswith("Reconciliation of these days") for note in told["notes"]), "nothing was reconciled"
    busy.fake.flat = "900"
    busy.now = NOW + timedelta(days=4)
    busy.sync()
    assert "Carbon: BREAK on days: 1." in report(busy)["notes"]
    assert any("period is not closed" in note for note in report(busy)["notes"])


def test_carbon_that_may_still_change_and_days_without_energy_are_said(busy: CarbonOffice) -> None:
    notes = report(busy)["notes"]
    assert "Carbon: the source was not heard since its time for changes ended, on days: 1." in notes
    assert "Carbon: no energy was recorded, and nothing compared, on days: 29." in notes
    busy.now = NOW + timedelta(days=4)
    busy.sync()
    told = report(busy)
    assert told["carbon_days"] == {"AGREES": 1, "NOTHING": 29}
    assert not any("may still" in note or "not heard" in note for note in told["notes"] if note.startswith("Carbon"))
    assert not any(note.startswith("Carbon") for note in report(busy, "2026-10")["notes"]), "it had no agents' energy at all"


def test_what_the_accounts_keep_is_held_against_the_postings(busy: CarbonOffice) -> None:
    by_a_superuser(busy, f"update account set credits = credits + 7 where name = 'treasury:agent:{busy.agents[0]}' and credits > 0")
    assert "Accounts that keep another balance than their postings give, in EUR: 1." in report(busy)["notes"]


def test_fees_that_do_not_add_up_are_a_note(busy: CarbonOffice) -> None:
    with busy.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["fee:platform"], asset="EUR", actor="test", now=NOW)
        lines = [("cash:bank:own", "fee:platform", 40)]
        post(conn, PROGRAM, key="fee", kind="test", lines=lines, asset="EUR", actor="test", now=NOW)
    told = report(busy)
    [row] = told["sections"]["fees"]
    assert (row["fees_in_minor"], row["adds_up"]) == ("40", "yes")
    by_a_superuser(busy, "update account set credits = credits + 7 where name = 'fee:platform' and credits > 0")
    assert "The fees of the treasury do not add up in EUR." in report(busy)["notes"]


def test_what_was_aborted_did_not_move(busy: CarbonOffice) -> None:
    payer, payee = busy.agents
    with busy.database.transaction() as conn:
        one = begun(conn, (payer, "debit", 50), (payee, "credit", 50))
        cancel_transaction(conn, one, reason="not needed", actor="test", now=NOW)
        finish_transaction(conn, one, actor="test", now=NOW)
    rows = {row["state"]: row for row in report(busy)["sections"]["transactions"]}
    assert (rows["aborted"]["asked_minor"], rows["aborted"]["moved_minor"]) == ("50", "0")
    assert (rows["committed"]["asked_minor"], rows["committed"]["moved_minor"]) == ("3000", "3000")


@pytest.mark.parametrize("one", report_sections.SECTIONS, ids=lambda one: one.name)
def test_the_command_of_a_section_is_one_that_there_is(one: report_sections.Declared) -> None:
    words = one.command.format(program="main", start="2026-11-01T00:00:00Z", end="2026-12-01T00:00:00Z").split()
    verb, words = load(words[0]), words[1:]
    while isinstance(verb, TyperGroup):
        assert words[0] in verb.commands, f"counterfoil {one.command}"
        verb, words = verb.commands[words[0]], words[1:]
    assert verb.make_context("counterfoil", words) is not None, "its options are those of the command"


def test_a_month_without_anything_is_a_whole_report_and_not_green(office: CarbonOffice) -> None:
    told = report(office, "2026-02")
    assert (told["verdict"], told["sections"]["balances"], told["charts"]) == ("not final", [], [])
    for form in ("json", "csv", "xlsx", "pdf"):
        assert write_monthly(told, form, ASSETS).body


@pytest.mark.parametrize("form", ["json", "csv", "xlsx", "pdf"])
def test_the_same_books_give_the_same_bytes_and_other_books_give_others(busy: CarbonOffice, form: str) -> None:
    first = write_monthly(report(busy), form, ASSETS).body
    assert write_monthly(report(busy, now=AFTER + timedelta(days=3)), form, ASSETS).body == first, "whenever it is made"
    with busy.database.transaction() as conn:
        run(conn, transfer(conn, *busy.agents, 1))
    assert write_monthly(report(busy), form, ASSETS).body != first


def test_every_form_says_the_same_figures(busy: CarbonOffice) -> None:
    told = report(busy)
    assert json.loads(write_monthly(told, "json", ASSETS).body) == told
    assert '"agents","2026' not in write_monthly(told, "csv", ASSETS).body.decode()
    assert '"100001"' in write_monthly(told, "csv", ASSETS).body.decode()
    with zipfile.ZipFile(io.BytesIO(write_monthly(told, "xlsx", ASSETS).body)) as book:
        assert "1,000.01" in book.read("xl/sharedStrings.xml").decode()
    assert write_monthly(told, "pdf", ASSETS).body.startswith(b"%PDF")


def test_a_month_is_one_that_there_was(office: CarbonOffice) -> None:
    for wrong in ("2026-13", "2026-1", "12-2026", "2027-01", "2026-12"):
        with pytest.raises(InvalidInput, match="month"):
            month_of(wrong, PROGRAM, now=NOW)
    found = month_of("2024-02", PROGRAM, now=NOW)
    assert (len(found.days), found.days[-1]) == (29, date(2024, 2, 29))
    assert month_of("2025-12", PROGRAM, now=NOW).end == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(NotFound), office.database.transaction(read_only=True) as conn:
        monthly_report(conn, [], office.means, month_of("2026-11", "nobody", now=NOW), now=NOW)


def test_books_that_do_not_add_up_are_named() -> None:
    row = {"asset": "EUR", "accounts": "x", "opening_minor": 5, "debits_minor": 1, "credits_minor": 2, "closing_minor": 7}
    assert unbalanced(ReportSection("balances", "", "", "", (), [row], "")) == [row, {"asset": "EUR", "closing_minor": 7}]
    good = [row | {"closing_minor": 6}, row | {"opening_minor": -5, "debits_minor": 2, "credits_minor": 1, "closing_minor": -6}]
    assert unbalanced(ReportSection("balances", "", "", "", (), good, "")) == []
