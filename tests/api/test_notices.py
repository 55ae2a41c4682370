"""Notices and silences over HTTP: a test of the channels says what each of them did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from counterfoil.base.edge import Database, make_id, now
from counterfoil.operations.notices.channels import parse_channels
from counterfoil.operations.notices.notices import Telling, tell
from tests.api.office import Office, fresh, opened
from tests.receiver import Receiver, received


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An HTTP server that keeps what it is told."""
    with received() as made:
        yield made


@pytest.fixture
def telling_office(database: Database, receiver: Receiver) -> Iterator[Office]:
    """A server with two channels, one of which nobody answers."""
    with opened(database, channels=parse_channels(f"hook=json://127.0.0.1:{receiver.port}/ dead=json://127.0.0.1:9/")) as found:
        yield found


def test_a_test_notice_goes_to_each_channel_and_says_what_it_did(telling_office: Office, receiver: Receiver):
    asked = telling_office.ask("POST", "/api/admin/notices/test", role="operator", key=fresh(), json={}).json()
    assert {one["channel"]: one["taken"] for one in asked["data"]} == {"hook": True, "dead": False}
    assert [one["title"] for one in receiver.heard] == ["counterfoil: a test"]
    one = telling_office.ask("POST", "/api/admin/notices/test", role="operator", key=fresh(), json={"channel": "hook"})
    assert (one.json()["data"][0]["taken"], len(receiver.heard)) == (True, 2)
    dry = telling_office.ask("POST", "/api/admin/notices/test?dryRun=true", role="operator", key=fresh(), json={"channel": "hook"})
    assert (dry.status_code, len(receiver.heard)) == (200, 2)
    wrong = telling_office.ask("POST", "/api/admin/notices/test", role="operator", key=fresh(), json={"channel": "pager"})
    assert (wrong.status_code, wrong.json()["limit"]) == (422, "one of dead, hook")


def test_without_a_channel_a_test_is_refused(office: Office):
    refused = office.ask("POST", "/api/admin/notices/test", role="operator", key=fresh(), json={})
    assert (refused.status_code, refused.json()["field"]) == (422, "channel")


def test_a_notice_that_failed_is_listed_and_sent_again(telling_office: Office):
    with telling_office.database.transaction() as conn:
        [notice] = tell(conn, Telling("g", "critical", "Books", "line"), ["dead"], make_id=make_id, now=now())
        conn.execute("update notice set attempt = 4")
    listed = telling_office.ask("GET", "/api/notices").json()["data"]
    assert [(one["id"], one["state"], one["channel"]) for one in listed] == [(notice, "waiting", "dead")]
    refused = telling_office.ask("POST", f"/api/notices/{notice}/send-again", role="operator", key=fresh(), json={"reason": "x"})
    assert refused.json()["type"] == "/problems/TransitionRefused"
    telling_office.ask("POST", "/api/admin/ops/run/notices", role="operator", key=fresh(), json={})
    shown = telling_office.ask("GET", f"/api/notices/{notice}").json()
    assert (shown["state"], shown["allowed"]) == ("failed", ["send-again"]), shown
    again = telling_office.ask("POST", f"/api/notices/{notice}/send-again", role="operator", key=fresh(), json={"reason": "it is back"})
    assert again.json()["state"] == "waiting"


def test_a_silence_is_begun_and_ended(office: Office):
    body = {"code": "QUEUE_DEPTH", "until": (now() + timedelta(hours=1)).isoformat(), "reason": "an import runs"}
    made = office.ask("POST", "/api/silences", role="operator", key=fresh(), json=body).json()
    assert made["state"] == "active"
    assert [one["id"] for one in office.ask("GET", "/api/silences?state=active").json()["data"]] == [made["id"]]
    assert office.ask("GET", f"/api/silences/{made['id']}").json()["allowed"] == ["end"]
    ended = office.ask("POST", f"/api/silences/{made['id']}/end", role="operator", key=fresh(), json={"reason": "done"})
    assert ended.json()["state"] == "ended"
    for wrong in ({"code": "NONE"}, {"until": now().isoformat()}, {"until": (now() + timedelta(days=91)).isoformat()}):
        assert office.ask("POST", "/api/silences", role="operator", key=fresh(), json={**body, **wrong}).status_code == 422
