"""What a refund or a ruling does to the payouts of a settlement whose money came back from its payee's bank."""

from __future__ import annotations

import pytest

from counterfoil.base.edge import make_id
from counterfoil.operations.providers import Accepted
from counterfoil.payouts.payouts.by_hand import reissue_payout
from tests.payouts.settled import Settled


def returned(conn) -> Settled:
    """A payout that was paid and came back."""
    world = Settled(conn, gross=100, rates=(500, 100, 0))
    world.reserve()
    (attempt,) = world.attempts()
    world.claim(attempt)
    world.answer(attempt, world.announce(attempt), Accepted(world.fact(world.standing(attempt).key, "paid")))
    world.look_up(attempt, Accepted(world.fact(world.standing(attempt).key, "returned")))
    assert world.payout() == "returned"
    return world


@pytest.mark.parametrize("ruled", [True, False])
def test_a_payout_that_came_back_is_refunded_once_its_customer_has_all_of_it(conn, ruled):
    world = returned(conn)
    if ruled:
        world.complain()
        world.rule("customer_win")
    else:
        world.refund(40)
        assert world.payout() == "returned", "a part of it is still owed"
        world.refund(60)
    assert (world.payout(), world.purse()) == ("refunded", (0, 0, 0, 0))
    world.still_true()


def test_a_payout_that_came_back_and_was_issued_anew_stays_as_it_is_and_the_new_one_is_refunded(conn):
    world = returned(conn)
    reissue_payout(conn, world.first.id, make_id("po"), reason="right account", actor="test", now=world.now)
    world.refund(100)
    rows = conn.execute("select state from payout order by reissue").fetchall()
    assert [row[0] for row in rows] == ["returned", "refunded"]
    world.still_true()
