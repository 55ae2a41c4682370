"""Faults: each does what it says, says what it did, and does it again the same way."""

from __future__ import annotations

import pytest

from counterfoil.simulator.rules.decisions import decide_clear
from counterfoil.simulator.rules.faults import KINDS, FaultRefused, complete_params
from counterfoil.simulator.rules.oracle import tell
from counterfoil.simulator.rules.state import replay
from tests.simulator.builders import Provider


def a_funded_provider(*, seed: int = 1, endpoint: bool = False) -> Provider:
    provider = Provider(seed=seed, endpoint=endpoint)
    provider.charge("fund", 1_000_000)
    return provider


@pytest.mark.parametrize("fault", ["timeout_before_accepting", "error_before_accepting", "rate_limit"])
def test_before_accepting_nothing_moves_and_the_next_try_is_accepted(fault):
    provider = a_funded_provider()
    rule = provider.plant(fault)
    provider.payout("k", 100)
    assert provider.state.payouts == {}
    assert [hit.subject for hit in rule.fired] == ["k"]
    assert provider.payout("k", 100).status == 201


@pytest.mark.parametrize("fault", ["timeout_after_accepting", "error_after_accepting"])
def test_after_accepting_the_money_moved_and_the_next_try_finds_it(fault):
    provider = a_funded_provider()
    rule = provider.plant(fault)
    answer = provider.payout("k", 100)
    assert answer.status in (0, 500)
    assert len(rule.fired) == 1
    assert [payout.key for payout in provider.state.payouts.values()] == ["k"]
    assert provider.payout("k", 100).headers == (("idempotent-replayed", "true"),)
    assert len(tell(provider.entries).payouts) == 1


def test_a_fault_after_accepting_does_not_fire_for_what_was_refused():
    provider = a_funded_provider()
    rule = provider.plant("error_after_accepting")
    assert provider.payout("k", 100, destination="unknown").status == 400
    assert rule.fired == []
    assert provider.payout("k", 100, destination="unknown").status == 400


def test_rate_limit_says_when_to_come_back():
    provider = a_funded_provider()
    provider.plant("rate_limit", retry_after_s=7)
    answer = provider.payout("k", 100)
    assert (answer.status, dict(answer.headers)) == (429, {"retry-after": "7"})


def test_a_time_out_holds_as_long_as_it_was_told():
    provider = a_funded_provider()
    provider.plant("timeout_after_accepting", hold_ms=123)
    assert provider.payout("k", 100).hang_ms == 123


@pytest.mark.parametrize(
    ("fault", "history", "balance"),
    [
        ("payout_failed", ["pending", "failed"], 1_000_000),
        ("paid_then_failed", ["pending", "paid", "failed"], 1_000_000),
        ("returned_later", ["pending", "paid", "returned"], 1_000_000 - 25),
    ],
)
def test_the_end_that_was_asked_for_comes_with_its_money(fault, history, balance):
    provider = a_funded_provider()
    provider.plant(fault)
    provider.payout("k", 100)
    provider.advance(10_000)
    oracle = tell(provider.entries)
    assert [payout.history for payout in oracle.payouts.values()] == [history]
    assert oracle.balances["USD"] == provider.state.balances["USD"] == balance


@pytest.mark.parametrize(("delta", "moved"), [("1", 101), ("-99", 1), ("-100", 200), ("-5000", 5_100)])
def test_a_wrong_amount_is_answered_right_and_paid_wrong(delta, moved):
    provider = a_funded_provider()
    rule = provider.plant("wrong_amount", delta=delta)
    assert provider.payout("k", 100).body["amount"] == "100"
    provider.advance(100)
    told = provider.state.events[-1].body["data"]
    assert (told["amount"], told["amount_paid"]) == ("100", str(moved))
    assert rule.fired[0].told["moved"] == str(moved)
    assert provider.state.lines[-1].gross == -moved


def test_match_picks_by_key_or_reference_and_count_ends_it():
    provider = a_funded_provider()
    rule = provider.plant("payout_failed", match="po_*", times=2)
    for key, reference in [("a", "other"), ("b", "po_1"), ("po_c", "x"), ("d", "po_9")]:
        provider.payout(key, 100, reference=reference)
    assert [hit.subject for hit in rule.fired] == ["b", "po_c"]
    assert rule.remaining() == 0


def test_a_probability_hits_its_share_and_the_same_keys_with_the_same_seed():
    def hits(seed: int) -> list[str]:
        provider = a_funded_provider(seed=seed)
        rule = provider.plant("error_before_accepting", ppm=250_000)
        for number in range(400):
            provider.payout(f"k{number}", 1)
        return [hit.subject for hit in rule.fired]

    assert hits(7) == hits(7)
    assert hits(7) != hits(8)
    assert 60 <= len(hits(7)) <= 140


