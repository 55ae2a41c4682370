"""Each pass does its own work, and no more."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from counterfoil.matching.passes.groups import only_sum
from tests.matching.builders import EXACT, row, rules_text, run, told


def matches(outcome):
    return [(m["left_id"], m["right_id"], m["pass"], m["status"]) for m in pq.read_table(outcome.paths["matches.parquet"]).to_pylist()]


def a_pass(kind: str, **options: object) -> str:
    lines = [f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for name, value in options.items()]
    return "\n".join(["[[pass]]", f'kind = "{kind}"', *([] if "name" in options else [f'name = "{kind}"']), *lines, ""])


NORMALISED = a_pass("key", name="normalised", normalise=["case", "punctuation", "zeros"])


@pytest.mark.parametrize(("ours", "theirs"), [("INV-0042", "inv42"), ("ab 12/3", "AB-12.3"), ("0007", "7"), ("A-000", "a0")])
def test_a_normalised_key_sees_past_case_marks_and_leading_zeros(tmp_path, ours, theirs):
    outcome = run(tmp_path, [row("p1", reference=ours)], [row("s1", reference=theirs)], rules_text(EXACT + NORMALISED))
    assert matches(outcome) == [("p1", "s1", "normalised", "confirmed")]


@pytest.mark.parametrize(("ours", "theirs"), [("СЧ-0042", "сч 42"), ("ΤΙΜ-7", "τιμ7"), ("請求-001", "請求、1"), ("Ğ-7", "ğ.7")])
def test_letters_of_every_script_count_in_a_normalised_key(tmp_path, ours, theirs):
    """They were dropped, and two papers of one number, amount and day were one: АКТ-1001 is not СЧ-1001."""
    ours_too, theirs_too = [row("p2", reference="СЧ-1001"), row("p3", reference="é-9")], [row("s2", reference="АКТ-1001")]
    outcome = run(
        tmp_path, [row("p1", reference=ours), *ours_too], [row("s1", reference=theirs), *theirs_too], rules_text(EXACT + NORMALISED)
    )
    assert matches(outcome) == [("p1", "s1", "normalised", "confirmed")]


def test_a_reference_of_another_script_is_no_word_because_its_number_is_one(tmp_path):
    ours = [row(f"p{n}", reference=name) for n, name in enumerate(("СЧ-10010", "INV-10020", "СЧ-10030", "請求-10040"))]
    memos = ("оплата АКТ-10010", "付款INV-10020謝謝", "оплата сч-10030", "領収-10040")
    theirs = [row(f"s{n}", reference="", memo=memo) for n, memo in enumerate(memos)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("embedded")))
    assert matches(outcome) == [("p1", "s1", "embedded", "confirmed"), ("p2", "s2", "embedded", "confirmed")]


@pytest.mark.parametrize(("ours", "theirs"), [("INV-0042", "INV-0420"), ("A10", "A1"), ("100", "1000")])
def test_a_normalised_key_does_not_drop_zeros_that_count(tmp_path, ours, theirs):
    outcome = run(tmp_path, [row("p1", reference=ours)], [row("s1", reference=theirs)], rules_text(EXACT + NORMALISED))
    assert matches(outcome) == []


def test_an_extracted_key_is_found_by_its_pattern(tmp_path):
    step = "[[pass]]\nkind = 'key'\nname = 'by-order'\nleft = ['reference']\nright = ['memo']\nextract = 'PO[0-9]{4}'\n"
    outcome = run(
        tmp_path,
        [row("p1", reference="PO1234")],
        [row("s1", reference="x", memo="for PO1234, thanks")],
        rules_text(step),
    )
    assert matches(outcome) == [("p1", "s1", "by-order", "confirmed")]


def test_a_reference_within_the_text_of_the_other_side_is_found_whole_not_in_part(tmp_path):
    ours = [row("p1", reference="INV-2026-001"), row("p2", reference="INV-2026-01")]
    theirs = [
        row("s1", reference="tx1", memo="Payment INV-2026-001, thank you"),
        row("s2", reference="tx2", memo="nothing"),
    ]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("embedded")))
    assert matches(outcome) == [("p1", "s1", "embedded", "confirmed")]


@pytest.mark.parametrize("mark", [" ", ",", ", ", ";", "|", "+", " & ", "/", "_", "\n", "\r\n", "\t", ":", ")("])
def test_references_in_a_list_are_told_apart_by_any_mark(tmp_path, mark):
    ours = [row(f"p{n}", reference=f"ORD-10{n}40", amount=n) for n in (1, 2, 3)]
    theirs = [row("s1", reference="payout", memo=mark.join(f"ORD-10{n}40" for n in (1, 2, 3)), amount=6)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("embedded")))
    assert outcome.verdict == "reconciled"
    assert [m[:2] for m in matches(outcome)] == [("p1", "s1"), ("p2", "s1"), ("p3", "s1")]


@pytest.mark.parametrize("reference", ["INV/2026/0017", "PO_2026_0017", "K:2026:0017"])
def test_a_reference_with_marks_of_its_own_is_found_whole_in_a_list(tmp_path, reference):
    ours = [row("p1", reference=reference, amount=4), row("p2", reference="ORD-10240", amount=5)]
    theirs = [row("s1", reference="payout", memo=f"for {reference}+ORD-10240", amount=9)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("embedded")))
    assert outcome.verdict == "reconciled"


def test_a_text_that_names_several_references_matches_their_sum(tmp_path):
    ours = [
        row("p1", reference="INV001", amount=30),
        row("p2", reference="INV002", amount=70),
        row("p3", reference="INV003", amount=5),
    ]
    outcome = run(
        tmp_path,
        ours,
        [row("s1", reference="t", memo="INV001 INV002", amount=100)],
        rules_text(EXACT + a_pass("embedded")),
    )
    assert matches(outcome) == [("p1", "s1", "embedded", "confirmed"), ("p2", "s1", "embedded", "confirmed")]
    assert told(outcome) == [("MISSING_RIGHT", "p3", "")]


def test_a_record_and_its_opposite_on_one_side_cancel(tmp_path):
    ours = [
        row("p1", reference="A", amount=50),
        row("p2", reference="A", amount=-50),
        row("p3", reference="B", amount=-50),
    ]
    outcome = run(tmp_path, ours, [row("s1", reference="Z")], rules_text(EXACT + a_pass("reversal")))
    assert matches(outcome) == [("p1", None, "reversal", "confirmed"), ("p2", None, "reversal", "confirmed")]
    assert told(outcome) == [("MISSING_LEFT", "", "s1"), ("MISSING_RIGHT", "p3", "")]


def test_a_batch_matches_the_one_line_that_pays_it(tmp_path):
    ours = [row(f"p{n}", batch="B1", amount=n) for n in (1, 2, 3)]
    theirs = [row("s1", batch="B1", amount=6, date="2026-03-04")]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("group")))
    assert [m[:2] for m in matches(outcome)] == [("p1", "s1"), ("p2", "s1"), ("p3", "s1")]
    assert outcome.footing[0].matched == (3, 6)


def test_a_batch_with_one_member_too_many_matches_without_it(tmp_path):
    ours = [row(f"p{n}", batch="B1", amount=n) for n in (1, 2, 4)]
    outcome = run(tmp_path, ours, [row("s1", batch="B1", amount=5)], rules_text(EXACT + a_pass("group")))
    assert told(outcome) == [("MISSING_RIGHT", "p2", "")]


def test_a_batch_whose_sum_differs_is_one_break_with_all_its_members(tmp_path):
    ours = [row(f"p{n}", batch="B1", amount=n) for n in (10, 20)]
    outcome = run(tmp_path, ours, [row("s1", batch="B1", amount=29)], rules_text(EXACT + a_pass("group")))
    assert told(outcome) == [("AMOUNT_MISMATCH", "p10;p20", "s1")]
    assert outcome.breaks[0].at_stake == 1
    assert outcome.footing[0].breaks == (2, 30)


def test_parts_of_one_key_that_add_up_match_the_whole(tmp_path):
    theirs = [row("s1", reference="A", amount=60), row("s2", reference="A", amount=40)]
    outcome = run(tmp_path, [row("p1", reference="A", amount=100)], theirs)
    assert [m[:2] for m in matches(outcome)] == [("p1", "s1"), ("p1", "s2")]


def test_a_sum_of_one_counterparty_is_found_when_there_is_only_one_way(tmp_path):
    ours = [row(f"p{n}", counterparty="ACME", amount=n) for n in (101, 203, 407)]
    outcome = run(
        tmp_path,
        ours,
        [row("s1", reference="x", counterparty="Acme", amount=304)],
        rules_text(EXACT + a_pass("subset")),
    )
    assert [m[:2] for m in matches(outcome)] == [("p101", "s1"), ("p203", "s1")]


def test_two_ways_to_the_same_sum_stay_open(tmp_path):
    ours = [row(f"p{n}", counterparty="ACME", amount=n) for n in (1, 2, 3, 4)]  # 1+4 = 2+3
    outcome = run(tmp_path, ours, [row("s1", reference="x", counterparty="ACME", amount=5)], rules_text(EXACT + a_pass("subset")))
    assert matches(outcome) == []


def test_only_sum_needs_two_parts_and_one_way():
    assert only_sum([("a", 5), ("b", 3), ("c", 2)], 5, 6) == (["b", "c"], False, False)
    assert only_sum([("a", 7), ("b", 3), ("c", 2)], 5, 6) == (["b", "c"], False, False)
    assert only_sum([("a", 7)], 7, 6) == ([], False, False)
    assert only_sum([("a", 1), ("b", 1), ("c", 1)], 3, 2) == ([], False, False)


def test_amount_and_date_alone_only_suggest_and_the_records_stay_breaks(tmp_path):
    outcome = run(
        tmp_path,
        [row("p1", reference="A", amount=77)],
        [row("s1", reference="B", amount=77)],
        rules_text(EXACT + a_pass("amount")),
    )
    assert matches(outcome) == [("p1", "s1", "amount", "suggested")]
    assert [k for k, *_ in told(outcome)] == ["MISSING_LEFT", "MISSING_RIGHT"]
    assert outcome.breaks[0].candidates[0].why_refused == "suggested, but the evidence does not confirm it"
    assert outcome.footing[0].matched == (0, 0)


def test_where_the_rules_say_that_amounts_confirm_equal_candidates_are_an_ambiguity_with_both(tmp_path):
    rules = rules_text(EXACT + a_pass("amount", confirms=True))
    theirs = [row("s1", reference="B"), row("s2", reference="C")]
    outcome = run(tmp_path, [row("p1", reference="A")], theirs, rules)
    assert [k for k, *_ in told(outcome)] == ["AMBIGUOUS"] * 3
    ours = next(b for b in outcome.breaks if b.left)
    assert sorted(c.id for c in ours.candidates) == ["s1", "s2"]
    assert ours.action.verb == "choose"


def test_the_nearest_date_wins_and_frees_the_next(tmp_path):
    rules = rules_text(EXACT + a_pass("amount", confirms=True, before_days=6, after_days=6))
    ours = [row("p1", reference="A", date="2026-03-02"), row("p2", reference="B", date="2026-03-05")]
    theirs = [row("s1", reference="C", date="2026-03-04"), row("s2", reference="D", date="2026-03-08")]
    outcome = run(tmp_path, ours, theirs, rules)
    assert [m[:2] for m in matches(outcome)] == [("p1", "s2"), ("p2", "s1")]


TEXT = a_pass("text", before_days=3, after_days=10)


def test_a_truncated_text_with_the_same_amount_is_confirmed_with_its_score(tmp_path):
    ours = [row("p1", reference="", memo="Müller Handels GmbH Rechnung Maerz", counterparty="")]
    theirs = [row("s1", reference="", memo="MULLER HANDELS GMBH RECHN", date="2026-03-03")]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert matches(outcome) == [("p1", "s1", "text", "confirmed")]


def test_another_text_with_the_same_amount_is_not_confirmed(tmp_path):
    ours = [row("p1", reference="", memo="Rent for the office in Porto")]
    theirs = [row("s1", reference="", memo="Weekly groceries and coffee")]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert not any(m[3] == "confirmed" for m in matches(outcome))


def test_two_texts_that_fit_equally_are_an_ambiguity(tmp_path):
    others = [f"Rent {word} street" for word in ["amber", "birch", "cedar", "dahlia", "elder", "fern", "grape", "hazel", "iris", "juniper"]]
    ours = [row("p1", reference="", memo="Acme supplies monthly")]
    ours += [row(f"p{n}", reference="", memo=memo, amount=n * 1_000) for n, memo in enumerate(others, 2)]
    theirs = [
        row("s1", reference="", memo="Acme supplies monthly"),
        row("s2", reference="", memo="Acme supplies monthly"),
        *(row(f"s{n}x", reference="", memo=memo, amount=n * 1_000) for n, memo in enumerate(others, 2)),
    ]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert ("AMBIGUOUS", "p1", "") in told(outcome)


def test_a_key_with_three_months_of_the_same_amount_pairs_each_with_its_own_month(tmp_path):
    rules = rules_text('[[pass]]\nkind = "key"\nname = "exact"\nafter_days = 5\n')
    ours = [row(f"p{m}", reference="SUB", date=f"2026-0{m}-01") for m in (1, 2, 3)]
    theirs = [row(f"s{m}", reference="SUB", date=f"2026-0{m}-03") for m in (2, 3)]
    outcome = run(tmp_path, ours, theirs, rules)
    assert [m[:2] for m in matches(outcome)] == [("p2", "s2"), ("p3", "s3")]


def test_an_original_its_opposite_and_one_line_there_leave_the_opposite_open(tmp_path):
    ours = [row("p1", reference="A"), row("p2", reference="A", amount=-100_00)]
    outcome = run(tmp_path, ours, [row("s1", reference="A")], rules_text(EXACT + a_pass("reversal")))
    assert matches(outcome) == [("p1", "s1", "exact", "confirmed")]
    assert told(outcome) == [("MISSING_RIGHT", "p2", "")]
