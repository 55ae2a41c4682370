"""Bank statements in, once; our cash tied to the bank's word; client money that two people stand for."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.operations.providers import ChargeFact
from counterfoil.reconciliation import client_money
from counterfoil.reconciliation.bank_statements import BankFile, cash_account, gaps_of, import_bank_file
from counterfoil.reconciliation.client_money import (
    CLIENT_MONEY_LIST,
    FiguresChanged,
    MakerCannotSign,
    SignedAlready,
    make_client_money,
    sign_client_money,
)
from counterfoil.settlement.payments.payments import receive_charges
from counterfoil.settlement.payments.unidentified import repay_unidentified
from counterfoil.statements import read
from tests.listed import newest
from tests.reconciliation.runs.builders import PROGRAM, TODAY, YESTERDAY, House, at
from tests.shared_data import shared

CLIENT = "cash:bank:client"


def mt940(lines: list[tuple[int, str, str]], *, opening: int, on: date, number: int, account: str = "DE89370400440532013000") -> str:
    """A statement of a day: amounts in cents, the bank's reference, the text."""
    closing = opening + sum(line[0] for line in lines)
    body = "".join(
        f":61:{on:%y%m%d}{on:%m%d}{'C' if minor > 0 else 'D'}{_figure(minor)}NTRFNONREF//{ref}\n:86:{text}\n" for minor, ref, text in lines
    )
    return f":20:STARTUMS\n:25:{account}\n:28C:{number:05}/001\n:60F:{_balance(opening, on)}\n{body}:62F:{_balance(closing, on)}\n-\n"


def _figure(minor: int) -> str:
    return f"{abs(minor) // 100},{abs(minor) % 100:02}"


def _balance(minor: int, on: date) -> str:
    return f"{'C' if minor >= 0 else 'D'}{on:%y%m%d}EUR{_figure(minor)}"


def imports(house: House, path: Path, text: str, *, account: str = CLIENT, **more: Any) -> BankFile:
    path.write_text(text)
    with house.database.transaction() as conn:
        return import_bank_file(
            conn, PROGRAM, account, read(path), file_id=make_id("bf"), file_name=path.name, actor="test", now=house.clock.now, **more
        )


def test_the_same_file_twice_is_one_file(house: House, tmp_path: Path):
    text = mt940([(1000, "R1", "a"), (-200, "R2", "b")], opening=0, on=TODAY, number=1)
    first = imports(house, tmp_path / "a.sta", text)
    again = imports(house, tmp_path / "other-name.sta", text)
    assert (first.new, first.existed, again.existed, again.id) == (2, False, True, first.id)
    assert house.rows("select count(*), sum(amount)::int from bank_line") == [(2, 800)]


def test_an_overlapping_file_brings_only_what_is_new_and_says_so(house: House, tmp_path: Path):
    imports(house, tmp_path / "a.sta", mt940([(1000, "R1", "a")], opening=0, on=YESTERDAY, number=1))
    both = mt940([(1000, "R1", "a")], opening=0, on=YESTERDAY, number=1) + mt940([(500, "R2", "b")], opening=1000, on=TODAY, number=2)
    second = imports(house, tmp_path / "b.sta", both)
    assert (second.records, second.new, second.known) == (2, 1, 1)
    assert "1 of 2 lines had come with an earlier file: 1 by the bank's reference" in second.notes[-1]
    assert [gap.kind for gap in second.gaps] == ["doubled"]


def test_two_lines_of_one_file_that_are_the_same_to_the_letter_are_two(house: House, tmp_path: Path):
    twice = mt940([(100, "", "coffee"), (100, "", "coffee")], opening=0, on=TODAY, number=1)
    assert imports(house, tmp_path / "a.sta", twice).new == 2
    more = mt940([(100, "", "coffee"), (100, "", "coffee"), (100, "", "coffee")], opening=0, on=TODAY, number=1)
    assert imports(house, tmp_path / "b.sta", more).new == 1


