"""A key of one program sees that program: of another's things there are none, and what is about all of them is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import Database, now
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import NewPosting, post
from counterfoil.reconciliation.breaks.limits import set_write_off_limit
from tests.api.office import PROGRAM, Office, fresh, opened
from tests.api.test_roles import OTHER, other_program


@pytest.fixture
def world(database: Database) -> Iterator[Office]:
    """A second program, and of each role a key that is of it."""
    with opened(database, before=other_program) as office:
        yield office


def test_lists_are_of_the_own_program_and_another_is_not_there(world: Office):
    mine = world.invoice()
    ask = lambda path, **params: world.ask("GET", path, role="other viewer", params=params)  # noqa: E731
    assert world.ask("GET", "/api/invoices").json()["data"]
    assert ask("/api/invoices").json()["data"] == []
    assert ask("/api/invoices", programId=PROGRAM).json()["type"] == "/problems/NotFound"
    assert ask(f"/api/invoices/{mine['id']}").json()["type"] == "/problems/NotFound"
    assert ask("/api/programs").json()["type"] == "/problems/WholeInstallation"
    assert ask("/api/accounts/suspense/balance", asset="EUR").status_code == 200
    assert ask(f"/api/programs/{OTHER}/period").status_code == 200
    assert ask(f"/api/programs/{PROGRAM}/period").status_code == 404


def movement(program: str | None) -> dict[str, Any]:
    body = {
        "asset": "EUR",
        "id": "01a1f942-62e2-7001-a2bc-82827114880b",
        "debit": "cash:bank:own",
        "credit": "suspense",
        "amount": "1",
    }
    return {**body, **({"programId": program} if program else {})}


def test_money_moves_in_the_own_program_alone(world: Office):
    for program, status in ((PROGRAM, 404), (None, 404), (OTHER, 201)):
        answer = world.ask("POST", "/api/movements", role="other controller", key=fresh(), json=movement(program))
        assert answer.status_code == status, answer.text
    two = {**movement(OTHER), "program_id": PROGRAM}
    assert world.ask("POST", "/api/movements", role="other controller", key=fresh(), json=two).status_code == 404


def test_a_journal_of_another_program_is_neither_shown_nor_reversed(world: Office):
    with world.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["suspense", "cash:bank:own"], asset="EUR", actor="t", now=now())
        lines = [NewPosting("cash:bank:own", "suspense", 5)]
        made = post(conn, PROGRAM, key=fresh(), kind="test", lines=lines, asset="EUR", actor="t", now=now()).journal_id
    assert world.ask("GET", f"/api/journals/{made}").status_code == 200
    assert world.ask("GET", f"/api/journals/{made}", role="other viewer").status_code == 404
    reverse = world.ask("POST", f"/api/journals/{made}/reverse", role="other controller", key=fresh(), json={"reason": "x"})
    assert reverse.status_code == 404


def test_the_database_itself_shows_a_program_nothing_of_another(world: Office):
    """A query that forgets its filter: of every table that is kept to a program, another one is shown nothing."""
    world.invoice()
    world.fund("suspense", 500)
    with psycopg.connect(world.database.url) as conn:
        tables = [
            row[0]
            for row in conn.execute("select polrelid::regclass::text from pg_policy where polname = 'of_one_program' order by 1").fetchall()
        ]
        unseen = ("program", "book", "account", "journal", "invoice", "usage_record", "event", "fee_rate", "intent")
        assert set(unseen) <= set(tables)
        for table in unseen:
            assert conn.execute(f"select count(*) from {table}".encode()).fetchone() != (0,), table
    with world.database.transaction(read_only=True, program_id="nowhere") as conn:
        shown = {table: conn.execute(f"select count(*) from {table}".encode()).fetchone() for table in tables}
        views = conn.execute("select count(*) from ledger_entries").fetchone()
    assert {table for table, count in shown.items() if count != (0,)} == set()
    assert views == (0,)
    with world.database.transaction(read_only=True, program_id=OTHER) as conn:
        assert conn.execute("select count(*), min(program_id) from book").fetchone() == (1, OTHER)


def test_the_database_takes_no_row_of_another_program(world: Office):
    how = {"minor": 5, "reason": "r", "actor": "t", "now": now()}
    with world.database.transaction(commit=False, program_id=OTHER) as conn:
        set_write_off_limit(conn, OTHER, "EUR", **how)
    with pytest.raises(Problem), world.database.transaction(commit=False, program_id=OTHER) as conn:
        set_write_off_limit(conn, PROGRAM, "EUR", **how)


def test_every_table_with_a_program_is_kept_to_it_or_says_why_not(world: Office):
    with psycopg.connect(world.database.url) as conn:
        left = conn.execute(
            """select c.relname
               from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'program_id' and not a.attisdropped
               where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
                 and not exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'of_one_program' and c.relrowsecurity)
                 and not exists (select from not_kept_to_program n where n.relation = c.relname)"""
        ).fetchall()
    assert left == []


def test_whoever_sees_everything_pays_nothing_for_it(world: Office):
    """The policy is in the plan of a caller of one program, and in no plan of anybody else."""
    for program, planned in ((None, False), (OTHER, True)):
        with world.database.transaction(program_id=program) as conn:
            for query in (
                "select * from journal where program_id = 'x' and key = 'k'",
                "select * from account where id = 5",
            ):
                plan = "\n".join(row[0] for row in conn.execute(f"explain (costs off) {query}".encode()).fetchall())
                assert ("counterfoil" in plan) is planned, plan
