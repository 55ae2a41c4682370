"""A destination that a person stopped paying at: nothing goes there, however it was on its way, until two people end that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.machine import ApprovalNeeded
from counterfoil.base.problems import Problem, TransitionRefused
from counterfoil.operations.approvals import Proposal, approve_and_do, by_verb
from counterfoil.operations.verbs import VerbCall, VerbResult, say
from counterfoil.payouts.destinations.by_hand import DestinationRefuses, end_quarantine, refusals_of
from counterfoil.payouts.destinations.destinations import AccountQuarantined, list_destinations, set_destination, shown_destination
from counterfoil.payouts.destinations.machine import DESTINATION
from counterfoil.payouts.destinations.noun import DESTINATION_NOUN, PAIRED
from tests.payouts.world import OWED, PROGRAM, World, brake_on
from tests.people import log_in_as


class Office:
    """A payout, its payee's destination, and two people."""

    def __init__(self, conn: Any) -> None:
        self.world = World(conn)
        at = self.world.now - timedelta(days=1)
        self.maker, _ = log_in_as(conn, "Mira", "operator", at=at)
        self.checker, _ = log_in_as(conn, "Theo", "approver", at=at)
        [one] = list_destinations(conn, rows_max=10)
        self.first = one.id

    def say(self, verb: str, destination: str | None = None, reason: str = "it is somebody else's") -> VerbResult | Proposal:
        saying = VerbCall(self.world.conn, destination or self.first, self.maker, self.world.now, make_id, reason)
        return say(DESTINATION_NOUN, DESTINATION_NOUN.verb(verb), saying)

    def by_two(self, verb: str, destination: str | None = None) -> None:
        made = self.say(verb, destination)
        assert isinstance(made, Proposal)
        assert self.state(destination) == "quarantined", "a proposal does nothing"
        more: dict[str, Any] = {"payload_sha256": made.payload_sha256, "reason": "seen", "by": self.checker, "now": self.world.now}
        approve_and_do(self.world.conn, made.id, by_verb(*PAIRED), **more)

    def state(self, destination: str | None = None) -> str:
        return shown_destination(self.world.conn, destination or self.first).state

    def why(self) -> str | None:
        return str(self.world.row("select last_error from payout")[0])

    def attempt(self) -> str:
        return str(self.world.row("select id from provider_payout where state = 'queued'")[0])

    def told(self, name: str) -> int:
        return int(self.world.row("select count(*) from event where name = %s", name)[0])


@pytest.fixture
def office(conn):
    return Office(conn)


def test_nothing_is_reserved_for_a_quarantined_destination_and_a_release_by_two_pays_it(office):
    office.say("quarantine")
    office.world.reserve()
    assert (office.world.payout(), office.world.states()) == ("pending", [])
    assert office.why() == "its payee's destination is quarantined"
    assert (office.told("payout_waiting"), office.told("destination_quarantined")) == (1, 1)
    assert shown_destination(office.world.conn, office.first).quarantine_reason == "it is somebody else's"
    office.by_two("release")
    assert (office.state(), office.told("destination_released")) == ("active", 1)
    assert shown_destination(office.world.conn, office.first).quarantine_reason is None
    office.world.reserve()
    assert office.world.payout() == "processing"
    office.world.still_true()


def test_what_waits_to_be_sent_is_taken_back_and_its_money_is_owed_again(office):
    office.world.reserve()
    office.say("quarantine")
    assert (office.world.payout(), office.world.states(), office.world.purse()) == ("pending", ["cancelled"], (OWED, 0, 0, 0))
    office.world.reserve()
    assert office.world.payout() == "pending"
    office.world.still_true()


def test_an_attempt_that_a_worker_holds_is_stopped_before_its_call_is_announced(office):
    office.world.reserve()
    attempt = office.attempt()
    office.world.claim(attempt)
    assert brake_on(office.world.conn, office.world.standing(attempt)) is None
    office.say("quarantine")
    brake = brake_on(office.world.conn, office.world.standing(attempt))
    assert brake == (f"its payee's destination {office.first} is quarantined", True)


