"""What two people say of an attempt: proposed with evidence, approved exactly so, done once; and never by one alone."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.reads.booked import BookedLine, booked_here
from counterfoil.operations.approvals import SamePerson, approve_and_do, by_verb
from counterfoil.operations.providers import Accepted
from counterfoil.operations.trial import trials_heard
from counterfoil.payouts.next_action import next_action
from counterfoil.payouts.payouts.by_hand import retry_payout
from counterfoil.payouts.payouts.matter import NotNow
from counterfoil.payouts.provider_payouts.attempts_by_hand import quarantine_attempt
from counterfoil.payouts.provider_payouts.paired import PAIRED, propose_end_of_conflict, propose_for_attempt
from tests.payouts.test_decisions import becomes, failed, frozen, sent
from tests.payouts.world import OWED, PAYEE, World
from tests.people import log_in_as


@pytest.fixture
def world(conn):
    return World(conn)


class Two:
    """A maker and a checker, logged in."""

    def __init__(self, world: World) -> None:
        at = world.now - timedelta(days=1)
        self.world = world
        self.maker, _ = log_in_as(world.conn, "Mira", "operator", at=at)
        self.checker, _ = log_in_as(world.conn, "Theo", "approver", at=at)
        self.heard: Counter[BookedLine] | None = None

    def propose(self, verb: str, **more):
        return self.hearing(
            lambda: propose_for_attempt(
                self.world.conn,
                make_id("prop"),
                self.world.newest_id(),
                verb,
                by=self.maker,
                now=self.world.now,
                **({"evidence": "letter of the 20th"} | more),
            )
        )

    def hearing(self, propose):
        """Propose it, and note what its trial booked: that is what whoever proposes it is shown."""
        before, self.heard = self.booked(), None

        def hear(_):
            self.heard = self.booked() - before

        with trials_heard(hear):
            made = propose()
        assert self.booked() == before, "a trial leaves nothing behind"
        return made

    def booked(self) -> Counter[BookedLine]:
        return Counter(booked_here(self.world.conn, lines_max=1_000).lines)

    def approve(self, made, by=None):
        before = self.booked()
        done = approve_and_do(
            self.world.conn,
            made.id,
            by_verb(*PAIRED),
            payload_sha256=made.payload_sha256,
            reason="seen",
            by=by or self.checker,
            now=self.world.now,
        )
        assert self.booked() - before == self.heard, "the approval books what was shown to whoever proposed it"
        return done

    def end(self, found: str):
        (conflict,) = self.world.row("select id from provider_conflict where state = 'open'")
        made = self.hearing(
            lambda: propose_end_of_conflict(
                self.world.conn,
                make_id("prop"),
                conflict,
                found,
                evidence="statement, line 7",
                by=self.maker,
                now=self.world.now,
            )
        )
        return self.approve(made)


def test_an_unknown_attempt_is_marked_failed_by_two_once_no_call_can_arrive(world):
    two = Two(world)
    frozen(world)
    with pytest.raises(NotNow, match="may still arrive"):
        two.propose("mark_failed", error="not executed", seen_at=world.now)
    before = world.now
    world.horizon_passes()
    with pytest.raises(InvalidInput, match="seen_at"):
        two.propose("mark_failed", error="not executed", seen_at=before)
    made = two.propose("mark_failed", error="not executed", seen_at=world.now)
    assert world.states() == ["unknown"]  # a proposal does nothing
    with pytest.raises(SamePerson):
        two.approve(made, by=two.checker._replace(principal_id=two.maker.principal_id))
    assert two.approve(made).state(world.now) == "done"
    assert (world.payout(), world.states(), world.purse()) == ("failed", ["failed"], (OWED, 0, 0, 0))
    world.still_true()


def test_what_arrives_between_proposal_and_approval_wins(world):
    two = Two(world)
    attempt, _ = frozen(world)
    world.horizon_passes()
    made = two.propose("mark_failed", error="not executed", seen_at=world.now)
    world.lands(attempt)
    becomes(world, attempt, "paid")
    with pytest.raises(NotNow, match="it is completed"):
        two.approve(made)
    assert (world.payout(), world.purse()) == ("completed", (0, 0, OWED, 0))


def test_a_payout_is_finalised_by_two_on_the_providers_own_record(world):
    two = Two(world)
    attempt = sent(world)
    fact = world.fact(world.standing(attempt).key, "paid")
    with pytest.raises(NotNow, match="another amount"):
        two.propose("force_finalize", fact=fact._replace(amount=OWED - 1))
    two.approve(two.propose("force_finalize", fact=fact))
    assert (world.payout(), world.states(), world.purse()) == ("completed", ["succeeded"], (0, 0, OWED, 0))
    world.webhook(attempt, "paid")  # the fact itself, late: nothing more
    assert world.purse() == (0, 0, OWED, 0)
    world.still_true()


@pytest.mark.parametrize(
    ("verb", "state", "payout"),
    [("release_to_queue", "queued", "processing"), ("release_cancelled", "cancelled", "failed")],
)
def test_a_quarantine_ends_by_two_where_no_call_ever_began(world, verb, state, payout):
    two = Two(world)
    world.reserve()
    quarantine_attempt(world.conn, world.newest_id(), reason="a tip", actor="test", now=world.now)
    two.approve(two.propose(verb))
    assert (world.payout(), world.states()) == (payout, [state])
    world.still_true()


@pytest.mark.parametrize(("told", "purse"), [(OWED + 1, (0, 0, OWED + 1, 1)), (OWED - 1, (1, 0, OWED - 1, 0))])
def test_another_amount_than_asked_is_booked_as_it_was_paid(world, told, purse):
    two = Two(world)
    attempt = sent(world)
    world.look_up(attempt, Accepted(world.fact(world.standing(attempt).key, "paid")._replace(amount=told)))
    world.horizon_passes()
    with pytest.raises(NotNow, match="end the conflict"):
        two.propose("mark_failed", error="x", seen_at=world.now)
    two.end("paid")
    assert (world.payout(), world.states(), world.conflicts()) == ("completed", ["succeeded"], 0)
    assert world.purse() == purse
    action = next_action(world.conn, str(world.row("select id from payout")[0]), world.now)
    assert action.command.startswith("counterfoil payouts reissue") == (told < OWED), "what was paid too little is owed, and that is told"
    world.still_true()
    again = Accepted(world.fact(world.standing(attempt).key, "paid")._replace(amount=told))
    world.look_up(attempt, again)  # the provider says it again: that is known now
    assert world.conflicts() == 0


def test_paid_and_then_failed_is_booked_as_a_return_by_two(world):
    two = Two(world)
    attempt = sent(world)
    becomes(world, attempt, "paid")
    world.webhook(attempt, "failed")
    assert world.conflicts() == 1
    two.end("not_paid")
    assert (world.payout(), world.states(), world.purse()) == ("returned", ["returned"], (OWED, 0, 0, 0))
    world.still_true()


def test_failed_and_then_paid_is_booked_or_let_go_by_two_and_the_next_try_goes_on(world):
    two = Two(world)
    attempt = failed(world)
    world.webhook(attempt, "paid")
    two.end("not_paid")
    assert world.conflicts() == 0
    retry_payout(world.conn, world.newest_id(), reason="x", actor="test", now=world.now)
    world.webhook(attempt, "paid")
    two.end("paid")
    assert (world.payout(), world.states(), world.purse()) == ("completed", ["succeeded"], (0, 0, OWED, 0))
    world.still_true()


def test_the_conflict_of_a_payee_is_ended_once(world):
    two = Two(world)
    attempt = sent(world)
    becomes(world, attempt, "paid")
    world.webhook(attempt, "failed")
    two.end("paid")
    assert world.row("select state from provider_conflict") == ("paid",)
    assert world.balance(f"payable:payee:{PAYEE}") == 0
    with pytest.raises(NotNow, match="no such conflict"):
        propose_end_of_conflict(world.conn, make_id("prop"), f"{attempt}.1", "paid", evidence="x", by=two.maker, now=world.now)
