"""Tables on terminals of every width: what cannot stand in columns stands in lines, and nothing that is copied is broken."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.cli.core.output import Format, show_rows
from counterfoil.cli.core.tables import TableColumn, print_table
from counterfoil.cli.main import run
from counterfoil.cli.nouns.operations.access import COLUMNS
from tests.api.office import Office
from tests.cli.conftest import Cli
from tests.house.tree import ROOT

KEY, REQUEST = "key_01M8D4CG06HX80C1AJQW7G816B", "req_01M8D4CG06HX80C1AJQW7G816C"
ROW = {
    "at": "2026-11-27T00:51:39.860816Z",
    "kind": "key_refused",
    "name": "anna",
    "apiKeyId": KEY,
    "address": "203.0.113.7",
    "method": "POST",
    "path": "/api/admin/reconciliation/force-reconcile",
    "needs": None,
    "requestId": REQUEST,
}
SAMPLES = ROOT / "docs/samples/read-bank-statements/statements"
PARKED = ("kind", "id", "since", "error")
ERROR = "the provider answered with a page that is no JSON, three times within a minute, and then with nothing at all"
SMALL = {"kind": "webhook", "id": KEY, "since": "2026-11-27", "error": ERROR}


Terminal = Callable[[int], None]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes what is printed go to a terminal of that width."""

    def wide(columns: int) -> None:
        monkeypatch.setenv("TERM", "xterm")  # a dumb one is taken for 80 columns wide
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda _: True))

    return wide


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return plain(capsys.readouterr().out)


def plain(printed: str) -> list[str]:
    """Its lines, without what makes them dim or bold."""
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in printed.splitlines()]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_list_of_nine_columns_is_shown_as_blocks_where_it_does_not_fit(terminal: Terminal, capsys, width: int):
    terminal(width)
    show_rows([ROW, {**ROW, "name": "ben"}], COLUMNS, Format.TABLE)
    lines = lines_of(capsys)
    assert max(map(len, lines)) <= width
    first, second = lines[: len(COLUMNS)], lines[len(COLUMNS) + 1 :]
    assert [line.split() for line in first] == [[name, str(ROW[name] or "–")] for name in COLUMNS]
    assert [line.split()[0] for line in second] == list(COLUMNS)
    assert lines[len(COLUMNS)] == "", "a blank line between two things"
    assert second[2].split() == ["name", "ben"]


def test_and_as_a_table_where_it_does(terminal: Terminal, capsys):
    terminal(200)
    show_rows([ROW], COLUMNS, Format.TABLE)
    assert [line.split() for line in lines_of(capsys) if KEY in line] == [[str(ROW[name] or "–") for name in COLUMNS]]


@pytest.mark.parametrize(("width", "as_table"), [(60, False), (80, True), (100, True), (200, True)])
def test_a_list_of_four_columns_stays_a_table_from_80_on(terminal: Terminal, capsys, width: int, as_table: bool):
    terminal(width)
    show_rows([SMALL, SMALL], PARKED, Format.TABLE)
    lines = lines_of(capsys)
    assert max(map(len, lines)) <= width
    assert any("─" in line for line in lines) == as_table
    assert "\n".join(lines).count(KEY) == 2
    told = " ".join(line.removeprefix("error").strip() for line in lines[3:7]) if not as_table else ERROR
    assert told.startswith(ERROR[:80]), "a long value goes on under its beginning"


def test_a_table_that_fits_is_a_table_however_narrow(terminal: Terminal, capsys):
    terminal(60)
    show_rows([{"id": KEY, "state": "open", "amount": 1250}], ("id", "state", "amount"), Format.TABLE)
    assert [line.split() for line in lines_of(capsys) if "open" in line] == [[KEY, "open", "1250"]]


@pytest.mark.parametrize("width", [60, 200])
def test_a_pipe_gets_the_table_and_programs_get_what_they_got(monkeypatch, capsys, width: int):
    monkeypatch.setenv("COLUMNS", str(width))
    long = {**ROW, "needs": "w" * 64, "name": "x" * 64, "kind": "y" * 64, "method": "z" * 64, "path": "p" * 64}
    show_rows([long], COLUMNS, Format.TABLE)
    assert [line.split() for line in capsys.readouterr().out.splitlines() if KEY in line] == [[str(long[name]) for name in COLUMNS]]
    show_rows([ROW], COLUMNS, Format.CSV)
    told = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [one["requestId"] for one in told] == [REQUEST]


WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=12)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=4), width=st.integers(40, 200), ruled=st.booleans())
def test_whatever_stands_in_it_no_word_is_broken(terminal: Terminal, capsys, rows, width: int, ruled: bool):
    terminal(width)
    print_table([TableColumn("id"), TableColumn("adds up"), TableColumn("reason")], rows, ruled=ruled)
    told = " ".join(lines_of(capsys)).split()
    assert {word for row in rows for cell in row for word in cell.split()} <= set(told)


def test_the_log_of_who_came_in_can_be_read_on_a_narrow_terminal(cli: Cli, office: Office, terminal: Terminal):
    office.ask("POST", "/api/keys", role="viewer", key="k", json={"name": "n", "role": "viewer"})
    terminal(60)
    assert ["kind", "refused"] in [line.split() for line in plain(cli("access", "list").out)]
    told = [line.split() for line in plain(cli("audit", "list", "--about", "refusals").out)]
    assert ["what", "refused"] in told
    assert ["outcome", "refused"] in told


def test_the_accounts_of_a_folder_of_statements_are_shown_so_too(terminal: Terminal, capsys):
    terminal(60)
    assert run(["statements", "check", str(SAMPLES)]) == 0
    fields = [re.split(r"  +", line) for line in lines_of(capsys)]
    assert ["account", "NL02BANK0123456789"] in fields
    assert ["opens with", "1,250.00"] in fields
