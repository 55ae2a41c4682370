"""What cannot be read, or is too much, is refused by name; what is ours to blame shows no insides."""

from __future__ import annotations

import csv
import io
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import openpyxl
import pytest
from fastapi.dependencies.utils import get_flat_params

from counterfoil.api.http.app import ROUTERS
from counterfoil.api.http.fields import EMPTY_ASKS_FOR_NONE
from counterfoil.api.http.lists import XLSX
from counterfoil.base.edge import Database
from counterfoil.base.problems import TO_DO
from tests.api.office import PROGRAM, Office, fresh, usage_csv
from tests.api.test_access import ROUTES

LINE = {"debit": "cash:bank:own", "credit": "suspense", "amount": "100"}
JOURNAL = {"programId": PROGRAM, "asset": "EUR", "key": "k", "lines": [LINE], "reason": "test"}


def test_every_problem_has_the_same_shape(office: Office):
    answer = office.ask("GET", "/api/payouts/po_01KA0000000000000000000000", headers={"X-Request-Id": "r-1"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "r-1"
    assert answer.json() == {
        "type": "/problems/NotFound",
        "title": "Payout po_01KA0000000000000000000000 not found.",
        "status": 404,
        "kind": "missing",
        "what": "payout",
        "id": "po_01KA0000000000000000000000",
        "whatToDo": TO_DO["missing"],
        "requestId": "r-1",
    }


def test_a_request_without_an_id_gets_one_and_a_strange_one_is_not_echoed(office: Office):
    for given in ({}, {"X-Request-Id": "a b\t<script>"}, {"X-Request-Id": "x" * 65}):
        assert office.ask("GET", "/healthz", role=None, headers=given).headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"lines": [{**LINE, "amount": 100}]}, "lines[0].amount", "string of whole minor units"),
        ({"lines": [{**LINE, "amount": 1.5}]}, "lines[0].amount", "string of whole minor units"),
        ({"lines": [{**LINE, "amount": "1.50"}]}, "lines[0].amount", "string of whole minor units"),
        ({"lines": [LINE, {**LINE, "amount": "-5"}]}, "lines[1].amount", "from 1 to"),
        ({"lines": [{**LINE, "amount": "0"}]}, "lines[0].amount", "from 1 to"),
        ({"lines": [{**LINE, "amount": "9" * 19}]}, "lines[0].amount", "from 1 to"),
        ({"lines": [{**LINE, "amount": "١٢"}]}, "lines[0].amount", "string of whole minor units"),
        ({"lines": []}, "lines", "at least 1"),
        ({"lines": [{**LINE, "debit": "a\x00b"}]}, "lines[0].debit", "control characters"),
        ({"asset": "eur"}, "asset", "match pattern"),
        ({"asset": None}, "asset", "string"),
        ({"surprise": 1}, "surprise", "no such field"),
        ({"effectiveAt": "2026-01-01T00:00:00"}, "effectiveAt", "timezone"),
        ({"effectiveAt": "9999-12-31T23:59:59Z"}, "effectiveAt", "year"),
        ({"reason": "   "}, "reason", "at least 1"),
        ({"key": "k" * 256}, "key", "at most 255"),
    ],
)
def test_bad_input_is_refused_with_field_and_limit(office: Office, change: dict[str, Any], field: str, says: str):
    answer = office.ask("POST", "/api/finance/journal", role="controller", key=fresh(), json={**JOURNAL, **change})
    assert answer.status_code == 422, answer.text
    assert (answer.json()["field"], says in answer.json()["limit"]) == (field, True), answer.json()


def test_a_missing_field_is_named(office: Office):
    body = {name: value for name, value in JOURNAL.items() if name != "asset"}
    answer = office.ask("POST", "/api/finance/journal", role="controller", key=fresh(), json=body).json()
    assert (answer["field"], answer["limit"]) == ("asset", "must be given")


def test_names_may_be_camel_or_snake(office: Office):
    snake = {"program_id": PROGRAM, "payee_id": "bolt", "token": "acct_bolt_1"}
    answer = office.by_two("/api/destinations", snake, role="administrator")
    assert (answer.status_code, answer.json()["payeeId"], answer.json()["tokenHint"]) == (201, "bolt", "t_1")
    assert office.ask("GET", "/api/payouts?invoice_id=inv_1").status_code == 200


