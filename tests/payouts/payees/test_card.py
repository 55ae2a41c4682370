"""A payee's card: each sentence is there while its fact is, names it, and goes with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.problems import NotFound
from counterfoil.ledger.accounts.accounts import freeze_account, open_accounts
from counterfoil.ledger.journals.journal import NewJournal, post_journals
from counterfoil.operations.work.circuit_rules import CircuitLimits, Health
from counterfoil.operations.work.circuits import note_health
from counterfoil.operations.work.pauses import QueuePart, pause, pull_brake
from counterfoil.payouts.destinations.by_hand import quarantine_destination
from counterfoil.payouts.destinations.destinations import list_destinations
from counterfoil.payouts.payees.card import PayeeCard, card_of
from counterfoil.payouts.payees.facts import FACT_KINDS
from counterfoil.payouts.payouts.by_hand import cancel_payout, reissue_payout, retry_payout
from tests.payouts.test_decisions import failed
from tests.payouts.world import OWED, PAYEE, PROGRAM, World


@pytest.fixture
def world(conn):
    return World(conn)


def card(world: World, payee: str = PAYEE) -> PayeeCard:
    return card_of(world.conn, PROGRAM, payee, now=world.now)


def told(world: World) -> dict[str, str]:
    return {one.fact: one.sentence for one in card(world).lines}


def queued(world: World) -> str:
    world.reserve()
    return str(world.row("select id from provider_payout where state = 'queued'")[0])


def test_a_payee_whom_nothing_holds_back_has_no_sentence_and_its_account(world):
    one = card(world)
    assert one.lines == ()
    assert [(each.name, each.balance) for each in one.accounts] == [(f"payable:payee:{PAYEE}", OWED)]
    assert one.destination is not None
    assert one.destination.state == "active"


def test_nobody_knows_a_payee_of_another_name(world):
    with pytest.raises(NotFound, match="somebody"):
        card(world, "somebody")


def test_a_quarantined_destination_is_told_with_its_reason(world):
    [one] = list_destinations(world.conn, rows_max=9)
    quarantine_destination(world.conn, one.id, reason="a letter of its holder", actor="anna", now=world.now)
    world.reserve()
    said = told(world)
    assert said["destination_quarantined"] == (
        f"Nothing is sent to destination {one.id} since {world.now:%Y-%m-%d %H:%M} UTC: a person quarantined it: a letter of its holder."
    )
    assert said["waits"].endswith("wait: its payee's destination is quarantined.")
    assert "1.00 EUR" in said["waits"]
    world.destination("acct_2")
    world.reserve()
    assert told(world) == {}, "another one is in its place"


def test_a_payee_without_a_destination_is_told_so_once(world):
    world.conn.execute("update destination set ended_at = %s, state = 'ended'", [world.now])
    world.reserve()
    said = told(world)
    assert list(said) == ["no_destination"]
    assert said["no_destination"].startswith(f"Nothing says where {PAYEE} is paid: 1 payout, 1.00 EUR, must wait")
    assert card(world).destination is None


def test_a_destination_that_cools_off_is_told_with_its_end(world):
    world.cooling = timedelta(hours=72)
    world.tick(hours=1)
    world.destination("acct_2")
    world.reserve()
    [line] = card(world).lines
    assert (line.effect, line.until, line.amount) == ("paused", world.now + world.cooling, OWED)
    assert "it cools off until 2026-11-23 13:00 UTC" in line.sentence


def test_a_pause_of_the_program_is_told_and_one_of_another_is_not(world):
    pause(world.conn, QueuePart("send", "", "other"), reason="theirs", actor="anna", now=world.now)
    assert told(world) == {}
    pause(world.conn, QueuePart("send", "", PROGRAM), reason="the bank asked for it", actor="anna", now=world.now)
    assert told(world)["queue_paused"].endswith("UTC: a person paused the queue send: the bank asked for it.")


def test_a_pause_of_the_machine_is_told_as_the_machines(world):
    pull_brake(world.conn, QueuePart("send"), reason="the books do not balance", actor="system:sentinel", now=world.now)
    assert told(world)["queue_paused"].endswith("UTC: the machine paused the queue send: the books do not balance.")


def test_a_pause_of_its_provider_and_a_provider_that_does_not_work_are_told_and_others_are_not(world):
    pause(world.conn, QueuePart("send", "elsewhere", ""), reason="theirs", actor="anna", now=world.now)
    note_health(world.conn, "elsewhere", "send", Health(False, "no answer"), now=world.now, limits=CircuitLimits(failures=1))
    assert told(world) == {}
    pause(world.conn, QueuePart("send", "simulator", ""), reason="the bank asked for it", actor="anna", now=world.now)
    note_health(world.conn, "simulator", "send", Health(False, "no answer"), now=world.now, limits=CircuitLimits(failures=1))
    assert told(world)["queue_paused"].endswith("a person paused the queue send: the bank asked for it.")
    assert told(world)["provider_away"].startswith("simulator, where it is paid, has not worked since")


def test_a_debt_and_what_paid_it_are_told_with_their_amounts(world):
    names = [f"receivable:payee:{PAYEE}", "platform:own_funds"]
    open_accounts(world.conn, PROGRAM, names, asset="EUR", actor="test", now=world.now)
    lines = [(names[0], names[1], 30)]
    post_journals(world.conn, PROGRAM, [NewJournal("owes", "test", lines, "EUR", "test")], now=world.now)
    [line] = card(world).lines
    assert (line.effect, line.fact, line.amount) == ("smaller", "owes", 30)
    assert line.sentence == f"{PAYEE} owes 0.30 EUR, by account receivable:payee:{PAYEE}: its next payouts pay that first."
    world.reserve()
    said = told(world)
    assert "owes" not in said, "it is paid"
    assert said["netted"] == f"Of payout {world.first.id}, 0.30 EUR paid on {world.now:%Y-%m-%d %H:%M} UTC what {PAYEE} owed."


def test_an_attempt_is_told_by_where_it_stands(world):
    attempt = queued(world)
    assert told(world) == {}, "it is on its way"
    world.claim(attempt)
    world.announce(attempt)
    world.lease_over(attempt, called=True)
    assert told(world)["unknown"].startswith(f"Nobody knows yet whether attempt {attempt} of 1.00 EUR was paid")


def test_a_failed_payout_is_told_until_it_is_tried_again(world):
    failed(world)
    assert told(world)["failed"].endswith("a person looks at it: no reason was given.")
    world.conn.execute("update provider_payout set last_error = 'account_closed'")
    said = told(world)["failed"]
    assert said.startswith(f"Payout {world.first.id} of 1.00 EUR failed on ")
    assert said.endswith("a person looks at it: account_closed.")
    retry_payout(world.conn, world.first.id, reason="mended", actor="anna", now=world.now)
    assert "failed" not in told(world)


def test_a_cancelled_payout_is_told_with_its_reason_until_it_is_issued_anew(world):
    cancel_payout(world.conn, world.first.id, reason="asked for by the payee", actor="anna", now=world.now)
    [line] = card(world).lines
    assert (line.effect, line.fact, line.amount) == ("paused", "cancelled", OWED)
    assert line.sentence.endswith("what is owed of it waits until a person issues it anew: asked for by the payee.")
    reissue_payout(world.conn, world.first.id, make_id("po"), reason="again", actor="anna", now=world.now)
    assert "cancelled" not in told(world)


def test_a_frozen_account_is_told_with_its_reason(world):
    freeze_account(world.conn, PROGRAM, f"payable:payee:{PAYEE}", asset="EUR", reason="an order", actor="anna", now=world.now)
    assert told(world)["account_frozen"].endswith(": an order.")


def test_every_kind_of_fact_can_be_asked_and_says_no_more_than_it_finds(conn: Any) -> None:
    given = {"program": "x", "payee": make_id("p"), "rows_max": 1, "no_destination": "x"}
    for kind in FACT_KINDS:
        assert conn.execute(kind.query + " limit %(rows_max)s", given).fetchall() == [], kind.name
        kind.says.format(payee="", id="", since="", until="", amount="", asset="", payouts="", invoices="", parts="", why="")
    assert len({kind.name for kind in FACT_KINDS}) == len(FACT_KINDS)
