"""Whatever brings two records together, amount, asset, status and date decide what that is worth."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from counterfoil.matching.findings.verdict import verdict_of
from counterfoil.matching.passes.footing import Footing, control_totals
from counterfoil.matching.reading.sides import Total
from tests.matching.builders import EXACT, row, rules_text, run
from tests.matching.test_passes import TEXT, a_pass, matches
from tests.matching.test_same_bytes import PASSES, records, sides
from tests.soak import examples


def stakes(outcome):
    return [(b.kind, ";".join(r.id for r in b.left), ";".join(r.id for r in b.right), b.at_stake) for b in outcome.breaks]


# --- by pass -------------------------------------------------------------------------------------------------------------------


def test_texts_that_agree_over_amounts_that_do_not_are_a_break_with_a_known_partner(tmp_path):
    ours = [
        row("p1", reference="", memo="Rent office Market Street 12", amount=2_400_00),
        row("p2", reference="", memo="Payroll run March", amount=81_200_00),
    ]
    theirs = [
        row("s1", reference="", memo="RENT OFFICE MARKET STREET 12", amount=2_400_00),
        row("s2", reference="", memo="PAYROLL RUN MARCH", amount=60_200_00),
    ]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert outcome.verdict == "not reconciled"
    assert stakes(outcome) == [("AMOUNT_MISMATCH", "p2", "s2", 21_000_00)]
    assert matches(outcome) == [("p1", "s1", "text", "confirmed")]
    assert outcome.breaks[0].fields[0][:3] == ("amount", "8120000", "6020000")


def test_a_text_pass_passes_over_what_its_own_tolerance_names_and_tells_it(tmp_path):
    ours = [row("p1", reference="", memo="Acme monthly supplies", amount=100_00)]
    theirs = [row("s1", reference="", memo="ACME MONTHLY SUPPLIES", amount=100_02)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("text", after_days=3, amount_tolerance=2)))
    assert outcome.verdict == "reconciled"
    assert [(t.step, t.pairs, t.minor) for t in outcome.tolerated] == [("text", 1, 2)]


LATE_AND_FAILED = {"status": "failed", "date": "2027-06-01"}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"status": "failed"}, "STATUS_MISMATCH"),
        ({"date": "2027-06-01"}, "DATE_MISMATCH"),
        (LATE_AND_FAILED, "STATUS_MISMATCH"),
    ],
)
def test_parts_of_one_key_that_failed_or_came_months_late_do_not_settle_the_whole(tmp_path, change, kind):
    ours = [row("p1", reference="INV-1001", amount=100_00)]
    theirs = [row(f"s{n}", reference="INV-1001", amount=n, **change) for n in (60_00, 40_00)]
    outcome = run(tmp_path, ours, theirs)
    assert outcome.verdict == "not reconciled"
    assert stakes(outcome) == [(kind, "p1", "s4000;s6000", 100_00)]
    assert matches(outcome) == []
    assert {"STATUS_MISMATCH": "status", "DATE_MISMATCH": "date"}[kind] in {field.name for field in outcome.breaks[0].fields}


def test_a_batch_of_failed_payouts_does_not_match_the_line_that_was_booked(tmp_path):
    ours = [row(f"p{n}", batch="PO-1", amount=n, status="failed") for n in (60, 40)]
    outcome = run(tmp_path, ours, [row("s1", batch="PO-1", amount=100)], rules_text(EXACT + a_pass("group")))
    assert stakes(outcome) == [("STATUS_MISMATCH", "p40;p60", "s1", 100)]
    assert outcome.verdict == "not reconciled"


def test_one_member_of_a_batch_outside_the_window_breaks_the_batch_although_the_last_lies_within(tmp_path):
    ours = [row("p1", batch="B", amount=60, date="2024-01-05"), row("p2", batch="B", amount=40)]
    outcome = run(tmp_path, ours, [row("s1", batch="B", amount=100)], rules_text(EXACT + a_pass("group")))
    assert stakes(outcome) == [("DATE_MISMATCH", "p1;p2", "s1", 100)]


def test_a_sum_of_records_in_another_state_is_no_sum_of_a_counterparty(tmp_path):
    ours = [row(f"p{n}", counterparty="ACME", amount=n, status="failed") for n in (101, 203, 407)]
    theirs = [row("s1", reference="x", counterparty="Acme", amount=304)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("subset")))
    assert matches(outcome) == []


def named_in_a_text(folder, ours, amount):
    """Held against one line of this amount, whose text names both references."""
    theirs = [row("s1", reference="t", memo="INV001 INV002", amount=amount)]
    return run(folder, ours, theirs, rules_text(EXACT + a_pass("embedded")))


def test_references_in_a_text_whose_records_failed_are_a_break_with_all_of_them(tmp_path):
    ours = [row("p1", reference="INV001", amount=30, status="failed"), row("p2", reference="INV002", amount=70)]
    outcome = named_in_a_text(tmp_path, ours, 100)
    assert stakes(outcome) == [("STATUS_MISMATCH", "p1;p2", "s1", 100)]


def test_references_in_a_text_whose_sum_differs_are_one_break_with_all_of_them(tmp_path):
    ours = [row("p1", reference="INV001", amount=30), row("p2", reference="INV002", amount=70)]
    outcome = named_in_a_text(tmp_path, ours, 99)
    assert stakes(outcome) == [("AMOUNT_MISMATCH", "p1;p2", "s1", 1)]


def test_a_reference_that_two_texts_name_is_not_given_to_the_sum_of_one(tmp_path):
    ours = [
        row("p1", reference="INV001", amount=30),
        row("p2", reference="INV002", amount=70),
        row("p3", reference="INV003", amount=5),
    ]
    theirs = [
        row("s1", reference="t", memo="INV001 INV002 INV003", amount=100),
        row("s2", reference="v", memo="INV003", amount=8),
    ]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("embedded")))
    assert [m[:2] for m in matches(outcome)] == [("p1", "s1"), ("p2", "s1")]
    assert ("AMOUNT_MISMATCH", "p3", "s2", 3) in stakes(outcome)


def test_a_refund_that_failed_takes_nothing_back(tmp_path):
    ours = [row("p1", reference="A", amount=50), row("p2", reference="A", amount=-50, status="failed")]
    outcome = run(tmp_path, ours, [row("s1", reference="Z")], rules_text(EXACT + a_pass("reversal")))
    assert matches(outcome) == []


def test_parts_may_differ_from_the_whole_by_the_pass_s_tolerance_once_and_it_is_told(tmp_path):
    rules = rules_text('[[pass]]\nkind = "key"\nname = "ref"\nafter_days = 3\namount_tolerance = 5\n')
    ours = [row("p1", reference="A", amount=100_00)]
    theirs = [row("s1", reference="A", amount=60_00), row("s2", reference="A", amount=40_03)]
    outcome = run(tmp_path, ours, theirs, rules)
    assert outcome.verdict == "reconciled"
    assert [(t.step, t.pairs, t.minor) for t in outcome.tolerated] == [("ref", 1, 3)]
    assert (outcome.control[0].difference, outcome.control[0].tolerated, outcome.control[0].unexplained) == (3, 3, 0)
    beyond = run(tmp_path, ours, [theirs[0], row("s2", reference="A", amount=40_06)], rules)
    assert beyond.verdict == "not reconciled"


def test_two_broken_groups_of_one_name_on_the_two_sides_stay_two_breaks(tmp_path):
    ours = [
        row("a", reference="INV001", amount=30, status="failed"),
        row("b", reference="INV002", amount=70, status="failed"),
        row("x", reference="t", memo="INV008 INV009", amount=50, status="failed"),
    ]
    theirs = [
        row("x", reference="v", memo="INV001 INV002", amount=100),
        row("c", reference="INV008", amount=20),
        row("d", reference="INV009", amount=30),
    ]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("embedded")))
    assert stakes(outcome) == [("STATUS_MISMATCH", "a;b", "x", 100), ("STATUS_MISMATCH", "x", "c;d", 50)]
    assert sum(count for _, _, count, _ in outcome.kinds) == 2
    assert [(kind, minor) for kind, _, _, minor in outcome.kinds] == [("STATUS_MISMATCH", 150)]


# --- all of them ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(12), deadline=None)
@given(left=records, right=records)
def test_no_pass_confirms_what_differs(left, right, tmp_path_factory):
    ours, theirs = sides(left, right)
    outcome = run(tmp_path_factory.mktemp("run"), ours, theirs, rules_text(PASSES))
    here, there = ({each["id"]: each for each in side} for side in (ours, theirs))
    confirmed = [m for m in pq.read_table(outcome.paths["matches.parquet"]).to_pylist() if m["status"] == "confirmed"]
    sums = {}
    for match in confirmed:
        mine, other = here.get(match["left_id"]), there.get(match["right_id"])
        if mine and other:
            assert (mine["asset"], mine["status"]) == (other["asset"], other["status"])
            sums.setdefault(match["group"] or (match["left_id"], match["right_id"]), [{}, {}])
            pair = sums[match["group"] or (match["left_id"], match["right_id"])]
            pair[0][mine["id"]], pair[1][other["id"]] = int(mine["amount"]), int(other["amount"])
    assert all(sum(a.values()) == sum(b.values()) for a, b in sums.values())
    assert all(row.unexplained == 0 for row in outcome.control)
    assert all(row.difference == row.breaks + row.expected + row.tolerated for row in outcome.control)


def footing(side: str, matched: int) -> Footing:
    nought = Total(0, 0)
    return Footing(side, "EUR", Total(1, matched), Total(1, matched), nought, nought)


def test_matched_sums_that_differ_beyond_what_was_tolerated_are_unexplained_whoever_confirmed_them():
    (told_,) = control_totals([footing("left", 81_200_00), footing("right", 60_200_00)], {"EUR": 0})
    assert told_.unexplained == -21_000_00
    assert verdict_of(breaks=0, unexplained=True, cut_short=False, not_checked=False) == "not reconciled"
    (within,) = control_totals([footing("left", 100_00), footing("right", 100_03)], {"EUR": 3})
    assert within.unexplained == 0


def test_where_amounts_are_not_compared_the_totals_still_are(tmp_path):
    outcome = run(
        tmp_path,
        [row("p1", reference="A", amount=5)],
        [row("s1", reference="A", amount=9)],
        rules_text(head='compare = ["status"]\n'),
    )
    assert outcome.breaks_total == 0
    assert outcome.control[0].unexplained == 4
    assert outcome.verdict == "not reconciled"


# --- what was not compared -------------------------------------------------------------------------------------------------------


def test_a_state_that_the_rules_compare_and_one_side_does_not_give_leaves_the_run_incomplete(tmp_path):
    ours, theirs = [row("p1", reference="A")], [row("s1", reference="A", status="")]
    outcome = run(tmp_path, ours, theirs)
    assert (outcome.verdict, outcome.exit_code) == ("incomplete", 1)
    assert outcome.not_checked == ("status was not compared: right does not give it",)
    assert "status" not in outcome.compared


def test_a_state_that_no_rule_asks_for_leaves_nothing_unchecked(tmp_path):
    rules = rules_text().replace('status = "status"\n', "")
    outcome = run(tmp_path, [row("p1", reference="A")], [row("s1", reference="A")], rules)
    assert outcome.verdict == "reconciled"
    assert outcome.compared == ("amount", "asset", "date")
    named = run(tmp_path, [row("p1", reference="A")], [row("s1", reference="A")], 'compare = ["amount", "status"]\n' + rules)
    assert named.verdict == "incomplete"


def test_a_day_that_one_record_of_a_pair_does_not_have_is_counted_and_not_green(tmp_path):
    ours = [row("p1", reference="A"), row("p2", reference="B")]
    theirs = [row("s1", reference="A"), row("s2", reference="B", date="")]
    outcome = run(tmp_path, ours, theirs)
    assert outcome.verdict == "incomplete"
    assert outcome.not_checked == ("date was not compared where one record of a matched pair has none: 1 pair",)


def test_the_report_of_files_has_the_control_totals_and_what_was_compared(tmp_path):
    outcome = run(tmp_path, [row("p1", reference="A", amount=7)], [row("s1", reference="A", amount=5)])
    report = json.loads(outcome.paths["report.json"].read_text())
    assert report["control_totals"] == [
        {
            "asset": "EUR",
            "left_minor": "7",
            "right_minor": "5",
            "difference_minor": "-2",
            "breaks_minor": "-2",
            "expected_minor": "0",
            "tolerated_minor": "0",
            "unexplained_minor": "0",
        }
    ]
    assert report["compared"] == ["amount", "asset", "status", "date"]