def test_what_was_called_stays_where_it_is_and_its_outcome_is_booked(office):
    office.world.reserve()
    attempt = office.attempt()
    office.world.claim(attempt)
    office.world.announce(attempt)
    office.say("quarantine")
    assert (office.world.payout(), office.world.states()) == ("processing", ["sending"])


def test_the_account_is_not_set_again_for_anybody_until_two_people_cleared_it(office):
    conn, now = office.world.conn, office.world.now
    office.say("quarantine")
    with pytest.raises(AccountQuarantined, match=office.first):
        office.world.destination("acct_1")
    office.world.destination("acct_2")
    assert office.state() == "quarantined", "it was replaced, and is looked at all the same"
    office.world.reserve()
    assert office.world.payout() == "processing", "the new one is paid at"
    more: dict[str, Any] = {"program_id": PROGRAM, "provider": "simulator", "actor": "test", "now": now}
    for payee in ("payee-1", "somebody-else"):
        with pytest.raises(AccountQuarantined):
            set_destination(conn, make_id("dst"), payee_id=payee, token="acct_1", **more)
    assert {one.id for one in list_destinations(conn, rows_max=10)} >= {office.first}
    with pytest.raises(DestinationRefuses, match="clear it instead"):
        office.say("release")
    office.by_two("clear")
    assert (office.state(), office.told("destination_cleared")) == ("ended", 1)
    office.world.destination("acct_1")
    assert [one.state for one in list_destinations(conn, rows_max=10)] == ["active"]
    office.world.still_true()


def test_other_payees_who_are_paid_at_the_account_are_not_paid_there_either_until_each_is_released(office):
    conn = office.world.conn
    more: dict[str, Any] = {"program_id": PROGRAM, "provider": "simulator", "actor": "test", "now": office.world.now}
    same, other = make_id("dst"), make_id("dst")
    set_destination(conn, same, payee_id="payee-8", token="acct_1", **more)
    set_destination(conn, other, payee_id="payee-9", token="acct_9", **more)
    office.world.reserve()
    assert office.attempt()
    office.say("quarantine", same)
    assert [office.state(one) for one in (office.first, same, other)] == ["quarantined", "quarantined", "active"]
    assert (office.world.payout(), office.world.states()) == ("pending", ["cancelled"]), "what waited for the other payee is taken back"
    reason = shown_destination(conn, office.first).quarantine_reason
    assert (reason, office.told("destination_quarantined")) == (f"same account as {same}: it is somebody else's", 2)
    office.by_two("release", same)
    assert (office.state(), office.state(same)) == ("quarantined", "active")
    office.say("quarantine", same)
    assert office.told("destination_quarantined") == 3, "it was stopped already"
    office.world.still_true()


def test_one_person_alone_ends_no_quarantine(office):
    office.say("quarantine")
    with pytest.raises(ApprovalNeeded):
        end_quarantine(office.world.conn, office.first, "release", reason="x", actor="mira", now=office.world.now, approval=None)
    assert office.state() == "quarantined"


def test_what_is_refused_says_why_as_it_is_offered(office):
    for verb in ("release", "clear"):
        with pytest.raises(DestinationRefuses, match="it is active"):
            office.say(verb)
    office.say("quarantine")
    with pytest.raises(TransitionRefused):
        office.say("quarantine")
    with pytest.raises(DestinationRefuses, match="still where its payee is paid"):
        office.say("clear")
    for state in DESTINATION.states():
        for replaced in (False, True):
            offered = {verb for verb, why in refusals_of(state, replaced=replaced).items() if why is None}
            assert offered <= set(DESTINATION.allowed(state)), "nothing is offered that its states refuse"


def test_a_destination_that_is_not_there_is_told_so(office):
    with pytest.raises(Problem, match="destination"):
        office.say("quarantine", make_id("dst"))
