"""What a provider's word does to a payout: every state and status, who brought the word, silence, refusals, calls that may still land."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from counterfoil.operations.providers import Accepted, Later, NotThere, PayoutFact, Refused, Unclear
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.operations.work.runner import ATTEMPTS_MAX
from counterfoil.payouts.machines import PROVIDER_PAYOUT
from counterfoil.payouts.provider_payouts.booking import journal_lines, late_lines, return_lines
from counterfoil.payouts.provider_payouts.outcome_rules import (
    CONFIRMED_FIRST,
    DECIDED,
    PATHS,
    Conflict,
    LockedProviderPayout,
    decide_answer,
    decide_fact,
    decide_lookup,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SILENT = timedelta(minutes=10)
HOUR = timedelta(hours=1)
STATUSES = ("pending", "paid", "failed", "returned")
BLIND = Capabilities(looks_up_by=())
FORGETFUL = Capabilities(key_memory=timedelta())


def a_standing(state: str = "sent", **other: object) -> LockedProviderPayout:
    base = LockedProviderPayout(
        "pp_1", "po_1", "main", "payee_1", "simulator", "EUR", 9400, "key-1", state, "processing", None, NOW, NOW, 0
    )
    return base._replace(**other)


def a_called(state: str = "unknown", **other: object) -> LockedProviderPayout:
    """One whose call was closed a while ago."""
    calls = {"calls": 1, "first_call_at": NOW - HOUR, "closed_at": NOW - HOUR / 2, "sent_at": None}
    return a_standing(state, **(calls | other))


def a_fact(status: str = "paid", **other: object) -> PayoutFact:
    return PayoutFact("ref_1", "key-1", 9400, 25, "EUR", status, None, NOW)._replace(**other)


def look_up(standing, found, **other):
    return decide_lookup(standing, found, **({"now": NOW, "silent_after": SILENT} | other))


def as_row(row: str) -> LockedProviderPayout:
    """A standing in a row of the table: a failure that we concluded is a row of its own."""
    if row == "concluded":
        return a_standing("cancelled")
    return a_standing(row, failed_by="provider" if row == "failed" else None)


ROWS = [*(state for state in PROVIDER_PAYOUT.states() if state != "cancelled"), "concluded"]


@pytest.mark.parametrize(("row", "status"), sorted(product(ROWS, STATUSES)))
def test_every_word_in_every_state_is_followed_or_opens_a_conflict_that_is_asked_about_at_once(row, status):
    decision = decide_fact(as_row(row), a_fact(status), silent_after=SILENT, source="answer")
    if (row, status) in PATHS:
        assert decision.conflict is None
        assert decision.verbs == PATHS[row, status]
        assert decision.state in PROVIDER_PAYOUT.states()
    else:
        assert decision.conflict is not None
        assert decision.state == as_row(row).state
        assert decision.again == timedelta()


@pytest.mark.parametrize(("row", "status"), sorted(PATHS))
def test_the_same_word_twice_changes_nothing_the_second_time_and_leaves_what_is_due(row, status):
    after = decide_fact(as_row(row), a_fact(status), silent_after=SILENT, source="answer")
    by = "provider" if status == "failed" else after.failed_by or as_row(row).failed_by
    again = decide_fact(a_standing(after.state, failed_by=by), a_fact(status), silent_after=SILENT, source="answer")
    assert (again.verbs, again.conflict, again.keeps) == ((), None, True)


@pytest.mark.parametrize("status", ["paid", "pending"])
def test_a_late_word_never_moves_a_payout_backwards(status):
    assert decide_fact(a_standing("returned"), a_fact(status), silent_after=SILENT).verbs == ()
    assert decide_fact(a_standing("succeeded"), a_fact("pending"), silent_after=SILENT).verbs == ()


@pytest.mark.parametrize(("row", "status"), [cell for cell, path in PATHS.items() if CONFIRMED_FIRST & set(path)])
def test_a_webhook_alone_gives_no_money_back_and_books_no_return_but_has_the_provider_asked(row, status):
    decision = decide_fact(as_row(row), a_fact(status), silent_after=SILENT)
    assert (decision.again, decision.unconfirmed) == (timedelta(), status)
    assert decision.verbs == (("lose",) if row in ("queued", "sending") else ())
    confirmed = look_up(as_row(row)._replace(unconfirmed=status), Accepted(a_fact(status)))
    assert confirmed.verbs == PATHS[row, status]
    assert confirmed.unconfirmed is None


def test_where_a_provider_cannot_be_asked_its_webhook_is_all_there_is():
    decision = decide_fact(a_standing("sent"), a_fact("failed"), silent_after=SILENT, capabilities=BLIND)
    assert (decision.state, decision.failed_by) == ("failed", "provider")


@pytest.mark.parametrize("heard", ["failed", "returned"])
def test_a_webhook_that_the_provider_itself_contradicts_is_shown_and_what_it_says_now_is_booked(heard):
    one = a_standing("sent" if heard == "failed" else "succeeded", unconfirmed=heard)
    decision = look_up(one, Accepted(a_fact("paid")))
    assert decision.state == "succeeded"
    assert decision.conflict == Conflict(f"{heard}, by webhook", "paid")
    assert not decision.settled


def test_a_webhook_that_waits_for_its_look_up_is_not_forgotten_over_an_old_word_or_no_answer():
    one = a_standing("sent", unconfirmed="failed")
    assert decide_fact(one, a_fact("pending"), silent_after=SILENT).keeps
    assert look_up(one, Unclear("?")).unconfirmed == "failed"
    assert look_up(one, Accepted(a_fact("pending"))).unconfirmed == "failed"


def test_failed_after_paid_is_a_conflict_and_paid_again_does_not_end_it():
    decision = decide_fact(a_standing("succeeded"), a_fact("failed"), silent_after=SILENT)
    assert (decision.conflict, decision.verbs) == (Conflict("failed", "succeeded"), ())
    assert not look_up(a_standing("succeeded", conflict=True), Accepted(a_fact("paid"))).settled
    ended = look_up(a_standing("succeeded", conflict=True), Accepted(a_fact("returned")))
    assert (ended.state, ended.settled) == ("returned", True)


def test_paid_after_the_providers_failed_is_a_conflict_that_its_present_word_decides():
    failed = a_standing("failed", failed_by="provider")
    assert decide_fact(failed, a_fact("paid"), silent_after=SILENT).conflict == Conflict("paid", "failed")
    assert set(DECIDED) == {("failed", "paid")}
    paid = look_up(failed._replace(conflict=True), Accepted(a_fact("paid")))
    assert (paid.verbs, paid.settled) == (("pay_late",), True)
    for word in (Accepted(a_fact("failed")), NotThere(), Refused("402")):
        still = look_up(failed._replace(conflict=True), word)
        assert (still.verbs, still.settled) == ((), True)


def test_an_old_failed_by_webhook_does_not_end_a_conflict():
    failed = a_standing("failed", failed_by="provider", conflict=True)
    assert not decide_fact(failed, a_fact("failed"), silent_after=SILENT).settled


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_failure_that_we_concluded_yields_to_paid_and_an_order_that_is_alive_is_a_conflict(state):
    concluded = a_standing(state, failed_by="inference" if state == "failed" else None)
    assert decide_fact(concluded, a_fact("paid"), silent_after=SILENT).verbs == ("pay_late",)
    assert decide_fact(concluded, a_fact("pending"), silent_after=SILENT).conflict == Conflict("pending", state)


@pytest.mark.parametrize("state", PROVIDER_PAYOUT.open)
@pytest.mark.parametrize("other", [{"amount": 9399}, {"asset": "USD"}, {"provider_ref": "ref_2"}])
def test_another_amount_asset_or_order_is_never_booked_as_paid(state, other):
    decision = decide_fact(a_standing(state, provider_ref="ref_1"), a_fact("paid", **other), silent_after=SILENT)
    assert decision.conflict is not None
    assert decision.state == ("quarantined" if state == "quarantined" else "unknown")


def test_a_second_paid_under_another_reference_is_a_conflict():
    paid = a_standing("succeeded", provider_ref="ref_1")
    assert decide_fact(paid, a_fact("paid"), silent_after=SILENT).conflict is None
    second = decide_fact(paid, a_fact("paid", provider_ref="ref_2"), silent_after=SILENT)
    assert second.conflict == Conflict("paid as ref_2", "ref_1")


def test_the_failure_of_another_order_does_not_fail_ours():
    decision = decide_fact(a_standing("sent", provider_ref="ref_1"), a_fact("failed", provider_ref="ref_2"), silent_after=SILENT)
    assert decision.conflict is not None
    assert decision.state == "unknown"


@pytest.mark.parametrize("answer", [Unclear("no answer"), Unclear("status 500")])
def test_what_is_unclear_is_looked_up_and_never_counts_as_failed(answer):
    decision = decide_answer(a_standing("sending"), answer, silent_after=SILENT, tries_left=True)
    assert (decision.state, decision.again) == ("unknown", timedelta())


def test_a_refusal_speaks_of_its_own_call_so_the_provider_is_asked_before_money_is_given_back():
    sending = a_standing("sending")
    refused = decide_answer(sending, Refused("402"), silent_after=SILENT, tries_left=True)
    assert (refused.state, refused.again) == ("unknown", timedelta())
    assert decide_answer(sending, Later("429"), silent_after=SILENT, tries_left=False).state == "unknown"
    blind = {"silent_after": SILENT, "tries_left": True, "capabilities": BLIND}
    assert decide_answer(sending, Refused("402"), **blind).state == "failed"
    assert decide_answer(sending._replace(open_calls=1), Refused("402"), **blind).state == "unknown"


def test_later_climbs_the_ladder_and_never_sends_beside_an_open_call_where_keys_are_forgotten():
    sending = a_standing("sending", open_calls=1)
    later = decide_answer(sending, Later("429", 7), silent_after=SILENT, tries_left=True)
    assert later.state == "queued"
    assert later.again is not None
    assert later.again >= timedelta(seconds=48)
    forgetful = {"silent_after": SILENT, "tries_left": True, "capabilities": FORGETFUL}
    assert decide_answer(sending, Later("429"), **forgetful).state == "unknown"
    assert decide_answer(sending._replace(open_calls=0), Later("429"), **forgetful).state == "queued"


def test_where_nobody_can_be_asked_a_no_counts_only_after_a_no_to_each_call_before():
    silent, refused = a_standing("sending", calls=2, noes=1), a_standing("sending", calls=2, noes=2)
    for answer, tries_left in ((Refused("402"), True), (Later("429"), False)):
        said = {"silent_after": SILENT, "tries_left": tries_left, "capabilities": BLIND}
        assert decide_answer(silent, answer, **said).state == "unknown"
        assert decide_answer(refused, answer, **said).state == "failed"
    keyless = {"silent_after": SILENT, "tries_left": True, "capabilities": BLIND._replace(key_memory=timedelta())}
    assert decide_answer(silent, Later("429"), **keyless).state == "unknown"
    assert decide_answer(refused, Later("429"), **keyless).state == "queued"


def test_not_there_sends_again_by_the_ladder_only_while_the_provider_surely_remembers_the_first_call():
    again = look_up(a_called(), NotThere())
    assert again.state == "queued"
    assert again.again is not None
    assert again.again >= timedelta(seconds=48)
    old = a_called(first_call_at=NOW - timedelta(hours=23))
    assert look_up(old, NotThere()).verbs == ("fail",)
    assert look_up(old, NotThere()).failed_by == "inference"


@pytest.mark.parametrize("more", [{"open_calls": 1, "closed_at": NOW + HOUR}, {"open_calls": 0, "closed_at": NOW}])
def test_nothing_is_given_back_while_a_call_may_still_land_or_when_the_look_up_was_made_before_it_was_closed(more):
    one = a_called(first_call_at=NOW - timedelta(hours=23), **more)
    decision = look_up(one, NotThere(), asked_at=NOW - timedelta(seconds=1))
    assert (decision.state, decision.settled) == ("unknown", False)
    assert decision.again is not None
    assert decision.again > timedelta()


def test_an_open_call_is_no_obstacle_to_the_same_key_again_except_where_keys_are_forgotten():
    one = a_called(open_calls=1, closed_at=NOW + HOUR)
    assert look_up(one, NotThere()).state == "queued"
    waits = look_up(one, NotThere(), capabilities=FORGETFUL)
    assert (waits.state, waits.again) == ("unknown", HOUR)


def test_the_end_of_the_ladder_gives_the_money_back_once_it_is_proven_not_there():
    last = a_called(attempt=ATTEMPTS_MAX - 1)
    assert look_up(last._replace(attempt=ATTEMPTS_MAX - 2), NotThere()).state == "queued"
    assert look_up(last, NotThere()).state == "failed"


def test_what_is_not_there_is_not_sent_again_when_another_attempt_is_paid():
    assert look_up(a_called(paid_beside=True), NotThere()).state == "failed"


def test_what_the_provider_spoke_of_and_then_does_not_know_stays_in_doubt():
    decision = look_up(a_called(conflict=True), NotThere())
    assert (decision.state, decision.settled) == ("unknown", False)


def test_a_refusal_that_the_provider_remembers_fails_it_once_no_call_is_open():
    assert look_up(a_called(), Refused("402")).state == "failed"
    assert look_up(a_called(open_calls=1, closed_at=NOW + HOUR), Refused("402")).state == "unknown"


def test_a_payout_that_the_provider_accepted_once_is_never_sent_again_when_it_is_gone():
    for known in (a_standing("sent"), a_called(provider_ref="ref_1"), a_standing("succeeded")):
        decision = look_up(known, NotThere())
        assert decision.conflict is not None
        assert decision.state == ("succeeded" if known.state == "succeeded" else "unknown")


def test_a_payout_that_stays_pending_for_a_day_becomes_unknown_also_when_a_webhook_said_failed():
    old = a_standing("sent", sent_at=NOW - timedelta(hours=25))
    assert look_up(old, Accepted(a_fact("pending"))).state == "unknown"
    assert look_up(old._replace(unconfirmed="failed"), Accepted(a_fact("pending"))).state == "unknown"
    young = a_standing("sent", sent_at=NOW - HOUR)
    assert look_up(young, Accepted(a_fact("pending"))).again == SILENT


def test_nothing_moves_a_quarantined_attempt_but_what_became_of_it():
    one = a_called("quarantined")
    assert decide_fact(one, a_fact("pending"), silent_after=SILENT, source="answer").state == "quarantined"
    assert look_up(one, NotThere()).state == "quarantined"
    assert look_up(one, NotThere()).not_there_at == NOW
    assert look_up(one, Accepted(a_fact("paid"))).state == "succeeded"


def test_proven_not_there_asks_for_every_call_and_for_a_look_up_after_the_last():
    assert a_standing("queued").proven_not_there
    assert not a_called("queued").proven_not_there
    assert a_called("queued", not_there_at=NOW - HOUR / 2).proven_not_there
    assert not a_called("queued", not_there_at=NOW - HOUR).proven_not_there
    assert not a_called("queued", not_there_at=NOW, open_calls=1).proven_not_there


def test_the_finalising_journal_takes_the_money_out_of_transit_and_books_the_fee():
    assert journal_lines("finalize", a_standing(), 25) == [
        ("in_transit:simulator", "clearing:simulator", 9400),
        ("provider_fee", "clearing:simulator", 25),
    ]
    assert journal_lines("release", a_standing(), 25) == [("in_transit:simulator", "payable:payee:payee_1", 9400)]
    assert journal_lines("return", a_standing(), 0) == [("clearing:simulator", "payable:payee:payee_1", 9400)]


def test_another_amount_that_two_people_found_is_booked_to_the_unit():
    assert journal_lines("finalize", a_standing(paid=9401), 0) == [
        ("in_transit:simulator", "clearing:simulator", 9400),
        ("receivable:payee:payee_1", "clearing:simulator", 1),
    ]
    assert journal_lines("finalize", a_standing(paid=9399), 0) == [
        ("in_transit:simulator", "clearing:simulator", 9399),
        ("in_transit:simulator", "payable:payee:payee_1", 1),
    ]


def test_money_found_paid_late_comes_from_what_is_owed_and_the_rest_is_owed_back():
    assert late_lines(a_standing(), 9400) == [("payable:payee:payee_1", "in_transit:simulator", 9400)]
    assert late_lines(a_standing(), 400) == [
        ("payable:payee:payee_1", "in_transit:simulator", 400),
        ("receivable:payee:payee_1", "in_transit:simulator", 9000),
    ]


def test_a_return_pays_the_debt_it_made_before_it_is_owed_again():
    beyond = a_standing(beyond=9000)
    assert return_lines(beyond, 9000) == [
        ("clearing:simulator", "payable:payee:payee_1", 400),
        ("clearing:simulator", "receivable:payee:payee_1", 9000),
    ]
    assert return_lines(beyond, 0) == [("clearing:simulator", "payable:payee:payee_1", 9400)]
