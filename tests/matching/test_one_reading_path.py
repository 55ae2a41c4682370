"""A table is a table: as CSV, with a foot, as a workbook, as NDJSON, JSON or Parquet the same rule set gives the same records."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.guess.rule_set import guess_rules
from counterfoil.matching.reading.loading import read_side
from counterfoil.matching.reading.scans import SourceUnreadable
from counterfoil.matching.reading.sides import Side
from counterfoil.matching.rules.model import RuleSet, Source
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from tests.soak import examples

Table = Sequence[Sequence[Any]]
HEADER = ("Date", "Reference", "Net", "Fee", "Currency", "Flow")
ROWS: Table = [
    ("2026-03-02", "INV-1001", "97.00", "3.00", "EUR", "IN"),
    ("2026-03-03", "INV-1002", "19.00", "1.00", "EUR", "IN"),
    ("2026-03-04", "", "7.50", "", "EUR", "IN"),
]
TOTAL = ("Total", "", "123.50", "4.00", "EUR", "")
COLUMNS = {"reference": "Reference", "asset": "Currency", "booked_on": "Date"}


def csv_of(table: Table, path: Path) -> Path:
    path.with_suffix(".csv").write_text("".join(",".join(str(cell) for cell in row) + "\n" for row in table))
    return path.with_suffix(".csv")


def short_foot_of(table: Table, path: Path) -> Path:
    """The last row cut off behind its last filled cell, as programs write what stands under a table."""
    found = csv_of(table, path)
    found.write_text("\n".join(line.rstrip(",") for line in found.read_text().splitlines()) + "\n\n")
    return found


def _value(cell: Any) -> Any:
    for kind in (Decimal, date.fromisoformat):
        try:
            return kind(cell)
        except (ValueError, ArithmeticError):
            continue
    return cell or None


def workbook_of(table: Table, path: Path) -> Path:
    """Figures as numbers and days as dates, as spreadsheet programs keep them."""
    book = openpyxl.Workbook()
    for at, row in enumerate(table):
        book.active.append([cell if at == 0 else _value(cell) for cell in row])
    book.save(path.with_suffix(".xlsx"))
    return path.with_suffix(".xlsx")


def _records(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def ndjson_of(table: Table, path: Path) -> Path:
    path.with_suffix(".ndjson").write_text("".join(json.dumps(row) + "\n" for row in _records(table)))
    return path.with_suffix(".ndjson")


def json_of(table: Table, path: Path) -> Path:
    path.with_suffix(".json").write_text(json.dumps(_records(table)))
    return path.with_suffix(".json")


def parquet_of(table: Table, path: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(_records(table)), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


NOTATIONS: list[Callable[[Table, Path], Path]] = [csv_of, short_foot_of, workbook_of, ndjson_of, json_of, parquet_of]


def a_source(columns: dict[str, str] = COLUMNS, **amount: Any) -> Source:
    return Source(columns=columns, amount={"unit": "major", **amount})


def side_of(path: Path, source: Source, folder: Path) -> tuple[list[tuple[Any, ...]], Side]:
    """The records of a file by a rule set, and the side."""
    (folder / "work").mkdir(exist_ok=True)
    engine = DuckEngine(folder / "work")
    try:
        side = read_side(engine, [path], source, "left", folder / "work")
        return sorted(engine.rows(side.select(("id", "amount", "asset", "booked_on", "reference"))), key=str), side
    finally:
        engine.close()


@pytest.mark.parametrize("write", NOTATIONS)
@pytest.mark.parametrize("foot", [[], [TOTAL], [("", "", "", "", "", ""), TOTAL], [("Closing balance:", "", "900.00", "", "", "")]])
@pytest.mark.parametrize("csv", [{}, {"delimiter": ",", "encoding": "utf-8"}])
def test_the_notation_and_what_stands_under_the_table_change_nothing(
    tmp_path: Path, write: Callable[[Table, Path], Path], foot: Table, csv: dict[str, str]
) -> None:
    source = a_source(column="Net", fee="Fee").model_copy(update={"csv": Source(csv=csv).csv})
    plain, _ = side_of(csv_of([HEADER, *ROWS], tmp_path / "plain"), source, tmp_path)
    found, side = side_of(write([HEADER, *ROWS, *foot], tmp_path / "given"), source, tmp_path)
    assert found == plain
    assert sorted(row[1] for row in plain) == [750, 2000, 10000]
    assert (side.rows, list(side.rejected)) == (3, [])


@pytest.mark.parametrize("write", NOTATIONS)
def test_a_sum_under_the_table_that_is_not_its_sum_stops_the_file(tmp_path: Path, write: Callable[[Table, Path], Path]) -> None:
    wrong = ("Total", "", "124.50", "4.00", "EUR", "")
    with pytest.raises(SourceUnreadable, match="the total under the table is 12850, the rows add up to 12750"):
        side_of(write([HEADER, *ROWS, wrong], tmp_path / "given"), a_source(column="Net", fee="Fee"), tmp_path)


@pytest.mark.parametrize("write", NOTATIONS)
def test_a_company_called_total_is_no_sum(tmp_path: Path, write: Callable[[Table, Path], Path]) -> None:
    table = [
        ("Name", "Date", "Amount", "Currency"),
        ("Total", "2026-03-02", "97.00", "EUR"),
        ("Shell", "2026-03-02", "5.00", "EUR"),
    ]
    source = a_source({"counterparty": "Name", "asset": "Currency", "booked_on": "Date"}, column="Amount")
    assert [row[1] for row in side_of(write(table, tmp_path / "given"), source, tmp_path)[0]] in (
        [9700, 500],
        [500, 9700],
    )


SIGNED: Table = [
    ("Date", "Reference", "Amount", "Way", "Currency"),
    ("2026-03-02", "A", "10.00", "D", "EUR"),
    ("2026-03-02", "B", "20.00", "C", "EUR"),
    ("2026-03-03", "C", "-5.00", "C", "EUR"),
]


@pytest.mark.parametrize("write", NOTATIONS)
def test_words_for_the_direction_and_signs_are_read_by_one_rule(tmp_path: Path, write: Callable[[Table, Path], Path]) -> None:
    source = a_source(column="Amount", direction="Way", negative=["D"])
    assert [row[:2] for row in side_of(write(SIGNED, tmp_path / "x"), source, tmp_path)[0]] == [
        ("A", -1000),
        ("B", 2000),
        ("C", -500),
    ]


@pytest.mark.parametrize("write", NOTATIONS)
@pytest.mark.parametrize(("positive", "refused"), [(["C"], ["Debit", "X", ""]), ([], ["Debit"]), (["C", ""], ["Debit", "X"])])
def test_a_word_that_says_neither_in_nor_out_is_refused_and_not_money_in(
    tmp_path: Path, write: Callable[[Table, Path], Path], positive: list[str], refused: list[str]
) -> None:
    odd = [(f"2026-03-0{n}", f"O{n}", "9.00", word, "EUR") for n, word in enumerate(("Debit", "X", ""), 4)]
    source = a_source(column="Amount", direction="Way", negative=["D"], positive=positive)
    found = side_of(write([*SIGNED, *odd], tmp_path / "x"), source, tmp_path)[1].rejected
    assert [(each.column, each.reason.partition(" but ")[2]) for each in found] == [
        ("Way", repr(word) if word else "nothing stands there") for word in refused
    ]
    assert all("for money in or out" in each.reason for each in found)


@pytest.mark.parametrize("write", NOTATIONS)
def test_debits_that_all_carry_a_minus_are_money_out_as_those_without_are(tmp_path: Path, write: Callable[[Table, Path], Path]) -> None:
    for sign in ("", "-"):
        table = [
            ("Date", "Reference", "Debit", "Credit", "Currency"),
            ("2026-03-02", "A", f"{sign}10.00", "", "EUR"),
            ("2026-03-02", "B", "", "20.00", "EUR"),
        ]
        found, _ = side_of(write(table, tmp_path / f"x{sign}"), a_source(debit="Debit", credit="Credit"), tmp_path)
        assert [row[:2] for row in found] == [("A", -1000), ("B", 2000)]


BALANCED: Table = [
    ("Date", "Reference", "Debit", "Credit", "Balance", "Currency"),
    ("2026-03-02", "A", "10.00", "", "90.00", "EUR"),
    ("2026-03-02", "B", "-4.00", "", "94.00", "EUR"),
    ("2026-03-03", "C", "", "6.00", "100.00", "EUR"),
]


@pytest.mark.parametrize("write", NOTATIONS)
def test_a_debit_with_a_minus_among_others_is_refused_unless_the_balance_shows_what_it_means(
    tmp_path: Path, write: Callable[[Table, Path], Path]
) -> None:
    path = write(BALANCED, tmp_path / "x")
    _, unjudged = side_of(path, a_source(debit="Debit", credit="Credit"), tmp_path)
    assert [(row.line, row.column) for row in unjudged.rejected] == [(unjudged.rejected[0].line, "Debit / Credit")]
    judged, _ = side_of(path, a_source(debit="Debit", credit="Credit", balance="Balance"), tmp_path)
    assert [row[:2] for row in judged] == [("A", -1000), ("B", 400), ("C", 600)]
    newest_first = write([BALANCED[0], *reversed(BALANCED[1:])], tmp_path / "y")
    again, _ = side_of(newest_first, a_source(debit="Debit", credit="Credit", balance="Balance"), tmp_path)
    assert again == judged


@pytest.mark.parametrize("write", NOTATIONS)
def test_a_row_that_is_missing_is_seen_by_the_balance(tmp_path: Path, write: Callable[[Table, Path], Path]) -> None:
    table = [BALANCED[0], BALANCED[1], BALANCED[3], ("2026-03-04", "D", "1.00", "", "99.00", "EUR")]
    with pytest.raises(SourceUnreadable, match="do not lead to its balance"):
        side_of(write(table, tmp_path / "x"), a_source(debit="Debit", credit="Credit", balance="Balance"), tmp_path)


@pytest.mark.parametrize("write", [csv_of, workbook_of, ndjson_of, json_of, parquet_of])
@pytest.mark.parametrize("figure", ["12.50", "1.2345", "1.250,00.1"])
def test_a_point_where_the_comma_is_the_decimal_mark_is_a_rejected_row(
    tmp_path: Path, write: Callable[[Table, Path], Path], figure: str
) -> None:
    table = [
        ("Date", "Reference", "Amount", "Currency"),
        ("2026-03-02", "A", f"{figure} EUR", "EUR"),
        ("2026-03-02", "B", "7 EUR", "EUR"),
    ]
    for group in ("", "."):
        found, side = side_of(write(table, tmp_path / "x"), a_source(column="Amount", decimal=",", group=group), tmp_path)
        assert ([row[:2] for row in found], len(side.rejected)) == ([("B", 700)], 1)


@pytest.mark.parametrize("write", [workbook_of, parquet_of])
def test_a_number_has_a_point_whatever_mark_texts_have(tmp_path: Path, write: Callable[[Table, Path], Path]) -> None:
    table = [
        ("Date", "Reference", "Amount", "Currency"),
        ("2026-03-02", "A", "12.5", "EUR"),
        ("2026-03-02", "B", "0.3", "EUR"),
    ]
    if write is parquet_of:
        frame = pa.table({"Date": ["2026-03-02"] * 2, "Reference": ["A", "B"], "Amount": [12.5, 0.1 + 0.2], "Currency": ["EUR"] * 2})
        pq.write_table(frame, tmp_path / "x.parquet")
        path = tmp_path / "x.parquet"
    else:
        path = write(table, tmp_path / "x")
    found, _ = side_of(path, a_source(column="Amount", decimal=","), tmp_path)
    assert [row[:2] for row in found] == [("A", 1250), ("B", 30)]


def test_a_number_of_json_has_a_point_whatever_mark_texts_have(tmp_path: Path) -> None:
    record = {"Date": "2026-03-02", "Reference": "A", "Currency": "EUR"}
    rows = "".join(json.dumps(record | {"Amount": amount}) + "\n" for amount in (12.5, "12,5"))
    (tmp_path / "x.ndjson").write_text(rows)
    assert [row[1] for row in side_of(tmp_path / "x.ndjson", a_source(column="Amount", decimal=","), tmp_path)[0]] == [
        1250,
        1250,
    ]


@pytest.mark.parametrize("write", NOTATIONS)
def test_a_day_is_read_by_the_formats_by_iso_and_with_a_time_behind_it(tmp_path: Path, write: Callable[[Table, Path], Path]) -> None:
    table = [
        ("Date", "Reference", "Amount", "Currency"),
        *(
            (day, f"R{at}", "1.00", "EUR")
            for at, day in enumerate(("02.03.2026", "2.3.2026", "2026-03-02", "02.03.2026 14:20", "2026-03-02 14:20:00"))
        ),
    ]
    source = a_source(column="Amount").model_copy(update={"dates": Source(dates={"formats": ["%d.%m.%Y"]}).dates})
    found, side = side_of(write(table, tmp_path / "x"), source, tmp_path)
    assert ([row[3] for row in found], list(side.rejected)) == (["2026-03-02"] * 5, [])


@settings(max_examples=examples(8), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dates(date(2020, 1, 1), date(2030, 1, 1)),
            st.sampled_from(["", "A-1", "B 2", "Ü,x"]),
            st.integers(-(10**9), 10**9),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_table_has_the_same_records_in_every_notation(tmp_path_factory: pytest.TempPathFactory, drawn: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("notations")
    quoted = [(day.isoformat(), reference, f"{Decimal(minor) / 100:.2f}", "EUR") for day, reference, minor in drawn]
    table: Table = [("Date", "Reference", "Amount", "Currency"), *quoted]
    as_csv: Table = [tuple(f'"{cell}"' for cell in row) for row in table]
    first = side_of(csv_of(as_csv, folder / "x"), a_source(column="Amount"), folder)[0]
    assert len(first) == len(drawn)
    for write in (workbook_of, ndjson_of, json_of, parquet_of):
        assert side_of(write(table, folder / "x"), a_source(column="Amount"), folder)[0] == first


def a_rule_set(path: Path, left: str, right: str) -> RuleSet:
    path.write_text(f'version = 1\n{left}\n{right}\n[[pass]]\nkind = "key"\nname = "reference"\n')
    return load_rules(path)


@pytest.mark.parametrize("write", NOTATIONS)
def test_a_table_of_net_and_fee_reconciles_with_gross_in_every_notation(tmp_path: Path, write: Callable[[Table, Path], Path]) -> None:
    columns = 'reference = "Reference"\nasset = "Currency"\nbooked_on = "Date"\n'
    rules = a_rule_set(
        tmp_path / "r.toml",
        f'[left.columns]\n{columns}[left.amount]\ncolumn = "Net"\nfee = "Fee"\nunit = "major"',
        f'[right.columns]\n{columns}[right.amount]\ncolumn = "Amount"\nunit = "major"',
    )
    gross = csv_of(
        [
            ("Date", "Reference", "Amount", "Currency"),
            ("2026-03-02", "INV-1001", "100.00", "EUR"),
            ("2026-03-03", "INV-1002", "20.00", "EUR"),
        ],
        tmp_path / "gross",
    )
    total = ("Total", "", "116.00", "4.00", "EUR", "")
    outcome = reconcile_files(write([HEADER, *ROWS[:2], total], tmp_path / "net"), gross, rules, out=tmp_path / "out")
    assert outcome.verdict == "reconciled"


def test_a_sheet_can_be_named_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = workbook_of([HEADER, *ROWS], tmp_path / "x")
    source = a_source(column="Net").model_copy(update={"sheet": "Sheet"})
    assert len(side_of(path, source, tmp_path)[0]) == 3
    with pytest.raises(Exception, match="there is no sheet 'April'"):
        side_of(path, source.model_copy(update={"sheet": "April"}), tmp_path)


def test_a_name_with_marks_of_a_pattern_is_that_file_and_no_other(tmp_path: Path) -> None:
    for write in (csv_of, ndjson_of, json_of, parquet_of, workbook_of):
        given = write([HEADER, *ROWS], tmp_path / "a[1]*?")
        other = write([HEADER, ("2026-03-02", "OTHER", "1.00", "", "EUR", "IN")], tmp_path / "a1")
        found, side = side_of(given, a_source(column="Net"), tmp_path)
        assert ([row[0] for row in found][:2], other.exists()) == (sorted(row[0] for row in found)[:2], True)
        assert "OTHER" not in {row[4] for row in found}
        assert side.files == (given,)


def test_a_rejected_row_of_a_workbook_is_named_by_its_row(tmp_path: Path) -> None:
    path = workbook_of([HEADER, *ROWS, ("2026-03-05", "INV-9", "much", "", "EUR", "IN")], tmp_path / "x")
    _, side = side_of(path, a_source(column="Net"), tmp_path)
    assert [(row.file, row.line, row.column) for row in side.rejected] == [("x.xlsx", 5, "Net")]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("csv", {"encoding": "klingon"}),
        ("csv", {"encoding": "base64"}),
        ("csv", {"delimiter": "\n"}),
        ("csv", {"delimiter": ",", "quote": ","}),
        ("amount", {"column": "x", "unit": "major", "decimal": ",", "group": ","}),
    ],
)
def test_a_rule_set_that_cannot_work_is_refused_before_a_file_is_read(tmp_path: Path, part: str, value: dict[str, str]) -> None:
    told = "\n".join(f"{name} = {json.dumps(each)}" for name, each in value.items())
    with pytest.raises(InvalidInput) as refused:
        a_rule_set(tmp_path / "r.toml", f"[left.{part}]\n{told}", "")
    assert str(refused.value.facts["field"]).startswith(f"left.{part}")


def test_a_format_of_days_that_is_none_is_refused_by_its_field(tmp_path: Path) -> None:
    source = a_source(column="Net").model_copy(update={"dates": Source(dates={"formats": ["%Q"]}).dates})
    with pytest.raises(InvalidInput, match=r"left\.dates\.formats"):
        side_of(csv_of([HEADER, *ROWS], tmp_path / "x"), source, tmp_path)


SAMPLES = sorted((Path(__file__).parents[1] / "statements" / "data").iterdir())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_guess_never_writes_a_rule_set_that_is_refused(tmp_path: Path, sample: Path) -> None:
    ours = csv_of([("Date", "Reference", "Amount", "Currency"), ("2026-03-02", "INV-1", "100.50", "EUR")], tmp_path / ("n" * 90))
    try:
        text, _ = guess_rules(sample, ours)
    except Problem:
        return  # nothing was written: the file is refused, with its reason
    outcome = reconcile_files(sample, ours, load_rules(text), out=tmp_path / "out")
    assert outcome.verdict in ("not reconciled", "incomplete", "reconciled")


def test_a_guess_reads_a_table_with_a_total_in_every_notation(tmp_path: Path) -> None:
    table: Table = [
        ("Date", "Reference", "Amount", "Currency"),
        *((f"2026-03-0{at}", f"INV-{at}", f"{at}0.50", "EUR") for at in range(1, 6)),
    ]
    plain = csv_of(table, tmp_path / "plain")
    for write in NOTATIONS:
        given = write([*table, ("Total", "", "152.50", "")], tmp_path / "given")
        text, _ = guess_rules(given, plain)
        assert reconcile_files(given, plain, load_rules(text), out=tmp_path / "out").verdict == "reconciled"
