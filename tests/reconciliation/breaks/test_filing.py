"""What runs do to cases: open, touch, match, open again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.machine import history_of
from counterfoil.ledger.journals.journal import NewPosting
from counterfoil.matching.findings.differences import Difference
from counterfoil.reconciliation.breaks import adjusting, work
from counterfoil.reconciliation.breaks.breaks import mature_due
from counterfoil.reconciliation.breaks.queries import detail_of, recurrences_of, remarks_of, totals_of
from tests.people import who
from tests.reconciliation.breaks.builders import (
    DAY,
    MIRA,
    NOAH,
    NOW,
    a_break,
    a_case,
    a_number,
    a_proposal,
    a_run,
    an_approval,
    an_open_program,
    still_true,
    the_cases,
)

TOMORROW = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def books(conn):
    an_open_program(conn)


def test_a_break_that_is_found_for_the_first_time_is_opened_with_a_due_date_by_its_severity(conn):
    found = [a_break(severity=one) for one in ("critical", "high", "medium", "low")]
    run_id, filed = a_run(conn, found)
    assert (filed.opened, filed.seen, filed.matched) == (4, 0, 0)
    cases = the_cases(conn)
    assert [one.identity for one in cases] == [one.id for one in found]
    assert [(one.due_on - DAY).days for one in cases] == [1, 2, 5, 10]
    assert {(one.state, one.first_run, one.last_run, one.gone_run) for one in cases} == {("open", run_id, run_id, None)}
    assert [step.cause for step in history_of(conn, cases[0].id, rows_max=None)] == [run_id]
    still_true(conn)


def test_a_break_that_is_found_again_is_the_same_case_touched_by_the_later_run(conn):
    found = a_break("payout:a")
    a_run(conn, [found])
    later, filed = a_run(conn, [found], at=TOMORROW)
    (case,) = the_cases(conn)
    assert (filed.opened, filed.seen) == (0, 1)
    assert (case.last_run, case.state, case.opened_at) == (later, "open", NOW)
    assert len(history_of(conn, case.id, rows_max=None)) == 1


def test_a_case_takes_over_what_a_later_run_says_and_is_due_sooner_when_it_grew_worse(conn):
    a_run(conn, [a_break("payout:a", ours=1_000, theirs=990, severity="low")])
    a_run(conn, [a_break("payout:a", ours=1_000, theirs=100, severity="critical")], at=TOMORROW)
    (case,) = the_cases(conn)
    assert (case.severity, case.at_stake, case.difference) == ("critical", 900, -900)
    assert case.due_on == DAY + timedelta(days=1)


@pytest.mark.parametrize("state", ["open", "timing", "investigating"])
def test_a_run_that_covers_its_days_and_finds_it_no_more_matches_it(conn, state):
    case = a_case(conn, cause="late" if state == "timing" else "", ours=None, state=state)
    assert case.state == state
    run_id, filed = a_run(conn, first=DAY - timedelta(days=1), last=DAY)
    (case,) = the_cases(conn)
    assert (case.state, case.gone_run, filed.matched) == ("matched", run_id, 1)
    assert history_of(conn, case.id, rows_max=None)[-1].cause == run_id
    still_true(conn)


@pytest.mark.parametrize(("first", "last"), [(1, 2), (-2, -1), (1, 1)])
def test_a_run_of_other_days_says_nothing_about_it(conn, first, last):
    case = a_case(conn)
    _, filed = a_run(conn, first=DAY + timedelta(days=first), last=DAY + timedelta(days=last))
    assert (filed.matched, the_cases(conn)[0].state) == (0, case.state)


def test_a_break_over_two_days_is_only_matched_by_a_run_that_covers_both(conn):
    an_open_program(conn)
    late = a_break("payout:a", on=DAY)
    late = replace(late, right=(late.right[0]._replace(day=DAY + timedelta(days=2)),))
    a_run(conn, [late], last=DAY + timedelta(days=2))
    a_run(conn, first=DAY, last=DAY)
    assert the_cases(conn)[0].state == "open"
    a_run(conn, first=DAY, last=DAY + timedelta(days=2))
    assert the_cases(conn)[0].state == "matched"


def test_a_run_of_another_source_says_nothing_about_it(conn):
    a_case(conn)
    a_run(conn, source="bank")
    assert the_cases(conn)[0].state == "open"


def test_a_run_that_could_not_list_all_its_breaks_matches_nothing(conn):
    a_case(conn)
    _, filed = a_run(conn, complete=False)
    assert (filed.matched, the_cases(conn)[0].state) == (0, "open")


def test_what_comes_back_after_it_was_matched_is_a_new_case_that_names_the_earlier_one_and_keeps_its_owner(conn):
    found = a_break("payout:a")
    case = a_case(conn, found, state="investigating")
    a_run(conn)
    _, filed = a_run(conn, [found], at=TOMORROW)
    old, new = the_cases(conn)
    assert (filed.opened, filed.recurred) == (1, 1)
    assert (old.state, new.state, new.recurs_of, new.owner) == ("matched", "open", old.id, "mira")
    assert recurrences_of(conn, case.id) == [new.id]
    assert [one.text for one in remarks_of(conn, new.id)] == ["mira"]
    still_true(conn)


def test_a_third_time_names_the_second(conn):
    found = a_break("payout:a")
    for _ in range(3):
        a_run(conn, [found])
        a_run(conn)
    first, second, third = the_cases(conn)
    assert (first.recurs_of, second.recurs_of, third.recurs_of) == (None, first.id, second.id)


def test_what_a_person_accepted_and_every_run_still_finds_is_not_opened_again(conn):
    found = a_break("payout:a")
    case = a_case(conn, found, state="investigating")
    work.accept_break(conn, case.id, actor=MIRA, now=NOW, reason="the bank rounds")
    run_id, filed = a_run(conn, [found], at=TOMORROW)
    assert (filed.opened, filed.shown) == (0, 1)
    (case,) = the_cases(conn)
    assert (case.state, case.last_run, case.accepted_at_stake) == ("accepted", run_id, 12_00)


def test_what_a_person_accepted_and_is_another_amount_now_is_another_break(conn):
    case = a_case(conn, a_break("payout:a"), state="investigating")
    work.accept_break(conn, case.id, actor=MIRA, now=NOW, reason="the bank rounds")
    _, filed = a_run(conn, [a_break("payout:a", theirs=900_00)], at=TOMORROW)
    old, new = the_cases(conn)
    assert (filed.opened, old.state, new.state, new.recurs_of, new.at_stake) == (1, "accepted", "open", old.id, 100_00)
    still_true(conn)


def test_the_same_amount_with_other_fields_is_not_what_was_accepted(conn):
    found = a_break("payout:a", kind="STATUS_MISMATCH", theirs=1_000_00)
    case = a_case(conn, found, state="investigating")
    work.accept_break(conn, case.id, actor=MIRA, now=NOW, reason="seen")
    other = replace(found, fields=(Difference("status", "paid", "returned", "another word"),))
    _, filed = a_run(conn, [other], at=TOMORROW)
    assert (filed.opened, the_cases(conn)[-1].state) == (1, "open")


@pytest.mark.parametrize("end", ["adjusted", "written_off"])
def test_what_two_people_corrected_and_the_next_run_still_finds_is_open_again(conn, end):
    found = a_break("payout:a", ours=1_000_00, theirs=995_00)
    case = posted(conn, found, end)
    _, filed = a_run(conn, [found], at=TOMORROW)
    old, new = the_cases(conn)
    assert (old.state, new.state, new.recurs_of, filed.recurred) == (end, "open", case.id, 1)
    still_true(conn)


def test_a_run_that_read_before_the_journal_was_posted_opens_nothing_again(conn):
    found = a_break("payout:a", ours=1_000_00, theirs=995_00)
    a_run(conn, [found])
    early = a_number(conn)  # it has begun to read
    case = the_cases(conn)[0]
    work.investigate_break(conn, case.id, actor=MIRA, now=NOW)
    an_approval(conn, a_proposal(conn, case.id, lines=[NewPosting("provider_fee", "clearing:simulator", 5_00)]))
    _, filed = a_run(conn, [found], at=TOMORROW, number=early)
    assert (filed.late, filed.opened) == (1, 0)
    _, filed = a_run(conn, [found], at=TOMORROW)
    assert filed.opened == 1


def test_of_two_runs_that_overlap_the_one_that_read_later_decides_however_late_the_other_ends(conn):
    found = a_break("payout:a")
    early, late = a_number(conn), a_number(conn)
    a_run(conn, [found], number=late)
    _, filed = a_run(conn, number=early)  # it read before there was anything, and ends after
    assert (filed.matched, the_cases(conn)[0].state) == (0, "open")


def test_an_older_view_neither_opens_nor_changes_what_a_newer_one_said(conn):
    early, late = a_number(conn), a_number(conn)
    a_run(conn, [a_break("payout:a", theirs=900_00)], number=late)
    _, filed = a_run(conn, [a_break("payout:a"), a_break("payout:b")], number=early)
    (case,) = the_cases(conn)
    assert (filed.late, filed.opened, case.at_stake) == (2, 0, 100_00)


def test_a_newer_run_of_other_days_takes_nothing_from_an_older_one(conn):
    early, late = a_number(conn), a_number(conn)
    a_run(conn, first=DAY + timedelta(days=1), last=DAY + timedelta(days=1), number=late)
    _, filed = a_run(conn, [a_break("payout:a")], number=early)
    assert filed.opened == 1


def test_what_waits_is_opened_by_the_clock_where_no_run_comes(conn):
    a_run(conn, [a_break("payout:a", theirs=None, cause="late", severity="critical")])
    assert mature_due(conn, now=TOMORROW) == 0
    assert mature_due(conn, now=TOMORROW + timedelta(days=1)) == 1
    assert the_cases(conn)[0].state == "open"
    still_true(conn)


def test_the_same_difference_in_two_sources_of_a_provider_stands_once_on_the_whole(conn):
    a_run(conn, [of_attempt("simulator:payouts")], source="simulator:payouts")
    _, filed = a_run(conn, [of_attempt("simulator")])
    part, whole = the_cases(conn, source="simulator:payouts")[0], the_cases(conn, source="simulator")[0]
    assert (part.state, part.duplicate_of, whole.state) == ("duplicate", whole.id, "open")
    _, filed = a_run(conn, [of_attempt("simulator:payouts")], source="simulator:payouts")
    assert (filed.shown, filed.opened) == (1, 0)
    assert totals_of(conn, now=NOW).live == 1
    still_true(conn)


def test_a_part_that_is_filed_after_the_whole_is_a_copy_from_the_beginning(conn):
    a_run(conn, [of_attempt("simulator")])
    _, filed = a_run(conn, [of_attempt("simulator:payouts")], source="simulator:payouts")
    assert (filed.opened, filed.copies, totals_of(conn, now=NOW).live) == (1, 1, 1)


def test_who_worked_on_the_part_owns_the_whole(conn):
    a_run(conn, [of_attempt("simulator:payouts")], source="simulator:payouts")
    work.investigate_break(conn, the_cases(conn)[0].id, actor=MIRA, now=NOW)
    a_run(conn, [of_attempt("simulator")])
    assert the_cases(conn, source="simulator")[0].owner == "mira"
    still_true(conn)


def test_a_wrong_invoice_is_a_difference_of_its_own(conn):
    a_run(conn, [a_break("charge:ch_1")])
    wrong = a_break("ch_1", theirs=1_000_00, kind="COUNTERPARTY_MISMATCH")
    a_run(conn, [wrong], source="simulator:charges")
    assert totals_of(conn, now=NOW).live == 2


def test_what_was_shown_through_another_stands_for_itself_when_that_is_closed_and_it_is_still_found(conn):
    a_run(conn, [of_attempt("simulator")])
    a_run(conn, [of_attempt("simulator:payouts")], source="simulator:payouts")
    a_run(conn)  # the whole does not find it any more: whether the part does, its next run says
    assert totals_of(conn, now=NOW).live == 0
    a_run(conn, [of_attempt("simulator:payouts")], source="simulator:payouts")
    assert [one.source for one in the_cases(conn) if one.live] == ["simulator:payouts"]
    still_true(conn)


def test_a_copy_within_one_source_stands_for_itself_at_once_when_its_original_is_matched(conn):
    one, two = a_break("payout:a"), a_break("payout:b")
    a_run(conn, [one, two])
    first, second = the_cases(conn)
    work.investigate_break(conn, second.id, actor=MIRA, now=NOW)
    work.mark_duplicate(conn, second.id, actor=MIRA, now=NOW, reason="the same", duplicate_of=first.id)
    a_run(conn, [two], at=TOMORROW)
    assert [(case.record_id, case.state) for case in the_cases(conn) if case.live] == [("payout:b", "open")]
    still_true(conn)


def of_attempt(source):
    """One payout of ours as each source of its provider tells it."""
    name = "payout:pout_9" if source == "simulator" else "pp_1"
    found = a_break(name)
    batch = "pp_1" if source == "simulator" else "po_1"
    return replace(found, left=(found.left[0]._replace(batch=batch),), right=(found.right[0]._replace(batch=batch),))


def posted(conn, found, end):
    """A break that two people have just corrected."""
    case = a_case(conn, found, state="investigating")
    if end == "adjusted":
        one = a_proposal(conn, case.id, lines=[NewPosting("provider_fee", "clearing:simulator", -case.difference)])
    else:
        one = adjusting.propose_write_off(conn, case.id, make_id("prop"), reason="small", by=who(conn, MIRA), now=NOW)
    an_approval(conn, one)
    return case


def test_what_a_person_accepted_and_went_away_is_opened_anew_when_it_comes_back(conn):
    found = a_break("payout:a")
    case = a_case(conn, found, state="investigating")
    work.accept_break(conn, case.id, actor=MIRA, now=NOW, reason="the bank rounds")
    _, filed = a_run(conn)
    assert (filed.matched, filed.gone, the_cases(conn)[0].state) == (0, 1, "accepted")
    a_run(conn, [found], at=TOMORROW)
    old, new = the_cases(conn)
    assert (old.state, new.state, new.recurs_of) == ("accepted", "open", case.id)
    still_true(conn)


def test_a_break_that_waits_for_a_second_person_is_not_matched_but_can_no_longer_be_approved(conn):
    found = a_break("payout:a")
    case = a_case(conn, found, state="pending_adjustment")
    _, filed = a_run(conn)
    assert (filed.matched, filed.gone, the_cases(conn)[0].state) == (0, 1, "pending_adjustment")
    proposal = adjusting.proposals_of(conn, case.id)[0]
    with pytest.raises(adjusting.ProposalOutdated):
        adjusting.approve_proposal(conn, case.id, payload_sha256=proposal.payload_sha256, reason="x", by=who(conn, NOAH), now=NOW)
    a_run(conn, [found])  # it is there after all: the same case, not a second one
    assert [one.gone_run for one in the_cases(conn)] == [None]
    still_true(conn)


def test_what_went_on_under_another_kind_names_the_case_that_it_came_from(conn):
    missing = a_break("payout:a", theirs=None)
    a_run(conn, [missing])
    a_run(conn, [a_break("payout:a")])  # the line has come, with another amount
    old, new = the_cases(conn)
    assert (old.kind, old.state) == ("MISSING_RIGHT", "matched")
    assert (new.kind, new.recurs_of) == ("AMOUNT_MISMATCH", old.id)


def test_what_is_only_late_waits_and_is_opened_when_its_window_is_over(conn):
    late = a_break("payout:a", theirs=None, cause="late")
    _, filed = a_run(conn, [late])
    assert the_cases(conn)[0].state == "timing"
    _, filed = a_run(conn, [a_break("payout:a", theirs=None)], at=TOMORROW)
    assert (filed.matured, the_cases(conn)[0].state) == (1, "open")
    assert [step.verb for step in history_of(conn, the_cases(conn)[0].id, rows_max=None)] == ["create", "wait", "mature"]
    still_true(conn)


def test_what_is_called_late_for_ever_is_opened_on_its_due_date(conn):
    late = a_break("payout:a", theirs=None, cause="late", severity="critical")
    a_run(conn, [late])
    a_run(conn, [late], at=TOMORROW)
    assert the_cases(conn)[0].state == "timing"
    a_run(conn, [late], at=TOMORROW + timedelta(days=1))
    assert the_cases(conn)[0].state == "open"


def test_lines_that_are_the_same_to_the_letter_are_two_cases(conn):
    found = a_break("payout:a", theirs=None)
    _, filed = a_run(conn, [found, found])
    assert filed.opened == 2
    one, two = the_cases(conn)
    assert two.identity == f"{one.identity}#2"
    _, filed = a_run(conn, [found])
    assert (filed.seen, filed.matched) == (1, 1)


def test_the_explanation_is_that_of_the_last_run_that_found_it(conn):
    a_run(conn, [a_break("payout:b"), a_break("payout:a")])
    a_run(conn, [a_break("payout:a", cause="fee netted")], at=TOMORROW)
    (case,) = [one for one in the_cases(conn) if detail_of(conn, one).left[0].id == "payout:a"]
    assert case.cause == "fee netted"
    assert detail_of(conn, case).hypotheses[0].cause == "fee netted"


def test_two_thousand_breaks_are_filed_and_half_of_them_matched(conn):
    found = [a_break(f"payout:p{number:05}") for number in range(2_000)]
    a_run(conn, found)
    _, filed = a_run(conn, found[::2])
    assert (filed.seen, filed.matched) == (1_000, 1_000)
    still_true(conn)
