"""What a payee's card says of disputes and chargebacks: what waits for them, and no more than that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from counterfoil.base.edge import Database
from counterfoil.operations.work.pauses import QueuePart, pull_brake
from counterfoil.payouts.disputes.rules import APPEAL_WITHIN
from counterfoil.payouts.payees.card import CardLine, card_of
from tests.builders import PROGRAM, Desk, a_program
from tests.payouts.refunding import go, paid, states
from tests.payouts.test_chargebacks import bank_says, charged_back
from tests.payouts.test_disputes import decided, effect, opened
from tests.simulators import spawn_simulator

CONTESTS = ("disputed", "dispute_decided", "dispute_of_sent", "charged_back", "charged_back_whole")
WAITS = ("paused", ": what is not paid out of it waits for the ruling.")
BESIDE = ("paused", ", which was sent to payee-1: what payee-1 is owed for anything else in EUR waits for the ruling.")
LEFT_OF_IT = ("paused", ": what is not paid out of it waits until that is decided.")
NOTHING = ("smaller", ", of which nothing waits to be paid out; the bank has not decided yet.")


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database)
        yield Desk(database, simulator)


def told(desk: Desk) -> dict[str, tuple[str, str]]:
    """What the card says of each kind of contest: the effect, and what stands behind its amount, invoice, day and id."""
    return {one.fact: (one.effect, re.split(r" UTC(?: \(\w+\))?", one.sentence)[1]) for one in said(desk)}


def said(desk: Desk) -> list[CardLine]:
    return [one for one in whole_card(desk) if one.fact in CONTESTS]


def whole_card(desk: Desk) -> tuple[CardLine, ...]:
    with desk.database.transaction() as conn:
        return card_of(conn, PROGRAM, "payee-1", now=desk.clock.now).lines


def facts(desk: Desk) -> dict[str, str]:
    return {one.fact: one.sentence for one in whole_card(desk)}


def test_of_a_disputed_invoice_that_is_not_paid_out_it_says_that_it_waits_until_that_is_over(desk: Desk):
    invoice = paid(desk)
    dispute = opened(desk, invoice)
    assert told(desk) == {"disputed": WAITS}, "it is not settled"
    decided(desk, dispute, "provider_win")
    [line] = said(desk)
    assert line.fact == "dispute_decided"
    assert line.sentence.endswith(
        f"({dispute}) is decided: what is not paid out of it waits until {desk.clock.now + APPEAL_WITHIN:%Y-%m-%d %H:%M} UTC, when its "
        "ruling has effect unless it is appealed."
    )
    effect(desk)
    assert told(desk) == {}


def test_of_an_invoice_that_was_paid_out_before_its_dispute_it_says_that_other_money_waits(desk: Desk):
    invoice = paid(desk)
    go(desk)
    opened(desk, invoice)
    assert told(desk) == {"dispute_of_sent": BESIDE}
    paid(desk, "20.00", prefix="v")
    go(desk)
    assert desk.rows("select state from payout order by id desc limit 1") == [("pending",)], "as the card says"


def test_of_a_chargeback_that_was_won_it_says_no_more_that_it_took_something(desk: Desk):
    part = paid(desk, "50.00", prefix="v")
    desk.work("settle")
    chargeback = charged_back(desk, part, 20_00)
    assert "refunded" in facts(desk)
    bank_says(desk, chargeback, "won")
    assert "refunded" not in facts(desk)


def test_while_settlements_are_paused_it_says_how_much_waits_for_that(desk: Desk):
    with desk.database.transaction() as conn:
        pull_brake(
            conn, QueuePart("settle", "", PROGRAM), reason="LEDGER_UNBALANCED: incident inc_1", actor="system:incidents", now=desk.clock.now
        )
    assert "settlements_paused" not in facts(desk), "nothing waits for it"
    paid(desk)
    go(desk)
    said = facts(desk)["settlements_paused"]
    assert (
        "the queue settle is paused. 1 invoice, 100.00 EUR, paid and not settled, must wait for it: LEDGER_UNBALANCED: incident inc_1."
        in said
    )


def test_of_a_chargeback_it_says_that_what_is_left_waits_only_where_something_is_left(desk: Desk):
    sent, part, whole = paid(desk), paid(desk, "50.00", prefix="v"), paid(desk, "30.00", prefix="w")
    charged_back(desk, whole)
    assert told(desk) == {"charged_back_whole": NOTHING}
    charged_back(desk, part, 20_00)
    assert told(desk) == {"charged_back": LEFT_OF_IT, "charged_back_whole": NOTHING}
    go(desk)
    assert states(desk) == [("completed", 94_00)], "as the card says"
    charged_back(desk, sent, 10_00)
    assert [one.fact for one in said(desk)] == ["charged_back", "charged_back_whole", "charged_back_whole"]