def test_a_missing_statement_is_named_and_makes_the_run_incomplete(house: House, tmp_path: Path):
    days = [TODAY - timedelta(days=3), TODAY - timedelta(days=1)]
    imports(house, tmp_path / "a.sta", mt940([(1000, "INV-000001", "INV-000001")], opening=0, on=days[0], number=1))
    imports(house, tmp_path / "b.sta", mt940([(300, "INV-000003", "INV-000003")], opening=1500, on=days[1], number=3))
    house.posts(CLIENT, "escrow:e", 1000, days[0], source=("invoice", "INV-000001"))
    house.posts(CLIENT, "escrow:e", 300, days[1], source=("invoice", "INV-000003"))
    with house.database.transaction() as conn:
        [gap] = gaps_of(conn, PROGRAM, CLIENT)
    assert gap.kind == "missing"
    run = house.run("bank:client", YESTERDAY)
    assert run.verdict == "incomplete"
    assert any("statement 2 is missing" in why for why in run.report["not_checked"])
    assert run.report["balances"][0]["unexplained"] == "500"


def test_cash_ties_to_the_closing_balance_by_the_listed_items(house: House, tmp_path: Path):
    lines = [(1000, "R1", "transfer INV-2026-0001"), (500, "R2", "something else")]
    imports(house, tmp_path / "a.sta", mt940(lines, opening=200, on=TODAY, number=1))
    house.posts(CLIENT, "escrow:e", 1000, YESTERDAY, source=("invoice", "INV-2026-0001"))
    house.posts(CLIENT, "escrow:e", 70, TODAY, source=("invoice", "INV-2026-0002"))
    run = house.run("bank:client")
    [row] = run.report["balances"]
    assert (row["booked"], row["stated"], row["opening"]) == ("1070", "1700", "200")
    assert (row["only_there"], row["only_here"], row["difference"], row["unexplained"]) == ("500", "70", "630", "0")
    assert run.matched == 1
    assert [(one["side"], one["amount"]) for one in run.report["expected_later"]] == [("left", "70"), ("right", "500")]
    assert (run.verdict, run.first_on) == ("reconciled", YESTERDAY)


def test_an_item_that_stays_out_for_too_long_is_a_break(house: House, tmp_path: Path):
    long_ago = TODAY - timedelta(days=20)
    imports(house, tmp_path / "a.sta", mt940([(500, "R2", "x")], opening=0, on=long_ago, number=1))
    imports(house, tmp_path / "b.sta", mt940([], opening=500, on=TODAY, number=2))
    house.posts(CLIENT, "escrow:e", 70, TODAY)
    assert house.found(house.run("bank:client")) == [("MISSING_LEFT", long_ago)]


def test_a_day_that_no_statement_reaches_is_stale_and_not_green(house: House, tmp_path: Path):
    imports(house, tmp_path / "a.sta", mt940([(1000, "R1", "INV-2026-0001")], opening=0, on=YESTERDAY, number=1))
    house.posts(CLIENT, "escrow:e", 1000, YESTERDAY, source=("invoice", "INV-2026-0001"))
    run = house.run("bank:client", TODAY)
    assert run.verdict == "incomplete"
    assert any(why.startswith("stale: the bank's statements reach to") for why in run.report["not_checked"])


def test_without_a_statement_nothing_is_concluded(house: House):
    house.posts(CLIENT, "escrow:e", 1000, TODAY)
    run = house.run("bank:client", TODAY)
    assert run.verdict == "incomplete"
    assert "no statement of this account was imported" in run.report["not_checked"]


def test_a_file_of_several_accounts_is_taken_by_the_one_that_is_named(house: House, tmp_path: Path):
    one = mt940([(100, "R1", "a")], opening=0, on=TODAY, number=1, account="DE1")
    other = mt940([(200, "R2", "b")], opening=0, on=TODAY, number=1, account="DE2")
    with pytest.raises(InvalidInput) as refused:
        imports(house, tmp_path / "a.sta", one + other)
    assert "DE1, DE2" in str(refused.value)
    assert imports(house, tmp_path / "a.sta", one + other, bank_account="DE2").records == 1
    assert house.rows("select amount from bank_line") == [(200,)]


