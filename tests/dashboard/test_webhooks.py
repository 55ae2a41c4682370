"""The page of webhooks shows which partner does not learn what happens, and an endpoint and a delivery have pages with what may be done."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.machine import take_step
from counterfoil.operations.events.events import EVENT
from counterfoil.operations.webhooks.inbound import WEBHOOK_IN, count_rejection, receive
from tests.dashboard import days
from tests.dashboard.looking import confirmed, looked_at
from tests.dashboard.test_noun_pages import logged_in
from tests.operations.webhooks_out.conftest import Bureau
from tests.operations.webhooks_out.partner import partner

PAGE = "/admin/webhooks"
PICTURES = os.environ.get("COUNTERFOIL_TEST_PICTURES")


class Told:
    """A day with two endpoints, one of which fails."""

    def __init__(self, url: str, key: str, bureau: Bureau, well: str, ill: str) -> None:
        self.url, self.key, self.bureau, self.well, self.ill = url, key, bureau, well, ill

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, headers={"Authorization": f"Bearer {self.key}"})


@pytest.fixture
def told(desk: Any) -> Iterator[Told]:
    with partner() as shop, partner() as bank, days.served(desk) as url:
        bureau = Bureau(desk.database)
        bureau.now = now()
        well, ill = bureau.endpoint(shop.url), bureau.endpoint(bank.url, events=["payout_failed"])
        bank.answers = [(500, {}, b"<script>down</script>")]
        for number in range(25):
            bureau.tell(f"pay_{number}")
        bureau.send()
        with desk.database.transaction() as conn:
            count_rejection(conn, "simulator", "SignatureRefused", now=now())
            receive(conn, make_id("whi"), provider="simulator", event_id="e", event_type="payout.paid", body=b"{}", now=now())
        yield Told(url, days.a_key(desk.database, role="operator", name="looker"), bureau, well, ill)


REFUSED = '<a href="/problems/SignatureRefused">The webhook'  # in words, and where they are explained


def test_the_page_names_what_does_not_arrive_and_those_in_trouble_first(told: Told) -> None:
    page, figures = told.get("/admin/webhooks"), told.get("/admin/webhooks.json").json()
    assert page.status_code == 200
    assert [one["endpoint"]["id"] for one in figures["rows"]] == [told.ill, told.well]
    assert [one["grade"] for one in figures["rows"]] == ["wrong", "right"]
    [group] = figures["failing"]
    other = told.get("/admin/webhooks.json?program=other").json()
    assert (other["rows"], other["failing"]) == ([], []), "of one program only what is of that program"
    assert (group["times"], group["event"], group["error"]) == (25, "payout_failed", "answered 500")
    for said in (
        "25 attempts in a row failed",
        "25 to send",
        "answered 500",
        REFUSED,
        "0 parked, 1 refused today",
    ):
        assert said in page.text.replace("<wbr>", ""), said


def test_an_endpoint_and_a_delivery_show_what_may_be_done_and_what_came_back_is_text(told: Told) -> None:
    endpoint = told.get(f"/admin/endpoints/{told.ill}")
    assert (endpoint.status_code, "whsec_" in endpoint.text) == (200, False)
    delivery = next(one for one in told.bureau.deliveries() if one.endpoint_id == told.ill)
    page = told.get(f"/admin/deliveries/{delivery.id}")
    assert "<script>down" not in page.text
    assert "&lt;script&gt;down" in page.text.replace("<wbr>", "")
    offers = {one["name"]: one["whyNot"] for one in told.get(f"/admin/deliveries/{delivery.id}.json").json()["offers"]}
    assert offers == {"retry": None}, "it waits for its next try, and need not"


def test_what_a_partner_was_never_told_waits_for_a_person(told: Told) -> None:
    for _ in range(5):
        told.bureau.now += timedelta(hours=2)
        told.bureau.send()
    kinds = told.get("/admin/reconciliation.json").json()["readings"]["action_required"]["value"]["kinds"]
    assert [(one["key"], one["total"]) for one in kinds] == [("delivery", 25)]
    assert kinds[0]["rows"][0]["command"].startswith("counterfoil webhooks retry whd_")


def parked_of(told: Told) -> dict[str, str]:
    return {one["kind"]: one["parked"]["id"] for one in told.get("/admin/webhooks.json").json()["parked"]}


def test_what_failed_five_times_is_tried_again_from_its_page_once_and_with_a_reason(desk: Any, told: Told) -> None:
    with desk.database.transaction() as conn:
        [(webhook,)] = conn.execute("select id from webhook_in").fetchall()
        [(event,)] = conn.execute("select id from event order by id limit 1").fetchall()
        conn.execute("update event set state = 'due' where id = %s", [event])
        take_step(conn, WEBHOOK_IN, webhook, "received", "park", actor="t", at=now())
        take_step(conn, EVENT, event, "due", "park", actor="t", at=now())
    assert parked_of(told) == {"webhook": webhook, "event": event}
    with logged_in(desk, told.url, "operator") as client:
        csrf = re.search(r'name="csrf" value="([^"]+)"', client.get(PAGE).text)[1]
        said = {"csrf": csrf, "act": "requeue-webhook", "parked_id": webhook}
        sure = looked_at(client, PAGE, said)
        assert parked_of(told) == {"webhook": webhook, "event": event}, "a look changes nothing"
        assert client.post(PAGE, data=sure).status_code == 422, "nothing without a reason"
        sure["reason"] = "the program was mended"
        other = client.post(PAGE, data={**sure, "parked_id": event, "act": "requeue-event"})
        assert (other.status_code, "not what was looked at" in other.text) == (422, True)
        done, again = client.post(PAGE, data=sure), client.post(PAGE, data=sure)
        assert (done.status_code, done.headers["location"]) == (303, again.headers["location"])
        assert f"Apply it again: {webhook} is received." in client.get(done.headers["location"]).text
        confirmed(client, PAGE, {"csrf": csrf, "act": "requeue-event", "parked_id": event, "reason": "mended, too"})
        assert client.post(PAGE, data={**said, "act": "ignore-webhook"}).status_code == 409, "it is not parked any more"
        assert client.post(PAGE, data={**said, "act": "burn"}).status_code == 422
    assert parked_of(told) == {}
    actions = desk.rows("select verb, subject_id, reason from action where actor = 'key:operator' order by id")
    assert actions == [("webhook_in.requeue", webhook, "the program was mended"), ("event.requeue", event, "mended, too")]


def test_nobody_is_told_anything_on_an_empty_installation(desk: Any) -> None:
    days.an_empty_day(desk)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database)}"}
        page = httpx2.get(f"{url}/admin/webhooks", headers=headers)
        today = httpx2.get(f"{url}/admin/reconciliation.json", headers=headers).json()
    assert "No partner is told anything" in page.text
    assert ("none ever came" in page.text, "none parked" in page.text) == (True, False)
    tile, [check] = today["readings"]["webhooks"], [one for one in today["checks"] if "webhooks" in one["title"]]
    assert (tile["grade"], tile["said"], check["grade"]) == ("unknown", "None ever came", "unknown"), "what never came is not green"


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_the_page_is_read_on_every_screen_in_both_themes(told: Told, browser: Any, width: int) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, extra_http_headers={"Authorization": f"Bearer {told.key}"}
        )
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)  # noqa: B023
        page.goto(f"{told.url}/admin/webhooks")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_role("heading", name="Does everybody learn what happens?").is_visible()
        assert complaints == []
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"webhooks-{width}-{scheme}.png", full_page=True)
        context.close()
