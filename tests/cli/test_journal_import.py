"""A file of movements into the books, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterfoil.base.edge import Database
from counterfoil.cli.core.exit_codes import EXIT
from tests.api.office import PROGRAM, seed
from tests.cli.conftest import Ran, runner

MAP = """
[journal]
asset = "EUR"
kind = "bank"
key = "bank:{id}"
[amount]
column = "amount"
unit = "major"
[effective]
column = "date"
format = "%Y-%m-%d"
[[move]]
debit = "cash:bank:client"
credit = "payable:payee:{payee}"
when = { column = "type", in = ["IN"] }
[[move]]
debit = "payable:payee:{payee}"
credit = "cash:bank:client"
[balance]
column = "balance"
account = "payable:payee:{payee}"
"""
ROWS = "id,payee,type,amount,date,balance\n1,bolt,IN,10.00,2026-01-05,10.00\n2,bolt,OUT,4.00,2026-01-06,6.00\n"


@pytest.fixture
def books(database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a file and its map; the environment names the database."""
    seed(database)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.toml").write_text(MAP)
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    return runner(capsys)(*arguments)


def test_a_file_is_imported_once_and_its_balances_tie(books: Path, database: Database, capsys: pytest.CaptureFixture[str]):
    arguments = ("journal", "import", "rows.csv", "--map", "map.toml", "--check", "-o", "json")
    first, again = cli(capsys, *arguments), cli(capsys, *arguments)
    told = first.json()
    assert (first.code, told["rows"], told["posted"], told["days"], told["tied"], told["breaks"]) == (0, 2, 2, 2, 2, [])
    assert (again.code, again.json()["posted"], again.json()["resumedAt"]) == (0, 0, 2)
    with database.transaction() as conn:
        actions = conn.execute("select actor, verb, payload ->> 'file' from action").fetchall()
    assert {(actor.partition(":")[0], verb, file) for actor, verb, file in actions} == {("local", "journal.import", "rows.csv")}


def test_a_dry_run_reads_and_writes_nothing(books: Path, database: Database, capsys: pytest.CaptureFixture[str]):
    ran = cli(capsys, "journal", "import", "rows.csv", "--map", "map.toml", "--dry-run", "-o", "json")
    assert (ran.code, ran.json()) == (0, {"dryRun": True, "rows": 2, "file": "rows.csv"})
    with database.transaction() as conn:
        assert conn.execute("select count(*) from journal").fetchone() == (0,)


def test_a_balance_that_does_not_tie_is_listed(books: Path, capsys: pytest.CaptureFixture[str]):
    (books / "rows.csv").write_text(ROWS.replace("6.00\n", "6.50\n"))
    assert cli(capsys, "journal", "import", "rows.csv", "--map", "map.toml").code == 0
    ran = cli(capsys, "journal", "check", "rows.csv", "--map", "map.toml", "-o", "json")
    (one,) = json.loads(ran.out)["breaks"]
    assert (ran.code, one["account"], one["day"], one["difference"]) == (1, "payable:payee:bolt", "2026-01-06", 50)


@pytest.mark.parametrize(
    ("broken", "said"),
    [(ROWS.replace("4.00", "4.001"), "line: 3"), (ROWS.replace("amount,", "amnt,"), "amount"), ("", "rows.csv")],
)
def test_a_broken_file_is_told_and_nothing_is_written(
    books: Path, database: Database, capsys: pytest.CaptureFixture[str], broken: str, said: str
):
    (books / "rows.csv").write_text(broken)
    ran = cli(capsys, "journal", "import", "rows.csv", "--map", "map.toml", "--program", PROGRAM)
    assert (ran.code, ran.out, said in ran.err) == (EXIT["invalid"], "", True), ran.err
    with database.transaction() as conn:
        assert conn.execute("select count(*) from journal").fetchone() == (0,)
