"""Statements follow on, or the place where they do not is named."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from counterfoil import statements as sources
from counterfoil.base.problems import NotFound
from counterfoil.cli.local.statements import app
from counterfoil.statements import SourceRead, StatementInfo
from tests.shared_data import shared
from tests.statements.samples import DATA, a_statement, written

MONDAY = date(2024, 3, 4)
TARGET_CLOSED = {date(2024, 3, 29), date(2024, 4, 1)}


def a_read(*infos: StatementInfo, file: str = "a.sta") -> SourceRead:
    """A file that holds these statements."""
    return SourceRead("mt940", pa.table({}), [], list(infos), file, file)


def an_info(day: date, opening: int, closing: int, *, sequence: int | None = None, opening_on: date | None = None) -> StatementInfo:
    """A statement of one day of one account."""
    return StatementInfo("ACC", None, sequence, "EUR", opening, closing, opening_on or day, day, 1, closing - opening, 1)


def a_row_of_days(count: int, *, moved: int = 5) -> list[StatementInfo]:
    """Statements of the banking days from a Monday on, each opening as the last one closed."""
    days = [day for day in (MONDAY + timedelta(days=n) for n in range(3 * count)) if day.weekday() < 5 and day not in TARGET_CLOSED]
    return [an_info(day, moved * n, moved * (n + 1)) for n, day in enumerate(days[:count])]


def test_sixty_foreign_days_of_two_accounts_add_up_and_follow_on() -> None:
    found = sources.load_folder(shared("data", "statements", "camt-daily"))
    assert (len(found.reads), len(found.statements), found.gaps, found.is_whole) == (60, 120, [], True)
    assert all(info.carries for info in found.statements)


@pytest.mark.parametrize("missing", ["2024-03-08", "2024-03-28", "2024-04-17", "2024-05-02", "2024-05-31"])
def test_a_foreign_day_that_is_taken_out_is_named(tmp_path: Path, missing: str) -> None:
    for path in shared("data", "statements", "camt-daily").iterdir():
        if path.stem != missing:
            shutil.copy(path, tmp_path)
    gaps = sources.load_folder(tmp_path).gaps
    assert {day.isoformat() for gap in gaps for day in gap.days} == {missing}
    assert {gap.kind for gap in gaps} == {"missing"}


def test_a_foreign_day_that_comes_twice_is_named(tmp_path: Path) -> None:
    folder = shared("data", "statements", "camt-daily")
    for name in ("2024-03-07", "2024-03-08", "2024-03-11"):
        shutil.copy(folder / f"{name}.xml", tmp_path)
    shutil.copy(folder / "2024-03-08.xml", tmp_path / "again.xml")
    found = sources.load_folder(tmp_path)
    assert found.duplicates == [("again.xml", "2024-03-08.xml")]
    text = (folder / "2024-03-08.xml").read_text(encoding="utf-8").replace("<GrpHdr>", "<GrpHdr> ")
    (tmp_path / "again.xml").write_text(text, encoding="utf-8")
    gaps = sources.load_folder(tmp_path).gaps
    assert {(gap.kind, gap.days) for gap in gaps} == {("doubled", (date(2024, 3, 8),))}


@given(st.integers(6, 30), st.data())
def test_any_day_inside_a_row_that_is_taken_out_is_named(count: int, data: st.DataObject) -> None:
    infos = a_row_of_days(count, moved=data.draw(st.sampled_from([0, 5])))
    lost = data.draw(st.integers(1, count - 2))
    left = [each for each in infos if each is not infos[lost]]
    order = data.draw(st.permutations(left))
    gaps = sources.follow_on([a_read(info, file=f"{n}.sta") for n, info in enumerate(order)])
    assert [day for gap in gaps for day in gap.days] == [infos[lost].closing_on]


@given(st.integers(1, 40))
def test_a_row_without_a_hole_has_no_gap_over_weekends_and_good_friday(count: int) -> None:
    assert sources.follow_on([a_read(info) for info in a_row_of_days(count)]) == []


def test_a_number_that_is_left_out_is_named_even_where_the_balance_goes_on() -> None:
    infos = [an_info(MONDAY, 0, 5, sequence=7), an_info(MONDAY + timedelta(days=1), 5, 5, sequence=10)]
    (gap,) = sources.follow_on([a_read(*infos)])
    assert (gap.kind, gap.proven) == ("missing", True)
    assert "8 to 9" in gap.reason


def test_a_balance_that_jumps_between_neighbours_gives_its_difference() -> None:
    infos = [an_info(MONDAY, 0, 5), an_info(MONDAY + timedelta(days=1), 7, 9)]
    (gap,) = sources.follow_on([a_read(*infos)])
    assert (gap.kind, gap.difference, gap.days) == ("balance", 2, ())


def test_a_statement_that_opens_on_the_day_of_the_last_one_names_that_day_too() -> None:
    tuesday, wednesday = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
    infos = [an_info(MONDAY, 0, 5, opening_on=MONDAY - timedelta(days=3)), an_info(wednesday, 6, 9, opening_on=tuesday)]
    (gap,) = sources.follow_on([a_read(*infos)])
    assert (gap.kind, gap.days) == ("missing", (tuesday,))


def test_two_accounts_are_kept_apart() -> None:
    one, other = an_info(MONDAY, 0, 5), an_info(MONDAY + timedelta(days=1), 100, 105)._replace(account="OTHER")
    assert sources.follow_on([a_read(one, other)]) == []


def test_counts_that_begin_anew_with_a_year_are_no_gap() -> None:
    last, first = date(2024, 12, 31), date(2025, 1, 2)
    assert sources.follow_on([a_read(an_info(last, 0, 5, sequence=254), an_info(first, 5, 6, sequence=1))]) == []


def test_pages_of_a_statement_are_one_statement() -> None:
    info = an_info(MONDAY, 0, 5)._replace(statement_id="S", page=1)
    pages = [
        info._replace(closing=None),
        info._replace(opening=None, page=2),
        an_info(MONDAY + timedelta(days=1), 5, 6),
    ]
    assert sources.follow_on([a_read(*pages)]) == []


def run(*words: str) -> tuple[int, str]:
    """Exit code and output of the command."""
    found = CliRunner().invoke(app, ["check", *words])
    return found.exit_code, found.output


def a_folder(folder: Path) -> Path:
    """Three statements that follow on."""
    for day in (1, 2, 3):
        text = a_statement(
            opening=f"C24030{day}EUR{day},00",
            entries=f":61:24030{day}C1,00NTRFNONREF\n",
            closing=f"C24030{day}EUR{day + 1},00",
        )
        written(folder, text.replace("1/1", f"{day}/1"), f"{day}.sta")
    return folder


def test_the_command_ends_with_0_when_all_is_whole(tmp_path: Path) -> None:
    code, output = run(str(a_folder(tmp_path)))
    assert code == 0
    assert "3 files, 3 statements: every one adds up and follows on." in output


def test_the_command_ends_with_1_and_names_what_is_missing(tmp_path: Path) -> None:
    (a_folder(tmp_path) / "2.sta").unlink()
    code, output = run(str(tmp_path), "--output", "json")
    told = json.loads(output)
    assert (code, told["whole"], [gap["kind"] for gap in told["gaps"]]) == (1, False, ["missing"])
    assert "statement 2 is missing" in told["gaps"][0]["reason"]
    assert run(str(tmp_path))[0] == 1


def test_the_command_ends_with_2_and_names_the_broken_file(tmp_path: Path) -> None:
    written(a_folder(tmp_path), a_statement(closing="C240304EUR1,00"), "4.sta")
    code, output = run(str(tmp_path))
    assert code == 2
    assert "4.sta:5: the balance does not carry" in output
    told = json.loads(run(str(tmp_path), "--output", "json")[1])
    assert (told["refused"][0]["file"], told["refused"][0]["line"]) == ("4.sta", 5)


def test_the_command_takes_one_file_and_refuses_what_is_not_there(tmp_path: Path) -> None:
    assert run(str(DATA / "german.sta"))[0] == 0
    assert run(str(DATA / "girokonto.csv"))[0] == 1
    assert run(str(tmp_path / "none"))[0] == 2
    (tmp_path / "empty").mkdir()
    assert run(str(tmp_path / "empty"))[0] == 2


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        sources.load_folder(tmp_path / "none")


def test_a_statement_that_cannot_be_shown_to_add_up_is_not_said_to(tmp_path: Path) -> None:
    (tmp_path / "a.ofx").write_text(
        "OFXHEADER:100\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR"
        "<BANKACCTFROM><ACCTID>[/1]</BANKACCTFROM></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
    )
    code, output = run(str(tmp_path))
    assert (code, "every one adds up" in output) == (0, False)
    assert "none is shown to add up" in output
    assert "[/1]" in output


def test_a_statement_whose_details_contradict_its_balances_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "a.bai2").write_text(
        "01,B,C,260302,0900,1,,,2/\n02,C,B,1,260301,2359,USD,/\n"
        "03,1,USD,010,10000,,,015,10000,,/\n16,115,500,,REF1,,X/\n49,20500,3/\n98,20500,1,5/\n99,20500,1,7/\n"
    )
    code, output = run(str(tmp_path))
    assert (code, "1 not adding up" in output) == (1, True)


def test_of_a_long_gap_some_days_are_listed_and_all_are_counted() -> None:
    infos = [an_info(date(2024, 3, 1), 0, 1), an_info(date(2025, 3, 3), 1_000, 1_001)]
    (gap,) = sources.follow_on([a_read(*infos)])
    assert len(gap.days) == 31
    assert "and 249 more days" in gap.reason
