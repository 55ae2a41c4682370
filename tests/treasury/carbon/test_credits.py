"""Credits by their serials: bought once, retired once, and then they never move, by the code and by the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.base.edge import Database, make_id
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.ledger.holds import take_hold
from counterfoil.ledger.journals.journal import post, reverse
from counterfoil.ledger.problems import RetiredNeverMoves
from counterfoil.treasury.carbon.credits import RETIREMENTS, NewCredit, buy_credits, list_credits, retire_credits, show_credit
from counterfoil.treasury.carbon.model import HELD, retired_for
from tests.builders import NOW, PROGRAM
from tests.treasury.carbon.office import CarbonOffice, carbon_office

TONNE = 1_000_000
LOT = NewCredit("Verra", "VCS-1-2025", 1, 100, TONNE, 2025, "order 81")
SAID: dict[str, Any] = {"reason": "agreed", "actor": "test", "now": NOW}


@pytest.fixture
def office(database: Database) -> Iterator[CarbonOffice]:
    with carbon_office(database) as made:
        yield made


def buy(office: CarbonOffice, new: NewCredit = LOT) -> str:
    with office.database.transaction() as conn:
        return buy_credits(conn, make_id("credit"), PROGRAM, new, **SAID).id


def retire(office: CarbonOffice, credit: str, first: int, last: int, agent: str | None = None) -> Any:
    with office.database.transaction() as conn:
        return retire_credits(conn, make_id("retire"), credit, first_serial=first, last_serial=last, agent_id=agent, **SAID)


def test_credits_are_bought_and_retired_for_an_agent_and_for_the_house(office: CarbonOffice) -> None:
    agent, credit = office.agent(), buy(office)
    assert retire(office, credit, 1, 10, agent).grams == 10 * TONNE
    retire(office, credit, 51, 55)
    assert (office.balance(HELD), office.balance(retired_for(agent)), office.balance(retired_for(None))) == (
        85 * TONNE,
        10 * TONNE,
        5 * TONNE,
    )
    with office.database.transaction(read_only=True) as conn:
        assert show_credit(conn, credit).retired == 15
        assert [one.id for one in list_credits(conn, rows_max=5)] == [credit]
        assert [one.first_serial for one in RETIREMENTS.newest(conn, rows_max=5)] == [51, 1]
    office.still_true()


@pytest.mark.parametrize(("first", "last"), [(1, 1), (100, 100), (100, 200), (40, 60)])
def test_a_serial_is_bought_once(office: CarbonOffice, first: int, last: int) -> None:
    buy(office)
    with pytest.raises(InvalidInput, match="not bought before"):
        buy(office, LOT._replace(first_serial=first, last_serial=last))
    buy(office, LOT._replace(first_serial=101, last_serial=200))
    buy(office, LOT._replace(series="VCS-2-2025"))


@pytest.mark.parametrize(("first", "last"), [(10, 10), (1, 10), (20, 30), (12, 15), (0, 5), (95, 101), (60, 59)])
def test_a_serial_is_retired_once_and_only_by_who_has_it(office: CarbonOffice, first: int, last: int) -> None:
    credit = buy(office)
    retire(office, credit, 10, 20)
    with pytest.raises(InvalidInput):
        retire(office, credit, first, last)
    assert office.balance(HELD) == 89 * TONNE
    with pytest.raises(InvalidInput, match="agent"):
        retire(office, credit, 30, 30, make_id("agent"))


def test_the_database_refuses_what_the_code_would(office: CarbonOffice) -> None:
    credit = buy(office)
    retire(office, credit, 10, 20)
    lot = """insert into carbon_credit select 'c2', program_id, registry, series, {}, {}, grams_each, vintage, 'r', reason, actor, at
             from carbon_credit"""
    gone = """insert into carbon_retirement select 'r2', program_id, credit_id, {}, {}, agent_id, {}, reason, actor, at
              from carbon_retirement"""
    for statement in (
        lot.format(100, 120),
        gone.format(20, 21, 2 * TONNE),
        gone.format(100, 101, 2 * TONNE),
        gone.format(30, 31, TONNE),
        "update carbon_retirement set last_serial = 15",
        "delete from carbon_retirement",
        "update carbon_credit set last_serial = 200",
        "update account set debits = debits + 1 where name like 'carbon:retired:%'",
    ):
        with pytest.raises((Problem, psycopg.Error)), office.database.transaction() as conn:
            conn.execute(statement)
    office.still_true()


def test_nobody_posts_or_reverses_what_was_retired(office: CarbonOffice) -> None:
    credit = buy(office)
    made = retire(office, credit, 10, 20)
    out = retired_for(None)
    with pytest.raises(RetiredNeverMoves), office.database.transaction() as conn:
        post(conn, PROGRAM, key="back", kind="test", lines=[(out, HELD, TONNE)], asset="CO2E", actor="test", now=NOW)
    with pytest.raises(RetiredNeverMoves), office.database.transaction() as conn:
        take_hold(conn, PROGRAM, key="hold", debit=out, credit=HELD, minor=TONNE, asset="CO2E", actor="test", now=NOW)
    with office.database.transaction(read_only=True) as conn:
        [(journal,)] = conn.execute("select id from journal where source_id = %s", [made.id]).fetchall()
    with pytest.raises(Problem), office.database.transaction() as conn:
        reverse(conn, PROGRAM, journal, key="undo", reason="regret", actor="test", now=NOW)
    assert office.balance(out) == 11 * TONNE


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 8)), max_size=12), st.integers(0, 10**9))
def test_whatever_is_asked_no_serial_counts_twice(office: CarbonOffice, ranges: list[tuple[int, int]], salt: int) -> None:
    credit = buy(office, LOT._replace(series=f"S-{salt}-{make_id('x')}", last_serial=30))
    retired: set[int] = set()
    for first, more in ranges:
        wanted = set(range(first, first + more + 1))
        if wanted & retired or max(wanted) > 30:
            with pytest.raises(InvalidInput):
                retire(office, credit, first, first + more)
        else:
            retire(office, credit, first, first + more)
            retired |= wanted
    with office.database.transaction(read_only=True) as conn:
        assert show_credit(conn, credit).retired == len(retired)
