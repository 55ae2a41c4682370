"""Balances, statements and trial balances by either clock, against a list of what was posted that is too simple to be wrong."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from psycopg import Connection

from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.journals.journal import reverse
from counterfoil.ledger.problems import UnknownAccount, UnknownProgram
from counterfoil.ledger.reads.balances import (
    Clock,
    balance,
    balances,
    journal_lines,
    trial_balance,
    trial_totals,
)
from counterfoil.ledger.reads.statements import AccountStatement, statement
from tests.ledger.builders import CASH, ESCROW, FEES, NOW, PAYEE, PROGRAM, a_program, next_segment, posted
from tests.shared_data import shared

CLOCKS: tuple[Clock, ...] = ("recorded", "effective")


class Entry(NamedTuple):
    """One posting in the simple list."""

    debit: str
    credit: str
    minor: int
    recorded_at: datetime
    effective_at: datetime


def a_history(conn: Connection[Any], count: int = 40, seed: int = 7) -> list[Entry]:
    """Postings whose effective times lie on the clock, a little or far off it, before and after, over several segments."""
    chance, entries = random.Random(seed), []
    a_program(conn)
    for number in range(count):
        if number % 9 == 8:
            next_segment(conn)
        (clock,) = conn.execute("select clock_timestamp()").fetchone() or (NOW,)
        offset = chance.choice([0, 0, 0, -1, 1, -59, 59, -61, 61, -3_000, 3_000, -50_000, 30 * 1440])
        effective_at = clock + timedelta(minutes=offset, seconds=chance.choice([-1, 0, 1]))
        debit, credit = chance.sample([CASH, FEES, "suspense"], 2) if chance.random() < 0.6 else (CASH, ESCROW)
        if debit == "suspense" or credit == "suspense":
            debit, credit = CASH, FEES
        minor = chance.randint(1, 1_000)
        done = posted(conn, (debit, credit, minor), effective_at=effective_at, now=clock)
        entries.append(Entry(debit, credit, minor, done.recorded_at, done.effective_at))
    return entries


def counted(entries: list[Entry], name: str, as_of: datetime, clock: Clock) -> int:
    """The balance on its normal side, by adding up."""
    side = 1 if name == CASH else -1
    then = [e for e in entries if (e.recorded_at if clock == "recorded" else e.effective_at) <= as_of]
    return side * (sum(e.minor for e in then if e.debit == name) - sum(e.minor for e in then if e.credit == name))


def moments(entries: list[Entry]) -> list[datetime]:
    """Every moment at which something is recorded or effective, and those just beside."""
    at = [e.recorded_at for e in entries] + [e.effective_at for e in entries]
    tick = timedelta(milliseconds=1)
    return sorted({moment + step for moment in at for step in (-tick, -timedelta(microseconds=1), 0 * tick, tick)})


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_balance_at_any_moment_is_the_sum_of_what_was_there_by_then(conn: Connection[Any], clock: Clock):
    entries = a_history(conn)
    for as_of in moments(entries):
        for name in (CASH, ESCROW, FEES, PAYEE):
            found = balance(conn, PROGRAM, name, asset="EUR", as_of=as_of, clock=clock).minor
            expected = counted(entries, name, as_of, clock)
            assert found == expected, (name, as_of)


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_trial_balance_at_any_moment_balances(conn: Connection[Any], clock: Clock):
    entries = a_history(conn)
    for as_of in [*moments(entries)[::9], NOW + timedelta(days=1_000)]:
        lines = trial_balance(conn, PROGRAM, asset="EUR", as_of=as_of, clock=clock, rows_max=1_000)
        assert sum(line.debit_minor for line in lines) == sum(line.credit_minor for line in lines)
        totals = trial_totals(conn, PROGRAM, asset="EUR", as_of=as_of, clock=clock)
        assert totals == (sum(line.debit_minor for line in lines),) * 2
        for line in lines:
            found = balance(conn, PROGRAM, line.account, asset="EUR", as_of=as_of, clock=clock).minor
            assert abs(found) == line.debit_minor + line.credit_minor


def test_the_trial_balance_of_now_is_by_name_and_in_pages(conn: Connection[Any]):
    a_program(conn)
    posted(conn, (CASH, ESCROW, 10), (ESCROW, PAYEE, 4), (ESCROW, FEES, 6))
    lines = trial_balance(conn, PROGRAM, asset="EUR", rows_max=1_000)
    assert [(line.account, line.debit_minor, line.credit_minor) for line in lines] == [
        (CASH, 10, 0),
        (FEES, 0, 6),
        (PAYEE, 0, 4),
    ]
    assert trial_balance(conn, PROGRAM, asset="EUR", rows_max=1, after=CASH) == lines[1:2]
    assert trial_totals(conn, PROGRAM, asset="EUR") == (10, 10)
    assert trial_balance(conn, PROGRAM, asset="USD", rows_max=1_000) == []


def all_pages(conn: Connection[Any], name: str, start: datetime, end: datetime, clock: Clock, rows_max: int) -> list[AccountStatement]:
    pages: list[AccountStatement] = []
    after = None
    while not pages or after is not None:
        pages.append(statement(conn, PROGRAM, name, asset="EUR", start=start, end=end, clock=clock, after=after, rows_max=rows_max))
        after = pages[-1].following
    return pages


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("rows_max", [1, 7, 1_000])
def test_opening_and_lines_give_closing_on_whatever_pages(conn: Connection[Any], clock: Clock, rows_max: int):
    entries = a_history(conn)
    at = sorted(e.recorded_at if clock == "recorded" else e.effective_at for e in entries)
    for start, end in ((at[0] - timedelta(days=1), at[-1] + timedelta(days=1)), (at[9], at[-9]), (at[5], at[6])):
        if start >= end:
            continue
        pages = all_pages(conn, CASH, start, end, clock, rows_max)
        lines = [line for page in pages for line in page.lines]
        within = [e for e in entries if start <= (e.recorded_at if clock == "recorded" else e.effective_at) < end]
        within = [e for e in within if CASH in (e.debit, e.credit)]
        assert len(lines) == len(within)
        assert pages[0].opening == counted(entries, CASH, start - timedelta(microseconds=1), clock)
        running = pages[0].opening
        for line in lines:
            running += line.debit_minor - line.credit_minor
            assert line.balance == running
        assert running == pages[0].closing
        order = [(line.effective_at, line.seq) if clock == "effective" else line.seq for line in lines]
        assert order == sorted(order)  # type: ignore[type-var]


def test_a_statement_refuses_what_it_cannot_answer(conn: Connection[Any]):
    a_program(conn)
    for given in ({"end": NOW}, {"rows_max": 0}, {"rows_max": 1_001}, {"start": NOW.replace(tzinfo=None)}):
        with pytest.raises(InvalidInput):
            statement(conn, PROGRAM, CASH, **({"asset": "EUR", "start": NOW, "end": NOW + timedelta(days=1)} | given))  # type: ignore[arg-type]


def test_what_is_not_there_is_a_problem(conn: Connection[Any]):
    with pytest.raises(UnknownProgram):
        balance(conn, PROGRAM, CASH, asset="EUR")
    a_program(conn)
    with pytest.raises(UnknownAccount):
        balance(conn, PROGRAM, "escrow:nobody", asset="EUR")
    assert balances(conn, PROGRAM, ["escrow:nobody", CASH], asset="EUR").keys() == {CASH}
    with pytest.raises(InvalidInput):
        balance(conn, PROGRAM, CASH, asset="EUR", as_of=NOW, clock="noon")  # type: ignore[arg-type]


def test_a_clock_that_is_set_back_does_not_turn_the_order_of_an_account(conn: Connection[Any]):
    a_program(conn)
    first = posted(conn)
    conn.execute("set local role none")
    conn.execute("alter table account disable trigger account_moves_by_triggers")
    ahead = "((extract(epoch from clock_timestamp()) * 1000)::bigint + 3600000) << 20"  # as if the clock had been an hour ahead
    conn.execute(f"update account set last_seq = {ahead} where name = '{CASH}'")
    conn.execute("alter table account enable always trigger account_moves_by_triggers")
    second = posted(conn)
    third = posted(conn)
    assert first.recorded_at < second.recorded_at <= third.recorded_at
    assert second.recorded_at > datetime.now(UTC) + timedelta(minutes=59)
    lines = conn.execute("select seq, debit_balance from posting order by seq").fetchall()
    assert [balance for _, balance in lines] == [10_00, 20_00, 30_00]


def test_the_two_queries_of_the_runbook_run_as_printed(conn: Connection[Any]):
    text = Path(shared("runbooks", "sge.md")).read_text()
    printed = text.split("```sql\n")[1].split("```")[0]
    first, second = [query for query in printed.split(";") if query.strip()]
    a_program(conn)
    done = posted(conn, (CASH, ESCROW, 10), (ESCROW, PAYEE, 4))
    reverse(conn, PROGRAM, done.journal_id, key="r", reason="wrong", actor="ann", now=NOW)
    assert len(conn.execute(first).fetchall()) == 8  # type: ignore[call-overload]
    assert sorted(conn.execute(second).fetchall()) == [("credit", 28), ("debit", 28)]  # type: ignore[call-overload]
    columns = {column.name for column in conn.execute("select * from ledger_entries limit 0").description or ()}
    assert {"program_id", "type", "amount", "created_at"} <= columns


def test_the_lines_of_a_journal_come_in_pages(conn: Connection[Any]):
    a_program(conn)
    done = posted(conn, *[(CASH, ESCROW, minor) for minor in (1, 2, 3)])
    assert [line.minor for line in journal_lines(conn, done.journal_id, after=1, rows_max=1)] == [2]


@pytest.mark.parametrize("clock", CLOCKS)
def test_any_moment_of_the_calendar_may_be_asked_for(conn: Connection[Any], clock: Clock):
    a_program(conn)
    posted(conn)
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)
    assert balance(conn, PROGRAM, CASH, asset="EUR", as_of=first, clock=clock).minor == 0
    assert balance(conn, PROGRAM, CASH, asset="EUR", as_of=last, clock=clock).minor == 10_00
    assert trial_balance(conn, PROGRAM, asset="EUR", as_of=last, clock=clock, rows_max=1_000)
    assert len(statement(conn, PROGRAM, CASH, asset="EUR", start=first, end=last, clock=clock).lines) == 1
