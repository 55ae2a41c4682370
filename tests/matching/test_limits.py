"""A limit that cuts work short is told with its numbers, leaves the run incomplete, and no advice rests on what was not looked at."""

from __future__ import annotations

import pytest

from counterfoil.matching.findings import candidates
from counterfoil.matching.findings.verdict import verdict_of
from counterfoil.matching.passes import amounts, groups, keys
from counterfoil.matching.passes.evidence import blocks
from tests.matching.builders import EXACT, row, rules_text, run, told
from tests.matching.test_passes import TEXT, a_pass, matches

WAITS = 'name = "left"\nexpected_within_days = 30'


def crowd(count: int, **given: object) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Records of one key, each a cent apart from its partner."""
    ours = [row(f"p{n}", **{"reference": "CUST-77", "amount": 100_00 + n * 100, **given}) for n in range(count)]
    theirs = [row(f"s{n}", **{"reference": "CUST-77", "amount": 100_01 + n * 100, **given}) for n in range(count)]
    return ours, theirs


def test_a_key_of_more_pairs_than_are_formed_leaves_the_run_incomplete_and_its_records_not_missing(tmp_path):
    outcome = run(tmp_path, *crowd(120))
    assert (outcome.verdict, outcome.exit_code) == ("incomplete", 1)
    assert [cut._asdict() for cut in outcome.cuts] == [
        {"step": "exact", "what": "keys with pairs", "limit": 10_000, "cases": 1, "left": 120, "right": 120}
    ]
    assert outcome.not_checked == (
        (
            "pass exact left out keys with pairs of more than 10,000 (1 of them): "
            "120 open records on the left and 120 on the right were not searched to the end"
        ),
    )
    assert {kind for kind, *_ in told(outcome)} == {"AMBIGUOUS"}
    assert {(b.cause, b.action.verb, b.reason) for b in outcome.breaks} == {
        ("search cut short", "narrow", "the search was cut short by a limit")
    }


def test_the_same_key_with_fewer_pairs_is_searched_to_the_end(tmp_path):
    outcome = run(tmp_path, *crowd(80))
    assert outcome.verdict == "not reconciled"
    assert {(kind, left[1:], right[1:]) for kind, left, right in told(outcome)} == {("AMOUNT_MISMATCH", str(n), str(n)) for n in range(80)}


def test_what_a_limit_left_is_not_late_and_does_not_close_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "CANDIDATES_PER_KEY_MAX", 3)
    rules = rules_text().replace('name = "left"', WAITS)
    outcome = run(tmp_path, *crowd(2), rules)
    assert outcome.footing[0].expected.rows == 0
    assert outcome.breaks_total == 4
    assert not {b.action.verb for b in outcome.breaks} & {"wait", "look_up"}


def test_a_limit_whose_records_all_found_their_partner_later_cut_nothing_short(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "CANDIDATES_PER_KEY_MAX", 3)
    ours, theirs = crowd(2)
    theirs = [{**each, "amount": str(int(each["amount"]) - 1), "status": "late"} for each in theirs]
    ours = [{**each, "status": "late", "batch": f"B{n}"} for n, each in enumerate(ours)]
    theirs = [{**each, "batch": f"B{n}", "date": "2026-03-09"} for n, each in enumerate(theirs)]
    by_batch = '[[pass]]\nkind = "key"\nname = "batch"\nleft = ["batch"]\nright = ["batch"]\nafter_days = 9\n'
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + by_batch))
    assert (outcome.verdict, outcome.cuts) == ("reconciled", ())


def test_a_crowded_key_tells_no_doubles(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "CANDIDATES_PER_KEY_MAX", 1)
    ours = [row("p1", reference="A"), row("p2", reference="A"), row("p3", reference="A", amount=3)]
    theirs = [row("s1", reference="A"), row("s2", reference="A", amount=7), row("s3", reference="A", amount=8)]
    outcome = run(tmp_path, ours, theirs)
    assert not [kind for kind, *_ in told(outcome) if kind.startswith("DUPLICATE")]


def test_a_sum_with_more_candidates_than_are_searched_is_said(tmp_path):
    ours = [row(f"p{n}", reference="", counterparty="Acme", amount=1_000 + n * 701) for n in range(25)]
    theirs = [row("s1", reference="", counterparty="Acme", amount=49_967)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("subset")))
    assert outcome.verdict == "incomplete"
    assert outcome.not_checked == (
        (
            "pass subset left out sums with candidates of more than 20 (1 of them): "
            "0 open records on the left and 1 on the right were not searched to the end"
        ),
    )
    fewer = run(
        tmp_path,
        ours,
        [row("s1", reference="", counterparty="Acme", amount=5_103)],
        rules_text(EXACT + a_pass("subset")),
    )
    assert (fewer.verdict, fewer.cuts) == ("not reconciled", ())
    assert [m[:2] for m in matches(fewer)] == [("p0", "s1"), ("p1", "s1"), ("p2", "s1")]


@pytest.mark.parametrize(("limit", "what"), [("STEPS_MAX", "sums with a search"), ("TARGETS_MAX", "sums of a list")])
def test_a_search_for_sums_that_is_given_up_is_said(tmp_path, monkeypatch, limit, what):
    monkeypatch.setattr(groups, limit, 1)
    ours = [row(f"p{n}", reference="", counterparty="Acme", amount=n) for n in (101, 203, 407)]
    theirs = [row(f"s{n}", reference="", counterparty="Acme", amount=n) for n in (305, 609)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("subset")))
    assert [cut.what for cut in outcome.cuts] == [what]
    assert outcome.verdict == "incomplete"


def test_amounts_too_common_to_pair_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(amounts, "PAIRS_PER_AMOUNT_MAX", 3)
    ours, theirs = [row(f"p{n}") for n in range(2)], [row(f"s{n}") for n in range(2)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + a_pass("amount", confirms=True)))
    assert [(cut.what, cut.left, cut.right) for cut in outcome.cuts] == [("amounts with pairs", 2, 2)]
    assert outcome.verdict == "incomplete"


def test_words_too_common_to_ask_by_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "FAN_MAX", 0)
    ours = [row(f"p{n}", reference="", memo=f"Acme {n}{n}{n}", amount=100 + n) for n in range(20)]
    theirs = [row(f"s{n}", reference="", memo=f"Acme {n}{n}{n}", amount=100 + n) for n in range(20)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert [(cut.what, cut.left, cut.right) for cut in outcome.cuts] == [("words with candidates", 20, 20)]
    assert outcome.verdict == "incomplete"


def test_a_text_pass_that_is_left_out_is_said(tmp_path):
    ours = [row(f"p{n}", reference="", memo=f"{n} words", amount=n) for n in range(1_001)]
    outcome = run(tmp_path, ours, [row("s1", reference="", memo="other")], rules_text(EXACT + a_pass("text", open_max=1_000)))
    assert [cut.what for cut in outcome.cuts] == ["sides with open records"]
    assert outcome.verdict == "incomplete"


def test_an_amount_that_many_open_records_share_is_not_told_to_be_on_none_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "COMMON_AMOUNT_MAX", 2)
    ours = [row("p1", reference="A", date="2026-03-09")]
    theirs = [row(f"s{n}", reference=f"B{n}") for n in range(3)] + [row("s9", reference="C", date="2026-03-10", amount=7)]
    outcome = run(tmp_path, ours, theirs)
    ours_break = next(b for b in outcome.breaks if b.left)
    assert ours_break.cause == "common amount"
    assert not {h.cause for h in ours_break.hypotheses} & {"late", "lost or never made", "altered reference"}


def test_a_cut_search_is_incomplete_whatever_else_was_found():
    assert verdict_of(breaks=3, unexplained=True, cut_short=True, not_checked=True) == "incomplete"
    assert verdict_of(breaks=3, unexplained=False, cut_short=False, not_checked=True) == "not reconciled"
    assert verdict_of(breaks=0, unexplained=False, cut_short=False, not_checked=True) == "incomplete"
    assert verdict_of(breaks=0, unexplained=False, cut_short=False, not_checked=False) == "reconciled"