@pytest.mark.parametrize(("given", "found"), [("client", CLIENT), ("bank:own", "cash:bank:own"), (CLIENT, CLIENT)])
def test_a_cash_account_has_three_names(given, found):
    assert cash_account(given) == found


def test_another_account_has_none():
    with pytest.raises(InvalidInput):
        cash_account("clearing:bank:client")


def test_sixty_real_days_are_imported_once_and_a_day_that_is_taken_out_is_named(house: House):
    files = sorted(shared("data", "statements", "camt-daily").glob("*.xml"))
    accounts = sorted({info.account for info in read(files[0]).statements})
    left_out = files.pop(20)
    for file in files:
        with house.database.transaction() as conn:
            import_bank_file(
                conn,
                PROGRAM,
                CLIENT,
                read(file),
                file_id=make_id("bf"),
                file_name=file.name,
                bank_account=accounts[0] if len(accounts) > 1 else None,
                actor="test",
                now=house.clock.now,
            )
    with house.database.transaction() as conn:
        gaps = gaps_of(conn, PROGRAM, CLIENT)
    assert any(left_out.stem in gap.reason or date.fromisoformat(left_out.stem) in gap.days for gap in gaps)
    assert house.rows("select sum(known)::int from bank_file") == [(0,)]


def money(house: House, on: date = TODAY, actor: str = "ann"):
    with house.database.transaction() as conn:
        [found] = make_client_money(conn, PROGRAM, on=on, make_id=make_id, actor=actor, now=house.clock.now)
    return found


def signs(house: House, statement_id: str, *, actor: str, sha256: str):
    with house.database.transaction() as conn:
        return sign_client_money(conn, statement_id, sha256=sha256, action_taken="seen", actor=actor, now=house.clock.now)


def test_what_is_owed_to_each_owner_stands_against_what_is_held(house: House, tmp_path: Path):
    house.posts(CLIENT, "payable:payee:bolt", 1000, TODAY)
    house.posts(CLIENT, "escrow:e1", 500, TODAY)
    house.posts(CLIENT, "fee:platform", 50, TODAY)
    imports(house, tmp_path / "a.sta", mt940([(1550, "R1", "x")], opening=0, on=TODAY, number=1))
    found = money(house)
    assert (found.owed, found.held, found.in_transit, found.difference) == (1500, 1550, 0, 50)
    assert [(one["owner"], one["owed"]) for one in found.detail["owners"]] == [
        ("escrow:e1", "500"),
        ("payee:bolt", "1000"),
    ]
    assert found.detail["not_checked"] == []


def test_what_the_bank_does_not_say_is_counted_by_our_books_and_marked_as_not_checked(house: House):
    house.posts(CLIENT, "payable:payee:bolt", 1000, TODAY)
    found = money(house)
    assert found.difference == 0
    assert found.detail["not_checked"] == [f"{CLIENT}: no statement of the bank for {TODAY}: counted by our books"]


def test_money_at_a_provider_counts_as_far_as_its_statement_shows_it_and_a_payout_under_way_is_no_shortfall(
    house: House,
):
    house.charged("ch-1", 1000, TODAY, invoice="e1")
    house.posts("escrow:e1", "payable:payee:bolt", 1000, TODAY)
    assert money(house).difference == -1000  # nothing is proven yet
    house.posts("payable:payee:bolt", "in_transit:simulator", 400, TODAY)
    house.sent("a1", 400, TODAY)
    house.provider.line("payout", "pp-a1", -400, TODAY, reference="a1", status="pending")
    house.run()
    found = money(house)
    assert (found.owed, found.in_transit, found.difference) == (1000, 1000, 0)
    house.clock.now += timedelta(hours=8)  # it arrives after midnight; the evening before stays as it was
    house.arrived("a1", 400, TODAY + timedelta(days=1))
    house.run()
    assert (money(house).in_transit, money(house).difference) == (1000, 0)


