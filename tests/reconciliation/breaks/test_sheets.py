"""A spreadsheet goes out, people fill it in, it comes back: all of it is carried out, or nothing, and every stale line is named."""

from __future__ import annotations

import csv
import io

import openpyxl
import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.operations.verbs import VerbCall
from counterfoil.reconciliation.breaks import sheet, work
from counterfoil.reconciliation.breaks.queries import remarks_of
from tests.people import who
from tests.reconciliation.breaks.builders import MIRA, NOAH, NOW, a_break, a_run, an_open_program, still_true, the_cases

ASSETS = {"EUR": Asset("EUR", 2)}


@pytest.fixture
def cases(conn):
    an_open_program(conn)
    a_run(conn, [a_break("payout:=1+1"), a_break(severity="high"), a_break(theirs=None)])
    return the_cases(conn)


def filled(cases, form, *answers):
    """The sheet of these cases with the given cells filled in, line by line."""
    rows = list(sheet.sheet_rows(cases, ASSETS))
    for row, given in zip(rows, answers, strict=False):
        for name, value in given.items():
            row[sheet.COLUMNS.index(name)] = value
    return sheet.as_csv(rows) if form == "csv" else sheet.as_xlsx(rows)


def carry(conn, body, *, role="controller"):
    saying = VerbCall(conn, "", who(conn, MIRA)._replace(role=role), NOW, make_id)
    return sheet.carry_out(saying, *sheet.read_sheet(body))


def test_who_is_named_beside_an_unassigning_owns_it_afterwards(conn, cases):
    for one in cases[:2]:
        work.investigate_break(conn, one.id, actor=MIRA, now=NOW)
    back = {"action": "reopen", "reason": "not mine"}
    carry(conn, filled(the_cases(conn), "csv", {**back, "assign_to": "olga"}, back))
    assert [(one.state, one.owner) for one in the_cases(conn)[:2]] == [("open", "olga"), ("open", None)]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_what_is_filled_in_is_done_and_what_is_not_is_left_alone(conn, cases, form):
    body = filled(
        cases,
        form,
        {"assign_to": "olga", "action": "investigate", "comment": "looks like a fee"},
        {},
        {"action": "wait", "reason": "their file is late"},
    )
    done = carry(conn, body)
    assert (done.rows, done.done) == (3, 2)
    assert dict(done.states) == {cases[0].id: "investigating", cases[2].id: "timing"}
    assert [(one.state, one.owner) for one in the_cases(conn)] == [
        ("investigating", "olga"),
        ("open", None),
        ("timing", None),
    ]
    assert remarks_of(conn, cases[0].id)[-1].text == "looks like a fee"
    still_true(conn)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_stale_line_is_named_and_nothing_is_done(conn, cases, form):
    work.investigate_break(conn, cases[1].id, actor=NOAH, now=NOW)
    take = {"action": "investigate", "reason": "mine"}
    with pytest.raises(sheet.SheetRefused) as refused:
        carry(conn, filled(cases, form, take, take, take))
    (line,) = refused.value.facts["lines"]
    assert line.startswith("line 3: Somebody else moved it first")
    assert [one.state for one in the_cases(conn)] == ["open", "investigating", "open"]


def test_every_line_that_stands_in_the_way_is_named(conn, cases):
    body = filled(cases, "csv", {"action": "explode"}, {"action": "accept", "reason": "x"}, {"action": "wait"})
    with pytest.raises(sheet.SheetRefused) as refused:
        carry(conn, body, role="operator")
    lines = refused.value.facts["lines"]
    assert [one.split(":")[0] for one in lines] == ["line 2", "line 3", "line 4"]
    assert "one of investigate" in lines[0]
    assert "your role" in lines[1]
    assert "gives a reason" in lines[2]


def test_a_break_in_two_lines_is_refused(conn, cases):
    take = {"action": "investigate"}
    with pytest.raises(sheet.SheetRefused, match="line 3"):
        carry(conn, filled([cases[0], cases[0]], "csv", take, take))


def test_no_cell_runs_as_a_formula_and_ids_come_back_as_they_went(cases):
    evil = cases[0]._replace(reference="=cmd|'/c calc'!A0", owner="@SUM(A1)")
    body = sheet.as_csv(sheet.sheet_rows([evil], ASSETS))
    row = next(iter(csv.DictReader(io.StringIO(body.decode()))))
    assert row["reference"] == "'=cmd|'/c calc'!A0"
    book = openpyxl.load_workbook(io.BytesIO(sheet.as_xlsx(sheet.sheet_rows([evil], ASSETS))))
    cells = [cell for line in book.active.iter_rows(min_row=2) for cell in line if cell.value]
    assert {cell.data_type for cell in cells} == {"s"}


def test_amounts_are_told_in_major_units_and_exactly_in_minor_ones(cases):
    (row, *_) = sheet.sheet_rows(cases, ASSETS)
    told = dict(zip(sheet.COLUMNS, row, strict=True))
    assert (told["amount"], told["at_stake_minor"], told["difference_minor"]) == ("12.00", "1200", "-1200")


@pytest.mark.parametrize(("asset", "amount"), [("USD", "12.00"), ("KWD", "1.200"), ("JPY", "1,200"), ("XMR", "1200 minor units of XMR")])
def test_a_break_in_an_asset_that_no_book_keeps_is_told_by_the_decimals_of_its_currency(cases, asset, amount):
    (row,) = sheet.sheet_rows([cases[0]._replace(asset=asset)], ASSETS)
    assert dict(zip(sheet.COLUMNS, row, strict=True))["amount"] == amount


def test_a_sheet_saved_with_semicolons_and_a_mark_is_read(cases):
    text = f"\ufeffID;Expected_State;Action\r\n{cases[0].id};open;investigate\r\n;;\r\n"
    rows, lines = sheet.read_sheet(text.encode())
    assert (rows, [(one.line, one.id, one.action) for one in lines]) == (1, [(2, cases[0].id, "investigate")])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "header"),
        (b"id,kind\n", "header"),
        (b"id,expected_state\n\xff\xfe", "body"),
        (b'id,expected_state\n"open', "body"),
        (b"PK\x03\x04 not a workbook", "body"),
    ],
)
def test_what_is_no_such_spreadsheet_is_refused_by_name(body, says):
    with pytest.raises(InvalidInput) as refused:
        sheet.read_sheet(body)
    assert refused.value.facts["field"] == says


def test_a_workbook_that_is_damaged_anywhere_is_refused_or_read_and_never_a_fault_of_ours(cases):
    whole = sheet.as_xlsx(sheet.sheet_rows(cases, ASSETS))
    told = set()
    for place in range(0, len(whole), 37):
        try:
            sheet.read_sheet(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        except Problem as refused:
            told.add(refused.facts.get("got"))
    assert "error" in told, "a part whose packing is damaged is among them: zlib's own error has that name"
