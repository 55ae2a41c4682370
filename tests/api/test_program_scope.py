"""A key of one program sees that program: of another's things there are none, and what is about all of them is refused."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import NewPosting, post
from counterfoil.operations.access import access
from tests.api.office import PROGRAM, Office, fresh
from tests.api.test_access import ROUTES

OTHER = "other"


@pytest.fixture
def world(office: Office) -> Office:
    """A second program, and of each role a key that is of it."""
    with office.database.transaction() as conn:
        open_program(conn, OTHER, name="Other", assets=[Asset("EUR", 2)], now=now())
        open_accounts(conn, OTHER, ["suspense", "cash:bank:own"], asset="EUR", actor="t", now=now())
        for role in access.ROLES:
            secret = office.keys[f"other {role}"] = access.new_secret(entropy(access.SECRET_BYTES), live=False)
            access.create_key(
                conn, make_id("key"), secret, name=f"other {role}", role=role, by="t", now=now(), program_id=OTHER
            )
    return office


def test_every_route_and_role_keeps_a_key_of_one_program_within_it(world: Office):
    """No route of the whole table answers a key of another program with anything of `main`, or writes anything there."""
    invoice = world.invoice()
    wrong = []
    for role, held in access.ROLES.items():
        with world.http(f"other {role}") as client:
            for method, path, body, needed in ROUTES:
                headers = {"Idempotency-Key": fresh()}
                if (
                    isinstance(body, dict)
                    and "programId" not in body
                    and path in ("/api/reconciliation/runs", "/api/client-money")
                ):
                    body = {**body, "programId": PROGRAM}
                answer = client.request(method, path, json=body, headers=headers)
                if needed not in held:
                    if answer.status_code != 403:
                        wrong.append((role, method, path, answer.status_code))
                elif answer.status_code < 300 and (f'"{PROGRAM}"' in answer.text or invoice["id"] in answer.text):
                    wrong.append((role, method, path, answer.text[:200]))
                elif method == "POST" and answer.status_code < 300 and path != "/api/logins/end":
                    wrong.append((role, method, path, answer.status_code))
    assert wrong == []


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
    reverse = world.ask(
        "POST", f"/api/journals/{made}/reverse", role="other controller", key=fresh(), json={"reason": "x"}
    )
    assert reverse.status_code == 404
