"""BAI2: control totals at three levels, continuations, funds types, signs by type code."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from bai2 import bai2 as oracle

from counterfoil import statements as sources
from counterfoil.statements import SourceBroken
from counterfoil.statements.bai2.codes import sign_of
from tests.shared_data import shared
from tests.statements.samples import DATA, rows, sample, written

# name: (accounts, lines)
VALID = {
    "account_trailer_amount_blank_example.bai2": (2, 0),
    "citi_example.bai2": (1, 1),
    "sample1.txt": (2, 17),
    "sample3.txt": (15, 26),
}


@pytest.mark.parametrize("name", VALID)
def test_a_foreign_file_is_read_with_its_control_totals(name: str) -> None:
    read = sources.read(shared("data", "statements", "bai2", name))
    assert (len(read.statements), read.lines.num_rows, read.rejected) == (*VALID[name], [])


def test_every_foreign_sample_is_accounted_for() -> None:
    assert {path.name for path in shared("data", "statements", "bai2").iterdir()} == VALID.keys()


def test_balances_that_the_details_do_not_explain_are_remarked_because_details_may_be_a_choice() -> None:
    assert "details are not complete" in sources.read(shared("data", "statements", "bai2", "citi_example.bai2")).notes[0]
    read = sources.read(shared("data", "statements", "bai2", "sample3.txt"))
    assert (read.notes, {info.carries for info in read.statements}) == ([], {True})


def test_amounts_agree_with_the_bai2_library_where_it_reads_the_file() -> None:
    path = shared("data", "statements", "bai2", "citi_example.bai2")
    with path.open() as file:
        theirs = oracle.parse_from_file(file, check_integrity=True)
    expected = [
        (
            transaction.amount if transaction.type_code.transaction.value == "credit" else -transaction.amount,
            account.header.customer_account_number,
        )
        for group in theirs.children
        for account in group.children
        for transaction in account.children
    ]
    read = sources.read(path)
    assert [(amount, read.statements[0].account) for (amount,) in rows(read, "amount")] == expected


def test_our_sample_shows_continuations_funds_types_and_signs() -> None:
    read = sample("day.bai2")
    assert rows(read, "amount", "external_id", "reference", "value_on", "memo") == [
        (2500, "BR1001", "INV-31", date(2024, 2, 29), "WIRE FROM A, B & CO SECOND LINE OF TEXT 1/2"),
        (-5000, None, "CHK 88", None, None),
        (-950, "BR1003", "BR1003", None, "MONTHLY FEE"),
    ]
    info = read.statements[0]
    assert (info.opening, info.closing, info.total, info.carries) == (100000, 96550, -3450, True)
    assert rows(read, "booked_on")[0] == (date(2024, 2, 29),)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("16,475,5000", "16,475,5001", 9, "control total is 303450"),
        ("49,303450,7", "49,303450,8", 9, "counts 8 records, there are 7"),
        ("98,303450,1,9", "98,303451,1,9", 10, "control total"),
        ("98,303450,1,9", "98,303450,2,9", 10, "counts 2 accounts"),
        ("99,303450,1,11", "99,303450,1,12", 11, "counts 12 records"),
        ("99,303450,1,11/\n", "", 10, "file trailer is missing"),
        ("98,303450,1,9/\n", "", 10, "expected 03 or 98"),
        ("16,475,5000", "16,475,fifty", 7, "no whole number"),
        ("16,475,5000,Z", "16,475,5000,Q", 7, "no funds type"),
        ("02,PLATFORM,BANKUS33,1,240229,2400,USD", "02,PLATFORM,BANKUS33,1,240229,2400,DOLLAR", 2, "no currency code"),
        ("01,BANKUS33", "03,BANKUS33", 1, "at the beginning"),
    ],
)
def test_a_file_that_does_not_add_up_names_line_and_reason(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    text = (DATA / "day.bai2").read_text()
    assert old in text
    with pytest.raises(SourceBroken) as broken:
        sources.read(written(tmp_path, text.replace(old, new, 1)), format="bai2")
    assert broken.value.line == line
    assert reason in broken.value.reason


@pytest.mark.parametrize("lost", range(5, 9))
def test_a_lost_record_is_always_noticed(tmp_path: Path, lost: int) -> None:
    lines = (DATA / "day.bai2").read_text().splitlines(keepends=True)
    with pytest.raises(SourceBroken):
        sources.read(written(tmp_path, "".join(lines[: lost - 1] + lines[lost:])))


def test_a_type_code_that_is_neither_credit_nor_debit_is_rejected(tmp_path: Path) -> None:
    text = (DATA / "day.bai2").read_text().replace("16,698,", "16,905,")
    read = sources.read(written(tmp_path, text))
    assert [(row.line, row.column) for row in read.rejected] == [(8, "type code")]


def test_type_codes_say_which_way_the_money_went() -> None:
    assert [sign_of(code) for code in ("165", "475", "399", "400", "699", "720", "760", "920", "960")] == [
        1,
        -1,
        1,
        -1,
        -1,
        1,
        -1,
        1,
        -1,
    ]
    assert [sign_of(code) for code in ("010", "890", "905", "1", "abc", "")] == [0] * 6


def test_the_currency_comes_from_account_then_group_then_caller_then_dollar(tmp_path: Path) -> None:
    text = (DATA / "day.bai2").read_text()
    plain = text.replace("2400,USD", "2400,")
    assert rows(sources.read(written(tmp_path, plain)), "asset")[0] == ("USD",)
    assert rows(sources.read(written(tmp_path, plain), asset="CAD"), "asset")[0] == ("CAD",)
    own = plain.replace("03,000123456789,,", "03,000123456789,GBP,")
    assert rows(sources.read(written(tmp_path, own), asset="CAD"), "asset")[0] == ("GBP",)


def a_report(*, status: str = "1", summaries: str = "060,125000,,,100,000,0,,400,000,0,", text: str = "LOCKBOX") -> str:
    """A file of one group with one account that has one detail of 500.00."""
    return (
        f"01,BANKXX,CUST01,260302,0900,1,,,2/\n02,CUST01,BANKXX,{status},260301,2359,USD,/\n03,10001,USD,{summaries}/\n"
        f"16,115,50000,,REF1,,{text}/\n49,175000,3/\n98,175000,1,5/\n99,175000,1,7/\n"
    )


@pytest.mark.parametrize("blanks", ["", ",", ",,", ",,,", ",,,,", ",,,,,,,,"])
def test_a_summary_that_is_left_blank_is_no_amount(tmp_path: Path, blanks: str) -> None:
    read = sources.read(written(tmp_path, a_report(summaries=f"{blanks}060,125000,,,100,000,0,,400,000,0,"), "a.bai2"))
    assert rows(read, "amount", "reference") == [(50000, "REF1")]


@pytest.mark.parametrize(("status", "what"), [("2", "a deletion"), ("4", "a test")])
def test_a_group_that_is_a_deletion_or_a_test_is_not_money(tmp_path: Path, status: str, what: str) -> None:
    read = sources.read(written(tmp_path, a_report(status=status), "a.bai2"))
    assert (read.lines.num_rows, read.statements) == (0, [])
    assert [(line.amount, line.external_id) for _, line in read.aside] == [(50000, "REF1")]
    assert read.notes == [f"line 3: the group is {what}: its balances and 1 details do not count"]


def test_a_correction_is_money_and_an_unknown_group_status_stops_the_file(tmp_path: Path) -> None:
    assert rows(sources.read(written(tmp_path, a_report(status="3"), "a.bai2")), "status") == [("corrected",)]
    with pytest.raises(SourceBroken, match="no group status"):
        sources.read(written(tmp_path, a_report(status="7"), "a.bai2"))
