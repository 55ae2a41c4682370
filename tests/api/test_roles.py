"""The matrix: every route × every role × the own program and another. Routes and permissions come from the application's description."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.operations.access import access
from counterfoil.wiring import NOUNS
from tests.api.office import PROGRAM, Office, fresh, opened
from tests.api.walk import Asked, marks_of, walk
from tests.conftest import a_database
from tests.people import log_in_as
from tests.reconciliation.breaks.builders import NOW, a_break, a_run, an_open_program

OTHER = "other"
OPEN = {
    ("GET", "/healthz"),
    ("POST", "/webhooks/{provider}"),
    ("POST", "/peers/{peer}/{message}"),
    ("POST", "/peers/{peer}/batch"),
    ("POST", "/api/logins"),
}
NARROW = {
    "controller": ["journals:post_journal", "payouts:read"],
    "administrator": ["people:audit", "programs:administer"],
    "operator": ["metrics:read", "payouts:operate", "payouts:read"],
}
ENDS = "/api/logins/end"  # it would end the login that the rest is asked with


@pytest.fixture(scope="module")
def office(server) -> Iterator[Office]:
    """One office for the matrix: a program with one of nearly everything, another with accounts, and keys of both for each role."""
    with a_database(server) as database, opened(database, before=other_program) as found:
        fill(found)
        yield found


def other_program(conn: psycopg.Connection, keys: dict[str, str]) -> None:
    """A second program and a key of it for each role, made before anybody administers."""
    open_program(conn, OTHER, name="Other", assets=[Asset("EUR", 2)], now=now())
    open_accounts(conn, OTHER, ["suspense", "cash:bank:own"], asset="EUR", actor="t", now=now())
    for role in access.ROLES:
        keys[f"other {role}"] = access.new_secret(entropy(access.SECRET_BYTES), live=False)
        access.create_key(conn, make_id("key"), keys[f"other {role}"], name=f"other {role}", role=role, by="t", now=now(), program_id=OTHER)
    for role, scopes in NARROW.items():
        keys[f"narrow {role}"] = access.new_secret(entropy(access.SECRET_BYTES), live=False)
        access.create_key(conn, make_id("key"), keys[f"narrow {role}"], name=f"narrow {role}", role=role, by="t", now=now(), scopes=scopes)
    keys["other approver"] = log_in_as(conn, "otto", "approver", program_id=OTHER)[1]


def fill(office: Office) -> None:
    """Something of each kind in the first program."""
    office.invoice()
    office.fund("suspense", 500)
    hold = {
        "programId": PROGRAM,
        "asset": "EUR",
        "key": "h",
        "debit": "cash:bank:own",
        "credit": "suspense",
        "amount": "1",
    }
    assert office.ask("POST", "/api/holds", role="controller", key=fresh(), json=hold).status_code == 201
    with office.database.transaction() as conn:
        an_open_program(conn)
        a_run(conn, [a_break(cause="fee netted")], at=now(), first=NOW.date(), last=now().date())
    office.ask("POST", "/api/client-money", role="operator", key=fresh(), json={"date": "2026-01-01"})
    destination = {"programId": PROGRAM, "payeeId": "bolt", "token": "acct_bolt_0001"}
    assert office.ask("POST", "/api/destinations", role="administrator", key=fresh(), json=destination).status_code == 202


def ask(client, one: Asked, *, dry: bool = True):
    body = {"json": one.body} if isinstance(one.body, dict | list) else {"content": one.body} if one.body else {}
    headers = {"Idempotency-Key": fresh(), "Dry-Run": str(dry).lower()} if one.method == "POST" else {}
    return client.request(one.method, one.path, params=one.params, headers=headers, **body)


def test_every_route_declares_who_may(office: Office):
    found = {(one.method, one.route) for one in walk(office, PROGRAM) if one.needs is None}
    assert found == OPEN
    assert {one.needs for one in walk(office, PROGRAM)} - {None} <= set().union(*access.ROLES.values())


def test_each_role_may_do_what_the_routes_declare_and_nothing_else(office: Office):
    wrong, seen = [], Counter()
    for role, held in access.ROLES.items():
        with office.http(role) as client:
            for one in walk(office, PROGRAM):
                if one.needs is None or one.route == ENDS:
                    continue
                answer = ask(client, one)
                told = answer.json() if "json" in answer.headers["content-type"] else {}
                refused = answer.status_code == 403 and told.get("type") == "/problems/NotAllowed" and told["needs"] == one.needs
                let_in = answer.status_code != 401 or told.get("type") == "/problems/CodeRefused"  # a wrong code of somebody who is in
                if refused != (one.needs not in held) or not let_in or answer.status_code == 500:
                    wrong.append((role, one.method, one.route, one.needs, answer.status_code, answer.text[:200]))
                seen[answer.status_code] += 1
    assert wrong == []
    assert seen[200] > 100, "the requests are understood: most of those who may look see something"


def test_a_narrow_key_may_do_what_its_scopes_say_and_nothing_else_of_its_role(office: Office):
    wrong, seen = [], Counter()
    for role, scopes in NARROW.items():
        with office.http(f"narrow {role}") as client:
            for one in walk(office, PROGRAM):
                if one.needs is None:
                    continue
                assert one.scope is not None
                assert one.scope.endswith(f":{one.needs}")
                answer = ask(client, one)
                told = answer.json() if answer.status_code == 403 else {}
                if one.needs not in access.ROLES[role]:
                    fits = (told.get("type"), told.get("needs")) == ("/problems/NotAllowed", one.needs)
                elif one.scope not in scopes:
                    fits = (told.get("type"), told.get("needs"), told.get("scopes")) == ("/problems/OutOfScope", one.scope, scopes)
                else:
                    fits = told.get("type") not in ("/problems/NotAllowed", "/problems/OutOfScope")
                if not fits or answer.status_code in (401, 500):
                    wrong.append((role, one.method, one.route, one.scope, answer.status_code, answer.text[:200]))
                seen[one.scope in scopes, answer.status_code] += 1
    assert wrong == []
    assert seen[True, 200] > 5
    assert seen[False, 403] > 600


def test_what_a_narrow_key_was_refused_is_recorded_by_its_scope(office: Office):
    refused = office.ask("GET", "/api/invoices", role="narrow controller")
    assert (refused.status_code, refused.json()["needs"]) == (403, "invoices:read")
    with office.database.transaction() as conn:
        recorded = conn.execute("select needs from access_event where name = 'narrow controller' and path = '/api/invoices'").fetchall()
    assert ("invoices:read",) in recorded


def test_a_verb_is_narrowed_by_the_same_word_on_its_page_and_over_the_api(office: Office):
    """The form of a verb asks for the scope of its noun, the route for that of its heading."""
    named = {(one.method, one.route): one.scope for one in walk(office, PROGRAM)}
    for noun in NOUNS:
        for verb in noun.verbs:
            for path in (f"/{noun.plural}/{{id}}/{verb.word}", *verb.paths):
                assert named["POST", f"/api{path}"] == f"{noun.area}:{verb.permission}"


def test_whoever_is_of_one_program_sees_and_writes_nothing_of_another(office: Office):
    wrong, seen, marks = [], Counter(), marks_of(office, PROGRAM)
    assert len(marks) > 8
    before = written(office)
    for role, held in access.ROLES.items():
        with office.http(f"other {role}") as client:
            for about in (PROGRAM, OTHER):
                for one in walk(office, about):
                    if one.needs is None or one.route == ENDS:
                        continue
                    mine = about == OTHER
                    answer = ask(client, one, dry=mine)  # about another program it is meant
                    asked = (one.path, *one.params.values())
                    told = [mark for mark in marks if mark in answer.text and not any(mark.strip('"') in said for said in asked)]
                    let_in = answer.status_code != 401 or "/problems/CodeRefused" in answer.text  # a wrong code of somebody who is in
                    if not let_in or answer.status_code == 500 or (answer.status_code < 300 and told):
                        wrong.append((role, about, one.method, one.route, answer.status_code, told, answer.text[:200]))
                    if one.needs in held and not mine and answer.status_code < 300 and names(one, PROGRAM, marks):
                        wrong.append((role, about, one.method, one.route, answer.status_code, "asked about another program"))
                    seen[about, answer.status_code] += 1
    assert wrong == []
    assert seen[PROGRAM, 404] > 50
    assert seen[OTHER, 200] > 30
    assert written(office) == before


def names(one: Asked, program: str, marks: list[str]) -> bool:
    """Does the request name something of that program?"""
    said = f"{one.path} {list(one.params.values())} {one.body}"
    return any(mark.strip('"') in re.split(r"[^A-Za-z0-9_.-]+", said) for mark in marks) or f"/{program}/" in one.path


def written(office: Office) -> list[tuple[str, int]]:
    """How many rows each table has, but for what is written of asking itself."""
    with psycopg.connect(office.database.url) as conn:
        tables = conn.execute("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'").fetchall()
        own = {"access_event", "access_attempt", "idempotency", "seal"}
        counts = [(name, conn.execute(f"select count(*) from {name}".encode()).fetchone()[0]) for (name,) in tables if name not in own]
    return sorted(counts)
