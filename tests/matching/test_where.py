"""Which rows count is said by sets, comparisons and not; and nothing is left out because nobody understood it."""

from __future__ import annotations

import duckdb
import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from tests.matching.builders import EXACT, row, rules_text, run, told
from tests.statements.samples import DATA

ROWS = {
    "small": {"amount": 5_00, "date": "2026-03-01", "status": "paid", "memo": "Fee"},
    "big": {"amount": 900_00, "date": "2026-03-15", "status": "failed", "memo": "Order 7"},
    "odd": {"amount": 20_00, "date": "2026-04-01", "status": "", "memo": "Order 8"},
}


def kept(tmp_path, condition: str) -> set[str]:
    """What stays of the three rows on the left; the right side is empty, so that each is missing there."""
    rules = rules_text(EXACT).replace("[left.amount]", f"[[left.where]]\n{condition}\n[left.amount]", 1)
    outcome = run(tmp_path, [row(name, **given) for name, given in ROWS.items()], [], rules)
    assert outcome.sources[0].left_out == len(ROWS) - len(outcome.breaks)
    return {left for _, left, _ in told(outcome)}


@pytest.mark.parametrize(
    ("condition", "stays"),
    [
        ('column = "status"\nvalues = ["paid", "failed"]', {"small", "big"}),
        ('column = "status"\nvalues = ["paid"]\nnot = true', {"big", "odd"}),
        ('column = "status"\nempty = true', {"odd"}),
        ('column = "status"\nempty = false', {"small", "big"}),
        ('column = "amount"\nat_least = 2000', {"big", "odd"}),
        ('column = "amount"\nmore_than = 2000', {"big"}),
        ('column = "amount"\nat_least = 500\nless_than = 2000.5', {"small", "odd"}),
        ('column = "amount"\nat_least = 500\nat_most = 2000\nnot = true', {"big"}),
        ('column = "date"\nat_least = 2026-03-02\nless_than = 2026-04-01', {"big"}),
        ('column = "date"\nmore_than = "2026-03-15"', {"odd"}),
        ('column = "memo"\ncontains = "rder"', {"big", "odd"}),
        ('column = "memo"\nbegins_with = "Order"\nnot = true', {"small"}),
        ('column = "memo"\nmore_than = 1', {"small", "big", "odd"}),  # a text is no figure, so the row stays
        ('column = "status"\nless_than = 1\nnot = true', {"small", "big", "odd"}),
    ],
)
def test_a_condition_takes_the_rows_that_it_names(tmp_path, condition, stays):
    assert kept(tmp_path, condition) == stays


def test_figures_are_compared_by_the_marks_and_days_by_the_formats_of_the_side(tmp_path):
    (tmp_path / "a.csv").write_text("ref;amount;day\nA;1.250,50;15.03.2026\nB;80,00;15.03.2026\nC;2.000,00;02.04.2026\n")
    (tmp_path / "b.csv").write_text("ref;amount;day\nA;1.250,50;15.03.2026\n")
    side = """
[{0}]
asset = "EUR"
[{0}.columns]
reference = "ref"
booked_on = "day"
[{0}.amount]
column = "amount"
unit = "major"
decimal = ","
group = "."
[{0}.dates]
formats = ["%d.%m.%Y"]
"""
    conditions = """
[[left.where]]
column = "amount"
more_than = 100
[[left.where]]
column = "day"
at_most = 2026-03-31
"""
    rules = load_rules(side.format("left") + conditions + side.format("right") + EXACT)
    outcome = reconcile_files(tmp_path / "a.csv", tmp_path / "b.csv", rules, out=tmp_path / "out")
    assert (outcome.verdict, outcome.sources[0].left_out) == ("reconciled", 2)


def test_conditions_hold_over_typed_columns_of_parquet(tmp_path):
    duckdb.sql(
        f"""copy (select 'R' || i as ref, (i * 10.5)::decimal(12,2) as amount, date '2026-03-01' + i::int as day from range(10) t(i))
            to '{tmp_path}/a.parquet' (format parquet)"""
    )
    side = '[{0}]\nasset = "EUR"\n[{0}.columns]\nreference = "ref"\nbooked_on = "day"\n[{0}.amount]\ncolumn = "amount"\nunit = "major"\n'
    where = '[[{0}.where]]\ncolumn = "amount"\nat_least = 21\n[[{0}.where]]\ncolumn = "day"\nless_than = 2026-03-08\n'
    text = "".join(side.format(name) + where.format(name) for name in ("left", "right")) + EXACT
    outcome = reconcile_files(tmp_path / "a.parquet", tmp_path / "a.parquet", load_rules(text), out=tmp_path / "out")
    assert (outcome.verdict, outcome.sources[0].rows, outcome.sources[0].left_out) == ("reconciled", 5, 5)


def test_a_column_that_the_file_has_not_is_refused_by_name(tmp_path):
    with pytest.raises(InvalidInput, match="state"):
        kept(tmp_path, 'column = "state"\nvalues = ["paid"]')


OURS = """[left]
asset = "EUR"
[left.columns]
reference = "ref"
[left.amount]
column = "amount"
unit = "major"
"""


def test_what_moved_no_money_is_no_partner_in_a_statement_and_the_report_says_so(tmp_path):
    header = (DATA / "activity.paypal.csv").read_text().splitlines()[0]
    memo = '"14/03/2026","11:30:00","CET","Fabrikam","Authorization","Pending","EUR","50,00","0,00","50,00","3EF","INV-3","","Memo"'
    (tmp_path / "paypal.csv").write_text(f"{header}\n{memo}\n")
    (tmp_path / "ours.csv").write_text("ref,amount\nINV-3,50.00\n")
    rules = load_rules(OURS + '[right]\nformat = "paypal"\n' + EXACT)
    outcome = reconcile_files(tmp_path / "ours.csv", tmp_path / "paypal.csv", rules, out=tmp_path / "out")
    assert (outcome.verdict, outcome.kinds[0][0]) == ("not reconciled", "MISSING_RIGHT")
    assert (outcome.sources[1].rows, outcome.sources[1].left_out) == (0, 1)
    assert outcome.learnt == ("in paypal.csv: rows that moved no money, or not yet, are left out: 1 pending",)


def test_conditions_hold_over_what_the_reader_of_a_statement_gives(tmp_path):
    (tmp_path / "ours.csv").write_text("ref,amount\nORDER-5,120.00\n")
    where = '[right]\nformat = "mt942"\n[[right.where]]\ncolumn = "amount"\nmore_than = 0\n'
    rules = load_rules(OURS.replace("EUR", "PLN") + where + EXACT)
    outcome = reconcile_files(tmp_path / "ours.csv", DATA / "interim.mt942", rules, out=tmp_path / "out")
    assert (outcome.verdict, outcome.sources[1].rows, outcome.sources[1].left_out) == ("reconciled", 1, 2)