def test_a_shortfall_is_a_critical_event_once(house: House):
    house.posts(CLIENT, "payable:payee:bolt", 1000, TODAY)
    house.posts("provider_fee", CLIENT, 30, TODAY)
    first = money(house)
    assert first.difference == -30
    assert money(house).id == first.id
    assert house.rows("select level, payload ->> 'shortfall' from event") == [("critical", "30")]


def test_another_person_than_the_maker_signs_what_was_made_and_only_once(house: House):
    house.posts(CLIENT, "payable:payee:bolt", 1000, TODAY)
    made = money(house, actor="ann")
    with pytest.raises(MakerCannotSign):
        signs(house, made.id, actor="ann", sha256=made.sha256.hex())
    with pytest.raises(FiguresChanged):
        signs(house, made.id, actor="bob", sha256="00" * 32)
    signed = signs(house, made.id, actor="bob", sha256=made.sha256.hex())
    assert (signed.signed_by, signed.action_taken, signed.signed_at) == ("bob", "seen", house.clock.now)
    with pytest.raises(SignedAlready):
        signs(house, made.id, actor="cia", sha256=made.sha256.hex())
    house.posts(CLIENT, "payable:payee:bolt", 1, TODAY)
    assert money(house).signed_by is None  # other figures are another statement
    with house.database.transaction() as conn:
        assert len(newest(conn, CLIENT_MONEY_LIST)) == 2


def test_the_database_refuses_the_maker_s_signature_too(house: House):
    house.posts(CLIENT, "payable:payee:bolt", 1000, TODAY)
    made = money(house, actor="ann")
    with pytest.raises((Problem, psycopg.Error)), house.database.transaction() as conn:
        conn.execute("insert into client_money_signature values (%s, %s, 'ann', 'seen', %s)", [made.id, made.sha256, at(TODAY)])


def test_what_one_owner_owes_us_does_not_cover_what_we_owe_another(house: House):
    house.posts(CLIENT, "payable:payee:bolt", 1500_00, TODAY)
    house.posts("suspense", CLIENT, 500_00, TODAY)  # the bank took it and nobody knows why
    found = money(house)
    assert (found.owed, found.held, found.difference) == (1500_00, 1000_00, -500_00)
    assert found.detail["not_netted"] == "-50000"
    assert house.rows("select payload ->> 'shortfall' from event where name = 'client_money_shortfall'") == [("50000",)]


def test_a_bank_account_of_which_our_books_know_nothing_is_looked_at(house: House, tmp_path: Path):
    house.charged("ch-1", 1000_00, YESTERDAY)
    house.run(first=YESTERDAY)
    imports(house, tmp_path / "a.sta", mt940([(-200_00, "R1", "unknown direct debit")], opening=0, on=YESTERDAY, number=1))
    found = money(house, YESTERDAY)
    assert (found.owed, found.held, found.in_transit, found.difference) == (1000_00, -200_00, 1000_00, -200_00)


