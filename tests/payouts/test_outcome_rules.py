"""What a provider's word does to a payout: every pair of state and status, amounts that do not tie, silence, and lost workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from counterfoil.operations.providers import Accepted, Later, NotThere, PayoutFact, Refused, Unclear
from counterfoil.payouts.machines import PROVIDER_PAYOUT
from counterfoil.payouts.provider_payouts.outcome_rules import (
    EFFECTS,
    PATHS,
    Standing,
    decide_answer,
    decide_fact,
    decide_lookup,
    decide_orphan,
    journal_lines,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SILENT = timedelta(minutes=10)
STATUSES = ("pending", "paid", "failed", "returned")


def a_standing(state: str = "sent", **other: object) -> Standing:
    base = Standing(
        "pp_1", "po_1", "main", "payee_1", "simulator", "EUR", 9400, "key-1", state, "processing", None, NOW, NOW, 0
    )
    return base._replace(**other)


def a_fact(status: str = "paid", **other: object) -> PayoutFact:
    return PayoutFact("ref_1", "key-1", 9400, 25, "EUR", status, None, NOW)._replace(**other)


@pytest.mark.parametrize(("state", "status"), sorted(product(PROVIDER_PAYOUT.states(), STATUSES)))
def test_every_word_in_every_state_is_followed_or_shown_as_a_conflict(state, status):
    decision = decide_fact(a_standing(state), a_fact(status), silent_after=SILENT)
    if (state, status) in PATHS:
        assert decision.conflict is None
        assert decision.state in PROVIDER_PAYOUT.states()
    else:
        assert decision.conflict is not None
        assert decision.verbs == ()


@pytest.mark.parametrize(("state", "status"), sorted(PATHS))
def test_the_same_word_twice_changes_nothing_the_second_time(state, status):
    after = decide_fact(a_standing(state), a_fact(status), silent_after=SILENT).state
    again = decide_fact(a_standing(after), a_fact(status), silent_after=SILENT)
    assert again.verbs == ()
    assert again.conflict is None


@pytest.mark.parametrize("status", ["paid", "pending"])
def test_a_late_word_never_moves_a_payout_backwards(status):
    assert decide_fact(a_standing("returned"), a_fact(status), silent_after=SILENT).verbs == ()
    assert decide_fact(a_standing("succeeded"), a_fact("pending"), silent_after=SILENT).verbs == ()


def test_failed_after_paid_is_a_conflict_and_moves_no_money():
    decision = decide_fact(a_standing("succeeded"), a_fact("failed"), silent_after=SILENT)
    assert decision.conflict == ("failed", "succeeded")
    assert not [verb for verb in decision.verbs if verb in EFFECTS]


def test_paid_after_failed_is_a_conflict_because_the_money_was_given_back_already():
    decision = decide_fact(a_standing("failed"), a_fact("paid"), silent_after=SILENT)
    assert decision.conflict == ("paid", "failed")
    assert decision.verbs == ()


@pytest.mark.parametrize("state", ["queued", "sending", "sent", "unknown"])
@pytest.mark.parametrize("other", [{"amount": 9399}, {"asset": "USD"}])
def test_another_amount_or_asset_is_never_booked_as_paid(state, other):
    decision = decide_fact(a_standing(state), a_fact("paid", **other), silent_after=SILENT)
    assert decision.conflict is not None
    assert decision.state == "unknown"
    assert "succeed" not in decision.verbs


@pytest.mark.parametrize("answer", [Unclear("no answer"), Unclear("status 500")])
def test_what_is_unclear_is_looked_up_and_never_counts_as_failed(answer):
    decision = decide_answer(a_standing("sending"), answer, silent_after=SILENT, tries_left=True)
    assert decision.state == "unknown"
    assert decision.again == timedelta()


def test_a_definite_no_gives_the_money_back_and_a_definite_not_now_keeps_it_queued():
    sending = a_standing("sending")
    assert decide_answer(sending, Refused("402"), silent_after=SILENT, tries_left=True).state == "failed"
    assert decide_answer(sending, Later("429", 7), silent_after=SILENT, tries_left=True).state == "queued"
    assert decide_answer(sending, Later("429", 7), silent_after=SILENT, tries_left=False).state == "failed"


def test_not_there_sends_again_only_while_the_provider_surely_remembers_the_key():
    lost = a_standing("unknown", sent_at=None, request_sent_at=NOW - timedelta(hours=1))
    look = {"now": NOW, "silent_after": SILENT}
    assert decide_lookup(lost, NotThere(), **look).state == "queued"
    forgotten = lost._replace(request_sent_at=NOW - timedelta(hours=24))
    assert decide_lookup(forgotten, NotThere(), **look).state == "unknown"
    assert decide_lookup(forgotten, NotThere(), **look).conflict is not None


def test_a_payout_that_the_provider_accepted_once_is_never_sent_again_when_it_is_gone():
    for state in ("sent", "unknown"):
        known = a_standing(state, provider_ref="ref_1")
        decision = decide_lookup(known, NotThere(), now=NOW, silent_after=SILENT)
        assert decision.state == "unknown"
        assert decision.conflict is not None


def test_a_payout_that_stays_pending_for_a_day_becomes_unknown():
    old = a_standing("sent", sent_at=NOW - timedelta(hours=25))
    assert decide_lookup(old, Accepted(a_fact("pending")), now=NOW, silent_after=SILENT).state == "unknown"
    young = a_standing("sent", sent_at=NOW - timedelta(hours=1))
    assert decide_lookup(young, Accepted(a_fact("pending")), now=NOW, silent_after=SILENT).again == SILENT


def test_a_lost_worker_leaves_a_doubt_only_when_its_call_had_begun():
    assert decide_orphan(a_standing("sending", request_sent_at=None)).state == "queued"
    assert decide_orphan(a_standing("sending", request_sent_at=NOW)).state == "unknown"


def test_the_finalising_journal_takes_the_money_out_of_transit_and_books_the_fee():
    assert journal_lines("finalize", a_standing(), 25) == [
        ("in_transit:simulator", "clearing:simulator", 9400),
        ("provider_fee", "clearing:simulator", 25),
    ]
    assert journal_lines("release", a_standing(), 25) == [("in_transit:simulator", "payable:payee:payee_1", 9400)]
    assert journal_lines("return", a_standing(), 0) == [("clearing:simulator", "payable:payee:payee_1", 9400)]
