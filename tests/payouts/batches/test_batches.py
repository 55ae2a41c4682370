"""A batch from its gathering to its end: frozen, approved by the right people, executed line by line, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from psycopg import DatabaseError, errors

from counterfoil.base.database import problem_of
from counterfoil.base.edge import make_id
from counterfoil.base.machine import ApprovalNeeded
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import Caller
from counterfoil.operations.approvals import KeyCannotApprove
from counterfoil.operations.verbs import VerbCall, say
from counterfoil.payouts.batches import deciding, executing, gathering
from counterfoil.payouts.batches.batches import approvals_of, lines_of, stopped_lines_of
from counterfoil.payouts.batches.machine import (
    LEAVES,
    PAYOUT_BATCH,
    BatchAltered,
    BatchFrozen,
    BatchMakerApproves,
    BatchNotNow,
    PayoutInBatch,
)
from counterfoil.payouts.batches.noun import BATCH_NOUN
from counterfoil.payouts.payouts.by_hand import cancel_payout, retry_payout
from tests.payouts.batches.till import ASSET, NOW, PROGRAM, Till
from tests.people import log_in_as


@pytest.fixture
def till(conn):
    """Two payees that were paid before, and a policy by which everything takes people: two above 10.00."""
    till = Till(conn)
    till.paid_before("acme")
    till.paid_before("bolt")
    till.policy(0, (0, 1), (10_00, 2))
    return till


def waiting(till: Till, *amounts: int) -> list[str]:
    """Payouts that were due and wait for a batch."""
    made = [till.owed(("acme", "bolt")[number % 2], amount) for number, amount in enumerate(amounts)]
    till.reserve()
    return made


def test_a_batch_is_gathered_approved_by_another_executed_and_paid(till):
    first, second = waiting(till, 300, 400)
    batch = till.gather()
    assert till.submit(batch) == "pending_approval"
    assert till.approve(batch) == "approved"
    assert till.execute(batch) == "executing"
    till.reserve()
    assert (till.basis(first), till.basis(second)) == (["batch"], ["batch"])
    till.tend()
    assert till.batch(batch).state == "executing"
    till.arrives(first)
    till.arrives(second)
    till.tick(seconds=5)
    till.tend()
    told = till.batch(batch)
    assert (told.state, told.lines_paid, told.amount, told.late) == ("executed", 2, 700, False)
    assert [one.status for one in lines_of(till.conn, batch)] == ["paid", "paid"]
    till.sound()


def test_what_is_hashed_can_be_hashed_again_from_the_lines_as_they_are_shown(till):
    waiting(till, 300, 400)
    batch = till.gather()
    till.submit(batch)
    lines = [
        json.dumps([o.number, o.payout_id, o.payee_id, o.destination_id, o.provider, o.asset, str(o.amount)], ensure_ascii=False)
        for o in lines_of(till.conn, batch)
    ]
    assert till.batch(batch).sha256 == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_nothing_of_a_batch_is_paid_before_it_is_executed(till):
    (payout,) = waiting(till, 300)
    batch = till.gather()
    for step in (lambda: None, lambda: till.submit(batch), lambda: till.approve(batch)):
        step()
        till.conn.execute("update payout set due_at = %s where id = %s", [till.now, payout])
        till.reserve()
        assert till.basis(payout) == []
        assert (till.payout(payout)[1] or "").startswith(f"it is in batch {batch}, which is ")


def test_whoever_gathered_changed_or_submitted_it_does_not_approve_it_and_an_administrator_neither(till):
    waiting(till, 300)
    batch = till.gather(by=till.ada)
    till.submit(batch)
    for person in (till.ada, till.mira):
        with pytest.raises(BatchMakerApproves):
            till.approve(batch, person)
    deciding.edit_batch(till.conn, batch, reason="look again", by=till.theo, now=till.now)
    till.submit(batch)
    with pytest.raises(BatchMakerApproves):
        till.approve(batch, till.theo)


def test_a_key_does_not_approve_not_even_one_of_a_person(till):
    waiting(till, 300)
    batch = till.gather()
    till.submit(batch)
    with pytest.raises(KeyCannotApprove):
        till.approve(batch, Caller("key_1", "cron", "approver", till.theo.principal_id))


def test_the_amount_says_how_many_people_and_the_same_one_counts_once(till):
    waiting(till, 600, 500)
    batch = till.gather()
    till.submit(batch)
    assert till.batch(batch).approvers == 2
    assert till.approve(batch, till.theo) == "pending_approval"
    assert till.approve(batch, till.theo) == "pending_approval"
    assert till.approve(batch, till.ada) == "approved"
    assert [one.approver for one in approvals_of(till.conn, batch, rows_max=1_000)] == ["person:Theo", "person:Ada"]
    till.execute(batch)
    till.sound()


def test_an_edit_voids_the_approvals_and_the_lines_of_a_frozen_batch_do_not_change(till):
    first, second = waiting(till, 600, 500)
    batch = till.gather()
    with_both = till.submit(batch), till.batch(batch).sha256
    till.approve(batch, till.theo)
    with pytest.raises(BatchFrozen):
        gathering.remove_payout(till.conn, batch, second, by=till.mira, now=till.now)
    deciding.edit_batch(till.conn, batch, reason="one too many", by=till.mira, now=till.now)
    gathering.remove_payout(till.conn, batch, second, by=till.mira, now=till.now)
    till.submit(batch)
    told = till.batch(batch)
    assert (told.lines, told.amount, told.approvers, told.approvals) == (1, 600, 1, 0)
    assert told.sha256 != with_both[1]
    gathering_again = till.gather()
    assert [one.payout_id for one in lines_of(till.conn, gathering_again)] == [second]
    assert till.approve(batch) == "approved"
    till.sound()
    assert first in [one.payout_id for one in lines_of(till.conn, batch)]


def test_a_payout_is_put_into_a_draft_by_name_and_only_if_it_may_be_paid(till):
    first, second = waiting(till, 300, 400)
    batch = till.gather(payees=("acme",))
    gathering.add_payout(till.conn, batch, second, by=till.theo, now=till.now)
    assert [one.payout_id for one in lines_of(till.conn, batch)] == [first, second]
    cancelled = till.owed("acme", 100)
    cancel_payout(till.conn, cancelled, reason="no", actor="test", now=till.now)
    with pytest.raises(InvalidInput, match="cancelled"):
        gathering.add_payout(till.conn, batch, cancelled, by=till.mira, now=till.now)
    till.submit(batch)
    with pytest.raises(BatchMakerApproves):
        till.approve(batch, till.theo)  # he added a payout to it


def test_a_payout_is_in_one_live_batch_which_is_named_with_the_way_out_of_it(till):
    (payout,) = waiting(till, 300)
    first = till.gather()
    with pytest.raises(BatchNotNow, match=f"no pending payout fits; {payout}: it is in batch {first} \\(draft\\)"):
        till.gather()
    other = till.owed("bolt", 100)
    second = till.gather()

    def refused(batch: str) -> dict[str, object]:
        with pytest.raises(PayoutInBatch) as found, till.database.transaction() as conn:
            gathering.add_payout(conn, batch, payout, by=till.mira, now=till.now)
        return found.value.facts

    named = {"payout": payout, "batch": first, "batch_state": "draft"}
    assert refused(first) == {**named, "do": "nothing: it is in this very batch"}
    assert refused(second) == {**named, "do": f"remove it from {first}, or cancel {first}"}
    till.submit(first)
    assert str(refused(second)["do"]).startswith(f"edit {first} and remove it there")
    assert [one.payout_id for one in lines_of(till.conn, second)] == [other]
    deciding.edit_batch(till.conn, first, reason="it goes into the other", by=till.mira, now=till.now)
    gathering.remove_payout(till.conn, first, payout, by=till.mira, now=till.now)
    gathering.add_payout(till.conn, second, payout, by=till.mira, now=till.now)
    assert [one.payout_id for one in lines_of(till.conn, second)] == [other, payout]


def test_there_is_a_way_out_of_a_batch_in_every_state_in_which_its_lines_live():
    assert tuple(LEAVES) == PAYOUT_BATCH.open
    for state, way in LEAVES.items():
        verbs = {verb for verb in PAYOUT_BATCH.allowed(state) if verb in way}
        assert verbs or "remove it" in way, state


def test_two_who_put_a_payout_into_two_batches_at_once_are_refused_by_the_database(till):
    (payout,) = waiting(till, 300)
    till.gather()
    till.owed("bolt", 100)
    second = till.gather()
    again = """insert into payout_batch_line (batch_id, number, program_id, payout_id, payee_id, destination_id, provider, asset, amount)
               select %s, 9, program_id, payout_id, payee_id, destination_id, provider, asset, amount from payout_batch_line
               where payout_id = %s"""
    with pytest.raises(errors.UniqueViolation) as refused, till.database.transaction() as conn:
        conn.execute(again, [second, payout])
    assert isinstance(problem_of(refused.value), PayoutInBatch)


def test_an_approval_is_over_after_24_hours_and_people_approve_it_anew(till):
    waiting(till, 300)
    batch = till.approved_batch()
    till.tick(hours=24)
    with pytest.raises(BatchNotNow, match="older than 24 hours"):
        till.execute(batch)
    till.tend()
    told = till.batch(batch)
    assert (told.state, told.approvals) == ("pending_approval", 0)
    assert till.events("payout_batch_expired") == 1
    assert till.approve(batch) == "approved"
    assert till.execute(batch) == "executing"


def test_an_approval_that_was_taken_back_is_void(till):
    waiting(till, 300)
    batch = till.approved_batch()
    assert deciding.take_approval_back(till.conn, batch, reason="wrong day", by=till.mira, now=till.now) == "pending_approval"
    with pytest.raises(BatchNotNow):
        till.execute(batch)


@pytest.mark.parametrize("verb", [deciding.cancel_batch, deciding.reject_batch])
def test_the_payouts_of_a_batch_that_was_given_up_can_be_gathered_anew(till, verb):
    (payout,) = waiting(till, 300)
    batch = till.gather()
    till.submit(batch)
    verb(till.conn, batch, reason="no", by=till.theo, now=till.now)
    assert till.line(batch, payout).why == "its batch was given up: no"
    till.reserve()
    assert till.basis(payout) == []
    assert [one.payout_id for one in lines_of(till.conn, till.gather())] == [payout]
    till.sound()


def past_the_triggers(till: Till, statement: str, given: list[object]) -> None:
    """As somebody with the password of the database would."""
    till.conn.execute("reset role")
    till.conn.execute(statement.encode(), given)
    till.conn.execute("set role counterfoil_app")


def test_of_a_batch_whose_lines_were_changed_in_the_database_nothing_is_paid_at_any_stage(till):
    first, second = waiting(till, 300, 400)
    batch = till.approved_batch()
    raised = "update payout_batch_line set amount = amount + 1 where payout_id = %s"
    past_the_triggers(till, raised, [second])
    with pytest.raises(BatchAltered):
        till.execute(batch)
    past_the_triggers(till, raised.replace("+", "-"), [second])
    till.execute(batch)
    past_the_triggers(till, raised, [second])
    till.reserve()
    assert (till.basis(first), till.basis(second)) == ([], [])
    assert "not those that were approved" in (till.payout(first)[1] or "")
    assert till.events("payout_batch_altered") == 1


def test_what_the_refusal_of_an_altered_batch_advises_is_possible_and_its_payouts_are_gathered_anew(till):
    first, second = waiting(till, 300, 400)
    altered = "update payout_batch_line set amount = amount + 1 where payout_id = %s"
    batch = till.approved_batch()
    past_the_triggers(till, altered, [second])
    assert refusals(till, batch)["execute"] == "its lines are not those that were frozen"
    assert refusals(till, batch)["cancel"] is None
    assert deciding.cancel_batch(till.conn, batch, reason="altered", by=till.theo, now=till.now) == "cancelled"
    till.tick(hours=25)
    till.tend()
    assert till.batch(batch).state == "cancelled", "there is no approval any more that could be over"
    again = till.approved_batch()
    assert [one.payout_id for one in lines_of(till.conn, again)] == [first, second]
    till.execute(again)
    past_the_triggers(till, altered, [second])
    till.reserve()
    assert refusals(till, again)["cancel"] == "it is executing"
    assert executing.stop_batch(till.conn, again, reason="altered", by=till.theo, now=till.now) == "partially_executed"
    assert executing.close_batch(till.conn, again, reason="altered", by=till.theo, now=till.now) == "closed"
    assert [one.payout_id for one in lines_of(till.conn, till.gather())] == [first, second]


def refusals(till: Till, batch: str) -> dict[str, str | None]:
    """Why each verb cannot be said of a batch now."""
    assert BATCH_NOUN.refusals is not None
    return dict(BATCH_NOUN.refusals(till.conn, batch, till.now))


def test_a_line_whose_amount_changed_leaves_and_the_others_are_paid(till):
    first, second = waiting(till, 300, 400)
    batch = till.approved_batch()
    till.conn.execute("insert into payout_netting (payout_id, number, amount, at) values (%s, 1, 50, %s)", [second, till.now])
    till.execute(batch)
    till.reserve()
    assert (till.basis(first), till.basis(second)) == (["batch"], [])
    assert till.line(batch, second).why == "its amount is not the one that was approved"
    till.arrives(first)
    till.tend()
    assert till.batch(batch).state == "partially_executed"
    till.reserve()
    assert till.basis(second) == [], "it takes a new approval"
    till.sound()


def test_a_line_whose_destination_changed_leaves_also_when_it_was_set_aside_already(till):
    first, second = waiting(till, 300, 400)
    batch = till.approved_batch()
    till.execute(batch)
    till.reserve()
    till.payee("bolt", age=timedelta(), token="acct_other")
    assert till.payout(second)[0] == "pending", "what was never called is taken back"
    till.tend()
    assert till.line(batch, second).why == "its destination is not the one that was approved"
    till.reserve()
    assert till.basis(second) == ["batch"], "the old attempt; there is no new one"
    till.arrives(first)
    till.sound()


def test_a_treasury_that_does_not_cover_it_refuses_the_execution_with_the_figure(till):
    waiting(till, 300)
    till.owed("acme", 500, covered=False)
    batch = till.approved_batch()
    with pytest.raises(BatchNotNow) as refused:
        till.execute(batch)
    assert "simulator holds 3.00 EUR that is not on its way, and 8.00 is needed: 5.00 is missing" in str(refused.value)
    assert till.batch(batch).state == "approved"
    till.owed("bolt", 500)  # the provider holds enough now
    assert till.execute(batch) == "executing"


def test_what_one_batch_promised_another_does_not_count_on(till):
    waiting(till, 300)
    first = till.approved_batch()
    till.owed("acme", 300, covered=False)
    second = till.approved_batch()
    till.execute(first)
    with pytest.raises(BatchNotNow, match="is missing"):
        till.execute(second)


def test_a_line_that_failed_leaves_it_partially_executed_until_it_is_retried_and_paid(till):
    first, second = waiting(till, 300, 400)
    batch = till.approved_batch()
    till.execute(batch)
    till.reserve()
    till.arrives(first)
    till.fails(second)
    till.tend()
    assert till.batch(batch).state == "partially_executed"
    assert till.events("payout_batch_fell_short") == 1
    retry_payout(till.conn, second, reason="mended", actor="test", now=till.now)
    till.reserve()
    assert till.basis(second) == ["batch", "batch"]
    till.arrives(second)
    till.tick(minutes=1)
    till.tend()
    assert till.batch(batch).state == "executed"
    till.sound()


def test_a_batch_that_fell_short_is_closed_with_a_reason_and_not_while_money_is_under_way(till):
    first, second = waiting(till, 300, 400)
    batch = till.approved_batch()
    till.execute(batch)
    till.reserve(rows_max=1)
    executing.stop_batch(till.conn, batch, reason="enough", by=till.mira, now=till.now)
    with pytest.raises(BatchNotNow, match="1 of its payouts are under way"):
        executing.close_batch(till.conn, batch, reason="done", by=till.mira, now=till.now)
    assert (till.basis(first), till.basis(second)) == (["batch"], [])
    till.arrives(first)
    till.tend()
    assert executing.close_batch(till.conn, batch, reason="done", by=till.mira, now=till.now) == "closed"
    till.reserve()
    assert till.basis(second) == []
    till.sound()


def test_an_execution_that_comes_late_says_so(till):
    (payout,) = waiting(till, 300)
    batch = till.approved_batch()
    till.execute(batch)
    till.reserve()
    till.tick(hours=25)
    till.arrives(payout)
    till.tend()
    assert (till.batch(batch).state, till.batch(batch).late) == ("executed", True)


def test_a_small_batch_to_known_payees_is_approved_by_the_rule_and_a_second_one_on_the_same_day_is_not(till):
    waiting(till, 300, 400)
    till.policy(700)
    till.conn.execute("update payout set due_at = null")  # the worker was not yet here
    batch = till.gather()
    assert till.submit(batch) == "approved"
    assert till.batch(batch).by_rule
    assert till.execute(batch) == "executing"
    till.owed("acme", 1)
    second = till.gather()
    assert till.submit(second) == "pending_approval"
    assert "with 7.00 of the last 24 hours" in (till.batch(second).not_by_rule or "")
    till.sound()


def test_a_batch_with_somebody_who_was_never_paid_takes_people_and_says_why(till):
    till.payee("new")
    till.policy(700)
    till.owed("new", 100)
    batch = till.gather()
    assert till.submit(batch) == "pending_approval"
    assert till.batch(batch).not_by_rule == "new was never paid before"


def test_a_policy_that_asks_for_more_people_by_now_voids_what_fewer_approved(till):
    waiting(till, 300)
    batch = till.approved_batch()
    till.policy(0, (0, 2))
    with pytest.raises(BatchNotNow, match="asks for 2 people by now"):
        till.execute(batch)


def test_what_cannot_be_paid_is_named_with_its_reason_instead_of_left_out_in_silence(till):
    waiting(till, 300)
    nowhere = till.owed("lost", 100)
    wanted = gathering.Wanted(PROGRAM, ASSET)
    made = gathering.gather_batch(till.conn, wanted, by=till.mira, make_id=make_id, now=NOW)
    assert [(one.payout_id, one.why) for one in made.skipped] == [(nowhere, "its payee has no active destination")]
    assert (made.lines, made.skipped_total) == (1, 1)


def test_an_asset_that_the_program_keeps_no_book_in_is_named_and_not_told_as_nothing_to_pay(till):
    with pytest.raises(InvalidInput, match="one of EUR, JPY"):
        gathering.gather_batch(till.conn, gathering.Wanted(PROGRAM, "GBP"), by=till.mira, make_id=make_id, now=NOW)


def test_nobody_without_a_login_of_today_is_taken_for_an_approver_by_the_database(till):
    waiting(till, 300)
    batch = till.gather()
    till.submit(batch)
    old, _ = log_in_as(till.conn, "Olga", "approver", at=NOW - timedelta(days=30), life=timedelta(days=1))
    with pytest.raises(DatabaseError, match="login of a person"), till.database.transaction() as conn:
        deciding.approve_batch(conn, batch, by=old, now=till.now)


@pytest.mark.parametrize("forged", ["approvers = 1", "approvers = 1, by_rule = true"])
def test_the_database_works_out_itself_how_many_people_a_batch_takes(till, forged):
    waiting(till, 600, 500)
    batch = till.gather()
    till.submit(batch)
    assert till.approve(batch) == "pending_approval"  # it takes two
    till.conn.execute(f"update payout_batch set {forged} where id = %s", [batch])
    with pytest.raises(DatabaseError) as refused:
        deciding._approved(till.conn, batch, "system:rule", till.now)
    assert isinstance(problem_of(refused.value), ApprovalNeeded)


def test_a_batch_that_the_rule_approved_is_not_executed_once_the_rule_pays_less(till):
    till.policy(0)
    waiting(till, 500)
    till.policy(1_000)
    batch = till.gather()
    assert till.submit(batch) == "approved"
    till.policy(100)
    with pytest.raises(BatchNotNow) as refused:
        till.execute(batch)
    assert refused.value.facts["why"] == "the policy pays it by rule no more; have it approved anew"


def test_a_draft_says_how_many_people_it_will_take(till):
    waiting(till, 300)
    till.policy(0, (0, 1), (200, 3))
    assert till.batch(till.gather()).approvers == 3


def test_submitting_and_approving_say_how_many_people_it_takes_and_how_many_have(till):
    waiting(till, 300)
    till.policy(0, (0, 2))
    batch = till.gather()

    def said(verb: str, by: Caller) -> str:
        call = VerbCall(till.conn, batch, by, till.now, make_id)
        return say(BATCH_NOUN, BATCH_NOUN.verb(verb), call).told

    assert said("submit", till.mira) == "It takes people, because 3.00 EUR is more than the 0.00 that is paid by rule: 2 people approve it."
    assert said("approve", till.theo) == "1 of 2 people approved it."
    assert said("approve", till.theo) == "You approved it before, which counts once: 1 of 2 people approved it."
    assert said("approve", till.ada) == "2 of 2 people approved it."


def test_a_line_that_does_not_go_on_by_itself_is_named_apart_from_those_that_do(till):
    fails, comes_back, waits = waiting(till, 300, 300, 300)
    batch = till.approved_batch()

    def stopped() -> list[tuple[str, str]]:
        return [(one.payout_id, one.status) for one in stopped_lines_of(till.conn, batch)]

    assert stopped() == [], "they wait for the batch alone"
    till.execute(batch)
    till.reserve(rows_max=2)
    assert stopped() == []
    till.fails(fails)
    till.arrives(comes_back)
    till.tend()
    till.answered(comes_back, "returned", source="look_up")
    till.conn.execute("update payout set last_error = 'the ledger refuses it' where id = %s", [waits])
    assert stopped() == [(fails, "failed"), (comes_back, "returned"), (waits, "pending")]
    assert till.line(batch, comes_back).status == "returned", "it is not paid any more"
