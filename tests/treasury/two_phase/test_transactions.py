"""Transactions in the real tables: several assets and many agents, what is said twice or too late, time-outs, and two workers at once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.types.json import Jsonb

from counterfoil.base.edge import Database, make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import MINOR_MAX
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.ledger.holds import post_hold, void_hold
from counterfoil.ledger.journals.journal import reverse
from counterfoil.ledger.periods import close_period
from counterfoil.ledger.problems import HoldPromised
from counterfoil.operations.listing import ListAsked, order_of, read_listed
from counterfoil.operations.work.runner import Runner
from counterfoil.treasury.agents.agents import freeze_agent
from counterfoil.treasury.two_phase.ages import age_text, parse_age
from counterfoil.treasury.two_phase.inspect import inspect_transaction
from counterfoil.treasury.two_phase.invariants import INVARIANTS
from counterfoil.treasury.two_phase.model import TransactionLine, WantedTransactions, participants_of, show_transaction
from counterfoil.treasury.two_phase.moving import move_due
from counterfoil.treasury.two_phase.noun import TRANSACTION_NOUN
from counterfoil.treasury.two_phase.transactions import (
    TransactionRefuses,
    advance,
    cancel_transaction,
    commit_transaction,
    finish_transaction,
    prepare_transaction,
)
from tests.builders import NOW, PROGRAM
from tests.treasury.purse import LATER, a_treasury, an_agent, begun, give, mandate, money_of, run, state_of, still_true, transfer
from tests.waiting import at_once

SAID: dict[str, Any] = {"actor": "test", "now": NOW}


@pytest.fixture
def books(conn: Connection[Any]) -> Connection[Any]:
    a_treasury(conn)
    return conn


def test_many_pay_and_many_get_in_two_assets_and_all_of_it_moves(books: Connection[Any]):
    first, second, third = an_agent(books, money=100), an_agent(books, money=50), an_agent(books)
    give(books, third, 7, asset="JPY")
    mandate(books, third, asset="JPY")
    one = begun(
        books,
        (first, "debit", 60),
        (second, "debit", 40),
        (third, "credit", 100),
        (third, "debit", 7, "JPY"),
        (first, "credit", 3, "JPY"),
        (second, "credit", 4, "JPY"),
    )
    assert run(books, one) == "committed"
    assert [money_of(books, each) for each in (first, second, third)] == [40, 10, 100]
    assert [money_of(books, each, "JPY") for each in (first, second, third)] == [3, 4, 0]
    still_true(books)


def test_one_that_cannot_pay_stops_all_of_it_and_everything_is_given_back(books: Connection[Any]):
    rich, poor, payee = an_agent(books, money=100), an_agent(books, money=9), an_agent(books)
    one = begun(books, (rich, "debit", 100), (poor, "debit", 10), (payee, "credit", 110))
    assert prepare_transaction(books, one, **SAID) == "aborting"
    assert [part.vote for part in participants_of(books, one)] == ["yes", "no", "yes"]
    assert finish_transaction(books, one, **SAID) == "aborted"
    assert [money_of(books, each) for each in (rich, poor, payee)] == [100, 9, 0]
    assert run(books, transfer(books, rich, payee, 100)) == "committed", "nothing is held any more"
    still_true(books)


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        (("debit", 10, "credit", 9), "participants"),
        (("debit", 10, "debit", 10), "participants"),
    ],
)
def test_what_does_not_balance_is_refused_before_anything_is_written(books: Connection[Any], parts: tuple[Any, ...], field: str):
    first, second = an_agent(books, money=100), an_agent(books)
    with pytest.raises(InvalidInput) as refused:
        begun(books, (first, parts[0], parts[1]), (second, parts[2], parts[3]))
    assert refused.value.facts["field"] == field


def test_agents_and_assets_that_are_not_there_are_named_by_their_place(books: Connection[Any]):
    first, second, third = an_agent(books, money=100), an_agent(books), an_agent(books)
    cases: list[tuple[list[Any], str]] = [
        ([(first, "debit", 1), (make_id("agent"), "credit", 1)], "participants[2].agent"),
        ([(first, "debit", 1), (first, "credit", 1)], "participants[2].agent"),
        ([(first, "debit", 1, "USD"), (second, "credit", 1, "USD")], "participants[1].asset"),
        ([(first, "debit", 1)], "participants"),
        ([(first, "debit", MINOR_MAX), (third, "debit", 1), (second, "credit", MINOR_MAX)], "participants"),
    ]
    for parts, field in cases:
        with pytest.raises(InvalidInput) as refused:
            begun(books, *parts)
        assert refused.value.facts["field"] == field
    with pytest.raises(NotFound):
        show_transaction(books, make_id("txn"))


def test_whatever_is_said_twice_is_answered_as_before(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    one = transfer(books, payer, payee, 10, commits="on_request")
    assert [prepare_transaction(books, one, **SAID) for _ in range(2)] == ["prepared", "prepared"]
    assert [commit_transaction(books, one, **SAID) for _ in range(2)] == ["committing", "committing"]
    assert [finish_transaction(books, one, **SAID) for _ in range(2)] == ["committed", "committed"]
    assert commit_transaction(books, one, **SAID) == "committed"
    with pytest.raises(TransactionRefuses, match="commit was decided: it was asked for"):
        cancel_transaction(books, one, reason="too late", **SAID)
    assert money_of(books, payee) == 10
    still_true(books)


def test_what_one_participant_gave_is_not_reversed_by_hand_since_the_others_have_it(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    assert run(books, transfer(books, payer, payee, 10)) == "committed"
    parts = books.execute("select journal_id from hold_resolution x join hold h on h.id = x.hold_id where h.promised").fetchall()
    assert len(parts) == 2
    for (journal,) in parts:
        with pytest.raises(HoldPromised, match="two_phase txn_"):
            reverse(books, PROGRAM, journal, key="oops", reason="the wrong agent", **SAID)
    again = {"id": "00000000-0000-4000-8000-000000000001", "key": "oops", "kind": "reversal", "reverses": str(parts[0][0])}
    copied = "insert into journal select (jsonb_populate_record(j, %s)).* from journal j where id = %s"
    with pytest.raises(psycopg.Error, match="is of a hold that is promised") as refused, books.transaction():
        books.execute(copied, [Jsonb(again), parts[0][0]])
    assert refused.value.sqlstate == "CF118"
    assert [money_of(books, each) for each in (payer, payee)] == [90, 10]
    still_true(books)


def test_a_cancel_before_the_prepare_holds_and_the_prepare_after_it_is_refused(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    one = transfer(books, payer, payee, 10)
    assert [cancel_transaction(books, one, reason="not needed", **SAID) for _ in range(2)] == ["aborting", "aborting"]
    for say in (prepare_transaction, commit_transaction):
        with pytest.raises(TransactionRefuses, match="abort was decided: it was cancelled"):
            say(books, one, **SAID)
    assert run(books, one) == "aborted"
    with pytest.raises(TransactionRefuses, match="abort was decided"):
        prepare_transaction(books, one, **SAID)
    assert [part.standing for part in participants_of(books, one)] == ["released", "released"]
    still_true(books)


def test_without_a_decision_in_its_time_abort_is_written(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    asked, unasked = (transfer(books, payer, payee, 10, commits="on_request") for _ in range(2))
    assert run(books, asked) == "prepared"
    with pytest.raises(TransactionRefuses, match="its time was over"):
        commit_transaction(books, asked, actor="test", now=LATER)
    for one in (asked, unasked):
        assert run(books, one, now=LATER) == "aborted"
        assert (show_transaction(books, one).decision, show_transaction(books, one).cause) == ("abort", "time_out")
    still_true(books)


def test_a_promise_is_kept_after_a_freeze_and_the_end_of_the_period_and_no_hand_takes_it(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    one = transfer(books, payer, payee, 10, commits="on_request", time_out=timedelta(days=2))
    assert run(books, one) == "prepared"
    hold = participants_of(books, one)[0].hold_id
    assert hold is not None
    with pytest.raises(HoldPromised):
        void_hold(books, PROGRAM, hold, reason="mine", **SAID)
    with pytest.raises(HoldPromised):
        post_hold(books, PROGRAM, hold, **SAID)
    freeze_agent(books, payer, reason="a look", **SAID)
    close_period(books, PROGRAM, until=NOW + timedelta(hours=1), reason="month", actor="test", now=NOW + timedelta(hours=2))
    assert (commit_transaction(books, one, **SAID), run(books, one)) == ("committing", "committed")
    assert (money_of(books, payer), money_of(books, payee)) == (90, 10)
    still_true(books)


def test_transactions_are_found_by_state_age_and_agent(books: Connection[Any]):
    payer, payee, other = an_agent(books, money=100), an_agent(books), an_agent(books, money=5)
    old = transfer(books, payer, payee, 10, commits="on_request", time_out=timedelta(hours=1))
    new = transfer(books, other, payee, 5, now=LATER)
    run(books, old)

    def listed(by: WantedTransactions, sort: str | None = None) -> list[TransactionLine]:
        asked = ListAsked(order=order_of(TRANSACTION_NOUN, sort), also=(by.condition,))
        return read_listed(books, TRANSACTION_NOUN, asked, rows_max=10, after=None, now=LATER)

    wanted = WantedTransactions(LATER, ("prepared", "initiated"))
    assert [one.id for one in listed(wanted)] == [new, old]
    assert [one.id for one in listed(wanted, sort="createdAt")] == [old, new]
    five = timedelta(minutes=5)
    [line] = listed(wanted._replace(older_than=five))
    assert (line.id, line.agents, line.assets, line.amounts) == (old, [payer, payee], ["EUR"], [10])
    assert [one.id for one in listed(wanted._replace(younger_than=five))] == [new]
    assert [one.id for one in listed(wanted._replace(agent_id=payer))] == [old]


def test_what_is_safe_is_told_with_its_reason(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    one = transfer(books, payer, payee, 10, commits="on_request")
    told = {each.verb: each for each in inspect_transaction(books, one, now=NOW).advice}
    assert (told["force_commit"].safe, "not every participant" in told["force_commit"].why) == (False, True)
    assert told["prepare"].safe
    run(books, one)
    found = inspect_transaction(books, one, now=NOW)
    told = {each.verb: each for each in found.advice}
    assert (told["force_commit"].safe, told["force_rollback"].safe) == (True, True)
    assert "2 of 2 participants promised, nothing is decided" in told["force_commit"].why
    commit_transaction(books, one, **SAID)
    run(books, one)
    found = inspect_transaction(books, one, now=NOW)
    assert [each.safe for each in found.advice] == [False] * 5
    said = [entry.what for entry in found.timeline]
    assert any("promised" in each for each in said)
    assert any(each.startswith("commit was decided") for each in said)


@pytest.mark.parametrize(
    ("given", "older", "younger"), [(">5m", 300, None), ("5m", 300, None), ("<2h", None, 7200), (" > 1d", 86400, None)]
)
def test_an_age_is_read_as_people_write_it(given: str, older: int | None, younger: int | None):
    found = parse_age(given)
    assert [None if one is None else one.total_seconds() for one in found] == [older, younger]


@pytest.mark.parametrize("given", ["", "5", "m", ">=5m", "-5m", "5 minutes", "٥m"])
def test_an_age_that_is_none_is_refused(given: str):
    with pytest.raises(InvalidInput, match="such as >5m"):
        parse_age(given)


def test_an_age_is_told_in_its_largest_whole_unit():
    assert [age_text(timedelta(seconds=one)) for one in (-1, 59, 60, 3_599, 3_600, 172_799, 172_800)] == [
        "0s",
        "59s",
        "1m",
        "59m",
        "1h",
        "1d",
        "2d",
    ]


def test_two_workers_at_once_lose_nothing_double_nothing_and_keep_every_budget(database: Database):
    """Each agent pays each other at once, with money and budgets that do not suffice for all."""
    with database.transaction() as conn:
        a_treasury(conn)
        agents = [an_agent(conn, money=100, per_day=60) for _ in range(3)]
        for number in range(36):
            transfer(conn, agents[number % 3], agents[(number + 1 + number // 18) % 3], 10)

    def work() -> None:
        runner = Runner(database, lambda _: NOW, f"worker:{threading.get_ident()}", rows_max=4)
        for _ in range(60):
            move_due(runner)

    at_once(work, 2, within_s=120)
    runner = Runner(database, lambda _: NOW, "worker:last")
    while move_due(runner).handled:
        pass
    with database.transaction(read_only=True) as conn:
        states = dict(conn.execute("select state, count(*) from two_phase group by state").fetchall())
        assert states == {"committed": 18, "aborted": 18}, "six for each agent"
        assert sum(money_of(conn, each) for each in agents) == 300
        assert run_invariants(conn, INVARIANTS) == []


def test_each_phase_ends_in_rows_from_which_another_goes_on(books: Connection[Any]):
    """A crash is what comes next not being done: from every phase whoever comes later reaches the same end, and says so once."""
    payer, payee = an_agent(books, money=100), an_agent(books)
    ones = [transfer(books, payer, payee, 10) for _ in range(4)]
    for stop, one in enumerate(ones):
        for _ in range(stop):
            advance(books, one, now=NOW)
    assert [state_of(books, one) for one in ones] == ["initiated", "prepared", "committing", "committed"]
    assert [run(books, one) for one in ones] == ["committed"] * 4
    told = books.execute("select count(*) from event where name = 'transaction_committed'").fetchone()
    assert (told, money_of(books, payee)) == ((4,), 40)
    still_true(books)
