"""Endpoints over HTTP: made by an administrator, enabled by two, told, seen to when they fail, and their secrets shown once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from counterfoil.base.edge import Database, now
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.webhooks.inbound import verify_standard
from counterfoil.operations.webhooks_out.addresses import networks_of
from tests.api.office import Office, fresh, opened
from tests.operations.webhooks_out.partner import Partner, partner

ADMIN = "administrator"
NOBODY = "whe_01KA0000000000000000000000"


@pytest.fixture
def office(database: Database) -> Iterator[Office]:
    """A server that may tell this machine."""
    with opened(database, webhook_networks=networks_of("127.0.0.1")) as found:
        yield found


@pytest.fixture
def shop() -> Iterator[Partner]:
    with partner() as found:
        yield found


def made(office: Office, url: str, **more: Any) -> dict[str, Any]:
    body = {"url": url, "ownerEmail": "hooks@partner.example", **more}
    answer = office.ask("POST", "/api/endpoints", role=ADMIN, key=fresh(), json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def enabled(office: Office, url: str, **more: Any) -> dict[str, Any]:
    one = made(office, url, **more)
    proposed = office.ask("POST", f"/api/endpoints/{one['id']}/enable", role=ADMIN, key=fresh(), json={"reason": "a partner"})
    assert proposed.status_code == 202, proposed.text
    assert office.approve(proposed.json(), checker="second administrator").json()["state"] == "done"
    return one


def happen(office: Office, *subjects: str) -> None:
    with office.database.transaction() as conn:
        emit(conn, [NewEvent("payout_failed", "main", one, {"reason": "closed"}) for one in subjects], at=now())


def run(office: Office) -> None:
    answer = office.ask("POST", "/api/admin/ops/run/send-webhooks", role="operator", key=fresh())
    assert answer.status_code == 200, answer.text


def test_an_endpoint_is_made_enabled_by_two_and_told(office: Office, shop: Partner) -> None:
    one = enabled(office, shop.url, events=["payout_failed"])
    assert one["state"] == "draft"
    happen(office, "pay_1")
    run(office)
    verify_standard(shop.got[0].body, shop.got[0].headers, one["secret"], now=now())
    shown = office.ask("GET", f"/api/endpoints/{one['id']}").json()
    assert (shown["state"], shown["failures"], shown["waiting"], shown["allowed"]) == (
        "enabled",
        0,
        0,
        ["disable", "remove", "set-owner", "ping", "replay"],
    )
    assert one["secret"] not in str(shown)
    (delivery,) = office.ask("GET", "/api/deliveries", params={"endpointId": one["id"]}).json()["data"]
    full = office.ask("GET", f"/api/deliveries/{delivery['id']}").json()
    assert (full["state"], full["event"], full["attempts"], full["attemptsMade"][0]["status"]) == ("delivered", "payout_failed", 1, 200)


def test_what_is_sent_is_as_the_schema_of_its_kind_says(office: Office, shop: Partner) -> None:
    enabled(office, shop.url)
    happen(office, "pay_1")
    run(office)
    kinds = {one["name"]: one for one in office.ask("GET", "/api/event-kinds").json()["data"]}
    assert (kinds["payout_failed"]["level"], kinds["endpoint_disabled"]["level"]) == ("warning", "critical")
    validator = jsonschema_rs.validator_for(kinds["payout_failed"]["jsonSchema"])
    assert validator.is_valid(shop.got[0].told)
    assert not validator.is_valid({**shop.got[0].told, "type": "invoice_paid"})


def test_the_secret_is_told_once_and_a_repetition_does_not_have_it(office: Office, shop: Partner) -> None:
    key, body = fresh(), {"url": shop.url, "ownerEmail": "hooks@partner.example"}
    first, again = (office.ask("POST", "/api/endpoints", role=ADMIN, key=key, json=body).json() for _ in range(2))
    assert first["secret"].startswith("whsec_")
    assert (again["id"], again["secret"]) == (first["id"], None)


def test_failures_are_listed_with_what_came_back_and_one_is_sent_again(office: Office, shop: Partner) -> None:
    one = enabled(office, shop.url)
    shop.answers = [(500, {}, b"down"), 200]
    happen(office, "pay_1")
    run(office)
    wanted = {"state": "failing", "sort": "-createdAt", "endpointId": one["id"]}
    (failing,) = office.ask("GET", "/api/deliveries", params=wanted).json()["data"]
    assert office.ask("GET", "/api/deliveries", params={**wanted, "endpointId": NOBODY}).json()["data"] == []
    assert (failing["event"], failing["endpointId"], failing["attempts"], failing["error"]) == (
        "payout_failed",
        one["id"],
        1,
        "answered 500",
    )
    assert failing["nextAt"] is not None
    assert office.ask("GET", f"/api/deliveries/{failing['id']}").json()["attemptsMade"][0]["answer"] == "down"
    path = f"/api/admin/webhooks/{failing['id']}/retry"
    at_once = office.ask("POST", path, role="operator", key=fresh(), json={"reason": "mended"})
    assert (at_once.status_code, at_once.json()["state"]) == (200, "due"), "nobody waits a minute for its next try"
    refused = office.ask("POST", path, role="operator", key=fresh(), json={"reason": "mended"})
    assert (refused.status_code, "due" in refused.text) == (409, True), "now it is due"
    run(office)
    again = office.ask("POST", f"/api/admin/webhooks/{failing['id']}/retry", role="operator", key=fresh(), json={"reason": "they lost it"})
    assert (again.status_code, again.json()["state"]) == (200, "due")
    run(office)
    assert len(shop.got) == 3
    assert office.ask("GET", "/api/deliveries", params={"state": "failing"}).json()["data"] == []


def test_a_range_is_replayed_after_it_was_disabled(office: Office, shop: Partner) -> None:
    one = enabled(office, shop.url)
    since = now().isoformat()
    assert office.ask(
        "POST", f"/api/endpoints/{one['id']}/disable", role="operator", key=fresh(), json={"reason": "maintenance"}
    ).is_success
    happen(office, "pay_1", "pay_2")
    assert office.ask("GET", f"/api/endpoints/{one['id']}").json()["kept"] == 2
    proposed = office.ask("POST", f"/api/endpoints/{one['id']}/enable", role=ADMIN, key=fresh(), json={"reason": "back"})
    office.approve(proposed.json(), checker="second administrator")
    told = office.ask("POST", f"/api/endpoints/{one['id']}/replay", role="operator", key=fresh(), json={"since": since, "reason": "back"})
    assert (told.status_code, told.json()["made"]) == (200, "2")
    run(office)
    assert sorted(got.told["subjectId"] for got in shop.got) == ["pay_1", "pay_2"]


def test_its_owner_is_changed_by_an_administrator_and_the_action_log_says_why(office: Office) -> None:
    body = {"url": "https://partner.example/hooks", "ownerEmail": "hooks@partner.example"}
    made = office.ask("POST", "/api/endpoints", role="administrator", key=fresh(), json=body).json()["id"]
    path, asked = f"/api/endpoints/{made}/set-owner", {"ownerEmail": "new@partner.example", "reason": "another team mends it"}
    assert office.ask("POST", path, role="operator", key=fresh(), json=asked).status_code == 403
    refused = office.ask("POST", path, role="administrator", key=fresh(), json=asked | {"ownerEmail": "a@b, c@d"})
    assert (refused.status_code, refused.json()["field"]) == (422, "ownerEmail")
    assert office.ask("POST", path, role="administrator", key=fresh(), json=asked).status_code == 200
    assert office.ask("GET", f"/api/endpoints/{made}").json()["ownerEmail"] == "new@partner.example"
    with office.database.transaction() as conn:
        [log] = conn.execute(
            "select subject_id, reason, payload ->> 'owner_email' from action where verb = 'endpoint.set_owner'"
        ).fetchall()
    assert log == (made, "another team mends it", "new@partner.example")


def test_that_nobody_could_write_to_the_owners_of_endpoints_is_told_until_there_is_a_channel(office: Office) -> None:
    def lacking() -> list[str]:
        return [one["what"] for one in office.ask("GET", "/api/admin/ops/health").json()["lacking"] if one["what"].startswith("a channel ")]

    assert lacking() == []
    body = {"url": "https://partner.example/hooks", "ownerEmail": "hooks@partner.example"}
    made = office.ask("POST", "/api/endpoints", role="administrator", key=fresh(), json=body).json()["id"]
    assert lacking() == ["a channel to write to the owners of 1 webhook endpoints"]
    removed = office.ask("POST", f"/api/endpoints/{made}/remove", role="administrator", key=fresh(), json={"reason": "gone"})
    assert (removed.status_code, lacking()) == (200, [])


def test_its_secret_is_rotated_by_two_and_shown_to_whoever_asked(office: Office, shop: Partner) -> None:
    one = enabled(office, shop.url)
    path, body = f"/api/endpoints/{one['id']}/rotate", {"overlapDays": 3, "reason": "a leak"}
    done = office.by_two(path, body, role=ADMIN, checker="second administrator")
    assert (done.status_code, done.json()["id"]) == (200, one["id"])
    assert done.json()["secret"] not in (None, one["secret"])
    ping = office.ask("POST", f"/api/endpoints/{one['id']}/ping", role="operator", key=fresh(), json={})
    assert ping.json()["made"].startswith("whd_")
    run(office)
    for secret in (one["secret"], done.json()["secret"]):
        verify_standard(shop.got[0].body, shop.got[0].headers, secret, now=now())


def test_what_was_taken_is_sent_again_by_its_id_and_a_removed_endpoint_is_told_nothing_more(office: Office, shop: Partner) -> None:
    one = enabled(office, shop.url)
    happen(office, "pay_1")
    run(office)
    (delivery,) = office.ask("GET", "/api/deliveries", params={"state": "delivered"}).json()["data"]
    again = office.ask("POST", f"/api/deliveries/{delivery['id']}/retry", role="operator", key=fresh(), json={"reason": "they lost it"})
    assert again.json()["state"] == "due"
    removed = office.ask("POST", f"/api/endpoints/{one['id']}/remove", role=ADMIN, key=fresh(), json={"reason": "the contract ended"})
    assert (removed.status_code, removed.json()["state"]) == (200, "removed")
    run(office)
    assert len(shop.got) == 1
    assert [each["state"] for each in office.ask("GET", "/api/endpoints").json()["data"]] == ["removed"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"url": "http://8.8.8.8/"}, "url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "url"),
        ({"events": ["no_such"]}, "events"),
        ({"minLevel": "loud"}, "minLevel"),
        ({"ownerEmail": "nobody"}, "ownerEmail"),
        ({"programId": "no-such-program"}, "programId"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(office: Office, more: dict[str, Any], field: str) -> None:
    body = {"url": "https://partner.example/hooks", "ownerEmail": "hooks@partner.example", **more}
    answer = office.ask("POST", "/api/endpoints", role=ADMIN, key=fresh(), json=body)
    assert (answer.status_code, answer.json().get("field")) == (422, field), answer.text


def test_deliveries_are_asked_for_in_a_state_that_there_is(office: Office) -> None:
    answer = office.ask("GET", "/api/deliveries", params={"state": "dead"})
    assert (answer.status_code, answer.json()["field"]) == (422, "state")