@pytest.mark.parametrize("path", ["/api/payouts?stat=failed", "/api/intents?stuk=true", "/api/workers?limit=1"])
def test_a_parameter_that_does_not_exist_is_refused_instead_of_ignored(office: Office, path: str):
    answer = office.ask("GET", path, role="auditor")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/InvalidInput")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/payouts?state=lost", "state"),
        ("/api/invoices?status=open", "status"),
        ("/api/payouts?state=", "state"),
        ("/api/payouts?programId=%20", "programId"),
        ("/api/customers?sort=", "sort"),
        ("/api/breaks?kind=", "kind"),
        ("/api/payouts?limit=0", "limit"),
        ("/api/payouts?limit=501", "limit"),
        ("/api/payouts?cursor=abc", "cursor"),
        ("/api/events?level=loud", "level"),
        ("/api/payouts/inv_01KA0000000000000000000000", "payout_id"),
        ("/api/payouts/po_%00", "payout_id"),
        ("/api/journals/7", "journal_id"),
        ("/api/accounts/a%00b/balance", "name"),
        ("/api/accounts/suspense/balance", "asset"),
        ("/api/accounts/suspense/balance?asset=EUR&asOf=yesterday", "asOf"),
        ("/api/accounts/suspense/balance?asset=EUR&clock=mine", "clock"),
    ],
)
def test_a_parameter_out_of_its_limits_is_named(office: Office, path: str, field: str):
    answer = office.ask("GET", path)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


