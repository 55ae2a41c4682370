"""At the door: who asks is known before what they ask is read; limits on headers, bodies, time and tries; and all of it recorded."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from counterfoil.api.http import connections, middleware
from counterfoil.api.http.app import make_app
from counterfoil.api.http.connections import GuardedProtocol, address_of, networks
from counterfoil.operations.access.access import new_secret
from counterfoil.operations.access.turns import TurnLimits
from tests.api.office import PROGRAM, Office, fresh, served, wiring_for
from tests.quick_server import QuickServer

HEAD = "POST /api/movements/bulk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@contextmanager
def raw(office: Office) -> Iterator[socket.socket]:
    host, port = office.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as found:
        yield found


def answer_of(found: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        part = found.recv(65_536)
        if not part:
            break
        got += part
    return got


@pytest.mark.parametrize("authorization", ["", "Authorization: Bearer cf_live_wrong\r\n"])
@pytest.mark.parametrize("path", ["/api/movements/bulk", "/api/finance/journal", "/api/usage", "/api/breaks/import"])
def test_without_a_key_the_answer_comes_before_a_byte_of_the_body(office: Office, authorization: str, path: str):
    """8 MB of `[],[]` are announced and never sent: whoever waited for them would wait for ever."""
    with raw(office) as found:
        head = HEAD.replace("/api/movements/bulk", path)
        found.sendall(f"{head}{authorization}Content-Length: 90000\r\n\r\n".encode())
        assert b" 401 " in answer_of(found)


def test_a_role_that_may_not_is_refused_before_a_byte_of_the_body(office: Office):
    with raw(office) as found:
        key = f"Authorization: Bearer {office.keys['viewer']}\r\nIdempotency-Key: a\r\n"
        found.sendall(f"{HEAD}{key}Content-Length: 90000\r\n\r\n".encode())
        assert b" 403 " in answer_of(found)


def test_every_answer_says_what_may_be_done_with_it(office: Office):
    for path, role in (("/api/payouts", "viewer"), ("/api/payouts", None), ("/api/none", "viewer")):
        headers = office.ask("GET", path, role=role).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert "strict-transport-security" not in headers


def test_behind_https_browsers_are_told_to_come_by_nothing_else(office: Office):
    app = make_app(office.wiring, owner="t", log_requests=False, https=True)
    with served(app) as url:
        assert office.ask("GET", f"{url}/healthz", role=None).headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize(("header", "query"), [("true", "false"), ("false", "true"), ("true", ""), ("", "true")])
def test_a_dry_run_that_is_asked_for_once_is_one(office: Office, header: str, query: str):
    """`Dry-Run: true` beside `?dryRun=false` wrote."""
    body = {"id": fresh("p"), "name": "P", "assets": [{"code": "EUR", "scale": 2}]}
    answer = office.ask(
        "POST",
        "/api/programs",
        role="administrator",
        key=fresh(),
        json=body,
        headers={"Dry-Run": header} if header else {},
        params={"dryRun": query} if query else {},
    )
    assert answer.json()["dryRun"] is True
    assert body["id"] not in office.ask("GET", "/api/programs").text


def access(office: Office, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.ask("GET", "/api/access", role="auditor", params=params).json()["data"]
    return found


def test_logins_failures_and_refusals_are_recorded_with_address_and_key(office: Office):
    office.ask("POST", f"/api/programs/{PROGRAM}/rates", role="viewer", key=fresh(), json={})
    office.ask("POST", "/api/logins", role=None, json={"name": "nobody", "password": "x" * 12})
    office.keys["stranger"] = new_secret(b"x" * 25, live=True)
    office.ask("GET", "/api/payouts", role="stranger")
    (refused,) = access(office, kind="refused")
    assert (refused["name"], refused["apiKeyId"], refused["needs"]) == (
        "viewer",
        office.key_ids["viewer"],
        "administer",
    )
    assert (refused["path"], refused["address"]) == ("/api/programs/{program_id}/rates", "127.0.0.1")
    (failed,) = access(office, kind="login_failed")
    assert (failed["name"], failed["address"]) == ("nobody", "127.0.0.1")
    assert len(access(office, kind="key_refused")) == 1
    assert office.ask("GET", "/api/access", role="viewer").status_code == 403


def test_actions_logins_and_refusals_are_one_list_for_the_auditor_with_key_address_and_outcome(office: Office):
    invoice = office.invoice()["id"]
    office.ask("POST", f"/api/invoices/{invoice}/cancel", role="viewer", json={"reason": "x"})
    office.ask("POST", f"/api/invoices/{invoice}/cancel", role="controller", json={"reason": "a mistake"})
    office.ask("POST", f"/api/invoices/{invoice}/cancel?dryRun=true", role="controller", json={"reason": "tried only"})

    def records(**params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = office.ask("GET", "/api/audit/records", role="auditor", params=params).json()["data"]
        return found

    (done,) = records(subject=invoice)
    told = [done[name] for name in ("actor", "what", "outcome", "apiKeyId", "address", "reason")]
    assert told == ["key:controller", "invoice.cancel", "done", office.key_ids["controller"], "127.0.0.1", "a mistake"]
    (refused,) = records(about="refusals", who="viewer")
    assert (refused["outcome"], refused["needs"], refused["apiKeyId"]) == ("refused", "operate", office.key_ids["viewer"])
    assert [one["id"] for one in records(limit=1)] == [records()[0]["id"]]
    assert records(until="2020-01-01") == []
    assert office.ask("GET", "/api/audit/records", role="viewer").status_code == 403
    assert office.ask("GET", "/api/audit/records", role="auditor", params={"about": "x"}).status_code == 422


def test_logins_wait_after_five_failures_in_every_process(office: Office):
    body = {"name": "vera", "password": "wrong and long"}
    statuses = [office.ask("POST", "/api/logins", role=None, json=body).status_code for _ in range(5)]
    with served(make_app(wiring_for(office.database), owner="other", log_requests=False)) as url:
        last = office.ask("POST", f"{url}/api/logins", role=None, json=body)
    assert (statuses, last.status_code, last.json()["type"]) == ([401] * 5, 429, "/problems/TooManyAttempts")
    assert 0 < int(last.headers["retry-after"]) <= 301
    assert access(office, kind="login_limited")[0]["name"] == "vera"


def test_a_key_that_asks_too_often_waits(office: Office):
    with served(make_app(office.wiring, owner="t", log_requests=False, turn_limits=TurnLimits(of_key=3))) as url:
        with office.http("viewer") as client:
            statuses = {client.get(f"{url}/api/programs").status_code for _ in range(20)}
        assert statuses == {200, 429}
        time.sleep(1.1)
        assert office.ask("GET", f"{url}/api/programs").status_code == 200


def test_two_processes_count_the_turns_of_a_key_together(office: Office):
    """Each alone would let 30 of 60 through in a second; together they let 30 through, and the few that one of them had taken already."""
    limits = TurnLimits(of_key=30)
    apps = [make_app(office.wiring, owner=f"t{number}", log_requests=False, turn_limits=limits) for number in range(2)]
    with served(apps[0]) as one, served(apps[1]) as other, office.http("operator") as client:
        while int(time.time() * 10) % 10 != 1:  # early in a second
            time.sleep(0.01)
        began = time.monotonic()
        done = [client.get(f"{url}/api/programs").status_code for _ in range(30) for url in (one, other)]
        seconds = int(time.monotonic() - began) + 1
    assert set(done) == {200, 429}, done
    assert done.count(200) <= seconds * (30 + 3)


def test_an_address_that_asks_too_often_waits_whoever_asks_there(office: Office):
    limits = TurnLimits(of_address=10)
    with served(make_app(office.wiring, owner="t", log_requests=False, turn_limits=limits)) as url:
        statuses = [office.ask("GET", f"{url}/api/programs", role=role).status_code for _ in range(20) for role in ("viewer", None)]
        assert {200, 401, 429} == set(statuses)
        time.sleep(1.1)
        assert office.ask("GET", f"{url}/api/programs").status_code == 200


def scope(peer: str, *forwarded: str) -> dict[str, Any]:
    return {"client": (peer, 1), "headers": [(b"x-forwarded-for", one.encode()) for one in forwarded]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", ["1.1.1.1"], "192.0.2.1"),  # not a proxy of ours: it may say what it likes
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),  # what stands further left was written by whoever asked
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["2001:db8::7"], "2001:db8::7"),
    ],
)
def test_only_a_trusted_proxy_says_from_where_somebody_comes(peer: str, forwarded: list[str], found: str):
    assert address_of(scope(peer, *forwarded), networks("10.0.0.0/8, ::1")) == found


@pytest.fixture
def guarded(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    app = make_app(office.wiring, owner="t", log_requests=False)
    server = QuickServer(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, http=GuardedProtocol))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[:2]
    server.should_exit = True
    thread.join(10)


def cut_off(found: socket.socket) -> bool:
    """Send headers without end until the other side gives up; it says why, and the system may tell it by a reset before."""
    try:
        found.sendall(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(200):
            found.sendall(b"X-A: " + b"a" * 1_000 + b"\r\n")
        told = found.recv(100)
        return b" 431 " in told or b" 408 " in told  # the time is over first where the machine is slow
    except OSError:
        return True


def test_headers_that_never_end_or_never_come_are_cut(guarded: tuple[str, int]):
    with socket.create_connection(guarded, timeout=5) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")
        began = time.monotonic()
        assert answer_of(slow).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 3
    with socket.create_connection(guarded, timeout=5) as silent:
        assert silent.recv(100) == b"", "nothing was asked"
    with socket.create_connection(guarded, timeout=5) as long:
        assert cut_off(long)
    with socket.create_connection(guarded, timeout=5) as good:
        for _ in range(2):  # the same connection twice, with a rest between that is shorter than the limit
            good.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in answer_of(good)
            time.sleep(0.2)


@pytest.mark.parametrize("path", ["/webhooks/simulator", "/api/logins"])
def test_a_body_that_is_announced_and_does_not_come_is_given_up(office: Office, path: str, monkeypatch: pytest.MonkeyPatch):
    """Where nobody has to say who they are before the body, silence would hold a connection for ever."""
    monkeypatch.setattr(middleware, "BODY_S", 0.3)
    with raw(office) as found:
        began = time.monotonic()
        found.sendall(f"{HEAD.replace('/api/movements/bulk', path)}Content-Length: 90\r\n\r\n[".encode())
        told = answer_of(found)
        while b"}" not in told:
            told += found.recv(65_536)
        assert b" 408 " in told
        assert b"/problems/TooSlow" in told
        assert time.monotonic() - began < 5
