"""Transactions taken on together: each ends as it would by itself, budgets count what went before, and one that breaks stops no other."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from counterfoil.base.edge import Database
from counterfoil.ledger.periods import close_period
from counterfoil.operations.work.runner import Runner
from counterfoil.treasury.agents.agents import freeze_agent
from counterfoil.treasury.two_phase.model import participants_of, show_transaction
from counterfoil.treasury.two_phase.moving import move_due
from tests.builders import NOW, PROGRAM
from tests.treasury.purse import a_treasury, an_agent, begun, give, mandate, money_of, state_of, still_true, transfer


@pytest.fixture
def treasury(database: Database) -> Database:
    with database.transaction() as conn:
        a_treasury(conn)
    return database


def worked(database: Database, *, now: Any = NOW) -> list[Any]:
    """What was logged while all that was due was done."""
    runner = Runner(database, lambda _: now, "worker:one")
    with capture_logs() as logs:
        while move_due(runner).handled:
            pass
    return logs


def test_a_tick_takes_transactions_of_this_server_from_their_begin_to_their_end(treasury: Database):
    with treasury.transaction() as conn:
        payer, payee = an_agent(conn, money=100), an_agent(conn)
        ones = [transfer(conn, payer, payee, 10) for _ in range(3)]
    assert move_due(Runner(treasury, lambda _: NOW, "worker:one")).handled == 3
    with treasury.transaction() as conn:
        assert [state_of(conn, one) for one in ones] == ["committed"] * 3
        steps = conn.execute("select verb, count(*) from step where machine = 'transaction' group by verb").fetchall()
        assert dict(steps) == {"create": 3, "prepare": 3, "vote": 3, "commit": 3, "finish": 3}, "no record is left out"
        assert conn.execute("select count(*), count(distinct journal_id) from two_phase_outcome").fetchone() == (6, 6)
        assert [conn.execute("select count(*) from event where name = 'transaction_committed'").fetchone()] == [(3,)]
        assert (money_of(conn, payer), money_of(conn, payee)) == (70, 30)
        still_true(conn)


def test_each_of_a_mixed_set_ends_as_it_would_by_itself(treasury: Database):
    with treasury.transaction() as conn:
        rich, poor, frozen, payee = an_agent(conn, money=1000), an_agent(conn, money=15), an_agent(conn, money=50), an_agent(conn)
        unnamed = an_agent(conn, money=50, mandated=False)
        give(conn, rich, 9, asset="JPY")
        mandate(conn, rich, asset="JPY")
        ends = {
            "committed": [
                transfer(conn, rich, payee, 10),
                transfer(conn, poor, payee, 10),
                begun(conn, (rich, "debit", 7), (payee, "credit", 7), (rich, "debit", 9, "JPY"), (payee, "credit", 9, "JPY")),
            ],
            "prepared": [transfer(conn, rich, payee, 5, commits="on_request")],
            "aborted": [
                transfer(conn, poor, payee, 10),
                transfer(conn, frozen, payee, 10),
                transfer(conn, unnamed, payee, 10),
                begun(conn, (rich, "debit", 5), (poor, "debit", 500), (payee, "credit", 505)),
            ],
        }
        late = transfer(conn, rich, payee, 3, now=NOW - timedelta(hours=1))
        freeze_agent(conn, frozen, reason="looked at", actor="test", now=NOW)
    assert worked(treasury) == [], "nothing was done one by one"
    with treasury.transaction() as conn:
        found = {end: [state_of(conn, one) for one in ones] for end, ones in ends.items()}
        assert found == {end: [end] * len(ones) for end, ones in ends.items()}
        whys = [next(each.why for each in participants_of(conn, one) if each.vote == "no") for one in ends["aborted"]]
        for said, why in zip(("less than was asked for", "frozen", "mandate", "less than was asked for"), whys, strict=True):
            assert said in str(why), whys
        assert (show_transaction(conn, late).state, show_transaction(conn, late).cause) == ("aborted", "time_out")
        assert (money_of(conn, rich), money_of(conn, rich, "JPY"), money_of(conn, poor)) == (1000 - 10 - 7, 0, 5)
        still_true(conn)


def test_a_budget_counts_what_went_before_in_the_same_tick(treasury: Database):
    with treasury.transaction() as conn:
        payer, other, payee = an_agent(conn, money=100, per_day=30), an_agent(conn, money=100), an_agent(conn)
        ones = [transfer(conn, payer, payee, 10) for _ in range(5)] + [transfer(conn, other, payee, 1) for _ in range(5)]
    assert worked(treasury) == []
    with treasury.transaction() as conn:
        assert Counter(state_of(conn, one) for one in ones) == {"committed": 8, "aborted": 2}
        assert money_of(conn, payer) == 70
        still_true(conn)


def test_one_that_breaks_the_set_stops_no_other(treasury: Database):
    with treasury.transaction() as conn:
        payer, payee = an_agent(conn, money=100), an_agent(conn)
        ones = [transfer(conn, payer, payee, 10) for _ in range(3)]
    with psycopg.connect(treasury.url) as owner:
        owner.execute(
            f"""create function breaks() returns trigger language plpgsql set search_path = public, pg_temp as
                $$ begin raise 'broken on purpose'; end $$;
                create trigger breaks before insert on two_phase_vote for each row
                when (new.transaction_id = '{ones[1]}') execute function breaks()""".encode()
        )
    logs = worked(treasury)
    assert [each["event"] for each in logs] == ["set failed, doing its items singly", "item failed"]
    with treasury.transaction() as conn:
        assert [state_of(conn, one) for one in ones] == ["committed", "initiated", "committed"]
        assert money_of(conn, payee) == 20
        still_true(conn)


def test_what_was_promised_is_applied_in_a_period_that_was_closed_meanwhile(treasury: Database):
    with treasury.transaction() as conn:
        payer, payee = an_agent(conn, money=100), an_agent(conn)
        ones = [transfer(conn, payer, payee, 10, commits="on_request") for _ in range(2)]
    worked(treasury)
    with treasury.transaction() as conn:
        close_period(conn, PROGRAM, until=NOW + timedelta(minutes=1), reason="closed", actor="test", now=NOW + timedelta(minutes=1))
        conn.execute("update two_phase set due_at = %s", [NOW])
        for one in ones:
            conn.execute(
                """insert into two_phase_decision (transaction_id, program_id, decision, cause, actor, at)
                   values (%s, %s, 'commit', 'request', 'test', %s)""",
                [one, PROGRAM, NOW],
            )
            conn.execute("update two_phase set state = 'committing', steps = steps + 1 where id = %s", [one])
            conn.execute(
                """insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
                   select 'transaction', id, steps, 'prepared', 'commit', 'committing', 'test', %s from two_phase where id = %s""",
                [NOW, one],
            )
    assert worked(treasury) == []
    with treasury.transaction() as conn:
        assert [state_of(conn, one) for one in ones] == ["committed"] * 2
        rows = conn.execute("select distinct effective_at from journal where kind = 'two_phase'").fetchall()
        assert rows == [(NOW + timedelta(minutes=1),)], "at the first moment that is open"
        still_true(conn)
