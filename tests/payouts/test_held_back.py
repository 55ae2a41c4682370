"""Orders that were called and are held back, or refused, where nobody can be asked: money comes back only after a no to each call."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil.operations.providers import Accepted, Later, NotThere, Refused, Unclear
from counterfoil.payouts.payouts.by_hand import retry_payout
from counterfoil.payouts.payouts.matter import matter_of
from counterfoil.payouts.payouts.payout_rules import refusal_of
from counterfoil.payouts.provider_payouts.attempts_by_hand import quarantine_attempt, release_attempt
from counterfoil.payouts.provider_payouts.unreserving import ASKED_FIRST
from tests.payouts.world import OWED, World

BLIND = {"looks_up_by": ()}
KEYLESS = {"looks_up_by": (), "key_memory": timedelta()}


def called(world: World, answer: Later | Unclear) -> str:
    """One attempt, called once and queued again: after a no; or after silence, when the provider could still be asked."""
    world.reserve()
    (attempt,) = world.attempts()
    world.claim(attempt)
    call = world.announce(attempt)
    world.answer(attempt, call, answer)
    if isinstance(answer, Unclear):  # it is looked up, and sent again beside the call that may still land
        world.look_up(attempt, NotThere())
        world.lands(attempt)
    world.horizon_passes()
    assert world.states() == ["queued"]
    return attempt


def why_it_is_as_it_is(world: World, attempt: str) -> str:
    return str(world.row("select last_error from provider_payout where id = %s", attempt)[0])


@pytest.mark.parametrize("last", [Refused("402"), Later("429")])
def test_a_refusal_gives_nothing_back_when_an_earlier_call_was_closed_by_its_horizon_alone(conn, last):
    world = World(conn)
    attempt = called(world, Unclear("no answer"))
    world.can(**BLIND)
    world.claim(attempt)
    world.answer(attempt, world.announce(attempt), last, tries_left=False)
    assert (world.payout(), world.states()) == ("reconcile_required", ["unknown"])
    assert world.purse() == (0, OWED, 0, 0)
    world.still_true()


@pytest.mark.parametrize("last", [Refused("402"), Later("429")])
def test_a_refusal_gives_the_money_back_when_each_call_before_brought_a_definite_no(conn, last):
    world = World(conn)
    world.can(**BLIND)
    attempt = called(world, Later("429"))
    world.claim(attempt)
    world.answer(attempt, world.announce(attempt), last, tries_left=False)
    assert (world.payout(), world.states()) == ("failed", ["failed"])
    assert world.purse() == (OWED, 0, 0, 0)
    world.still_true()


def test_where_keys_mean_nothing_and_nobody_can_be_asked_silence_is_never_sent_again_and_a_no_is(conn):
    world = World(conn)
    attempt = called(world, Unclear("no answer"))
    world.can(**KEYLESS)
    assert "may have arrived" in world.sender_stops(attempt)
    assert (world.payout(), world.states()) == ("reconcile_required", ["unknown"])


def test_the_way_out_that_a_refused_cancel_names_can_be_gone_where_nobody_can_be_asked(conn):
    world = World(conn)
    world.can(**BLIND)
    called(world, Later("429"))
    payout_id, how = world.newest_id(), {"reason": "test", "actor": "test", "now": world.now}

    def refused(verb: str) -> str | None:
        return refusal_of(verb, matter_of(conn, payout_id, now=world.now))

    assert "quarantine it, then release-to-look-up, then give evidence (mark-failed)" in (refused("cancel_attempt") or "")
    assert refused("mark_failed"), "not at once: it is queued"
    assert refused("quarantine") is None
    quarantine_attempt(conn, payout_id, **how)
    assert "where nobody can be asked, release-to-look-up" in (refused("release_cancelled") or "")
    assert refused("release_to_look_up") is None
    release_attempt(conn, payout_id, "unknown", **how)
    assert refused("mark_failed") is None


def redirect(world: World) -> None:
    world.destination("acct_2")


def owe(world: World) -> None:
    world.takes_back(OWED)


@pytest.mark.parametrize(("brake", "why", "becomes"), [(redirect, "destination", "pending"), (owe, "owes us", "refunded")])
@pytest.mark.parametrize("answer", [Later("429"), Unclear("no answer")])
def test_a_begun_order_that_a_brake_holds_comes_back_after_a_no_to_each_call_and_else_waits_for_people(conn, brake, why, becomes, answer):
    world = World(conn)
    attempt = called(world, answer)
    world.can(**BLIND)
    brake(world)
    assert why in world.sender_stops(attempt)
    refused = isinstance(answer, Later)
    assert world.states() == (["cancelled"] if refused else ["unknown"])
    assert world.payout() == (becomes if refused else "reconcile_required")
    assert (ASKED_FIRST in why_it_is_as_it_is(world, attempt)) is not refused
    world.still_true()


def second_in_conflict(world: World, answer: Later | Unclear) -> tuple[str, str]:
    """The first attempt failed by the provider's word, the second was called; then the provider says that it paid the first."""
    world.reserve()
    (first,) = world.attempts()
    world.claim(first)
    world.answer(first, world.announce(first), Accepted(world.fact(world.standing(first).key, "failed")))
    retry_payout(world.conn, world.newest_id(), reason="test", actor="test", now=world.now)
    world.tick(minutes=1)
    world.reserve()
    (second,) = (one for one in world.attempts() if one != first)
    world.claim(second)
    world.answer(second, world.announce(second), answer)
    if isinstance(answer, Unclear):
        world.look_up(second, NotThere())
    world.horizon_passes()
    assert world.standing(second).state == "queued"
    world.webhook(first, "paid")
    assert world.conflicts() == 1
    return first, second


def test_a_begun_order_under_a_conflict_of_another_attempt_is_not_sent_and_goes_on_when_the_conflict_ends(conn):
    world = World(conn)
    first, second = second_in_conflict(world, Unclear("no answer"))
    assert "end conflict" in world.sender_stops(second)
    assert world.standing(second).state == "unknown"
    world.look_up(first, Accepted(world.fact(world.standing(first).key, "failed")))
    assert world.conflicts() == 0
    world.look_up(second, NotThere())
    assert world.standing(second).state == "queued"
    world.tick(minutes=10)
    world.claim(second)
    world.answer(second, world.announce(second), Accepted(world.fact(world.standing(second).key, "paid")))
    assert (world.payout(), world.purse()) == ("completed", (0, 0, OWED, 0))
    world.still_true()


def test_a_begun_order_under_a_conflict_that_ends_as_paid_is_never_sent(conn):
    world = World(conn)
    first, second = second_in_conflict(world, Later("429"))
    assert "end conflict" in world.sender_stops(second)
    world.look_up(second, NotThere())
    assert world.standing(second).state == "cancelled"
    world.reserve()
    assert len(world.attempts()) == 2, "nothing is set aside while the conflict is open"
    world.orders[world.standing(first).key] = "paid"
    world.look_up(first)
    assert (world.payout(), world.purse(), world.conflicts()) == ("completed", (0, 0, OWED, 0), 0)
    world.reserve()
    assert len(world.attempts()) == 2
    world.still_true()


def test_a_conflict_holds_a_begun_order_of_whom_nobody_can_be_asked_and_a_no_brings_its_money_back(conn):
    world = World(conn)
    world.can(**BLIND)
    _, second = second_in_conflict(world, Later("429"))
    assert "end conflict" in world.sender_stops(second)
    assert world.standing(second).state == "cancelled"
    world.reserve()
    assert len(world.attempts()) == 2
    assert world.purse() == (OWED, 0, 0, 0)
    world.still_true()
