"""`counterfoil breaks …`, against a running server."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from counterfoil.base.edge import now
from tests.api.office import Office
from tests.cli.conftest import Cli
from tests.reconciliation.breaks.builders import NOW, a_break, a_run, an_open_program, still_true, the_cases

LINE = "provider_fee,clearing:simulator,12.00"


@pytest.fixture
def ids(office: Office) -> list[str]:
    today = now()
    with office.database.transaction() as conn:
        an_open_program(conn)
        a_run(
            conn,
            [a_break(cause="fee netted"), a_break(ours=5_00, theirs=None)],
            at=today,
            first=NOW.date(),
            last=today.date(),
        )
        return [one.id for one in the_cases(conn)]


def test_a_break_is_listed_shown_adjusted_and_approved(cli: Cli, ids: list[str], office: Office):
    assert [one["id"] for one in cli("breaks", "list", "--kind", "AMOUNT_MISMATCH", "-o", "json").json()] == [ids[0]]
    shown = cli("breaks", "show", ids[0]).out
    assert "fee netted" in shown
    assert "Do: Name the fee column" in shown
    assert "investigate, wait" in shown
    assert "investigating" in cli("breaks", "investigate", ids[0], "--reason", "mine").out
    assert "dry run" in cli("breaks", "adjust", ids[0], "--line", LINE, "--reason", "the fee", "--dry-run").out
    proposed = cli("breaks", "adjust", ids[0], "--line", LINE, "--reason", "the fee").out
    digest = proposed.partition("--sha256 ")[2].split()[0]
    assert cli("breaks", "approve", ids[0], "--sha256", "0" * 64, "--reason", "x").code == 5
    done = cli("breaks", "approve", ids[0], "--sha256", digest, "--reason", "checked")
    assert (done.code, "is adjusted by journal" in done.out) == (0, True), done
    with office.database.transaction() as conn:
        still_true(conn)


def test_the_other_verbs(cli: Cli, ids: list[str]):
    for arguments, says in (
        (("wait", ids[1], "--reason", "late"), "timing"),
        (("mature", ids[1], "--reason", "no more"), "open"),
        (("investigate", ids[1], "--reason", "mine", "--expected-state", "open"), "investigating"),
        (("write-off", ids[1], "--reason", "small"), "waits for a second person"),
        (("withdraw", ids[1], "--reason", "not so small"), "investigating"),
        (("assign", ids[1], "olga"), "its new owner"),
        (("comment", ids[1], "asked them"), "The comment is kept"),
        (("mark-duplicate", ids[1], "--duplicate-of", ids[0], "--reason", "of the other"), "duplicate"),
        (("limit", "EUR"), "10.00 EUR"),
        (("limit", "EUR", "50.00", "--reason", "the board"), "It takes two people"),
        (("overview",), "fee netted"),
    ):
        ran = cli("breaks", *arguments)
        assert (ran.code, says in ran.out) == (0, True), (arguments, ran)
    refused = cli("breaks", "accept", ids[1], "--reason", "x")
    assert (refused.code, "not allowed from the present state" in refused.err) == (5, True)
    assert cli("breaks", "show", "break_01KA0000000000000000000000").code == 4


def test_many_at_once_end_with_5_when_one_is_refused(cli: Cli, ids: list[str]):
    cli("breaks", "wait", ids[1], "--reason", "late")
    ran = cli("breaks", "bulk", "investigate", f"{ids[0]}=open", f"{ids[1]}=open", "--reason", "mine", "-o", "json")
    assert ran.code == 5
    assert [one["state"] for one in ran.json()["lines"]] == ["investigating", None]
    assert cli("breaks", "bulk", "accept", f"{ids[0]}=investigating", "--reason", "the bank rounds").code == 0


def test_a_workbook_goes_out_and_comes_back(cli: Cli, ids: list[str], tmp_path: Path):
    path = tmp_path / "breaks.xlsx"
    assert "2 breaks" in cli("breaks", "export", str(path)).out
    book = openpyxl.load_workbook(path)
    sheet = book.active
    columns = {cell.value: cell.column for cell in sheet[1]}
    for row in (2, 3):
        sheet.cell(row, columns["action"], "investigate")
    book.save(path)
    assert "2 of 2 lines" in cli("breaks", "import", str(path), "--dry-run").out
    assert cli("breaks", "import", str(path)).code == 0
    stale = cli("breaks", "import", str(path))
    assert stale.code == 5
    assert "line 2: Somebody else moved it first" in stale.err
    assert "\n" in cli("breaks", "export", "-").out
    nowhere = cli("breaks", "export", str(path.parent / "no" / "folder.csv"))
    assert (nowhere.code, "No such file or directory" in nowhere.err) == (3, True), nowhere
