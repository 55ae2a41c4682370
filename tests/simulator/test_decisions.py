"""What the provider decides about money, keys and time."""

from __future__ import annotations

import pytest

from counterfoil.simulator.rules.faults import FaultRefused
from counterfoil.simulator.rules.oracle import tell
from counterfoil.simulator.rules.state import SimulatorSettings, replay
from tests.simulator.builders import Provider


def a_funded_provider(amount: int = 100_000, **settings: int) -> Provider:
    provider = Provider(SimulatorSettings(**settings))
    provider.charge("fund", amount)
    return provider


def test_a_charge_grows_the_balance_by_its_net():
    provider = Provider(SimulatorSettings(charge_fee=30, charge_fee_ppm=29_000))
    answer = provider.charge("c1", 10_000, fee=None)
    assert (answer.status, answer.body["fee"], answer.body["net"]) == (201, "320", "9680")
    assert provider.state.balances == {"USD": 9_680}


def test_a_payout_takes_amount_and_fee_at_once_and_is_paid_when_it_is_due():
    provider = a_funded_provider(10_000, payout_fee=25, settle_ms=50)
    made = provider.payout("k", 1_000)
    assert (made.status, made.body["status"], made.body["amount_paid"]) == (201, "pending", None)
    assert provider.state.balances["USD"] == 10_000 - 1_025
    provider.advance(49)
    assert provider.state.payouts[made.body["id"]].status == "pending"
    provider.advance(1)
    assert provider.state.payouts[made.body["id"]].status == "paid"
    assert provider.state.balances["USD"] == 10_000 - 1_025


def test_the_same_key_gets_the_same_answer_even_after_the_payout_went_on():
    provider = a_funded_provider()
    first = provider.payout("k", 1_000)
    provider.advance(1_000)
    again = provider.payout("k", 1_000)
    assert again.body == first.body
    assert dict(again.headers) == {"idempotent-replayed": "true"}
    assert len(provider.state.payouts) == 1


@pytest.mark.parametrize("change", [{"amount": 1_001}, {"destination": "other"}, {"asset": "EUR"}, {"reference": "other"}])
def test_the_same_key_with_any_other_body_is_refused_and_moves_nothing(change):
    provider = a_funded_provider()
    provider.payout("k", 1_000)
    before = len(provider.entries)
    with pytest.raises(FaultRefused) as refused:
        provider.payout("k", **{"amount": 1_000, **change})
    assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")
    assert len(provider.entries) == before


def test_a_payout_beyond_the_balance_is_refused_for_good_under_its_key():
    provider = a_funded_provider(1_024, payout_fee=25)
    refused = provider.payout("k", 1_000)
    assert (refused.status, refused.body["error"]["code"]) == (402, "insufficient_balance")
    provider.charge("more", 100_000)
    assert provider.payout("k", 1_000).body == refused.body
    assert provider.payout("another", 1_000).status == 201
    assert [payout.key for payout in tell(provider.entries).payouts.values()] == ["another"]


def test_a_payout_that_takes_the_balance_to_zero_is_accepted():
    provider = a_funded_provider(1_025, payout_fee=25)
    assert provider.payout("k", 1_000).status == 201
    assert provider.state.balances["USD"] == 0


def test_money_of_one_asset_never_pays_a_payout_of_another():
    assert a_funded_provider().payout("k", 1, asset="EUR").body["error"]["code"] == "insufficient_balance"


def test_an_unknown_destination_is_refused_for_good():
    provider = a_funded_provider()
    assert provider.payout("k", 1_000, destination="unknown-7").body["error"]["code"] == "destination_unknown"
    assert provider.state.balances["USD"] == 100_000


def test_a_closed_destination_fails_later_and_gives_amount_and_fee_back():
    provider = a_funded_provider(10_000, payout_fee=25)
    made = provider.payout("k", 1_000, destination="closed-1")
    provider.advance(50)
    payout = provider.state.payouts[made.body["id"]]
    assert (payout.status, payout.code) == ("failed", "account_closed")
    assert provider.state.balances["USD"] == 10_000


def test_a_return_gives_the_amount_back_keeps_the_fee_and_may_cost_another():
    provider = a_funded_provider(10_000, payout_fee=25, return_fee=300)
    provider.payout("k", 1_000, destination="returning-1")
    provider.advance(50)
    assert [event.type for event in provider.state.events][1:] == ["payout.paid"]
    provider.advance(1_000)
    assert provider.state.balances["USD"] == 10_000 - 25 - 300
    assert [line.type for line in provider.state.lines] == ["charge", "payout", "payout_return", "fee"]


def test_a_provider_that_forgets_its_keys_pays_again_and_the_oracle_says_so():
    provider = a_funded_provider(100_000, key_memory_s=60)
    provider.payout("k", 1_000)
    provider.advance(60_000)
    provider.payout("k", 1_000)
    assert tell(provider.entries).moved_twice() == []
    provider.advance(1)
    provider.payout("k", 1_000)
    oracle = tell(provider.entries)
    assert oracle.moved_twice() == ["k", "ref-k"]
    assert oracle.paid_out() == {"USD": 2_000}


def test_two_keys_for_one_reference_are_found_as_paid_twice():
    provider = a_funded_provider()
    provider.payout("k1", 1_000, reference="po_1")
    provider.payout("k2", 1_000, reference="po_1")
    assert tell(provider.entries).moved_twice() == ["po_1"]


def test_paying_again_after_the_money_came_back_is_not_twice():
    provider = a_funded_provider()
    provider.payout("k1", 1_000, reference="po_1", destination="closed")
    provider.advance(50)
    provider.payout("k2", 1_000, reference="po_1")
    assert tell(provider.entries).moved_twice() == []


def test_what_falls_due_while_the_clock_moves_on_happens_at_its_own_time():
    provider = a_funded_provider(settle_ms=86_400_000)
    provider.payout("k", 1_000, destination="returning")
    start = provider.now_us
    provider.advance(86_400_000 * 5)
    assert [line.at_us - start for line in provider.state.lines] == [0, 0, 86_401_000_000]


def test_a_webhook_is_tried_again_twice_as_late_each_time_until_given_up():
    provider = Provider(SimulatorSettings(webhook_backoff_ms=100, webhook_backoff_max_ms=300, webhook_attempts_max=5), endpoint=True)
    provider.charge("c", 100)
    tries = [provider.attempt(1, status=status) for status in (500, 0, 302, 404, 503)]
    assert [(each.next_us - provider.now_us) // 1_000 for each in tries] == [100, 200, 300, 300, 0]
    assert [each.outcome for each in tries] == ["retry"] * 4 + ["given_up"]


def test_without_an_endpoint_nobody_is_told_but_the_event_can_be_pulled():
    provider = a_funded_provider()
    assert provider.state.deliveries == {}
    assert [event.type for event in provider.state.events] == ["charge.succeeded"]


def test_replaying_the_journal_gives_the_same_state():
    provider = a_funded_provider()
    provider.plant("line_lost", times=3)
    for number in range(5):
        provider.payout(f"k{number}", 100, destination=("acct", "closed", "returning", "unknown", "acct")[number])
    provider.advance(30)
    assert vars(replay(provider.entries)) == vars(provider.state)
