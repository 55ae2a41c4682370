"""The client stands alone, tries again what may be tried again, and says what was refused."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from counterfoil.client import ApiProblem, Client, Unreachable
from counterfoil.client.transport import AGAIN_AFTER_S, AT_WORK_MAX_S, AT_WORK_S
from tests.api.office import PROGRAM, Office, fresh, usage_csv

BUSY = (503, {"type": "/problems/Busy", "title": "Busy.", "kind": "busy"})
IN_FLIGHT = (409, {"type": "/problems/KeyInFlight", "title": "In flight.", "kind": "conflict"})
DONE = (200, {"id": "po_1", "state": "pending"})


class Script:
    """A server that answers as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[tuple[str, str, str | None]] = []
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                script.asked.append((self.command, self.path, self.headers.get("idempotency-key")))
                status, body = script.answers.pop(0)
                if status == 0:
                    self.connection.close()  # the answer is lost
                    return
                text = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = answer

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def client(script: Script) -> Iterator[Client]:
    with Client(script.url, "cf_test_x", sleep=lambda _: None) as made:
        yield made


@pytest.mark.parametrize("first", [BUSY, (502, b"bad gateway"), IN_FLIGHT, (0, None)])
def test_a_write_is_sent_again_under_the_same_key(script: Script, client: Client, first: Any):
    script.answers = [first, DONE]
    assert client.say("payouts", "po_1", "retry", reason="x") == DONE[1]
    (_, _, key), (_, _, again) = script.asked
    assert key == again != None  # noqa: E711


def test_two_writes_have_two_keys(script: Script, client: Client):
    script.answers = [DONE, DONE]
    for _ in range(2):
        client.say("payouts", "po_1", "retry", reason="x")
    assert len({key for _, _, key in script.asked}) == 2


def test_a_refusal_is_not_sent_again_and_is_raised_with_its_facts(script: Script, client: Client):
    told = {
        "type": "/problems/InvalidInput",
        "title": "No.",
        "status": 422,
        "kind": "invalid",
        "field": "a",
        "limit": "b",
    }
    script.answers = [(422, told | {"requestId": "r-1"})]
    with pytest.raises(ApiProblem) as raised:
        client.health()
    problem = raised.value
    assert (problem.status, problem.name, problem.kind, problem.request_id) == (422, "InvalidInput", "invalid", "r-1")
    assert problem.facts == {"field": "a", "limit": "b"}
    assert (str(problem), len(script.asked)) == ("No. (field a, limit b)", 1)


def test_what_stays_busy_is_given_up(script: Script, client: Client):
    script.answers = [BUSY] * (len(AGAIN_AFTER_S) + 1)
    with pytest.raises(ApiProblem) as raised:
        client.health()
    assert (raised.value.kind, script.answers) == ("busy", [])


def test_what_the_server_is_still_at_work_on_is_asked_for_until_it_is_there(script: Script, client: Client):
    """The answer to the first try did not come in time; what it leads to comes a minute later, under the same key."""
    script.answers = [(0, None), *[IN_FLIGHT] * 60, DONE]
    assert client.say("payouts", "po_1", "retry", reason="x") == DONE[1]
    assert len({key for _, _, key in script.asked}) == 1


def test_what_the_server_never_gets_done_is_given_up_with_its_own_words(script: Script, client: Client):
    script.answers = [IN_FLIGHT] * (int(AT_WORK_MAX_S / AT_WORK_S) + 1)
    with pytest.raises(ApiProblem) as raised:
        client.say("payouts", "po_1", "retry", reason="x")
    assert (raised.value.name, script.answers) == ("KeyInFlight", [])


def test_what_does_not_answer_is_unreachable(script: Script, client: Client):
    script.answers = [(0, None)] * (len(AGAIN_AFTER_S) + 1)
    with pytest.raises(Unreachable, match="does not answer"):
        client.health()


def test_an_answer_that_is_no_problem_document_is_still_a_problem(script: Script, client: Client):
    script.answers = [(500, b"<html>")]
    with pytest.raises(ApiProblem) as raised:
        client.health()
    assert (raised.value.status, raised.value.kind) == (500, "unexpected")


def test_it_stands_alone():
    code = "import sys, counterfoil.client; print(sorted(m for m in sys.modules if m.startswith('counterfoil')))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == str(
        [
            "counterfoil",
            "counterfoil.client",
            "counterfoil.client.client",
            "counterfoil.client.problems",
            "counterfoil.client.transport",
        ]
    )


def test_it_walks_through_pages(office: Office):
    for _ in range(3):
        office.invoice(count=3, word=fresh("w"))
    with office.client("viewer") as client:
        assert len(list(client.every("/api/invoices"))) == 9
        assert len(list(client.every("/api/invoices", rows_max=4))) == 4


def test_it_imports_issues_and_shows(office: Office):
    with office.client("operator") as client:
        dry = client.import_usage(PROGRAM, usage_csv(2, word="dry"), file_name="a.csv", dry_run=True)
        assert (dry["dryRun"], client.issue_invoices(PROGRAM)["invoiceIds"]) == (True, [])
        client.import_usage(PROGRAM, usage_csv(2, word="wet"), file_name="a.csv")
        ids = client.issue_invoices(PROGRAM)["invoiceIds"]
        assert client.invoice(ids[0])["state"] == "pending"
        assert client.payout_of(invoice_id=ids[0]) is None
        assert client.alive()["status"] == "ok"
        assert client.invariants()["allHold"] is True


@pytest.mark.parametrize("typed", ["../keys", "x/../y", "x?dryRun=false", "x#y", "a\\b", "", ".", "a\x1bb", "\ud800", "a" * 3_000])
def test_an_id_that_leads_elsewhere_is_told_and_nobody_is_asked(typed: str):
    with Client("http://127.0.0.1:9", "k") as client, pytest.raises(ApiProblem) as told:
        client.get(f"/api/payouts/{typed}")
    assert (told.value.kind, told.value.name) == ("invalid", "InvalidInput")


@pytest.mark.parametrize("word", ["\ud800", "a" * 90_000])
def test_a_word_that_no_address_can_hold_is_told_and_nobody_is_asked(word: str):
    with Client("http://127.0.0.1:9", "k") as client, pytest.raises(ApiProblem) as told:
        client.get("/api/payouts", state=word)
    assert told.value.kind == "invalid"
