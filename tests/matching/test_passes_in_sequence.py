"""Passes work in sequence over what an earlier one found different: exact, then with a tolerance; what none takes is a break."""

from __future__ import annotations

import pytest

from tests.matching.builders import row, rules_text, run, told
from tests.matching.test_passes import matches

EXACT_LATER = '\n[[pass]]\nkind = "key"\nname = "exact"\ndiffering = "later"\n'
TOLERANT = '\n[[pass]]\nkind = "key"\nname = "tolerant"\namount_tolerance = 5\nafter_days = 3\n'


def test_exact_then_tolerance_says_for_each_pair_which_of_them_took_it(tmp_path):
    ours = [row("same"), row("cent"), row("late"), row("off")]
    theirs = [row("same"), row("cent", amount=100_03), row("late", date="2026-03-04"), row("off", amount=110_00)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT_LATER + TOLERANT))
    assert sorted(matches(outcome)) == [
        ("cent", "cent", "tolerant", "confirmed"),
        ("late", "late", "tolerant", "confirmed"),
        ("same", "same", "exact", "confirmed"),
    ]
    assert told(outcome) == [("AMOUNT_MISMATCH", "off", "off")]
    assert [(each.step, each.pairs, each.minor) for each in outcome.tolerated] == [("tolerant", 1, 3)]


def test_what_no_later_pass_takes_is_a_break_of_both_records_and_not_two_missing_ones(tmp_path):
    outcome = run(tmp_path, [row("a"), row("b")], [row("a", amount=1_00), row("b", status="failed")], rules_text(EXACT_LATER))
    assert sorted(told(outcome)) == [("AMOUNT_MISMATCH", "a", "a"), ("STATUS_MISMATCH", "b", "b")]


def test_a_later_key_may_know_better(tmp_path):
    """The reference was used again for another payment; the batch tells them apart."""
    ours = [row("a", reference="R", amount=10_00, batch="X1"), row("b", reference="S", amount=20_00, batch="X2")]
    theirs = [row("c", reference="R", amount=20_00, batch="X2"), row("d", reference="S", amount=10_00, batch="X1")]
    by_batch = '\n[[pass]]\nkind = "key"\nname = "by-batch"\nleft = ["batch"]\nright = ["batch"]\n'
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT_LATER + by_batch))
    assert outcome.verdict == "reconciled"
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT_LATER.replace("later", "break") + by_batch))
    assert outcome.verdict == "not reconciled"


@pytest.mark.parametrize("count", [2, 3])
def test_keys_with_several_records_wait_too_and_each_record_is_used_once(tmp_path, count):
    ours = [row(f"l{n}", reference="R", amount=100_00 + n) for n in range(count)]
    theirs = [row(f"r{n}", reference="R", amount=100_02 + n) for n in range(count)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT_LATER + TOLERANT))
    assert outcome.verdict == "reconciled"
    assert {each.step for each in outcome.tolerated} == {"tolerant"}
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT_LATER))
    assert outcome.verdict == "not reconciled"
    assert all(kind != "MISSING_RIGHT" for kind, *_ in told(outcome))


def test_an_embedded_reference_waits_for_a_pass_with_a_tolerance(tmp_path):
    embedded = '\n[[pass]]\nkind = "embedded"\nname = "named"\ndiffering = "later"\n'
    again = '\n[[pass]]\nkind = "embedded"\nname = "named-near"\namount_tolerance = 5\n'
    ours, theirs = [row("a", reference="INV-100400")], [row("b", reference="", memo="paid INV-100400", amount=100_03)]
    assert matches(run(tmp_path, ours, theirs, rules_text(embedded + again))) == [("a", "b", "named-near", "confirmed")]
    assert told(run(tmp_path, ours, theirs, rules_text(embedded))) == [("AMOUNT_MISMATCH", "a", "b")]
