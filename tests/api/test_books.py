"""Accounts, journals, holds and periods over HTTP."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import now
from tests.api.office import PROGRAM, Office, fresh

NAMES = ["cash:bank:own", "payable:payee:bolt", "platform:own_funds", "fee:platform"]


@pytest.fixture
def books(office: Office) -> Office:
    """An office whose accounts are open, with 10.00 EUR owed to a payee."""
    body = {"programId": PROGRAM, "asset": "EUR", "names": NAMES}
    assert office.ask("POST", "/api/accounts", role="controller", key=fresh(), json=body).status_code == 201
    office.fund("payable:payee:bolt", 1_000)
    return office


def post(office: Office, path: str, body: dict[str, Any], *, role: str = "controller") -> Any:
    return office.ask("POST", path, role=role, key=fresh(), json=body)


def journal(office: Office, amount: str = "400", **change: Any) -> Any:
    lines = [{"debit": "payable:payee:bolt", "credit": "fee:platform", "amount": amount}]
    body = {"programId": PROGRAM, "asset": "EUR", "key": fresh(), "lines": lines, "reason": "a correction", **change}
    return post(office, "/api/finance/journal", body)


def balance(office: Office, name: str, **params: str) -> dict[str, Any]:
    found = office.ask("GET", f"/api/accounts/{name}/balance", params={"asset": "EUR", **params})
    assert found.status_code == 200, found.text
    shown: dict[str, Any] = found.json()
    return shown


def test_a_journal_moves_money_and_is_shown_whole(books: Office):
    posted = journal(books).json()
    shown = books.ask("GET", f"/api/journals/{posted['id']}").json()
    (line,) = shown["lines"]
    assert (shown["actor"], shown["narrative"], shown["asset"], shown["lineCount"]) == (
        "key:controller",
        "a correction",
        "EUR",
        1,
    )
    assert (line["amount"], line["debitBalance"], line["creditBalance"], line["reversedBy"]) == (
        "400",
        "600",
        "400",
        None,
    )
    assert (balance(books, "payable:payee:bolt")["balance"], balance(books, "fee:platform")["balance"]) == (
        "600",
        "400",
    )


def test_a_balance_is_known_as_of_any_moment_by_either_clock(books: Office):
    yesterday = now() - timedelta(days=1)
    posted = journal(books, effectiveAt=yesterday.isoformat()).json()
    assert balance(books, "fee:platform", asOf=yesterday.isoformat(), clock="effective")["balance"] == "400"
    assert balance(books, "fee:platform", asOf=yesterday.isoformat(), clock="recorded")["balance"] == "0"
    assert balance(books, "fee:platform", asOf=posted["recordedAt"])["balance"] == "400"


def test_a_journal_is_reversed_once(books: Office):
    posted = journal(books).json()
    path = f"/api/journals/{posted['id']}/reverse"
    back = post(books, path, {"reason": "wrong payee"})
    again = post(books, path, {"reason": "wrong payee", "key": fresh()})
    assert (back.status_code, balance(books, "fee:platform")["balance"]) == (201, "0")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/AlreadyReversed")
    shown = books.ask("GET", f"/api/journals/{posted['id']}").json()
    assert shown["lines"][0]["reversedBy"] == back.json()["id"]


@pytest.mark.parametrize(
    ("change", "status", "problem"),
    [
        ({"amount": "1001"}, 409, "InsufficientFunds"),
        ({"programId": "nowhere"}, 404, "UnknownProgram"),
        ({"asset": "CHF"}, 404, "UnknownProgram"),
        ({"lines": [{"debit": "nobody", "credit": "fee:platform", "amount": "1"}]}, 404, "UnknownAccount"),
        ({"lines": [{"debit": "fee:platform", "credit": "fee:platform", "amount": "1"}]}, 422, "InvalidInput"),
    ],
)
def test_what_the_ledger_refuses_is_told_and_posts_nothing(books: Office, change: dict[str, Any], status: int, problem: str):
    answer = journal(books, **change) if "amount" not in change else journal(books, change["amount"])
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}"), answer.text
    assert balance(books, "payable:payee:bolt")["balance"] == "1000"


def test_accounts_are_sorted_by_what_they_hold_page_by_page(books: Office):
    books.fund("payable:payee:ada", 5_000)
    asked = {"programId": PROGRAM, "beginning": "payable:", "sort": "-balance", "limit": "1"}
    first = books.ask("GET", "/api/accounts", params=asked).json()
    assert [(one["name"], one["balance"]) for one in first["data"]] == [("payable:payee:ada", "5000")]
    second = books.ask("GET", "/api/accounts", params={**asked, "cursor": first["nextCursor"]}).json()
    assert [(one["name"], one["balance"]) for one in second["data"]] == [("payable:payee:bolt", "1000")]
    names = [one["name"] for one in books.ask("GET", "/api/accounts", params={"programId": PROGRAM, "sort": "name"}).json()["data"]]
    assert names == sorted(names)
    assert len(names) > 2
    assert books.ask("GET", "/api/accounts", params={"programId": "nowhere", "sort": "name"}).status_code == 404
    plain = books.ask("GET", "/api/accounts", params={"programId": PROGRAM, "asset": "EUR"}).json()["data"]
    assert [one["name"] for one in plain] == names, "unsorted they come by asset and name"


def test_a_frozen_account_is_not_lowered_and_a_closed_one_is_not_used(books: Office):
    body = {"programId": PROGRAM, "asset": "EUR", "account": "payable:payee:bolt", "reason": "the court says so"}
    assert post(books, "/api/accounts/freeze", body).json()["frozen"] is True
    refused = journal(books).json()
    assert (refused["type"], refused["minor"], refused["asset"]) == ("/problems/AccountFrozen", "400", "EUR")
    assert "unfreeze it with a reason" in refused["whatToDo"]
    assert post(books, "/api/accounts/close", body).json()["type"] == "/problems/AccountNotEmpty"
    assert post(books, "/api/accounts/unfreeze", body).json()["frozen"] is False
    assert journal(books, "1000").status_code == 201
    assert post(books, "/api/accounts/close", body).json()["closed"] is True
    assert journal(books).json()["type"] == "/problems/AccountClosed"


def a_hold(books: Office) -> Any:
    body = {"programId": PROGRAM, "asset": "EUR", "key": fresh(), "debit": "payable:payee:bolt", "credit": "fee:platform", "amount": "700"}
    return post(books, "/api/holds", body).json()


def test_a_hold_sets_money_aside_and_is_resolved_once(books: Office):
    held = a_hold(books)
    shown = balance(books, "payable:payee:bolt")
    assert (shown["balance"], shown["held"], shown["available"]) == ("1000", "700", "300")
    assert journal(books).json()["type"] == "/problems/InsufficientFunds"
    part = post(books, f"/api/holds/{held['id']}/post", {"programId": PROGRAM, "amount": "500"})
    assert (part.status_code, balance(books, "payable:payee:bolt")["available"]) == (201, "500")
    void = post(books, f"/api/holds/{held['id']}/void", {"programId": PROGRAM, "reason": "late"})
    assert (void.status_code, void.json()["type"]) == (409, "/problems/HoldResolved")
    now_shown = books.ask("GET", f"/api/holds/{held['id']}").json()
    assert (now_shown["state"], now_shown["posted"], now_shown["amount"]) == ("post", "500", "700")


def test_a_voided_hold_gives_its_money_back(books: Office):
    held = a_hold(books)
    void = post(books, f"/api/holds/{held['id']}/void", {"programId": PROGRAM, "reason": "not needed"})
    assert (void.json()["state"], balance(books, "payable:payee:bolt")["available"]) == ("void", "1000")


def test_a_closed_period_takes_no_more(books: Office):
    until = (now() - timedelta(days=2)).isoformat()
    closed = post(books, f"/api/programs/{PROGRAM}/period/close", {"until": until, "reason": "month end"})
    assert closed.status_code == 200
    late = journal(books, effectiveAt=(now() - timedelta(days=3)).isoformat())
    assert (late.status_code, late.json()["type"]) == (409, "/problems/PeriodClosed")
    assert books.ask("GET", f"/api/programs/{PROGRAM}/period").json()["closedUntil"] is not None


def test_closed_books_are_opened_again_by_a_second_person(books: Office):
    path, until, earlier = f"/api/programs/{PROGRAM}/period", now() - timedelta(days=2), now() - timedelta(days=9)
    post(books, f"{path}/close", {"until": until.isoformat(), "reason": "month end"})
    asked = {"until": earlier.isoformat(), "reason": "an invoice was forgotten"}
    one = post(books, f"{path}/reopen", asked)
    assert one.status_code == 201, one.text
    proposal = one.json()
    approve, body = (
        f"/api/approvals/{proposal['id']}/approve",
        {"payloadSha256": proposal["payloadSha256"], "reason": "seen"},
    )
    assert post(books, approve, body).status_code == 403, "a key never approves"
    assert books.ask("GET", path).json()["closedUntil"][:10] == until.isoformat()[:10]
    assert post(books, approve, body, role="approver").json()["state"] == "done"
    assert books.ask("GET", path).json()["closedUntil"][:10] == earlier.isoformat()[:10]
    assert journal(books, effectiveAt=(now() - timedelta(days=3)).isoformat()).status_code == 201


def test_an_account_is_closed_when_it_is_empty_and_opened_again(books: Office):
    body = {"programId": PROGRAM, "asset": "EUR", "account": "payable:payee:bolt", "reason": "left"}
    assert post(books, "/api/accounts/close", body).status_code == 409
    journal(books, "1000")
    assert post(books, "/api/accounts/close", body).json()["closed"] is True
    assert post(books, "/api/accounts/reopen", body).json()["closed"] is False


@pytest.mark.parametrize("key", ["SETTLEMENT:inv_1", "PAYOUT_FINALIZE:pp_1", "break:brk_1:1"])
def test_a_callers_journal_cannot_take_a_key_of_the_product(books: Office, key: str):
    refused = journal(books, "1", key=key)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/KeyReserved")


def test_the_trial_balance_has_two_equal_totals(books: Office):
    journal(books)
    first = books.ask("GET", f"/api/programs/{PROGRAM}/trial-balance?asset=EUR&limit=2").json()
    rest = books.ask("GET", f"/api/programs/{PROGRAM}/trial-balance", params={"asset": "EUR", "cursor": first["nextCursor"]}).json()
    lines = first["data"] + rest["data"]
    assert [line["account"] for line in lines] == ["cash:bank:own", "fee:platform", "payable:payee:bolt"]
    assert first["totalDebit"] == first["totalCredit"] == "1000"
    assert sum(int(line["debit"]) for line in lines) == sum(int(line["credit"]) for line in lines) == 1_000


def test_many_movements_are_posted_with_a_result_for_each(books: Office):
    ids = [str(uuid.uuid4()) for _ in range(4)]
    amounts = ["100", "950", "200", "1"]
    accounts = [("payable:payee:bolt", "fee:platform")] * 3 + [("payable:payee:bolt", "nobody")]
    movements = [
        {"id": one, "debit": debit, "credit": credit, "amount": amount}
        for one, amount, (debit, credit) in zip(ids, amounts, accounts, strict=True)
    ]
    body = {"programId": PROGRAM, "asset": "EUR", "key": fresh(), "movements": movements}
    first = post(books, "/api/movements/bulk", body).json()
    again = post(books, "/api/movements/bulk", body).json()
    assert [one["outcome"] for one in first["results"]] == ["posted", "debit_insufficient", "posted", "credit_unknown"]
    assert (first["posted"], first["refused"], first["existed"]) == (2, 2, False)
    assert again == {**first, "existed": True}
    assert balance(books, "payable:payee:bolt")["balance"] == "700"


def test_bulks_of_one_moment_share_a_commit_and_each_has_its_entry_in_the_action_log(books: Office):
    bodies = [
        {
            "programId": PROGRAM,
            "asset": "EUR",
            "key": fresh(),
            "movements": [{"id": str(uuid.uuid4()), "debit": "payable:payee:bolt", "credit": "fee:platform", "amount": "1"}],
        }
        for _ in range(12)
    ]
    with psycopg.connect(books.database.url) as conn, ThreadPoolExecutor(12) as pool:
        conn.execute("select pg_advisory_xact_lock(program_lock(%s))", [PROGRAM])
        waiting = [pool.submit(post, books, "/api/movements/bulk", body) for body in bodies]
        time.sleep(1)
        conn.commit()
        done = [one.result().json() for one in waiting]
    assert [one["posted"] for one in done] == [1] * 12
    with psycopg.connect(books.database.url) as conn:
        rows = conn.execute(
            """select count(distinct j.written_by), count(distinct j.id), count(a.id)
               from journal j left join action a on a.subject_id = j.key and a.verb = 'movements.post'
               where j.key = any(%s)""",
            [[body["key"] for body in bodies]],
        ).fetchone()
    assert rows is not None
    assert rows[0] <= 3, "those that waited went together"
    assert rows[1:] == (12, 12)


def test_a_dry_run_of_many_movements_moves_nothing_and_takes_no_key(books: Office):
    moves = [{"id": str(uuid.uuid4()), "debit": "payable:payee:bolt", "credit": "fee:platform", "amount": "1"}]
    body = {"programId": PROGRAM, "asset": "EUR", "key": fresh(), "movements": moves}
    dry = post(books, "/api/movements/bulk?dryRun=true", body).json()
    assert (dry["dryRun"], dry["posted"], balance(books, "payable:payee:bolt")["balance"]) == (True, 1, "1000")
    assert post(books, "/api/movements/bulk", body).json()["existed"] is False


def movement(**change: Any) -> dict[str, Any]:
    given = {"id": str(uuid.uuid4()), "debit": "payable:payee:bolt", "credit": "fee:platform", "amount": "10"}
    return {"programId": PROGRAM, "asset": "EUR", **given, **change}


def test_one_movement_is_posted_once_and_its_id_is_its_key(books: Office):
    one = movement()
    answers = [books.ask("POST", "/api/movements", role="controller", json=one) for _ in range(2)]
    assert [(a.status_code, a.json()["outcome"]) for a in answers] == [(201, "posted"), (200, "exists")]
    other = books.ask("POST", "/api/movements", role="controller", json={**one, "amount": "11"})
    assert (other.status_code, other.json()["type"]) == (422, "/problems/KeyReused")
    assert balance(books, "payable:payee:bolt")["balance"] == "990"


def test_a_dry_run_of_a_movement_moves_nothing(books: Office):
    one = movement()
    dry = books.ask("POST", "/api/movements?dryRun=true", role="controller", json=one)
    assert (dry.status_code, dry.json()["dryRun"], balance(books, "payable:payee:bolt")["balance"]) == (
        201,
        True,
        "1000",
    )
    assert books.ask("POST", "/api/movements", role="controller", json=one).json()["outcome"] == "posted"


@pytest.mark.parametrize(
    ("change", "status", "problem"),
    [
        ({"amount": "1001"}, 409, "InsufficientFunds"),
        ({"debit": "nobody"}, 404, "UnknownAccount"),
        ({"programId": "nowhere"}, 404, "UnknownProgram"),
        ({"amount": 5}, 422, "InvalidInput"),
        ({"id": "7"}, 422, "InvalidInput"),
        ({"effectiveAt": "2999-01-01T00:00:00Z"}, 422, "InvalidInput"),
    ],
)
def test_a_movement_that_is_refused_says_why(books: Office, change: dict[str, Any], status: int, problem: str):
    answer = books.ask("POST", "/api/movements", role="controller", json=movement(**change))
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}"), answer.text


def test_callers_at_the_same_moment_share_commits_and_each_gets_its_own_answer(books: Office):
    """120 ask for 10 each out of 1,000: exactly 100 are posted, 20 are told that the money is gone."""

    def ask(_: int) -> int:
        with books.http("controller") as client:
            return client.post("/api/movements", json=movement()).status_code

    with ThreadPoolExecutor(16) as callers:
        statuses = Counter(callers.map(ask, range(120)))
    assert statuses == {201: 100, 409: 20}
    assert balance(books, "payable:payee:bolt")["balance"] == "0"
    assert books.ask("GET", "/api/admin/invariants").json()["allHold"] is True


def test_a_program_with_one_asset_needs_not_name_it(office: Office):
    office.fund("suspense", 5)
    several = office.ask("GET", "/api/accounts/suspense/balance")
    assert (several.status_code, several.json()["limit"]) == (422, "one of EUR, JPY: this program has several")
    body = {"id": "solo", "name": "Solo", "assets": [{"code": "EUR", "scale": 2}]}
    assert post(office, "/api/programs", body, role="administrator").status_code == 201
    one = office.ask("GET", "/api/accounts/suspense/balance?programId=solo")
    assert (one.status_code, one.json()["type"]) == (404, "/problems/UnknownAccount")


def test_a_program_keeps_its_scales(office: Office):
    body = {"id": "p2", "name": "P", "assets": [{"code": "EUR", "scale": 3}]}
    answer = post(office, "/api/programs", body, role="administrator")
    assert (answer.status_code, answer.json()["field"]) == (422, "scale")


def test_an_account_name_may_hold_what_an_address_may_not(books: Office):
    name = "odd/name #1?é%2F"
    body = {"programId": PROGRAM, "asset": "EUR", "names": [name], "normal": "credit"}
    assert post(books, "/api/accounts", body).status_code == 201
    with books.client("viewer") as client:
        assert client.balance(PROGRAM, name, asset="EUR")["account"] == name


def test_a_statement_adds_up_page_by_page_by_either_clock(books: Office):
    for _ in range(5):
        journal(books, "10")
    span = {"startTime": "2026-01-01T00:00:00Z", "endTime": (now() + timedelta(hours=1)).isoformat(), "asset": "EUR"}
    for clock in ("recorded", "effective"):
        lines, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            params = {**span, "clock": clock, "limit": 4, **more}
            page = books.ask("GET", "/api/accounts/payable:payee:bolt/statement", params=params).json()
            lines += page["data"]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        moved = sum(int(line["credit"]) - int(line["debit"]) for line in lines)
        assert (len(lines), int(page["opening"]) + moved, page["closing"]) == (6, int(page["closing"]), "950")
        assert lines[-1]["balance"] == "950"


def test_an_account_explains_itself(books: Office):
    journal(books)
    found = books.ask("GET", "/api/accounts/payable:payee:bolt/explain?asset=EUR").json()
    assert (found["sound"], found["entries"], found["drift"], found["gaps"]) == (True, 2, "0", [])
