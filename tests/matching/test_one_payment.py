"""The first thing anyone tries: a small statement against our payouts, with one of each thing wrong."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from counterfoil.base.money import MINOR_MAX
from tests.matching.builders import read_csv, row, rules_text, run, told

OURS = [row("p1", reference="A"), row("p2", reference="B"), row("p3", reference="C"), row("p4", reference="D")]
THEIRS = [row("s1", reference="A"), row("s2", reference="B"), row("s3", reference="C"), row("s4", reference="D")]


def test_two_sides_that_agree_are_reconciled_and_exit_with_0(tmp_path):
    outcome = run(tmp_path, OURS, THEIRS)
    assert (outcome.verdict, outcome.exit_code, outcome.breaks) == ("reconciled", 0, ())
    assert pq.read_table(outcome.paths["matches.parquet"]).num_rows == 4


def test_exactly_one_lost_one_doubled_and_one_altered_line_are_found(tmp_path):
    theirs = [
        THEIRS[0],
        row("s2", reference="B", amount=120_00),
        THEIRS[3],
        row("s5", reference="D"),
    ]  # C lost, B altered, D doubled
    outcome = run(tmp_path, OURS, theirs)
    assert told(outcome) == [
        ("AMOUNT_MISMATCH", "p2", "s2"),
        ("DUPLICATE_RIGHT", "", "s5"),
        ("MISSING_RIGHT", "p3", ""),
    ]
    assert outcome.exit_code == 1
    altered, doubled, lost = outcome.breaks
    assert [(f.name, f.left, f.right) for f in altered.fields] == [("amount", "10000", "12000")]
    assert [c.id for c in doubled.candidates] == ["s4"]
    assert lost.action.verb == "look_up"


def test_the_footing_adds_up_per_side_and_asset(tmp_path):
    outcome = run(tmp_path, [*OURS, row("p5", reference="E", asset="JPY", amount=7)], THEIRS[:3])
    table = {(f.side, f.asset): f for f in outcome.footing}
    assert all(f.foots() for f in outcome.footing)
    assert table["left", "EUR"].matched == (3, 300_00)
    assert table["left", "EUR"].breaks == (1, 100_00)
    assert table["left", "JPY"].breaks == (1, 7)
    assert table["right", "EUR"].source == (3, 300_00)


def test_breaks_csv_has_the_promised_columns_and_every_break(tmp_path):
    outcome = run(tmp_path, OURS, THEIRS[:3])
    rows = read_csv(outcome.paths["breaks.csv"])
    promised = "kind left_id right_id left_ref right_ref left_amount right_amount asset left_date right_date fields hypothesis candidates"
    assert list(rows[0]) == promised.split()
    assert (rows[0]["kind"], rows[0]["left_id"], rows[0]["left_amount"], rows[0]["left_date"]) == (
        "MISSING_RIGHT",
        "p4",
        "10000",
        "2026-03-02",
    )


def test_matches_parquet_says_by_which_pass_and_why(tmp_path):
    outcome = run(tmp_path, OURS[:1], THEIRS[:1])
    assert pq.read_table(outcome.paths["matches.parquet"]).to_pylist() == [
        {
            "left_id": "p1",
            "right_id": "s1",
            "pass": "exact",
            "status": "confirmed",
            "reason": "key equal",
            "score": 100,
            "group": None,
        }
    ]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"amount": 99_99}, "AMOUNT_MISMATCH"),
        ({"asset": "USD"}, "CURRENCY_MISMATCH"),
        ({"status": "returned"}, "STATUS_MISMATCH"),
        ({"date": "2026-03-09"}, "DATE_MISMATCH"),
        ({"amount": -100_00}, "AMOUNT_MISMATCH"),
    ],
)
def test_what_differs_names_the_kind_of_the_break(tmp_path, change, kind):
    outcome = run(tmp_path, OURS, [*THEIRS[1:], row("s1", reference="A", **change)])
    assert told(outcome) == [(kind, "p1", "s1")]
    assert outcome.breaks[0].fields


def test_amounts_up_to_ten_to_the_eighteenth_are_exact_to_the_unit(tmp_path):
    ours = [row(f"p{n}", reference=f"R{n}", amount=MINOR_MAX - n) for n in range(12)]  # the sum passes 2⁶³
    theirs = [row(f"s{n}", reference=f"R{n}", amount=MINOR_MAX - n - (n == 5)) for n in range(12)]
    outcome = run(tmp_path, ours, theirs)
    assert told(outcome) == [("AMOUNT_MISMATCH", "p5", "s5")]
    assert outcome.breaks[0].at_stake == 1
    assert outcome.footing[0].source.minor == 12 * MINOR_MAX - 66


def test_a_tolerance_that_is_used_is_recorded_and_totalled(tmp_path):
    rules = rules_text('[[pass]]\nkind = "key"\nname = "exact"\namount_tolerance = 2\n')
    outcome = run(
        tmp_path,
        OURS,
        [*THEIRS[:2], row("s3", reference="C", amount=100_02), row("s4", reference="D", amount=99_97)],
        rules,
    )
    assert told(outcome) == [("AMOUNT_MISMATCH", "p4", "s4")]
    assert [(t.step, t.asset, t.pairs, t.minor) for t in outcome.tolerated] == [("exact", "EUR", 1, 2)]


def test_a_row_that_cannot_be_read_is_rejected_with_line_column_and_reason(tmp_path):
    bad = [row("p5", amount="12.5o"), row("p6", date="2026-02-30"), row("p7", asset="")]
    outcome = run(tmp_path, [*OURS, *bad], THEIRS)
    assert [(r.line, r.column) for r in outcome.rejected] == [(6, "amount"), (7, "date"), (8, "asset")]
    assert "12.5o" in outcome.rejected[0].reason
    assert (outcome.verdict, outcome.exit_code) == ("incomplete", 1)
    assert [r["line"] for r in read_csv(outcome.paths["rejected.csv"])] == ["6", "7", "8"]


def test_the_file_and_the_line_of_each_break_lie_beside_the_breaks(tmp_path):
    outcome = run(tmp_path, OURS, [*THEIRS[:2], row("s3", reference="C", amount=1)])
    breaks = read_csv(outcome.paths["breaks.csv"])
    places = read_csv(outcome.paths["places.csv"])
    told = [(breaks[int(one["break"]) - 1][f"{one['side']}_id"], one["id"], f"{one['file']}:{one['line']}") for one in places]
    assert told == [("p3", "p3", "left.csv:4"), ("s3", "s3", "right.csv:4"), ("p4", "p4", "left.csv:5")]


def test_a_line_with_too_many_columns_is_rejected_by_its_line(tmp_path):
    from counterfoil.matching.rules.toml_file import load_rules
    from counterfoil.matching.two_files import reconcile_files
    from tests.matching.builders import write_csv

    here, there = write_csv(tmp_path / "left.csv", OURS), write_csv(tmp_path / "right.csv", THEIRS)
    here.write_text(here.read_text() + "p9,REF,100,EUR,2026-01-01,paid,,,,too,many\n")
    outcome = reconcile_files(here, there, load_rules(rules_text()), out=tmp_path / "out")
    assert [(r.line, r.file) for r in outcome.rejected] == [(6, "left.csv")]


def test_within_the_window_a_date_is_no_difference_and_business_days_can_be_counted(tmp_path):
    ours = [row("p1", reference="A", date="2026-03-06"), row("p2", reference="B", date="2026-03-06")]  # a Friday
    theirs = [
        row("s1", reference="A", date="2026-03-09"),
        row("s2", reference="B", date="2026-03-10"),
    ]  # Monday, Tuesday
    window = '[[pass]]\nkind = "key"\nname = "exact"\nafter_days = 1\n'
    assert [k for k, *_ in told(run(tmp_path, ours, theirs, rules_text(window)))] == ["DATE_MISMATCH"] * 2
    calendar = rules_text(window + "[calendar]\nbusiness_days = true\n")
    assert told(run(tmp_path, ours, theirs, calendar)) == [("DATE_MISMATCH", "p2", "s2")]
    holiday = rules_text(window + "[calendar]\nbusiness_days = true\nholidays = [2026-03-09]\n")
    assert told(run(tmp_path, ours, theirs, holiday)) == []


def test_what_is_not_yet_due_on_the_other_side_is_expected_later_and_no_break(tmp_path):
    rules = rules_text(head="as_of = 2026-03-04\n").replace(
        'name = "left"\n[left.columns]', 'name = "left"\nexpected_within_days = 3\n[left.columns]'
    )
    outcome = run(tmp_path, [*OURS, row("p9", date="2026-03-01"), row("p8", date="2026-02-01")], THEIRS, rules)
    assert told(outcome) == [("MISSING_RIGHT", "p8", "")]
    assert outcome.footing[0].expected == (1, 100_00)


def test_a_field_that_one_side_does_not_give_is_not_compared_and_that_is_said(tmp_path):
    theirs = [{**each, "status": ""} for each in THEIRS]
    outcome = run(tmp_path, OURS, theirs)
    assert outcome.breaks == ()
    assert outcome.not_checked == ("status was not compared: right does not give it",)