def test_an_empty_parameter_is_answered_only_where_it_says_what_it_asks_for(office: Office):
    routes = [one for router in ROUTERS for one in router.routes]
    told = {
        (one.path, param.alias)
        for one in routes
        for param in get_flat_params(one.dependant)  # type: ignore[attr-defined]
        if EMPTY_ASKS_FOR_NONE in param.field_info.metadata
    }
    assert told == {(path, name) for path in ("/api/breaks", "/api/breaks/export") for name in ("cause", "owner")}
    for path, name in told:
        assert office.ask("GET", path, params={name: ""}).status_code == 200
        assert office.ask("GET", path, params={"severity": ""}).status_code == 422


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"null", b'"x"', b"\xff\xfe", b"{'a': 1}", b"[" * 50_000])
def test_a_body_that_is_not_the_json_object_asked_for_is_refused(office: Office, body: bytes):
    headers = {"Content-Type": "application/json"}
    answer = office.ask("POST", "/api/finance/journal", role="controller", key=fresh(), content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_address_or_method_that_does_not_exist_is_a_problem_too(office: Office):
    nowhere, method = office.ask("GET", "/api/nowhere"), office.ask("DELETE", "/api/payouts")
    assert (nowhere.status_code, nowhere.json()["type"]) == (404, "/problems/NotFound")
    assert (method.status_code, method.json()["type"], method.headers["allow"]) == (
        405,
        "/problems/MethodRefused",
        "GET",
    )


def test_a_body_beyond_its_limit_is_refused_by_its_length(office: Office):
    answer = office.ask("POST", "/api/programs", role="administrator", key=fresh(), content=b"x" * 100_001)
    assert (answer.status_code, answer.json()["type"], answer.json()["limit"]) == (
        413,
        "/problems/TooLarge",
        "100000 bytes",
    )


def test_a_body_beyond_its_limit_is_refused_while_it_streams(office: Office):
    sent = 0

    def stream() -> Any:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * 10_000

    answer = office.ask("POST", "/api/programs", role="administrator", key=fresh(), content=stream())
    assert "content-length" not in answer.request.headers
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/TooLarge")


def test_a_length_that_lies_does_not_help(office: Office):
    """A raw socket: the header says 3, and the server reads 3."""
    where = urlsplit(office.url)
    with socket.create_connection((where.hostname, where.port)) as raw:
        raw.sendall(
            f"POST /api/programs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {office.keys['administrator']}\r\n"
            "Idempotency-Key: a\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{} ".encode()
        )
        assert b" 422 " in raw.recv(100)


def test_a_file_has_a_limit_of_its_own_and_a_stranger_may_not_send_it(office: Office):
    path = f"/api/usage?programId={PROGRAM}"
    large = b"x" * 150_000
    assert office.ask("POST", path, role="operator", key=fresh(), content=large).status_code == 422
    assert office.ask("POST", path, role="operator", key=fresh(), content=large * 2).status_code == 413
    assert office.ask("POST", path, role=None, content=large).status_code == 401


def test_a_query_has_a_limit(office: Office):
    assert office.ask("GET", f"/api/payouts?key={'x' * 5_000}").status_code == 422


def test_what_is_ours_to_blame_shows_no_insides(office: Office, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret detail at /srv/app/file.py")

    monkeypatch.setattr("counterfoil.api.http.lists.read_listed", broken)
    answer = office.ask("GET", "/api/payouts")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/Unexpected")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text


def test_a_database_that_is_away_is_busy_and_not_broken(office: Office, monkeypatch: pytest.MonkeyPatch):
    assert office.ask("GET", "/healthz", role=None).status_code == 200
    office.database.close()
    answer = office.ask("GET", "/healthz", role=None)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_read_cannot_write(database: Database, office: Office, monkeypatch: pytest.MonkeyPatch):
    """Whatever the code does: the transaction of a read refuses it."""

    def writes(conn: Any, *_: Any, **__: Any) -> list[Any]:
        conn.execute("insert into program (id, name, opened_at) values ('x', 'x', now())")
        return []

    monkeypatch.setattr("counterfoil.api.http.lists.read_listed", writes)
    assert office.ask("GET", "/api/payouts").status_code in (409, 500)
    with database.transaction() as conn:
        assert conn.execute("select count(*) from program where id = 'x'").fetchone() == (0,)


def test_lists_are_read_page_by_page_without_gap_or_repetition(office: Office):
    wanted = {office.invoice(word=f"page{n}")["id"] for n in range(5)}
    seen, cursor = [], None
    while True:
        page = office.ask("GET", "/api/invoices", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [row["id"] for row in page["data"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert (set(seen), len(seen), seen) == (wanted, 5, sorted(seen, reverse=True))


def test_a_sorted_list_is_read_page_by_page_among_equals_and_as_a_file(office: Office):
    wanted = {office.invoice(word=f"equal{n}")["id"] for n in range(5)}  # all of one amount
    for sort in ("total", "-total", "dueOn", "-issuedAt"):
        seen, cursor = [], None
        while True:
            given = {"limit": 2, "sort": sort, "asset": "EUR", "amountMin": "1", **({"cursor": cursor} if cursor else {})}
            page = office.ask("GET", "/api/invoices", params=given).json()
            seen += [row["id"] for row in page["data"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert (set(seen), len(seen)) == (wanted, 5), sort
        assert seen == sorted(seen, reverse=sort.startswith("-")), sort
    refused = office.ask("GET", "/api/invoices", params={"sort": "colour"}).json()
    assert (refused["field"], refused["limit"]) == ("sort", "one of issuedAt, dueOn, total, each also with - in front")
    assert office.ask("GET", "/api/invoices", params={"amountMax": "5"}).json()["field"] == "asset"
    cursor = office.ask("GET", "/api/invoices?limit=1&sort=total").json()["nextCursor"]
    assert office.ask("GET", "/api/invoices", params={"cursor": cursor, "sort": "-total"}).status_code == 422

    file = office.ask("GET", "/api/invoices?limit=2&sort=total", headers={"Accept": "text/csv"})
    header, *lines = list(csv.reader(io.StringIO(file.text)))
    assert (file.headers["content-type"], len(lines)) == ("text/csv; charset=utf-8", 2)
    assert lines[0][header.index("id")] == min(wanted)
    after = office.ask("GET", "/api/invoices", params={"limit": 3, "sort": "total", "cursor": file.headers["next-cursor"]}).json()
    assert {row["id"] for row in after["data"]} == wanted - {line[header.index("id")] for line in lines}
    book = office.ask("GET", "/api/disputes", headers={"Accept": XLSX})
    assert next(openpyxl.load_workbook(io.BytesIO(book.content)).active.iter_rows(values_only=True))[0] == "id"
    assert office.ask("GET", "/api/disputes?state=x", headers={"Accept": XLSX}).headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "sort", "by"),
    [
        ("/api/keys", "-name", "name"),
        ("/api/people", "name", "name"),
        ("/api/journals", "recordedAt", "id"),
        ("/api/journals", "-key", "key"),
    ],
)
def test_a_list_of_no_noun_is_sorted_too(office: Office, path: str, sort: str, by: str):
    for _ in range(3):
        office.fund("suspense", 1)
    of = {"programId": "main"} if path == "/api/journals" else {}
    everything = office.ask("GET", path, role="auditor", params={"limit": 500, **of}).json()["data"]
    seen, cursor = [], None
    while True:
        given = {"limit": 2, "sort": sort, **of, **({"cursor": cursor} if cursor else {})}
        page = office.ask("GET", path, role="auditor", params=given).json()
        seen += [row[by] for row in page["data"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == sorted((row[by] for row in everything), reverse=sort.startswith("-"))
    assert len(seen) > 2


def test_a_cursor_of_another_list_is_refused(office: Office):
    for n in range(2):
        office.invoice(word=f"cur{n}")
    cursor = office.ask("GET", "/api/invoices?limit=1").json()["nextCursor"]
    answer = office.ask("GET", "/api/payouts", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/CursorBroken")


def test_broken_usage_is_named_by_line_and_column_and_loses_no_other_line(office: Office):
    body = usage_csv(2).replace(b"10.00", b"ten", 1)
    answer = office.ask("POST", f"/api/usage?programId={PROGRAM}", role="operator", key=fresh(), content=body)
    said = answer.json()
    told = {name: said["mistakes"][0][name] for name in ("field", "line", "column", "got")}
    assert (answer.status_code, told) == (201, {"field": "unit_price", "line": 2, "column": 6, "got": "ten"})
    assert (said["new"], said["rejected"]) == (1, 1)


def test_a_part_of_a_file_of_usage_names_lines_of_the_whole(office: Office):
    body = usage_csv(2).replace(b"10.00", b"ten", 1)
    path = f"/api/usage?programId={PROGRAM}&fromLine=5002"
    assert office.ask("POST", path, role="operator", key=fresh(), content=body).json()["mistakes"][0]["line"] == 5002


def test_usage_may_come_as_json_and_as_json_lines(office: Office):
    at = "2026-11-19T10:00:00Z"
    common = {"customerId": "json-1", "payeeId": "payee-1", "asset": "EUR", "unitPrice": "10.00", "occurredAt": at}
    records = [{"recordId": f"json-{n}", "quantity": n, **common} for n in (1, 2)]
    path = f"/api/usage?programId={PROGRAM}"
    answer = office.ask("POST", path, role="operator", key=fresh(), json={"records": [*records, {"recordId": "json-3"}]})
    said = answer.json()
    assert (answer.status_code, said["new"], said["rejected"], said["mistakes"][0]["line"]) == (201, 2, 1, 3)
    again = "\n".join(json.dumps(one) for one in records).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    answer = office.ask("POST", path, role="operator", key=fresh(), content=again, headers=headers)
    assert (answer.status_code, answer.json()["records"], answer.json()["new"]) == (201, 2, 0)
    for wrong in ({}, {"records": []}, {"records": [1], "more": 2}):
        answer = office.ask("POST", path, role="operator", key=fresh(), json=wrong)
        assert (answer.status_code, answer.json()["field"]) == (422, "records")


def test_usage_may_come_as_a_form(office: Office):
    files = {"file": ("january.csv", usage_csv(3), "text/csv")}
    answer = office.ask("POST", f"/api/usage?programId={PROGRAM}", role="operator", key=fresh(), files=files)
    assert (answer.status_code, answer.json()["new"]) == (201, 3)
    wrong = {"data": ("january.csv", usage_csv(3), "text/csv")}
    answer = office.ask("POST", f"/api/usage?programId={PROGRAM}", role="operator", key=fresh(), files=wrong)
    assert (answer.status_code, answer.json()["field"]) == (422, "file")


@pytest.mark.parametrize("text", ["a\x00b", "a\x1b[31mb", "a\x9bb"])
def test_a_control_character_is_refused_in_every_text_of_every_body(office: Office, text: str):
    """NUL reached the database and was answered 500; ESC reached the terminal of whoever listed it."""
    wrong = []
    for method, path, body, _ in ROUTES:
        for name, value in (body or {}).items():
            if isinstance(value, str):
                answer = office.ask(method, path, role="controller", key=fresh(), json={**body, name: text})
                if answer.status_code not in (403, 404, 422):
                    wrong.append((method, path, name, answer.status_code))
    assert wrong == []