def test_a_restart_in_between_changes_no_draw():
    straight, restarted = a_funded_provider(), a_funded_provider()
    for provider in (straight, restarted):
        provider.plant("error_before_accepting", ppm=500_000)
    for number in range(50):
        restarted.state = replay(restarted.entries)
        for provider in (straight, restarted):
            provider.payout(f"k{number % 10}", 1)
    assert [entry.facts for entry in straight.entries] == [entry.facts for entry in restarted.entries]


def test_a_cleared_fault_fires_no_more_and_keeps_its_hits():
    provider = a_funded_provider()
    rule = provider.plant("error_before_accepting", times=100)
    provider.payout("k", 1)
    provider.record(decide_clear(provider.state, None))
    assert provider.payout("k", 1).status == 201
    assert len(rule.fired) == 1
    assert decide_clear(provider.state, None) == []
    with pytest.raises(FaultRefused):
        decide_clear(provider.state, "flt_9")


def test_a_lost_webhook_is_not_sent_and_its_event_is_there():
    provider = a_funded_provider(endpoint=True)
    provider.plant("webhook_lost", on="payout.*")
    provider.payout("k", 1)
    provider.advance(50)
    assert provider.state.events[-1].type == "payout.paid"
    assert (len(provider.state.events), 1) not in provider.state.deliveries


def test_a_doubled_webhook_is_one_event_sent_twice():
    provider = a_funded_provider(endpoint=True)
    provider.plant("webhook_doubled")
    provider.payout("k", 1)
    provider.advance(50)
    assert sorted(provider.state.deliveries) == [(1, 1), (2, 1), (2, 2)]


def test_a_late_webhook_is_due_later():
    provider = a_funded_provider(endpoint=True)
    provider.plant("webhook_late", delay_ms=700)
    provider.charge("c", 1)
    assert provider.state.deliveries[2, 1].due_us == provider.now_us + 700_000


def test_a_reordered_webhook_goes_after_the_next_event_was_tried():
    provider = a_funded_provider(endpoint=True)
    provider.plant("webhook_reordered", delay_ms=60_000)
    provider.charge("c2", 1)
    provider.charge("c3", 1)
    assert provider.state.deliveries[2, 1].due_us == provider.now_us + 60_000_000
    provider.attempt(1)
    assert provider.state.deliveries[2, 1].due_us == provider.now_us + 60_000_000
    provider.attempt(3)
    assert provider.state.deliveries[2, 1].due_us == provider.now_us


def test_reordered_behind_the_same_waits_for_an_event_of_its_own_object():
    provider = a_funded_provider(endpoint=True)
    provider.plant("returned_later")
    provider.plant("webhook_reordered", on="payout.paid", behind="same", delay_ms=60_000)
    provider.payout("k", 1)
    provider.advance(50)
    held_until_us = provider.state.deliveries[2, 1].due_us
    provider.charge("c2", 1)
    provider.attempt(3)
    assert provider.state.deliveries[2, 1].due_us == held_until_us
    provider.advance(1_000)
    provider.attempt(4)
    assert provider.state.deliveries[2, 1].due_us == provider.now_us < held_until_us


def test_an_outage_ends_by_itself_or_when_it_is_cleared():
    provider = Provider()
    provider.plant("outage", ms=2_000)
    assert provider.state.outage is not None
    assert provider.state.outage.until_us == provider.now_us + 2_000_000
    provider.record(decide_clear(provider.state, "flt_1"))
    assert provider.state.outage is None


@pytest.mark.parametrize("fault", KINDS)
def test_every_kind_has_defaults_that_pass_and_refuses_what_it_does_not_know(fault):
    assert complete_params(fault, {}) == complete_params(fault, complete_params(fault, {}))
    with pytest.raises(FaultRefused) as refused:
        complete_params(fault, {"no_such": 1})
    assert refused.value.field == "params.no_such"


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("outage", {"mode": "half"}),
        ("outage", {"ms": 0}),
        ("outage", {"ms": True}),
        ("wrong_amount", {"delta": "0"}),
        ("wrong_amount", {"delta": 5}),
        ("wrong_amount", {"delta": "1.5"}),
        ("payout_failed", {"code": "Not A Code"}),
        ("timeout_after_accepting", {"hold_ms": "1"}),
    ],
)
def test_a_bad_parameter_is_refused_with_its_field_and_limit(fault, params):
    with pytest.raises(FaultRefused) as refused:
        complete_params(fault, params)
    assert refused.value.field.removeprefix("params.") in params
    assert refused.value.limit


def test_an_unknown_fault_is_refused_with_the_list_of_kinds():
    with pytest.raises(FaultRefused) as refused:
        complete_params("meteor", {})
    assert "webhook_lost" in refused.value.limit
