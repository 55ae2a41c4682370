"""A key of one program sees that program: of another's things there are none, and what is about all of them is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from counterfoil.api.http.program_scope import BY_PREFIX
from counterfoil.base.edge import Database, now
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import NewPosting, post
from counterfoil.reconciliation.breaks.limits import set_write_off_limit
from counterfoil.wiring import NOUNS
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
    assert world.ask("POST", "/api/admin/ops/run/log", role="operator", key=fresh()).status_code == 200
    assert world.ask("GET", f"/api/journals/{made}/inclusion").status_code == 200
    refused = world.ask("GET", f"/api/journals/{made}/inclusion", role="other viewer")
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/NotFound"), "the log is of all programs"


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


def test_a_noun_is_of_a_program_over_the_api_where_the_database_keeps_its_table_to_one(world: Office):
    """And so on its page, which asks the database the same."""
    with psycopg.connect(world.database.url) as conn:
        kept = {row[0] for row in conn.execute("select relname from pg_class where relrowsecurity").fetchall()}
    kept -= {"proof", "proof_export"}  # a program has none but those that are of it alone, and asks for them on their page
    assert {one.name for one in NOUNS if one.prefix in BY_PREFIX} == {one.name for one in NOUNS if one.machine.table in kept}
    for noun in NOUNS:
        listed = world.ask("GET", f"/api/{noun.plural}", role="other viewer")
        fits = (200, None) if noun.prefix in BY_PREFIX else (403, "/problems/WholeInstallation")
        assert (listed.status_code, listed.json().get("type")) == fits, noun.plural


def test_a_thing_of_any_noun_is_there_for_whoever_is_of_its_program_and_for_nobody_of_another(world: Office):
    made = world.ask("POST", "/api/affiliates", role="operator", key=fresh(), json={"programId": OTHER, "name": "ann", "reason": "x"})
    path = f"/api/affiliates/{made.json()['id']}"
    foreign = world.ask("POST", "/api/affiliates", role="operator", key=fresh(), json={"programId": PROGRAM, "name": "bo", "reason": "x"})
    assert world.ask("GET", path, role="other viewer").status_code == 200
    assert world.ask("POST", f"{path}/deactivate", role="other operator", key=fresh(), json={"reason": "x"}).status_code == 200
    assert world.ask("GET", f"/api/affiliates/{foreign.json()['id']}", role="other viewer").status_code == 404
    lists = [
        [one["id"] for one in world.ask("GET", "/api/affiliates", role=role, params=params).json()["data"]]
        for role, params in (("other viewer", {}), ("viewer", {"programId": OTHER}), ("viewer", {"programId": PROGRAM}))
    ]
    assert lists == [[made.json()["id"]], [made.json()["id"]], [foreign.json()["id"]]]


def test_what_is_asked_about_an_invoice_is_asked_about_its_program(world: Office):
    invoice = world.invoice()["id"]
    for path, more in (("/api/refunds", {"amount": "1"}), ("/api/disputes", {}), ("/api/payouts/execute", {})):
        asked = {"key": fresh(), "json": {"invoiceId": invoice, "reason": "x", **more}}
        assert world.ask("POST", path, role="other operator", **asked).status_code == 404, path
        nothing = world.ask("POST", path, role="other operator", key=fresh(), json={"reason": "x"})
        assert nothing.json()["type"] == "/problems/WholeInstallation", path
        assert world.ask("POST", path, role="operator", **asked).status_code in (409, 422), "it is not paid"


def test_who_may_act_is_decided_by_nobody_of_one_program(world: Office):
    """As on the pages: the role, the key and the person would be of their program, and those who hold them are of all."""
    person = world.ask("POST", "/api/people", role="administrator", key=fresh(), json={"name": "olaf", "reason": "x"}).json()["id"]
    of_ours = {"programId": OTHER, "reason": "x"}
    for path, body in (
        ("/api/people", {"name": "pia"}),
        (f"/api/people/{person}/roles", {"role": "operator"}),
        (f"/api/people/{person}/roles/revoke", {"role": "operator"}),
        ("/api/keys", {"name": "k", "role": "viewer"}),
    ):
        refused = world.ask("POST", path, role="other administrator", key=fresh(), json={**of_ours, **body})
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/WholeInstallation"), path
    limit = {**of_ours, "asset": "EUR", "minor": "5"}
    assert world.ask("POST", "/api/breaks/limits", role="other administrator", key=fresh(), json=limit).status_code == 202


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
