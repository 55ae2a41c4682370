"""A payout is finalised by two people on the line of a statement that a run found: of this payout, its amount and asset, and once."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from counterfoil.base.edge import make_id
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.payouts.provider_payouts.records import LineUsed, paid_by_statement
from tests.payouts.test_decisions import frozen
from tests.payouts.test_two_people import Two
from tests.payouts.world import OWED, PROGRAM, World


@pytest.fixture
def world(conn):
    return World(conn)


def a_line(world: World, attempt: str, source: str | None = None, **other: Any) -> str:
    """A break of a run that found this line of a statement; its id."""
    one = world.standing(attempt)
    line = {
        "id": one.id,
        "reference": one.id,
        "amount": str(-one.amount),
        "asset": one.asset,
        "date": "2026-11-19",
        "status": "paid",
        "memo": "payout",
        "batch": "po_there",
    }
    run_id, break_id = make_id("rec"), make_id("break")
    source = source or f"{one.provider}:payouts"
    world.conn.execute(
        """insert into reconciliation_run (id, program_id, source, first_on, last_on, state, actor, started_at, beat_at)
           values (%s, %s, %s, '2026-11-19', '2026-11-19', 'running', 't', now(), now())""",
        [run_id, PROGRAM, source],
    )
    world.conn.execute(
        """insert into run_finding (run_id, number, identity, kind, severity, asset, at_stake, cause, day, detail)
           values (%s, 1, 'x', 'STATUS_MISMATCH', 'high', 'EUR', 1, '', '2026-11-19', %s)""",
        [run_id, Jsonb({"version": 2, "right": [line | other]})],
    )
    world.conn.execute(
        """insert into break (id, program_id, source, identity, kind, severity, asset, at_stake, difference, cause, record_id, reference,
                  subject, seen_number, first_on, last_on, first_run, last_run, last_number, due_on, opened_at, state, state_at)
           values (%s, %s, %s, %s, 'STATUS_MISMATCH', 'high', 'EUR', 1, 0, '', 'r', 'r', 'r', 1, '2026-11-19', '2026-11-19', %s, %s, 1,
                   '2026-11-20', now(), 'open', now())""",
        [break_id, PROGRAM, source, break_id, run_id, run_id],
    )
    return break_id


def unknown(world: World) -> str:
    """An attempt of which nobody knows what became, and whose provider cannot say."""
    attempt, _ = frozen(world)
    return attempt


def test_two_people_finalise_it_on_the_providers_line_and_the_line_is_kept_with_it(world):
    attempt, two = unknown(world), Two(world)
    case = a_line(world, attempt)
    fact, line = paid_by_statement(world.conn, case, world.standing(attempt))
    assert (fact.provider_ref, fact.amount, fact.status, str(fact.occurred_at.date())) == (
        "po_there",
        OWED,
        "paid",
        "2026-11-19",
    )
    made = two.propose("force_finalize", fact=fact, line=line)
    assert world.states() == ["unknown"]  # a proposal does nothing
    two.approve(made)
    assert (world.payout(), world.states(), world.purse()) == ("completed", ["succeeded"], (0, 0, OWED, 0))
    assert world.row("select break_id, record_id from payout_evidence where provider_payout_id = %s", attempt) == (
        case,
        line.record_id,
    )
    with pytest.raises(LineUsed) as refused:
        paid_by_statement(world.conn, case, world.standing(attempt))
    proved = (refused.value.facts["payout"], refused.value.facts["attempt"])
    assert proved == world.row("select payout_id, id from provider_payout where id = %s", attempt)
    world.still_true()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"amount": str(-OWED - 1)}, "were ordered"),
        ({"amount": str(OWED)}, "were ordered"),
        ({"asset": "JPY"}, "were ordered"),
        ({"status": "pending"}, "it says pending"),
        ({"id": "another", "reference": "another"}, "of another payout"),
    ],
)
def test_a_line_of_something_else_is_no_proof_and_the_reason_is_the_true_one(world, other, says):
    attempt = unknown(world)
    with pytest.raises(InvalidInput, match=says):
        paid_by_statement(world.conn, a_line(world, attempt, **other), world.standing(attempt))


def test_a_banks_line_must_name_the_payout_as_a_whole_word(world):
    attempt = unknown(world)
    one = world.standing(attempt)
    named = {"status": None, "id": "line-7", "reference": "TRANSFER 4711", "batch": None}
    case = a_line(world, attempt, "bank:client", **named, memo=f"payout {one.key}, thank you")
    fact, line = paid_by_statement(world.conn, case, one)
    assert (fact.amount, line.source, line.record_id) == (OWED, "bank:client", "line-7")
    for memo in (f"payout {one.key}9", "payout"):
        with pytest.raises(InvalidInput, match="does not name this payout"):
            paid_by_statement(world.conn, a_line(world, attempt, "bank:client", **named, memo=memo), one)


def test_a_break_of_another_source_or_program_is_no_proof(world):
    attempt = unknown(world)
    one = world.standing(attempt)
    with pytest.raises(InvalidInput, match="and the bank say what became of a payout"):
        paid_by_statement(world.conn, a_line(world, attempt, one.provider), one)
    with pytest.raises(NotFound):
        paid_by_statement(world.conn, a_line(world, attempt), one._replace(program_id="other"))
