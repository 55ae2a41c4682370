"""Imports: rows become journals by a map; checked whole, written in parts, gone on with, held against the balances of the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.base.edge import Database
from counterfoil.base.edge import now as clock
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.base.problems import Busy, InvalidInput
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.ledger.importing import imports
from counterfoil.ledger.importing.check import check_balances
from counterfoil.ledger.importing.imports import Imported, ImportStopped, import_file
from counterfoil.ledger.importing.map import ImportMap, load_map
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.periods import close_period
from counterfoil.ledger.problems import UnknownProgram
from counterfoil.ledger.reads.balances import balance, journal_by_key, journal_lines
from tests.ledger.builders import NOW, PROGRAM
from tests.shared_data import shared

MAP = """
[journal]
asset = "CZK"
kind = "bank"
key = "bank:{id}"
narrative = "{text}"
source_type = "bank_transaction"
source_id = "{id}"
[amount]
column = "amount"
unit = "major"
[effective]
column = "date"
timezone = "Europe/Prague"
[[move]]
when = { sign = "negative" }
debit = "deposit:{account}"
credit = "cash:bank:client"
[[move]]
debit = "cash:bank:client"
credit = "deposit:{account}"
[[account]]
name = "deposit:*"
normal = "credit"
no_overdraft = false
[balance]
column = "balance"
account = "deposit:{account}"
rounding = "0.10"
"""
ROWS = [
    {"id": "1", "account": "7", "date": "2026-01-05", "amount": "700.00", "text": "first", "balance": "700.00"},
    {"id": "2", "account": "7", "date": "2026-01-06", "amount": "-50.50", "text": "", "balance": "649.50"},
    {"id": "3", "account": "8", "date": "2026-01-06", "amount": "1.00", "text": "a  b", "balance": "1.10"},
    {"id": "4", "account": "8", "date": "2026-01-07", "amount": "2.00", "text": "x", "balance": "3.60"},
    {"id": "5", "account": "8", "date": "2026-01-07", "amount": "3.00", "text": "y", "balance": "6.60"},
]


@pytest.fixture
def books(database: Database) -> Database:
    with database.transaction() as conn:
        open_program(conn, PROGRAM, name="Main", assets=[Asset("CZK", 2)], now=NOW)
    return database


def a_csv(path: Path, rows: list[dict[str, str]] = ROWS, name: str = "bank.csv") -> Path:
    with (path / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path / name


def an_ndjson(path: Path) -> Path:
    lines = [json.dumps(row | {"account": int(row["account"])}) for row in ROWS]
    (path / "bank.ndjson").write_text("\n".join(lines) + "\n\n")
    return path / "bank.ndjson"


def a_parquet(path: Path) -> Path:
    columns: dict[str, list[Any]] = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    columns["amount"] = [Decimal(value) for value in columns["amount"]]
    columns["date"] = [date.fromisoformat(value) for value in columns["date"]]
    columns["account"] = [int(value) for value in columns["account"]]
    pq.write_table(pa.table(columns), path / "bank.parquet")
    return path / "bank.parquet"


def run(database: Database, path: Path, text: str = MAP, **rest: Any) -> Imported:
    return import_file(database.transaction, PROGRAM, path, load_map(text), actor="ann", clock=clock, **rest)


def minor(database: Database, name: str) -> int:
    with database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []
        return balance(conn, PROGRAM, name, asset="CZK").minor


@pytest.mark.parametrize("make", [a_csv, an_ndjson, a_parquet])
def test_rows_become_journals_in_every_format(books: Database, tmp_path: Path, make: Callable[[Path], Path]):
    seen: list[tuple[int, int]] = []
    done = run(books, make(tmp_path), progress=lambda *told: seen.append(told))
    assert (done.rows, done.resumed_at, done.posted, done.existed) == (5, 0, 5, 0)
    assert seen == [(0, 5), (5, 5)]
    assert (minor(books, "deposit:7"), minor(books, "deposit:8"), minor(books, "cash:bank:client")) == (
        649_50,
        6_00,
        655_50,
    )
    with books.transaction() as conn:
        journal = journal_by_key(conn, PROGRAM, "bank:2")
        assert journal is not None
        assert journal.effective_at == datetime(2026, 1, 5, 23, tzinfo=UTC)  # midnight in Prague
        assert (journal.narrative, journal.source_id, journal.actor) == (None, "2", "ann")
        assert [(line.debit, line.minor) for line in journal_lines(conn, journal.id, rows_max=1_000)] == [("deposit:7", 50_50)]


@pytest.mark.parametrize("text", ["\x1b[2J", "\u202eevil"])
def test_text_that_commands_a_terminal_is_refused_with_its_line_and_column(books: Database, tmp_path: Path, text: str):
    rows = [*ROWS[:3], {**ROWS[3], "text": f"a{text}"}]
    with pytest.raises(InvalidInput) as refused:
        run(books, a_csv(tmp_path, rows))
    facts = refused.value.facts
    assert (facts["limit"], facts["line"], facts["column"]) == ("text without control characters", 5, "text")
    with books.transaction() as conn:
        assert conn.execute("select count(*) from journal").fetchone() == (0,)


def test_the_same_file_again_posts_nothing(books: Database, tmp_path: Path):
    first = run(books, a_csv(tmp_path))
    again = run(books, a_csv(tmp_path))
    assert (again.import_id, again.resumed_at, again.posted) == (first.import_id, 5, 0)
    longer = run(books, a_csv(tmp_path, [*ROWS, ROWS[0] | {"id": "6"}]))
    assert (longer.resumed_at, longer.posted, longer.existed) == (0, 1, 5)


def test_an_import_that_was_broken_off_goes_on_where_it_stopped(books: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(imports, "PART_ROWS", 2)
    parts: list[int] = []

    def interrupted(done: int, _: int) -> None:
        parts.append(done)
        if done == 4:
            raise Busy(what="the test")

    with pytest.raises(Busy):
        run(books, a_csv(tmp_path), progress=interrupted)
    assert parts == [0, 2, 4]
    done = run(books, a_csv(tmp_path))
    assert (done.resumed_at, done.posted, done.existed) == (4, 1, 0)
    assert minor(books, "deposit:8") == 6_00


def test_two_who_roll_an_import_forward_at_once_do_it_once_and_both_come_to_its_end(books: Database, tmp_path: Path, monkeypatch: Any):
    """One goes on while the other has read how far it was: nobody is refused, and each row is posted once."""
    monkeypatch.setattr(imports, "PART_ROWS", 2)
    path, other = a_csv(tmp_path), list[Imported]()

    def beside(done: int, _: int) -> None:
        if done == 2 and not other:
            other.append(Imported(b"", 0, 0, 0, 0))  # it is begun once
            other.append(run(books, path))

    mine = run(books, path, progress=beside)
    assert [(one.rows, one.posted, one.existed) for one in (mine, other[1])] == [(5, 2, 3), (5, 3, 0)]
    assert minor(books, "deposit:7") == 649_50
    with books.transaction() as conn:
        assert conn.execute("select count(*) from journal where key like 'bank:%'").fetchone() == (5,)


def test_a_row_that_the_ledger_refuses_stops_the_import_at_that_row(books: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(imports, "PART_ROWS", 2)
    rows = [*ROWS[:3], ROWS[3] | {"date": "2025-01-01"}, ROWS[4]]
    with books.transaction() as conn:
        close_period(conn, PROGRAM, until=datetime(2026, 1, 1, tzinfo=UTC), reason="done", actor="ann", now=NOW)
    with pytest.raises(ImportStopped) as stopped:
        run(books, a_csv(tmp_path, rows))
    assert stopped.value.facts["line"] == 5
    assert "closed" in str(stopped.value.facts["reason"])
    assert minor(books, "cash:bank:client") == 649_50  # the first part stands, the second left nothing


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"amount": "1,5"}, {"field": "amount", "line": 4, "column": "amount"}),
        ({"amount": "1.005"}, {"field": "amount", "line": 4, "column": "amount"}),
        ({"amount": "0"}, {"field": "amount", "line": 4, "column": "amount"}),
        ({"amount": "9" * 18}, {"field": "amount", "line": 4}),
        ({"date": "yesterday"}, {"field": "effective", "line": 4, "column": "date"}),
    ],
)
def test_a_file_with_a_bad_row_is_refused_whole_by_line_and_column(
    books: Database, tmp_path: Path, change: dict[str, str], facts: dict[str, Any]
):
    with pytest.raises(InvalidInput) as refused:
        run(books, a_csv(tmp_path, [*ROWS[:2], ROWS[2] | change, *ROWS[3:]]))
    assert refused.value.facts.items() >= facts.items()
    with books.transaction() as conn:
        assert conn.execute("select count(*) from journal").fetchone() == (0,)


@pytest.mark.parametrize(
    ("name", "content", "facts"),
    [
        ("a.csv", b"id,account\n1,2\n", {"field": "file", "column": "amount", "line": 1}),
        ("a.csv", b"", {"field": "file"}),
        ("a.csv", b"id,account,date,amount,text,balance\n1,7,2026-01-01,1\n", {"line": 2, "column": "text"}),
        ("a.csv", b"id,account,date,amount,text,balance\n1,7,2026-01-01,1,a,1,b\n", {"line": 2, "column": "7"}),
        ("a.csv", b'id,account,date,amount,text,balance\n1,7,2026-01-01,1,"a"b,1\n', {"field": "file", "line": 2}),
        ("a.csv", b"id,account,date,amount,text,balance\n1,7,2026-01-01,1,\xff,1\n", {"field": "file"}),
        ("a.ndjson", b'{"id": 1}\n', {"field": "file", "line": 1, "column": "account"}),
        ("a.ndjson", b"[1]\n", {"field": "file", "line": 1}),
        (
            "a.ndjson",
            b'{"id": 1, "account": 7, "date": "2026-01-01", "amount": 12.70, "text": "a", "balance": "1"}\n',
            {"field": "amount", "line": 1, "column": "amount", "got": "12.70"},
        ),
        (
            "a.ndjson",
            b'{"id": 1, "account": 7, "date": "2026-01-01", "amount": "12.70", "text": "a", "balance": 1}\n',
            {"field": "amount", "line": 1, "column": "balance", "got": "1"},
        ),
        ("a.ndjson", b'{"id": \n', {"field": "file", "line": 1}),
        ("a.ndjson", b"[" * 9_000 + b"\n", {"field": "file", "line": 1}),
        ("a.parquet", b"PAR1", {"field": "file"}),
        ("a.what", b"", {"field": "map.file.format"}),
    ],
)
def test_a_broken_file_is_refused_by_line_and_column(books: Database, tmp_path: Path, name: str, content: bytes, facts: dict[str, Any]):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        run(books, tmp_path / name)
    assert refused.value.facts.items() >= facts.items()


def test_floating_point_is_refused(books: Database, tmp_path: Path):
    columns: dict[str, list[Any]] = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    pq.write_table(pa.table(columns | {"amount": [1.5] * 5}), tmp_path / "bank.parquet")
    with pytest.raises(InvalidInput) as refused:
        run(books, tmp_path / "bank.parquet")
    assert refused.value.facts["column"] == "amount"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("[amount]", "[amounts]", "map"),
        ("[[move]]", "[move]", "map"),
        ('unit = "major"', 'unit = "cents"', "map.amount.unit"),
        ('unit = "major"', "", "map.amount.unit"),
        ('unit = "major"', 'unit = "major"\nfactor = "2"', "map.amount"),
        ('timezone = "Europe/Prague"', 'timezone = "Mars/Base"', "map.effective.timezone"),
        ("no_overdraft = false", "no_overdraft = 0", "map.account.no_overdraft"),
        ('{ sign = "negative" }', '{ sign = "red" }', "map.move.when.sign"),
        ('{ sign = "negative" }', '{ column = "x" }', "map.move.when"),
        ('kind = "bank"', "kind = 3", "map.journal.kind"),
        ("[journal]", "[journal", "map"),
    ],
)
def test_a_map_with_a_mistake_is_refused(old: str, new: str, field: str):
    assert old in MAP
    with pytest.raises(InvalidInput) as refused:
        load_map(MAP.replace(old, new))
    assert refused.value.facts["field"] == field


def test_an_unknown_program_and_an_unknown_asset_are_problems(books: Database, tmp_path: Path):
    with pytest.raises(InvalidInput):
        run(books, a_csv(tmp_path), MAP.replace("CZK", "EUR"))
    with pytest.raises(UnknownProgram):
        import_file(books.transaction, "nobody", a_csv(tmp_path), load_map(MAP), actor="ann", clock=clock)


def test_a_decimal_comma_and_minor_units_are_read(books: Database, tmp_path: Path):
    rows = [ROWS[0] | {"amount": "1.234,50"}]
    run(books, a_csv(tmp_path, rows), MAP.replace('unit = "major"', 'unit = "major"\ndecimal = ","'))
    assert minor(books, "deposit:7") == 1_234_50
    run(books, a_csv(tmp_path, [ROWS[0] | {"amount": "5", "id": "9"}]), MAP.replace('unit = "major"', 'unit = "minor"'))
    assert minor(books, "deposit:7") == 1_234_55


@pytest.mark.parametrize("amount", ["12.50", "1.2345", "1234.567", "1,234.50", "12.345,6.0"])
def test_a_point_that_parts_no_thousands_is_refused_where_the_comma_is_the_decimal_mark(books: Database, tmp_path: Path, amount: str):
    mapped = MAP.replace('unit = "major"', 'unit = "major"\ndecimal = ","')
    with pytest.raises(InvalidInput) as refused:
        run(books, a_csv(tmp_path, [ROWS[0] | {"amount": amount}]), mapped)
    assert (refused.value.facts["column"], refused.value.facts["line"], refused.value.facts["got"]) == (
        "amount",
        2,
        amount,
    )


def test_a_file_that_changes_before_the_first_row_is_written_leaves_nothing(books: Database, tmp_path: Path):
    path = a_csv(tmp_path)

    class Meanwhile(ImportMap):
        """A map that is asked for its columns when the file is opened; somebody writes to the file then."""

        def columns(self) -> set[str]:
            path.write_bytes(path.read_bytes() + b"\n")
            return super().columns()

    with pytest.raises(InvalidInput, match="nothing was written"):
        import_file(books.transaction, PROGRAM, path, Meanwhile(**vars(load_map(MAP))), actor="ann", clock=clock)
    with books.transaction() as conn:
        assert conn.execute("select (select count(*) from journal), (select count(*) from journal_import)").fetchone() == (0, 0)


def test_a_file_that_changes_while_its_rows_are_written_is_told(books: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = a_csv(tmp_path)
    with pytest.raises(imports.FileChanged):
        run(books, path, progress=lambda done, _: path.write_bytes(path.read_bytes() + b"\n") if done else None)


def test_our_days_are_held_against_the_balances_of_the_file(books: Database, tmp_path: Path):
    path = a_csv(tmp_path)
    run(books, path)
    found = check_balances(books.transaction, PROGRAM, path, load_map(MAP))
    told = [(one.account, one.day.day, one.difference, one.reason) for one in found.breaks]
    assert (found.days, found.tied) == (4, 2)
    assert told == [("deposit:8", 6, 10, "rounding"), ("deposit:8", 7, 50, "difference")]
    with pytest.raises(InvalidInput):
        check_balances(books.transaction, PROGRAM, path, load_map(MAP.split("[balance]")[0]))


BERKA = """
[file]
format = "csv"
delimiter = ";"
[journal]
asset = "CZK"
kind = "bank"
key = "berka:{trans_id}"
narrative = "{operation} {k_symbol}"
source_type = "bank_transaction"
source_id = "{trans_id}"
[amount]
column = "amount"
unit = "major"
[effective]
column = "date"
format = "%y%m%d"
timezone = "Europe/Prague"
[[move]]
when = { column = "type", in = ["PRIJEM"] }
debit = "cash:bank:client"
credit = "deposit:{account_id}"
[[move]]
when = { column = "type", in = ["VYDAJ", "VYBER"] }
debit = "deposit:{account_id}"
credit = "cash:bank:client"
[[account]]
name = "deposit:*"
normal = "credit"
no_overdraft = false
[balance]
column = "balance"
account = "deposit:{account_id}"
rounding = "0.10"
"""


def test_a_year_of_a_real_bank_is_imported_and_held_against_its_own_balances(books: Database):
    path = shared("data", "berka", "trans.asc")
    mapped = load_map(BERKA)
    done = run(books, path, BERKA)
    assert (done.rows, done.posted, done.existed) == (49_102, 49_102, 0)
    found = check_balances(books.transaction, PROGRAM, path, mapped)
    assert (found.days, found.tied) == (39_960, 37_703)
    assert found.by_reason() == {"difference": 30, "rounding": 2_227}
    assert {abs(one.difference) for one in found.breaks if one.reason == "rounding"} == {10}
    with books.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []
