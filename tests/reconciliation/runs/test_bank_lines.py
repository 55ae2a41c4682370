"""Lines of bank statements, each movement once: identical genuine lines are several, repeated ones one, details stand for their batch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.base.problems import InvalidInput
from counterfoil.reconciliation.bank_overlap import BroughtLine, KnownLine, apart, fresh_of
from counterfoil.reconciliation.bank_statements import BANK_FILE_LIST, gaps_of, reach_of
from counterfoil.statements import StatementInfo
from tests.listed import newest
from tests.reconciliation.runs.builders import PROGRAM, TODAY, YESTERDAY, House
from tests.reconciliation.runs.test_bank import CLIENT, imports, mt940
from tests.soak import examples

KIOSK = (-450, "", "KIOSK CARD PAYMENT")


def held(house: House) -> list[tuple[int, int]]:
    """How many lines count, and what they come to."""
    return house.rows("select count(*)::int, coalesce(sum(amount), 0)::int from bank_line_counted")


def closing(house: House) -> tuple[dict[str, int], list[str]]:
    with house.database.transaction() as conn:
        reach = reach_of(conn, PROGRAM, CLIENT)
        return reach.closing, reach.gaps


def camt(opening: int, entries: str, closing_at: int, number: int, *, day: date = TODAY, before: date = YESTERDAY) -> str:
    """A camt.053 whose opening balance is the one of the day before."""

    def balance(kind: str, minor: int, on: date) -> str:
        return (
            f'<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{minor / 100:.2f}</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
            f"<Dt><Dt>{on}</Dt></Dt></Bal>"
        )

    return (
        '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.04"><BkToCstmrStmt><Stmt>'
        f"<Id>S-{number}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb><Acct><Id><IBAN>NL02BANK0123456789</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{balance('PRCD', opening, before)}{balance('CLBD', closing_at, day)}{entries}</Stmt></BkToCstmrStmt></Document>"
    )


def entry(minor: int, *, ref: str = "", details: str = "", day: date = TODAY) -> str:
    reference = f"<AcctSvcrRef>{ref}</AcctSvcrRef>" if ref else ""
    return (
        f'<Ntry><Amt Ccy="EUR">{abs(minor) / 100:.2f}</Amt><CdtDbtInd>{"CRDT" if minor > 0 else "DBIT"}</CdtDbtInd><Sts>BOOK</Sts>'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>{reference}<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def part(minor: int, ref: str) -> str:
    amount = f'<Amt Ccy="EUR">{minor / 100:.2f}</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
    return f"<TxDtls><Refs><AcctSvcrRef>{ref}</AcctSvcrRef></Refs>{amount}</TxDtls>"


def notice(entries: str) -> str:
    """A camt.054: what the entries of a statement consist of, without balances."""
    return (
        '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.04"><BkToCstmrDbtCdtNtfctn><Ntfctn><Id>N</Id>'
        f"<Acct><Id><IBAN>NL02BANK0123456789</IBAN></Id><Ccy>EUR</Ccy></Acct>{entries}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )


def test_identical_lines_of_two_statements_of_a_day_are_two_and_the_last_balance_counts(house: House, tmp_path: Path):
    first = imports(house, tmp_path / "a.sta", mt940([KIOSK], opening=100000, on=TODAY, number=211))
    second = imports(house, tmp_path / "b.sta", mt940([KIOSK], opening=99550, on=TODAY, number=212))
    third = imports(house, tmp_path / "c.sta", mt940([KIOSK], opening=99100, on=TODAY, number=213))
    assert [(one.new, one.known) for one in (first, second, third)] == [(1, 0)] * 3
    assert (held(house), closing(house)) == ([(3, -1350)], ({"EUR": 98650}, []))


def test_the_same_holds_within_one_file_and_with_a_bank_reference_that_repeats(house: House, tmp_path: Path):
    line = (-450, "CARD", "KIOSK")
    both = mt940([line], opening=100000, on=TODAY, number=211) + mt940([line], opening=99550, on=TODAY, number=212)
    assert imports(house, tmp_path / "a.sta", both).new == 2
    assert closing(house) == ({"EUR": 99100}, [])


def test_the_same_holds_for_camt_whose_opening_balances_are_of_the_day_before(house: House, tmp_path: Path):
    imports(house, tmp_path / "a.xml", camt(10000, entry(-450), 9550, 1))
    assert imports(house, tmp_path / "b.xml", camt(9550, entry(-450), 9100, 2)).new == 1
    assert (held(house), closing(house)) == ([(2, -900)], ({"EUR": 9100}, []))


def test_a_statement_that_comes_twice_brings_nothing_and_its_balance_stays(house: House, tmp_path: Path):
    text = mt940([KIOSK, KIOSK], opening=100000, on=TODAY, number=211)
    imports(house, tmp_path / "a.sta", text)
    again = imports(house, tmp_path / "b.sta", text + "\n\n")
    assert (again.new, again.known, again.existed) == (0, 2, False)
    assert [gap.kind for gap in again.gaps] == ["doubled"]
    assert (held(house), closing(house)) == ([(2, -900)], ({"EUR": 99100}, []))


def test_a_file_whose_envelope_does_not_open_says_so_and_hides_no_other(house: House, tmp_path: Path):
    first = imports(house, tmp_path / "a.sta", mt940([KIOSK], opening=100000, on=TODAY, number=211))
    second = imports(house, tmp_path / "b.sta", mt940([KIOSK], opening=99550, on=TODAY, number=212))
    with psycopg.connect(house.database.url) as conn:  # somebody moved it from the other row
        moved = "update bank_file f set envelope = o.envelope from bank_file o where (f.id, o.id) = (%s, %s)"
        assert conn.execute(moved, [first.id, second.id]).rowcount == 1
    with house.database.transaction() as conn:
        shown = {one.id: one.rejected for one in newest(conn, BANK_FILE_LIST)}
    assert shown[second.id] == []
    assert [one["reason"].partition(" key ")[0] for one in shown[first.id]] == ["0 rows: does not open with"]


def test_a_statement_that_comes_again_in_another_format_brings_nothing(house: House, tmp_path: Path):
    imports(house, tmp_path / "a.sta", mt940([KIOSK], opening=10000, on=TODAY, number=1, account="NL02BANK0123456789"))
    again = imports(house, tmp_path / "a.xml", camt(10000, entry(-450), 9550, 1))
    assert (again.new, held(house), closing(house)) == (0, [(1, -450)], ({"EUR": 9550}, []))


BALANCED = "date,description,amount,currency,balance\n"
ST = BALANCED + "2026-11-19,Opening shop,100.00,EUR,1100.00\n2026-11-19,KIOSK,-4.50,EUR,1095.50\n2026-11-19,KIOSK,-4.50,EUR,1091.00\n"
ST2 = BALANCED + "2026-11-19,KIOSK,-4.50,EUR,1091.00\n2026-11-19,KIOSK,-4.50,EUR,1086.50\n2026-11-20,TRAM,-3.20,EUR,1083.30\n"


@pytest.mark.parametrize("order", [(ST, ST2), (ST2, ST)])
def test_running_balances_prove_three_payments_where_two_exports_overlap(house: House, tmp_path: Path, order: tuple[str, str]):
    assert sum(imports(house, tmp_path / f"{at}.csv", text).new for at, text in enumerate(order)) == 5
    assert (held(house), closing(house)) == ([(5, 8330)], ({"EUR": 108330}, []))


def test_an_overlap_in_another_order_of_the_day_brings_nothing_twice(house: House, tmp_path: Path):
    lines = [(1000, "", "a"), (-200, "", "b"), (-200, "", "b"), (50, "", "c")]
    imports(house, tmp_path / "a.sta", mt940(lines, opening=0, on=YESTERDAY, number=1))
    both = mt940(lines[::-1], opening=0, on=YESTERDAY, number=1).replace(":28C:00001/001", ":28C:00007/001")
    second = imports(house, tmp_path / "b.sta", both.replace("-\n", "") + "-\n")
    assert (second.new, held(house)) == (0, [(4, 650)])


def test_lines_that_do_not_lead_to_the_closing_balance_are_told_and_the_run_is_incomplete(house: House, tmp_path: Path):
    imports(house, tmp_path / "a.sta", mt940([(1000, "R1", "a")], opening=0, on=TODAY, number=1))
    with house.database.transaction() as conn:
        conn.execute(
            """insert into bank_line_withdrawn (program_id, account, key, file_id, why, at)
               select program_id, account, key, file_id, 'deleted', now() from bank_line"""
        )
    [gap] = closing(house)[1]
    assert "do not lead to its closing balance" in gap
    assert house.run("bank:client").verdict != "reconciled"


@pytest.mark.parametrize("order", [("stmt", "ntf"), ("ntf", "stmt"), ("stmt", "ntf", "stmt2"), ("ntf", "stmt", "ntf2")])
def test_the_details_of_a_notice_stand_for_the_booking_that_they_explain(house: House, tmp_path: Path, order: tuple[str, ...]):
    files = {
        "stmt": camt(100000, entry(30000, ref="COLL-1"), 130000, 10),
        "ntf": notice(entry(30000, ref="COLL-1", details=part(10000, "TX-1") + part(20000, "TX-2"))),
    }
    for at, name in enumerate(order):
        imports(house, tmp_path / f"{at}.xml", files[name.rstrip("2")] + "\n" * at)
    assert (held(house), closing(house)) == ([(2, 30000)], ({"EUR": 130000}, []))
    assert house.rows("select external_id, amount::int from bank_line_counted order by 1") == [
        ("TX-1", 10000),
        ("TX-2", 20000),
    ]
    run = house.run("bank:client")
    assert [row["unexplained"] for row in run.report["balances"]] == ["0"]


def test_details_that_do_not_add_up_to_the_booking_do_not_count_and_are_told(house: House, tmp_path: Path):
    imports(house, tmp_path / "a.xml", camt(100000, entry(30000, ref="COLL-1"), 130000, 10))
    odd = notice(entry(29000, ref="COLL-1", details=part(10000, "TX-1") + part(19000, "TX-2")))
    told = imports(house, tmp_path / "b.xml", odd)
    assert (held(house), told.new) == ([(1, 30000)], 0)
    assert "do not add up" in told.notes[0]


def bai2(details: list[tuple[str, int, str]], *, status: str = "1", number: int = 1) -> str:
    total = sum(amount for _, amount, _ in details)
    body = "".join(f"16,{code},{amount},,{ref},,TEXT/\n" for code, amount, ref in details)
    rows = len(details) + 2
    return (
        f"01,B,C,261120,0900,{number},,,2/\n02,C,B,{status},{TODAY:%y%m%d},2359,EUR,/\n03,77,EUR,,,,/\n{body}"
        f"49,{total},{rows}/\n98,{total},1,{rows + 2}/\n99,{total},1,{rows + 4}/\n"
    )


def test_a_bank_that_deletes_lines_takes_them_back_and_may_send_them_again(house: House, tmp_path: Path):
    sent = [("115", 50000, "REF1"), ("475", 700, "REF2")]
    imports(house, tmp_path / "a.bai2", bai2(sent))
    imports(house, tmp_path / "t.bai2", bai2([("115", 99900, "TEST")], status="4", number=2))
    assert held(house) == [(2, 49300)]
    told = imports(house, tmp_path / "d.bai2", bai2([*sent, ("115", 1, "NEVER")], status="2", number=3))
    assert held(house) == [(0, 0)]
    assert "2 lines of earlier files count no more: the bank deleted them" in told.notes
    assert "1 line that the bank deletes had not come before" in told.notes
    assert imports(house, tmp_path / "e.bai2", bai2(sent, number=4)).new == 2
    assert held(house) == [(2, 49300)]


def test_a_correction_replaces_the_day_of_its_account(house: House, tmp_path: Path):
    imports(house, tmp_path / "a.bai2", bai2([("115", 50000, "REF1"), ("475", 700, "REF2")]))
    told = imports(house, tmp_path / "c.bai2", bai2([("115", 50000, "REF1"), ("475", 900, "REF2")], status="3", number=2))
    assert (held(house), told.new, told.known) == ([(2, 49100)], 1, 1)
    assert "1 line of earlier files counts no more: the bank corrected them" in told.notes


def adding_up(infos: list[StatementInfo], counted: list[tuple[int, int]], start: date) -> list[Callable[[int], bool]]:
    """Does the account add up from its first opening balance to the last closing balance, or to that of the newest statement?"""
    first = min(infos, key=lambda one: (one.opening_on, one.closing_on))

    def to(end: StatementInfo) -> Callable[[int], bool]:
        kept = sum(amount for day, amount in counted if start + timedelta(day) <= end.closing_on)
        return lambda new: first.opening + kept + new == end.closing

    return [to(max(infos, key=lambda one: one.closing_on)), to(infos[-1])]


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from([-450, -450, 100, 250]), max_size=3), min_size=1, max_size=6), st.data())
def test_however_days_are_cut_into_statements_that_repeat_each_line_is_counted_once(days: list[list[int]], data: st.DataObject):
    """Against a simple auditor: the lines of a history, and statements over spans of it in any order, with repetitions."""
    history = [(day, amount) for day, amounts in enumerate(days) for amount in amounts]
    spans = data.draw(st.lists(st.tuples(st.integers(0, len(days) - 1), st.integers(0, len(days) - 1)), min_size=1, max_size=5))
    infos: list[StatementInfo] = []
    known: dict[bytes, list[KnownLine]] = {}
    counted: list[tuple[int, int]] = []
    for first, last in ((min(span), max(span)) for span in spans):
        lines = [line for line in history if first <= line[0] <= last]
        opening = sum(amount for day, amount in history if day < first)
        total = sum(amount for _, amount in lines)
        start = date(2026, 1, 1)
        info = StatementInfo(
            "A",
            None,
            None,
            "EUR",
            opening,
            opening + total,
            start + timedelta(first),
            start + timedelta(last),
            len(lines),
            total,
            1,
        )
        running, said = opening, []
        for day, amount in lines:
            running += amount
            said.append(BroughtLine(f"{day}:{amount}".encode(), amount, start + timedelta(day), running))
        disjoint = apart(infos, info, said[0].day) if said else set()
        for line, is_new in zip(said, fresh_of(said, known, disjoint, adding_up([*infos, info], counted, start)), strict=True):
            if is_new:
                known.setdefault(line.plain, []).append(KnownLine(len(infos), line.position))
                counted.append(((line.day - start).days, line.amount))
        infos.append(info)
    covered = {day for span in spans for day in range(min(span), max(span) + 1)}
    assert sorted(counted) == sorted(line for line in history if line[0] in covered)


def test_a_statement_that_begins_inside_another_is_no_gap(house: House, tmp_path: Path):
    week = [(1000, "R1", "a"), (500, "R2", "b")]
    days = mt940(week[:1], opening=0, on=YESTERDAY, number=1) + mt940(week[1:], opening=1000, on=TODAY, number=2)
    imports(house, tmp_path / "days.sta", days)
    span = mt940(week, opening=0, on=TODAY, number=90)
    span = span.replace(f":61:{TODAY:%y%m%d}{TODAY:%m%d}C10", f":61:{YESTERDAY:%y%m%d}{YESTERDAY:%m%d}C10")
    span = span.replace(f":60F:C{TODAY:%y%m%d}", f":60F:C{YESTERDAY:%y%m%d}")
    told = imports(house, tmp_path / "span.sta", span)
    assert (told.new, held(house)) == (0, [(2, 1500)])
    with house.database.transaction() as conn:
        assert [gap.kind for gap in gaps_of(conn, PROGRAM, CLIENT) if gap.proven and gap.kind != "doubled"] == []


def test_of_a_revolut_statement_with_several_products_the_lines_of_the_one_that_is_asked_for_are_taken(house: House, tmp_path: Path):
    """Their rows stand among each other, in the order of days; each product has a balance of its own, and follows on by itself."""
    header = "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance\n"
    row = "TRANSFER,{0},2026-03-{1:02d} 09:00:00,2026-03-{1:02d} 09:00:00,x{1},{2},0.00,EUR,COMPLETED,{3}\n"
    march = [
        ("Current", 1, "10.00", "60.00"),
        ("Savings", 2, "5.00", "105.00"),
        ("Current", 3, "-20.00", "40.00"),
        ("Savings", 4, "1.00", "106.00"),
    ]
    text = header + "".join(row.format(*one) for one in march)
    with pytest.raises(InvalidInput, match="several accounts, so say which: Current, Savings"):
        imports(house, tmp_path / "march.csv", text)
    made = imports(house, tmp_path / "march.csv", text, bank_account="Current")
    assert (made.records, made.gaps, held(house)) == (2, (), [(2, -1000)])
    assert "2 lines are of other accounts of the file, and are not taken: import it for each of them" in made.notes
    assert closing(house) == ({"EUR": 4000}, [])