def test_money_that_moves_between_owners_meanwhile_is_counted_once(house: House, monkeypatch):
    house.posts(CLIENT, "escrow:e1", 1000, TODAY)
    house.posts(CLIENT, "payable:payee:zed", 1, TODAY)
    real, moved = client_money.trial_balance, []

    def meanwhile(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        moved.append(1)
        house.posts("escrow:e1", "payable:payee:zed", 1000, TODAY)
        return found

    monkeypatch.setattr(client_money, "trial_balance", meanwhile)
    assert money(house).difference == 0
    assert moved == [1]


def test_an_opening_balance_that_no_statement_gives_is_taken_from_its_closing_and_what_moved(house: House, tmp_path: Path):
    for number, (closing, lines) in enumerate([(1300_00, [100_00, 200_00]), (1250_00, [-50_00])]):
        day = YESTERDAY + timedelta(days=number)
        imports(house, tmp_path / f"{number}.ofx", ofx(lines, closing=closing, on=day, first=number * 10))
    run = house.run("bank:client", TODAY)
    [row] = run.report["balances"]
    assert (row["stated"], row["opening"], row["unexplained"]) == ("125000", "100000", "0")


def test_what_no_item_explains_is_not_reconciled_in_every_view_of_the_run(house: House):
    house.charged("ch-1", 1000, TODAY)
    house.provider.closing_off = 7  # its own balance is not what its lines come to
    run = house.run("simulator", TODAY)
    assert (run.verdict, run.breaks) == ("not reconciled", 0)
    assert run.report["balances"][0]["unexplained"] == "7"


def test_a_part_of_a_source_has_no_balance(house: House):
    house.charged("ch-1", 1000, TODAY)
    for source in ("simulator:payouts", "simulator:charges"):
        assert house.run(source, TODAY).report["balances"] == []


def test_an_opening_difference_of_older_days_is_not_unexplained_in_these(house: House):
    house.charged("ch-0", 500, TODAY - timedelta(days=9), there=False)  # a break of that day
    house.charged("ch-1", 1000, TODAY)
    run = house.run("simulator", TODAY)
    assert run.verdict == "reconciled"
    assert (run.report["balances"][0]["opening"], run.report["balances"][0]["unexplained"]) == ("-500", "0")


def ofx(lines: list[int], *, closing: int, on: date, first: int) -> str:
    """A statement that states its closing balance alone, as OFX does."""
    body = "".join(
        f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>{on:%Y%m%d}<TRNAMT>{minor / 100:.2f}<FITID>F{first + number}<NAME>A</STMTTRN>"
        for number, minor in enumerate(lines)
    )
    return (
        "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nENCODING:USASCII\nCHARSET:1252\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STMTRS>"
        "<CURDEF>EUR<BANKACCTFROM><BANKID>1<ACCTID>555001<ACCTTYPE>CHECKING</BANKACCTFROM>\n<BANKTRANLIST>"
        f"<DTSTART>{on:%Y%m%d}<DTEND>{on:%Y%m%d}\n{body}\n</BANKTRANLIST><LEDGERBAL><BALAMT>{closing / 100:.2f}<DTASOF>{on:%Y%m%d}"
        "</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>\n"
    )


def test_money_that_went_back_is_found_by_the_reference_under_which_it_was_paid(house: House, tmp_path: Path):
    """Neither a provider nor a bank knows our id of it; what was noted is all that both have."""
    paid = {"chg_1": ("simulator", "re_1042"), "chg_2": ("bank", "2026-11-26/83")}
    for charge, (provider, reference) in paid.items():
        fact = ChargeFact(charge, "nothing of ours", 30_00, 0, "EUR", at(TODAY))
        with house.database.transaction() as conn:
            receive_charges(conn, [fact], provider="simulator", program_id=PROGRAM, make_id=make_id, cause="test", now=house.clock.now)
            [(one,)] = conn.execute("select id from unidentified_payment where charge_id = %s", [charge]).fetchall()
            repay_unidentified(conn, one, provider=provider, reference=reference, known={"simulator"}, actor="test", now=house.clock.now)
        house.provider.line("charge", charge, 30_00, TODAY)
    house.provider.line("refund", "re_1042", -30_00, TODAY)
    run = house.run("simulator", TODAY - timedelta(days=3), TODAY)  # what goes back is booked by the real clock
    assert (run.verdict, run.matched, house.found(run)) == ("reconciled", 3, [])
    imports(house, tmp_path / "a.sta", mt940([(-30_00, "2026-11-26/83", "back to who sent it")], opening=0, on=TODAY, number=1))
    run = house.run("bank:client", TODAY - timedelta(days=3), TODAY)
    assert (run.matched, house.found(run), run.report["expected_later"]) == (1, [], [])
