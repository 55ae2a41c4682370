"""A destination that was changed cools off, with a payout policy or without: whoever took over a payee's account is not paid at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.payouts.batches.till import Till
from tests.payouts.world import World

HOUR = timedelta(hours=1)
HOURS = 72


@pytest.fixture
def world(conn):
    made = World(conn)
    made.cooling = HOURS * HOUR
    return made


def test_a_changed_destination_is_not_paid_at_for_72_hours_and_then_by_itself(world):
    world.tick(hours=100)
    world.destination("acct_2")
    world.reserve()
    (why, due_at) = world.row("select last_error, due_at from payout")
    until = world.now + HOURS * HOUR
    assert world.payout() == "pending"
    assert why == f"the destination of payee-1 was changed; it cools off until {until:%Y-%m-%d %H:%M} UTC"
    assert due_at == until, "it is asked again when that is over"
    world.now = until - timedelta(microseconds=1)
    world.reserve()
    assert world.payout() == "pending"
    world.now = until
    world.reserve()
    assert world.payout() == "processing"
    world.still_true()


def test_what_was_set_aside_for_the_old_destination_cools_off_with_the_new_one(world):
    world.reserve()
    assert world.payout() == "processing"
    world.destination("acct_2")
    world.reserve()
    assert (world.payout(), world.states()) == ("pending", ["cancelled"])


def test_changing_it_back_is_a_change_and_the_first_destination_is_none(world):
    world.reserve()
    assert world.payout() == "processing", "the first one is paid at when it was just set"
    world.destination("acct_2")
    world.tick(hours=HOURS)
    world.destination("acct_1")
    world.reserve()
    assert world.payout() == "pending"


def test_a_policy_says_it_for_its_own_asset_and_the_setting_for_all_others(conn):
    till = Till(conn)
    till.cooling = HOURS * HOUR
    till.paid_before("bolt")
    till.policy(10_000, cooling_hours=24)
    till.tick(hours=1)
    till.payee("bolt", age=timedelta(), token="acct_other")
    euros, yen = till.owed("bolt", 500), till.owed("bolt", 500, asset="JPY")
    till.reserve()
    assert (till.payout(euros)[2], till.payout(yen)[2]) == (till.now + 24 * HOUR, till.now + HOURS * HOUR)
    till.tick(hours=24)
    till.reserve()
    assert (till.payout(euros)[0], till.payout(yen)[0]) == ("processing", "pending")
    till.tick(hours=48)
    till.reserve()
    assert till.payout(yen)[0] == "processing"
