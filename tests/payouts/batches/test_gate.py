"""What may be reserved is decided by an approval, never by being due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from psycopg import DatabaseError, errors

from counterfoil.base.database import problem_of
from counterfoil.payouts.batches.machine import NotAllowedBy
from tests.payouts.batches.till import NOW, OTHER, PROGRAM, Till


@pytest.fixture
def till(conn):
    return Till(conn)


def test_without_a_policy_every_payout_is_paid_when_it_is_due_and_that_is_written_down(till):
    till.payee("bolt", age=timedelta())
    payout = till.owed("bolt", 500)
    till.reserve()
    assert till.payout(payout)[0] == "processing"
    assert till.basis(payout) == ["none"]
    till.sound()


def test_under_a_policy_a_payout_that_is_due_waits_for_a_batch_and_says_so_once(till):
    till.paid_before("bolt")
    till.policy(0)
    payout = till.owed("bolt", 500)
    till.reserve()
    state, why, due_at = till.payout(payout)
    assert (state, due_at) == ("pending", None)
    assert why == "it needs an approved batch: 5.00 EUR is more than the 0.00 that is paid by rule"
    assert till.events("payout_waiting") == 1


def test_a_changed_destination_makes_a_payout_due_and_still_nothing_is_reserved(till):
    till.paid_before("bolt")
    till.policy(0)
    payout = till.owed("bolt", 500)
    till.reserve()
    till.payee("bolt", age=timedelta(), token="acct_other")
    assert till.payout(payout)[2] is not None, "it is due again"
    till.reserve()
    assert till.payout(payout)[0] == "pending"
    assert till.basis(payout) == []


def test_what_is_small_and_known_is_paid_by_rule(till):
    till.paid_before("bolt")
    till.policy(500)
    payout = till.owed("bolt", 500)
    till.reserve()
    assert till.basis(payout) == ["rule"]
    till.sound()


def test_a_large_payout_that_was_split_is_still_large_until_a_day_has_passed(till):
    till.paid_before("bolt")
    till.policy(500)
    first, second = till.owed("bolt", 300), till.owed("bolt", 300)
    till.reserve()
    assert (till.basis(first), till.basis(second)) == (["rule"], [])
    assert "with 3.00 of the last 24 hours" in (till.payout(second)[1] or "")
    till.tick(hours=25)
    till.reserve()
    assert till.basis(second) == ["rule"]


def test_what_went_by_rule_to_the_account_before_counts_for_its_day_also_after_the_account_was_changed(till):
    till.paid_before("bolt")
    till.policy(500, cooling_hours=0)
    first = till.owed("bolt", 300)
    till.reserve()
    assert till.basis(first) == ["rule"]
    till.tick(hours=1)
    till.payee("bolt", age=timedelta(), token="acct_other")
    second = till.owed("bolt", 201)
    till.reserve()
    assert "with 3.00 of the last 24 hours" in (till.payout(second)[1] or "")


def test_what_went_by_rule_in_one_asset_is_not_held_against_another(till):
    till.paid_before("bolt")
    till.policy(500)
    till.policy(500, asset=OTHER)
    euros, yen = till.owed("bolt", 300), till.owed("bolt", 300, asset=OTHER)
    till.reserve()
    assert (till.basis(euros), till.basis(yen)) == (["rule"], ["rule"])
    more = till.owed("bolt", 201, asset=OTHER)
    till.reserve()
    assert "201 JPY, with 300 of the last 24 hours" in (till.payout(more)[1] or "")


def test_somebody_who_was_never_paid_waits_for_people(till):
    till.payee("new")
    till.policy(500)
    payout = till.owed("new", 100)
    till.reserve()
    assert till.payout(payout)[1] == "it needs an approved batch: new was never paid before"


def test_a_new_destination_waits_and_is_asked_about_again_when_it_is_not_new_any_more(till):
    till.paid_before("bolt")
    till.policy(500)
    till.payee("bolt", age=timedelta(), token="acct_other")
    payout = till.owed("bolt", 100)
    till.reserve()
    _, why, due_at = till.payout(payout)
    assert "it cools off until 2026-11-23 12:00 UTC" in (why or "")
    assert due_at == NOW + timedelta(hours=72)
    till.tick(hours=72)
    till.reserve()
    assert till.basis(payout) == ["rule"]


def test_while_something_critical_is_open_nothing_is_paid_by_rule(till):
    paid = till.paid_before("bolt")
    till.policy(500)
    till.conn.execute(
        """insert into provider_conflict (id, provider_payout_id, number, said, expected, fact, at, state, state_at)
           select id || '.1', id, 1, 'failed', 'succeeded', '{}', %s, 'open', %s from provider_payout where payout_id = %s""",
        [NOW, NOW, paid],
    )
    payout = till.owed("bolt", 100)
    till.reserve()
    assert "a conflict with the provider is open" in (till.payout(payout)[1] or "")


def test_while_the_provider_does_not_work_nothing_is_paid_by_rule(till):
    till.paid_before("bolt")
    till.policy(500)
    till.conn.execute(
        """insert into circuit (id, provider, queue, window_at, opened_at, probe_at, state, state_at)
           values ('cir_1', 'simulator', 'send', %(now)s, %(now)s, %(now)s, 'open', %(now)s)""",
        {"now": NOW},
    )
    payout = till.owed("bolt", 100)
    till.reserve()
    assert "simulator does not work at present" in (till.payout(payout)[1] or "")


def test_what_the_treasury_does_not_cover_waits_with_the_figure_that_is_missing(till):
    till.paid_before("bolt")
    till.policy(500)
    payout = till.owed("bolt", 200, covered=False)
    till.reserve()
    _, why, due_at = till.payout(payout)
    assert why == ("it needs an approved batch: simulator holds 0.00 EUR that is not on its way, and 2.00 is needed: 2.00 is missing")
    assert due_at == NOW + timedelta(minutes=5)


def test_a_new_policy_judges_what_waits_anew(till):
    till.paid_before("bolt")
    till.policy(0)
    payout = till.owed("bolt", 100)
    till.reserve()
    till.policy(100)
    till.reserve()
    assert till.basis(payout) == ["rule"]


def test_the_database_refuses_an_attempt_that_nothing_allowed(till):
    till.payee("bolt")
    payout = till.owed("bolt", 100)
    till.reserve()
    till.conn.execute("set constraints all immediate")
    till.conn.execute("reset role")  # even to somebody with the password of the database
    with pytest.raises(errors.ForeignKeyViolation, match="provider_payout_is_approved"):
        till.conn.execute("update provider_payout set id = id || 'x' where payout_id = %s", [payout])


@pytest.mark.parametrize(
    ("basis", "version", "amount", "said"),
    [
        ("before", None, 100, "not older than the approvals"),
        ("none", None, 100, "approved by policy"),
        ("rule", 1, 100, "not the newest"),
        ("rule", 2, 101, "more than is paid by rule"),
    ],
)
def test_the_database_refuses_an_attempt_that_says_it_was_allowed_and_was_not(till, basis, version, amount, said):
    till.paid_before("bolt")
    till.policy(1_000)
    till.policy(100)
    payout = till.owed("bolt", amount)
    with pytest.raises(DatabaseError, match=said) as refused:
        till.conn.execute(
            """insert into payout_approval (provider_payout_id, payout_id, program_id, basis, policy_version, destination_id, amount, at)
               select 'pp_forged', %s, %s, %s, %s, id, %s, now() from destination limit 1""",
            [payout, PROGRAM, basis, version, amount],
        )
    assert isinstance(problem_of(refused.value), NotAllowedBy)
