"""A write with the same key is done once, whatever happens on the way."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from counterfoil.operations.work.runner import Tally
from tests.api.office import PROGRAM, Office, charge_event, fresh, signed, usage_csv

JOURNAL = {
    "programId": PROGRAM,
    "asset": "EUR",
    "lines": [{"debit": "suspense", "credit": "platform:own_funds", "amount": "100"}],
    "reason": "test",
}


def journals(office: Office) -> int:
    return len(office.ask("GET", f"/api/journals?programId={PROGRAM}&limit=500").json()["data"])


@pytest.fixture
def books(office: Office) -> Office:
    """An office whose accounts are open."""
    body = {"programId": PROGRAM, "asset": "EUR", "names": ["suspense", "platform:own_funds", "payable:validator"]}
    assert office.ask("POST", "/api/accounts", role="controller", key=fresh(), json=body).status_code == 201
    return office


@pytest.mark.parametrize(
    ("path", "body", "role"),
    [
        ("/api/programs", {"id": "p", "name": "P", "assets": [{"code": "EUR", "scale": 2}]}, "administrator"),
        ("/api/keys", {"name": "n", "role": "viewer"}, "administrator"),
        ("/api/destinations", {"programId": PROGRAM, "payeeId": "p", "token": "t"}, "administrator"),
        ("/api/invoices/issue", {"programId": PROGRAM}, "operator"),
        ("/api/usage?programId=main", None, "operator"),
        ("/api/finance/journal", {**JOURNAL, "key": "k"}, "controller"),
        (
            "/api/holds",
            {"programId": PROGRAM, "asset": "EUR", "key": "k", "debit": "a", "credit": "b", "amount": "1"},
            "controller",
        ),
    ],
)
def test_what_creates_or_moves_money_needs_a_key(office: Office, path: str, body: Any, role: str):
    answer = office.ask("POST", path, role=role, json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/IdempotencyKeyMissing")


@pytest.mark.parametrize("key", ["x" * 256, "tab\there", "caf\xe9"])
def test_a_key_has_limits(office: Office, key: str):
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = office.ask("POST", "/api/invoices/issue", role="operator", json={"programId": PROGRAM}, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")


def test_the_same_key_twice_gets_the_first_answer_and_posts_once(books: Office):
    body, key = {**JOURNAL, "key": fresh()}, fresh()
    first = books.ask("POST", "/api/finance/journal", role="controller", key=key, json=body)
    again = books.ask("POST", "/api/finance/journal", role="controller", key=key, json=body)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert journals(books) == 1


def test_the_same_key_with_another_body_is_refused(books: Office):
    key = fresh()
    assert books.ask("POST", "/api/finance/journal", role="controller", key=key, json={**JOURNAL, "key": "a"}).status_code == 201
    answer = books.ask("POST", "/api/finance/journal", role="controller", key=key, json={**JOURNAL, "key": "b"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/KeyReused")
    assert journals(books) == 1


def test_the_same_usage_file_under_the_same_key_counts_once_and_another_file_is_refused(office: Office):
    body, key, path = usage_csv(2), fresh(), f"/api/usage?programId={PROGRAM}"
    answers = [office.ask("POST", path, role="operator", key=key, content=one) for one in (body, body, usage_csv(2))]
    assert [answer.status_code for answer in answers] == [201, 201, 422]
    assert answers[0].json() == answers[1].json()


def test_keys_of_two_callers_do_not_meet(office: Office):
    key = fresh()
    for role in ("operator", "controller"):
        body = {"programId": PROGRAM}
        answer = office.ask("POST", "/api/invoices/issue", role=role, key=key, json=body)
        assert (answer.status_code, "idempotent-replayed" in answer.headers) == (201, False)


def test_a_refusal_is_remembered_under_its_key_and_moves_nothing_later(books: Office):
    body = {**JOURNAL, "key": fresh(), "lines": [{"debit": "payable:validator", "credit": "suspense", "amount": "50"}]}
    key = fresh()
    first = books.ask("POST", "/api/finance/journal", role="controller", key=key, json=body)
    assert (first.status_code, first.json()["type"]) == (409, "/problems/InsufficientFunds")
    books.fund("payable:validator", 1_000)
    again = books.ask("POST", "/api/finance/journal", role="controller", key=key, json=body)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/InsufficientFunds")
    other = books.ask("POST", "/api/finance/journal", role="controller", key=fresh(), json=body)
    assert other.status_code == 201


def test_a_dry_run_writes_nothing_and_uses_up_no_key(books: Office):
    body, key = {**JOURNAL, "key": fresh()}, fresh()
    for how in ({"params": {"dryRun": "true"}}, {"params": {"dry_run": "true"}}, {"headers": {"Dry-Run": "true"}}):
        dry = books.ask("POST", "/api/finance/journal", role="controller", key=key, json=body, **how)
        assert (dry.status_code, dry.json()["dryRun"]) == (201, True)
    assert journals(books) == 0
    real = books.ask("POST", "/api/finance/journal", role="controller", key=key, json=body)
    assert (real.status_code, real.json()["dryRun"], journals(books)) == (201, False, 1)


def test_a_dry_run_that_is_misspelt_does_not_run_at_all(books: Office):
    for how in ({"params": {"dryRun": "yes"}}, {"params": {"dryrun": "true"}}, {"headers": {"Dry-Run": "1"}}):
        answer = books.ask("POST", "/api/finance/journal", role="controller", key=fresh(), json={**JOURNAL, "key": fresh()}, **how)
        assert answer.status_code == 422
    assert journals(books) == 0


def test_a_key_that_is_being_worked_on_is_refused_until_it_is_done(books: Office, monkeypatch: pytest.MonkeyPatch):
    inside, go = threading.Event(), threading.Event()
    from counterfoil.api.nouns.ledger import journals as routes

    really = routes.post

    def slow(*given: Any, **more: Any) -> Any:
        inside.set()
        assert go.wait(20)
        return really(*given, **more)

    monkeypatch.setattr(routes, "post", slow)
    body, key, answers = {**JOURNAL, "key": fresh()}, fresh(), []
    first = threading.Thread(
        target=lambda: answers.append(books.ask("POST", "/api/finance/journal", role="controller", key=key, json=body))
    )
    first.start()
    assert inside.wait(20)
    second = books.ask("POST", "/api/finance/journal", role="controller", key=key, json=body)
    assert (second.status_code, second.json()["type"]) == (409, "/problems/KeyInFlight")
    go.set()
    first.join(20)
    third = books.ask("POST", "/api/finance/journal", role="controller", key=key, json=body)
    assert (answers[0].status_code, third.json(), journals(books)) == (201, answers[0].json(), 1)


def test_the_client_asks_again_while_its_first_try_is_under_way(books: Office, monkeypatch: pytest.MonkeyPatch):
    from counterfoil.api.nouns.ledger import journals as routes

    really, tries = routes.post, []

    def lost(*given: Any, **more: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("the answer is lost")
        return really(*given, **more)

    monkeypatch.setattr(routes, "post", lost)
    with books.client("controller") as client:
        key = fresh()
        with pytest.raises(Exception, match="our side"):
            client.post_journal({**JOURNAL, "key": key}, key=key)
        assert client.post_journal({**JOURNAL, "key": key}, key=key)["existed"] is False
    assert journals(books) == 1


def receive(office: Office, number: int) -> None:
    invoice, event = office.invoice(), f"evt_job_{number}"
    body = charge_event(invoice, f"ch_{number}")
    sent = office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, event))
    assert sent.status_code == 200, sent.text


def test_a_job_that_is_asked_for_again_under_its_key_runs_once(office: Office):
    key, path = fresh(), "/api/admin/ops/run/webhooks"
    receive(office, 1)
    first = office.ask("POST", path, role="operator", key=key)
    receive(office, 2)
    again = office.ask("POST", path, role="operator", key=key)
    assert (first.json()["handled"], again.json()) == (1, first.json())
    assert (first.headers.get("idempotent-replayed"), again.headers.get("idempotent-replayed")) == (None, "true")
    due = office.ask("GET", "/api/admin/queue/status").json()["data"]
    assert [one["due"] for one in due if one["name"] == "webhooks"] == [1], "the second waits: nothing ran"
    assert office.ask("POST", path, role="operator", key=fresh()).json()["handled"] == 1


def test_a_job_under_the_key_of_one_that_runs_is_told_so_and_runs_nothing(office: Office, monkeypatch: pytest.MonkeyPatch):
    key, path, runs = fresh(), "/api/admin/ops/run/webhooks", []
    inside: list[tuple[int, str]] = []

    def tick() -> Tally:
        runs.append(1)
        meanwhile = office.ask("POST", path, role="operator", key=key)
        inside.append((meanwhile.status_code, meanwhile.json()["type"]))
        return Tally(handled=7)

    monkeypatch.setattr("counterfoil.api.nouns.operations.operations.ticks", lambda *_: {"webhooks": tick})
    assert office.ask("POST", path, role="operator", key=key).json()["handled"] == 7
    assert (inside, runs) == ([(409, "/problems/KeyInFlight")], [1])


def test_a_reconciliation_under_the_same_key_reads_nothing_anew(office: Office):
    key, path = fresh(), "/api/admin/reconciliation/force-reconcile"
    first = office.ask("POST", path, role="operator", key=key, json={"programId": PROGRAM})
    again = office.ask("POST", path, role="operator", key=key, json={"programId": PROGRAM})
    assert (first.status_code, again.headers.get("idempotent-replayed")) == (201, "true")
    assert again.json() == first.json()
    other = office.ask("POST", path, role="operator", key=key, json={"programId": "another"})
    assert other.json()["type"] == "/problems/KeyReused"
