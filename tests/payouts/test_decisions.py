"""The traces that pay twice, forget or wedge, each as short as it can be told: what the rules make of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.machine import ApprovalNeeded
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.accounts.accounts import freeze_account, unfreeze_account
from counterfoil.operations.providers import Accepted, Refused, Unclear
from counterfoil.payouts.destinations.tokens import tokens_of
from counterfoil.payouts.payouts.by_hand import (
    ask_provider,
    cancel_payout,
    close_payout,
    reissue_payout,
    rerun_payout,
    retry_payout,
)
from counterfoil.payouts.payouts.matter import NotNow, matter_of
from counterfoil.payouts.payouts.payout_rules import instead_of, offered
from counterfoil.payouts.payouts.verbs import payout_key
from counterfoil.payouts.provider_payouts.attempts_by_hand import (
    cancel_attempt,
    end_conflict,
    force_finalize,
    mark_failed,
    quarantine_attempt,
    release_attempt,
)
from counterfoil.payouts.provider_payouts.outcomes import apply_facts
from tests.payouts.world import OWED, PAYEE, PROGRAM, SILENT, World


@pytest.fixture
def world(conn):
    return World(conn)


def said(world, **more):
    return {"actor": "test", "now": world.now} | more


def by(world, verb, **more):
    return verb(world.conn, world.newest_id(), **said(world, reason="test", **more))


def reissue(world):
    return reissue_payout(world.conn, world.newest_id(), make_id("po"), **said(world, reason="test"))


def sent(world) -> str:
    """An attempt that the provider has accepted."""
    world.reserve()
    attempt = world.live()
    world.claim(attempt)
    call = world.announce(attempt)
    world.lands(attempt)
    world.answer(attempt, call, Accepted(world.fact(world.standing(attempt).key, "pending")))
    return attempt


def becomes(world, attempt: str, status: str) -> None:
    """The provider has its word, and we hear it by a look-up."""
    world.orders[world.standing(attempt).key] = status
    world.look_up(attempt)


def frozen(world) -> tuple[str, str]:
    """An attempt whose sender announced its call and sleeps."""
    world.reserve()
    attempt = world.live()
    world.claim(attempt)
    call = world.announce(attempt)
    world.lease_over(attempt, called=True)
    return attempt, call


def failed(world, tries: int = 1) -> str:
    for number in range(tries):
        if number:
            by(world, retry_payout)
        attempt = sent(world)
        becomes(world, attempt, "failed")
        world.tick(hours=1)
    return attempt


# Money twice, or against a decision.


def test_an_attempt_that_ever_began_is_not_cancelled_before_it_is_proven_not_there(world):
    attempt, _ = frozen(world)
    world.look_up(attempt)
    assert world.states() == ["queued"]
    with pytest.raises(NotNow, match="not proven"):
        by(world, cancel_attempt)
    world.horizon_passes()
    with pytest.raises(NotNow, match="not proven"):  # nobody looked since
        by(world, cancel_attempt)
    world.claim(attempt)
    world.lease_over(attempt, called=True)
    world.look_up(attempt)
    by(world, cancel_attempt)
    assert (world.payout(), world.states(), world.purse()) == ("failed", ["cancelled"], (OWED, 0, 0, 0))
    world.still_true()


def test_an_attempt_that_never_began_is_cancelled_at_once_and_costs_no_try(world):
    world.reserve()
    by(world, cancel_attempt)
    assert (world.payout(), world.purse()) == ("failed", (OWED, 0, 0, 0))
    assert matter_of(world.conn, world.newest_id(), now=world.now).tries == 0


def test_a_quarantine_is_not_released_to_be_sent_or_given_back_once_a_call_began(world):
    attempt, _ = frozen(world)
    by(world, quarantine_attempt)
    assert world.states() == ["quarantined"]
    with pytest.raises(NotNow, match="began"):
        by(world, release_attempt, to="queued")
    with pytest.raises(NotNow, match="not proven"):
        by(world, release_attempt, to="cancelled")
    by(world, release_attempt, to="unknown")
    assert (world.payout(), world.states()) == ("reconcile_required", ["unknown"])
    world.lands(attempt)
    becomes(world, attempt, "paid")
    assert (world.payout(), world.purse()) == ("completed", (0, 0, OWED, 0))


def test_what_is_paid_in_quarantine_is_booked_without_a_person(world):
    attempt = sent(world)
    by(world, quarantine_attempt)
    world.orders[world.standing(attempt).key] = "paid"
    world.webhook(attempt, "paid")
    assert (world.payout(), world.states()) == ("completed", ["succeeded"])
    world.still_true()


def test_what_moves_money_on_somebodys_word_is_refused_to_one_person_alone(world):
    attempt, _ = frozen(world)
    world.horizon_passes()
    needed = pytest.raises(ApprovalNeeded)
    proof = {"evidence": "the provider's letter", "actor": "one", "now": world.now}
    with needed:
        mark_failed(world.conn, world.newest_id(), error="not sent", seen_at=world.now, **proof)
    with needed:
        force_finalize(world.conn, world.newest_id(), world.fact(world.standing(attempt).key, "paid"), **proof)


def test_evidence_from_before_the_last_call_was_closed_proves_nothing(world):
    frozen(world)
    before = world.now
    world.horizon_passes()
    with pytest.raises(InvalidInput, match="seen_at"):
        mark_failed(world.conn, world.newest_id(), error="x", evidence="x", seen_at=before, **said(world))


def test_force_finalize_needs_the_providers_own_record_of_this_very_payout(world):
    attempt = sent(world)
    key = world.standing(attempt).key
    for wrong in ({"amount": 99}, {"asset": "USD"}, {"key": "other"}, {"status": "pending"}):
        with pytest.raises(NotNow, match="another"):
            force_finalize(world.conn, world.newest_id(), world.fact(key, "paid")._replace(**wrong), evidence="x", **said(world))


def test_a_refusal_of_the_second_call_does_not_give_back_what_the_first_one_paid(world):
    attempt, _ = frozen(world)
    world.look_up(attempt)
    world.claim(attempt)
    second = world.announce(attempt)
    world.lands(attempt)  # the first call, late
    world.answer(attempt, second, Refused("402"))
    assert world.states() == ["unknown"]
    becomes(world, attempt, "paid")
    assert (world.payout(), world.purse()) == ("completed", (0, 0, OWED, 0))


def test_a_failed_payout_that_the_provider_calls_paid_is_not_retried_but_asked_about_and_booked(world):
    attempt = failed(world)
    world.orders[world.standing(attempt).key] = "paid"  # it takes its word back
    world.webhook(attempt, "paid")
    assert world.conflicts() == 1
    for verb in (retry_payout, cancel_payout):
        with pytest.raises(NotNow, match="contradicts"):
            by(world, verb)
    assert "retry" not in offered(matter_of(world.conn, world.newest_id(), now=world.now))
    assert by(world, lambda conn, one, *, now, **_: ask_provider(conn, one, actor="ops", now=now)) == "failed"
    world.look_up(attempt)
    assert (world.payout(), world.states(), world.purse()) == ("completed", ["succeeded"], (0, 0, OWED, 0))
    assert world.conflicts() == 0
    world.still_true()


def test_a_conflict_stops_the_next_try_before_it_is_set_aside_and_its_end_lets_it_go_on(world):
    attempt = failed(world)
    by(world, retry_payout)
    world.webhook(attempt, "paid")
    world.reserve()
    assert (world.payout(), world.states()) == ("pending", ["failed"])
    assert world.row("select due_at, last_error from payout")[0] is None
    world.look_up(attempt)  # it says failed, as before
    assert world.conflicts() == 0
    world.reserve()
    assert (world.payout(), world.states()) == ("processing", ["failed", "queued"])


def test_paid_late_takes_back_a_next_try_that_never_began(world):
    attempt = failed(world)
    by(world, retry_payout)
    world.reserve()
    world.orders[world.standing(attempt).key] = "paid"
    world.webhook(attempt, "paid")
    world.look_up(attempt)
    assert (world.payout(), world.states(), world.purse()) == ("completed", ["succeeded", "cancelled"], (0, 0, OWED, 0))
    world.still_true()


def sent_again_and_the_first_was_paid(world):
    """A first try failed and a second is under way, when the provider says that the first was paid; the second."""
    first = failed(world)
    by(world, retry_payout)
    second = sent(world)
    world.orders[world.standing(first).key] = "paid"
    world.webhook(first, "paid")
    world.look_up(first)
    return second


def test_paid_late_beside_a_next_try_under_way_is_owed_back_and_netted_when_that_one_fails(world):
    second = sent_again_and_the_first_was_paid(world)
    assert (world.payout(), world.states()) == ("processing", ["succeeded", "sent"])
    assert world.purse() == (0, OWED, OWED, OWED)
    assert world.row("select count(*) from event where name = 'payout_overpaid'") == (1,)
    world.still_true()
    becomes(world, second, "failed")
    assert (world.payout(), world.purse()) == ("completed", (0, 0, OWED, 0))
    world.still_true()


def test_paid_twice_is_owed_back_and_the_payees_next_payout_pays_it(world):
    second = sent_again_and_the_first_was_paid(world)
    becomes(world, second, "paid")
    assert (world.payout(), world.purse()) == ("completed", (0, 0, 2 * OWED, OWED))
    world.owe_more(150)
    world.reserve()
    assert world.purse()[1] == 50  # what is left of the next one
    assert world.purse()[3] == 0
    world.still_true()


def test_a_second_payment_under_the_same_key_is_shown_and_takes_nothing_from_what_was_booked(world):
    """Another id at the provider for one key: it paid twice, and what it says of the second is not taken for the first."""
    attempt = sent(world)
    becomes(world, attempt, "paid")
    before = world.purse()
    fact = world.fact(world.standing(attempt).key, "paid")
    for told in (fact, fact._replace(provider_ref="ref-second"), fact._replace(provider_ref="ref-second")):
        apply_facts(world.conn, "simulator", [told], silent_after=SILENT, cause="webhook", now=world.now)
    assert (world.conflicts(), world.purse()) == (1, before)
    assert world.standing(attempt).provider_ref == fact.provider_ref
    assert world.row("select said, expected from provider_conflict") == ("paid as ref-second", fact.provider_ref)


def test_a_debt_is_not_taken_from_money_that_a_court_has_frozen(world):
    second = sent_again_and_the_first_was_paid(world)
    becomes(world, second, "paid")
    world.owe_more(150)
    account = {"asset": "EUR", "reason": "court order", "actor": "c", "now": world.now}
    freeze_account(world.conn, PROGRAM, f"payable:payee:{PAYEE}", **account)
    world.reserve()
    assert world.purse() == (150, 0, 2 * OWED, OWED)
    assert "frozen" in world.row("select last_error from payout where invoice_id = 'inv_2'")[0]


def test_a_begun_try_behind_a_paid_one_is_looked_up_and_given_back_not_sent_again(world):
    first = failed(world)
    by(world, retry_payout)
    second, _ = frozen(world)
    world.look_up(second)
    assert world.standing(second).state == "queued"
    world.orders[world.standing(first).key] = "paid"
    world.webhook(first, "paid")
    world.look_up(first)
    assert world.standing(second).state == "unknown"
    world.horizon_passes()
    world.look_up(second)
    assert (world.payout(), world.states(), world.purse()) == ("completed", ["succeeded", "cancelled"], (0, 0, OWED, 0))
    world.still_true()


# Stuck or forgotten.


def test_a_return_of_what_we_thought_failed_cancels_out(world):
    attempt = failed(world)
    world.orders[world.standing(attempt).key] = "returned"
    world.webhook(attempt, "returned")
    assert (world.payout(), world.states(), world.purse()) == ("failed", ["returned"], (OWED, 0, 0, 0))
    world.still_true()


def test_three_tries_used_up_are_issued_anew_and_the_old_one_stays_failed(world):
    failed(world, tries=3)
    with pytest.raises(NotNow, match="issue it anew"):
        by(world, retry_payout)
    assert offered(matter_of(world.conn, world.newest_id(), now=world.now)) == ["cancel", "reissue"]
    new = reissue(world)
    assert (new.key, new.amount, new.reissue) == ("payout-inv_1-set_1-r1", OWED, 1)
    becomes(world, sent(world), "paid")
    assert world.payout() == "completed"
    assert world.purse() == (0, 0, OWED, 0)
    world.still_true()
    with pytest.raises(NotNow, match="nothing is owed") as refused:
        reissue(world)
    assert refused.value.facts["instead"] == "nothing: it is paid"
    paid = matter_of(world.conn, world.newest_id(), now=world.now)
    assert instead_of("retry", paid) == "nothing: it is paid"
    assert instead_of("refund", paid).startswith("the money went out: counterfoil refunds open --invoice-id")


def test_a_payout_that_can_be_retried_or_was_issued_anew_is_not_issued_again(world):
    failed(world)
    with pytest.raises(NotNow, match="can be retried"):
        reissue(world)
    by(world, cancel_payout)
    old = world.newest_id()
    reissue(world)
    with pytest.raises(NotNow, match="a later payout"):
        reissue_payout(world.conn, old, make_id("po"), **said(world, reason="again"))


def test_a_returned_payout_is_issued_anew_and_the_return_of_nothing_owed_is_closed(world):
    attempt = sent(world)
    becomes(world, attempt, "paid")
    world.orders[world.standing(attempt).key] = "returned"
    world.webhook(attempt, "returned")
    assert (world.payout(), world.purse()) == ("returned", (OWED, 0, 0, 0))
    with pytest.raises(NotNow, match="still owed"):
        by(world, close_payout)
    reissue(world)
    becomes(world, sent(world), "paid")
    old = world.row("select id from payout where reissue = 0")[0]
    assert close_payout(world.conn, old, **said(world, reason="paid anew")) == "refunded"
    world.still_true()


def test_paid_late_ends_the_payout_that_was_issued_anew_for_the_same_money(world):
    first = failed(world, tries=3)
    reissue(world)
    world.orders[world.standing(first).key] = "paid"
    world.webhook(first, "paid")
    world.look_up(first)
    assert world.row("select state from payout where reissue = 0") == ("completed",)
    assert world.payout() == "refunded"
    assert world.purse() == (0, 0, OWED, 0)
    world.still_true()


def test_a_freeze_that_is_lifted_lets_the_payout_go_by_itself_and_a_person_need_not_wait(world):
    account = {"asset": "EUR", "reason": "court order", "actor": "c", "now": world.now}
    freeze_account(world.conn, PROGRAM, f"payable:payee:{PAYEE}", **account)
    for _ in range(12):
        world.reserve()
        world.tick(minutes=30)
    due, why = world.row("select due_at, last_error from payout")
    assert due is not None
    assert "frozen" in why
    assert world.row("select count(*) from event where name = 'payout_waiting'") == (1,)
    unfreeze_account(world.conn, PROGRAM, f"payable:payee:{PAYEE}", **account)
    assert rerun_payout(world.conn, world.newest_id(), now=world.now) == "pending"
    world.reserve()
    assert (world.payout(), world.states()) == ("processing", ["queued"])


def test_a_changed_destination_takes_back_what_never_began_and_leaves_what_did(world):
    world.reserve()
    world.destination("acct_2")
    assert (world.payout(), world.states(), world.purse()) == ("pending", ["cancelled"], (OWED, 0, 0, 0))
    world.reserve()
    (named,) = world.row("select destination_id from provider_payout where state = 'queued'")
    assert tokens_of(world.conn, [named]) == {named: "acct_2"}
    frozen_one = world.live()
    world.claim(frozen_one)
    world.announce(frozen_one)
    world.lease_over(frozen_one, called=True)
    world.look_up(frozen_one)
    world.destination("acct_3")
    assert world.standing(frozen_one).state == "queued"  # it may be out, and is no more sent to the old one: the provider is asked
    assert "is paid to destination" in world.sender_stops(frozen_one)
    assert (world.payout(), world.standing(frozen_one).state) == ("reconcile_required", "unknown")
    world.look_up(frozen_one)
    assert world.standing(frozen_one).state == "unknown"  # its call may still land
    world.horizon_passes()
    world.look_up(frozen_one)
    assert (world.payout(), world.standing(frozen_one).state, world.purse()) == ("pending", "cancelled", (OWED, 0, 0, 0))
    world.reserve()
    (named,) = world.row("select destination_id from provider_payout where state = 'queued'")
    assert tokens_of(world.conn, [named]) == {named: "acct_3"}
    world.still_true()


def test_what_landed_under_a_changed_destination_is_paid_and_never_given_back(world):
    attempt, _ = frozen(world)
    world.look_up(attempt)
    world.destination("acct_3")
    assert world.sender_stops(attempt)
    world.lands(attempt)  # the sender wakes up
    world.look_up(attempt)
    assert (world.payout(), world.states()) == ("reconcile_required", ["sent"])
    world.orders[world.standing(attempt).key] = "paid"
    world.look_up(attempt)
    assert (world.payout(), world.states(), world.purse()) == ("completed", ["succeeded"], (0, 0, OWED, 0))
    world.still_true()


def test_another_amount_than_asked_is_a_conflict_that_asking_again_does_not_book(world):
    attempt = sent(world)
    key = world.standing(attempt).key
    for _ in range(3):
        world.look_up(attempt, Accepted(world.fact(key, "paid")._replace(amount=OWED + 1)))
    assert (world.payout(), world.states(), world.conflicts()) == ("reconcile_required", ["unknown"], 1)
    conflict = world.row("select id from provider_conflict")[0]
    with pytest.raises(ApprovalNeeded):
        end_conflict(world.conn, conflict, "paid", evidence="statement line 7", **said(world))


def test_unknown_and_queued_climb_one_ladder_and_its_end_gives_the_money_back(world):
    world.reserve()
    attempt = world.live()
    for number in range(1, 6):
        world.claim(attempt)
        world.answer(attempt, world.announce(attempt), Unclear("time-out"))
        world.horizon_passes()
        world.look_up(attempt)
        due, tries = world.row("select due_at, attempt from provider_payout")
        if number < 5:
            assert world.states() == ["queued"]
            assert (tries, due - world.now > timedelta(seconds=47)) == (number, True)
            world.now = max(world.now, due)
    assert (world.payout(), world.states(), world.purse()) == ("failed", ["failed"], (OWED, 0, 0, 0))


def test_retry_waits_for_no_call_that_may_still_arrive(world):
    attempt, _ = frozen(world)
    world.conn.execute("update provider_payout set attempt = 4")
    world.look_up(attempt)
    assert world.states() == ["unknown"]  # not given back while its call may land
    world.horizon_passes()
    world.look_up(attempt)
    assert world.payout() == "failed"
    by(world, retry_payout)
    world.still_true()


def test_the_ids_in_a_payouts_key_are_given_by_name_and_none_stands_for_the_other():
    assert payout_key(invoice_id="a", settlement_id="b") != payout_key(invoice_id="b", settlement_id="a")
    with pytest.raises(TypeError, match="positional"):
        payout_key("a", "b")  # type: ignore[misc]
