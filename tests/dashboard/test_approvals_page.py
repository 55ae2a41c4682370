"""The page of approvals: what waits for a second person is read there, previewed, decided and told, by who may and by nobody else."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pyotp
import pytest

from counterfoil.base.edge import entropy, make_id
from counterfoil.base.money import Asset, Money
from counterfoil.dashboard.work.payloads import readable
from counterfoil.operations import approvals
from counterfoil.operations.access import second_factor
from counterfoil.operations.work.pauses import QueuePart, pause, paused_now, propose_resume
from counterfoil.payouts.batches.deciding import submit_batch
from counterfoil.payouts.batches.gathering import Wanted, gather_batch
from counterfoil.reconciliation.client_money import make_client_money, sign_client_money
from counterfoil.wiring import NOUNS, PAIRED
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.looking import confirmed, forged_key, key_of
from tests.dashboard.screens import is_whole_on_every_screen
from tests.dashboard.test_in_a_browser import EVIL, look  # noqa: F401 - a fixture
from tests.people import log_in_as, past_the_guard

PATH = "/admin/approvals"
PICTURES = os.environ.get("COUNTERFOIL_TEST_PICTURES")


@contextmanager
def entered(url: str, key: str) -> Iterator[httpx2.Client]:
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as client:
        assert client.post("/login", data={"key": key}).status_code == 303
        yield client


@pytest.fixture
def inbox(server, tmp_path):
    """A paused money queue that gita asks to resume, a limit that she asks to set, a batch of hana, and noah who approves."""
    with a_desk(server, tmp_path) as desk:
        days.an_empty_day(desk)
        for invoice_id in days.issued(desk, ["100.00", "40.00"], payees=2):
            desk.pay(invoice_id, {0: 10_000, 1: 4_000}[len(desk.rows("select 1 from payment"))])
            desk.deliver()
            desk.work("webhooks", "verify", "settle", "events")
        at = desk.clock.now
        with past_the_guard(desk.database.url) as conn:
            gita, maker = log_in_as(conn, "gita", "approver", at=at)
            hana, _ = log_in_as(conn, "hana", "operator", at=at)
            _, checker = log_in_as(conn, "noah", "approver", at=at)
            _, viewer = log_in_as(conn, "vera", "viewer", at=at)
        with desk.database.transaction() as conn:
            pause(conn, QueuePart("send"), reason="looked at", actor="person:gita", now=at)
            resume = propose_resume(conn, make_id("prop"), QueuePart("send"), reason=f"looked at {EVIL}", by=gita, now=at)
            limit = approvals.propose(
                conn,
                make_id("prop"),
                machine="write_off_limit",
                subject_id="main:EUR",
                verb="set",
                payload={"minor": "123456"},
                reason="as the auditor advised",
                by=gita,
                now=at - timedelta(hours=22),
                program_id="main",
            )
            batch = gather_batch(conn, Wanted("main", "EUR"), by=hana, make_id=make_id, now=at)
            submit_batch(conn, batch.batch_id, by=hana, now=at)
        with days.served(desk) as url:
            yield SimpleNamespace(
                desk=desk, url=url, maker=maker, checker=checker, viewer=viewer, resume=resume, limit=limit, batch=batch.batch_id
            )


def filled(page: str, one: approvals.Proposal, verb: str, **more: str) -> dict[str, str]:
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    return {"csrf": csrf, "proposal": one.id, "verb": verb, "sha256": one.payload_sha256, **more}


def plain(page: str) -> str:
    return page.replace("<wbr>", "")


def is_paused(inbox) -> bool:
    with inbox.desk.database.transaction() as conn:
        return bool(paused_now(conn))


def actions(inbox) -> list[tuple]:
    return inbox.desk.rows("select verb, subject_id, reason, actor from action where verb like 'approval.%%' order by at")


def test_everything_that_waits_is_read_there_the_first_to_expire_first(inbox):
    with entered(inbox.url, inbox.checker) as noah:
        page, told = plain(noah.get(PATH).text), noah.get(f"{PATH}.json").json()
    assert [one["id"] for one in told["waiting"]] == [inbox.limit.id, inbox.resume.id]
    assert [one["soon"] for one in told["waiting"]] == [True, False]
    assert [one["id"] for one in told["batches"]] == [inbox.batch]
    assert told["total"] == 2
    for said in ("Set how much may be written off", "1,234.56", "as the auditor advised", "person:gita", inbox.limit.payload_sha256):
        assert said in page, said
    assert f'href="/admin/batches/{inbox.batch}"' in page
    assert '"minor"' not in page, "the payload is no JSON for people"
    assert "/admin/approvals.csv" in page
    assert "<script>document" not in page


def test_what_waits_and_what_was_decided_is_a_file(inbox):
    with entered(inbox.url, inbox.checker) as noah:
        before = [*csv.DictReader(io.StringIO(noah.get(f"{PATH}.csv").text))]
        with past_the_guard(inbox.desk.database.url) as conn:
            ruth, _ = log_in_as(conn, "ruth", "controller", at=inbox.desk.clock.now)
        with inbox.desk.database.transaction() as conn:
            approvals.reject(conn, inbox.limit.id, reason="too much", by=ruth, now=inbox.desk.clock.now)
        after = [*csv.DictReader(io.StringIO(noah.get(f"{PATH}.csv").text))]
        assert noah.get(f"{PATH}.xlsx").status_code == 200
    assert [(one["id"], one["state"]) for one in before] == [(inbox.limit.id, "proposed"), (inbox.resume.id, "proposed")]
    assert [(one["id"], one["state"]) for one in after] == [(inbox.resume.id, "proposed"), (inbox.limit.id, "rejected")]
    assert (after[1]["what"], after[1]["decision_reason"], after[1]["payload"]) == (
        "Set how much may be written off",
        "too much",
        '{"minor":"123456"}',
    )


def test_it_is_previewed_then_given_a_reason_confirmed_and_told(inbox):
    with entered(inbox.url, inbox.checker) as noah:
        said = filled(noah.get(PATH).text, inbox.resume, "approve")
        looked = noah.post(PATH, data=said)
        assert looked.status_code == 200
        assert "Nothing is changed yet" in looked.text
        assert "It is approved, and done at once." in looked.text
        assert is_paused(inbox), "a preview is a dry run"
        assert actions(inbox) == []
        assert noah.post(PATH, data={**said, "confirm": "yes"}).status_code == 422, "no approval without a reason"
        sure = {**said, "confirm": "yes", "reason": "the provider answers again"}
        assert noah.post(PATH, data=sure).status_code == 422, "no approval without a look"
        sure["key"] = key_of(looked.text)
        done, twice = noah.post(PATH, data=sure), noah.post(PATH, data=sure)
        assert twice.headers["location"] == done.headers["location"]
        assert (done.status_code, done.headers["location"]) == (303, f"{PATH}?receipt={sure['key'].partition('.')[0]}")
        receipt = plain(noah.get(done.headers["location"]).text)
        assert f"Resume a queue: done by person:noah, {inbox.resume.id}." in receipt
        forged = noah.get(f"{PATH}?receipt={make_id('key')}").text
        assert ("nothing is known of it" in forged, 'id="receipt"' in forged) == (True, False), "an address alone makes nothing done"
        assert noah.get(f"{PATH}?done={inbox.resume.id}").status_code == 422
        assert not is_paused(inbox)
        assert actions(inbox) == [("approval.approve", inbox.resume.id, "the provider answers again", "person:noah")]
        again = noah.post(PATH, data={**said, "reason": "again"})
        assert (again.status_code, "approved, rejected or withdrawn before" in again.text) == (409, True)
        [decided] = noah.get(f"{PATH}.json").json()["decided"]
        assert (decided["id"], decided["state"], decided["checker"]) == (inbox.resume.id, "done", "person:noah")


def test_what_another_does_afterwards_is_said_so_and_a_no_is_a_no(inbox):
    with entered(inbox.url, inbox.checker) as noah:
        page = noah.get(PATH).text
        assert "person:gita then says the same again" in noah.post(PATH, data=filled(page, inbox.limit, "approve")).text
        said = filled(page, inbox.limit, "reject", reason="too much")
        assert "nothing of it is done" in noah.post(PATH, data=said).text
        assert "reject" in said["verb"]
        assert "Set how much may be written off: rejected" in noah.get(confirmed(noah, PATH, said).headers["location"]).text
    assert actions(inbox) == [("approval.reject", inbox.limit.id, "too much", "person:noah")]


def test_nobody_approves_their_own_nor_anything_else_than_was_looked_at_nor_without_the_role(inbox):
    sure = {"confirm": "yes", "reason": "x"}
    unseen = forged_key("approval.approve", proposal=inbox.resume.id, payload_sha256=inbox.resume.payload_sha256)
    with entered(inbox.url, inbox.maker) as gita:
        page = gita.get(PATH).text
        assert "You proposed this: another person decides" in page
        refused = gita.post(PATH, data=filled(page, inbox.resume, "approve", key=unseen, **sure))
        assert (refused.status_code, "it takes a second person" in refused.text) == (403, True)
        assert "it is withdrawn" in gita.post(PATH, data=filled(page, inbox.resume, "reject")).text.lower()
    with entered(inbox.url, inbox.checker) as noah:
        page = noah.get(PATH).text
        other = filled(page, inbox.resume, "approve", key=unseen, **sure) | {"sha256": "0" * 64}
        assert noah.post(PATH, data=other).status_code == 422, "it is not what was looked at"
        assert noah.post(PATH, data=filled(page, inbox.resume, "approve") | {"sha256": "0" * 64}).status_code == 409
        assert noah.post(PATH, data=filled(page, inbox.resume, "approve", **sure) | {"csrf": "guess"}).status_code == 403
        assert noah.post(PATH, data=filled(page, inbox.resume, "burn", **sure)).status_code == 422
    with entered(inbox.url, inbox.viewer) as vera:
        page = vera.get(PATH).text
        assert "People of the role approver decide this." in page
        assert "Preview: approve" not in page
        assert vera.post(PATH, data=filled(page, inbox.resume, "approve", key=unseen, **sure)).status_code == 403
    with entered(inbox.url, days.a_key(inbox.desk.database, role="operator")) as machine:
        page = machine.get(PATH).text
        assert machine.post(PATH, data=filled(page, inbox.resume, "approve", key=unseen, **sure)).status_code == 403
    assert is_paused(inbox)
    assert actions(inbox) == []


def test_an_old_second_factor_leads_to_where_it_is_given_again(inbox):
    at, factor_id = inbox.desk.clock.now, make_id("fac")
    [(person_id,)] = inbox.desk.rows("select id from principal where name = 'noah'")
    with inbox.desk.database.transaction() as conn:
        factor = second_factor.begin_factor(conn, factor_id, person_id, "noah", entropy(second_factor.FACTOR_BYTES), now=at)
        code = pyotp.TOTP(factor.secret).at(at)
        second_factor.confirm_factor(conn, factor_id, person_id, code, entropy(second_factor.RECOVERY_BYTES), now=at)
    with entered(inbox.url, inbox.checker) as noah:
        refused = noah.post(PATH, data=filled(noah.get(PATH).text, inbox.resume, "approve"))
    assert refused.status_code == 403
    assert f'href="/account?next={PATH}"' in refused.text


def test_it_counts_among_what_needs_action_today(inbox):
    with entered(inbox.url, inbox.viewer) as vera:
        kinds = vera.get("/admin/reconciliation.json").json()["readings"]["action_required"]["value"]["kinds"]
    [kind] = [one for one in kinds if one["key"] == "approval"]
    assert (kind["total"], [one["id"] for one in kind["rows"]]) == (2, [inbox.limit.id, inbox.resume.id])
    assert inbox.limit.payload_sha256 in kind["rows"][0]["command"]


def test_a_batch_and_an_unsigned_statement_of_client_money_count_among_what_needs_action_today(inbox):
    at = inbox.desk.clock.now
    with inbox.desk.database.transaction() as conn:
        first = make_client_money(conn, "main", on=at.date(), make_id=make_id, actor="person:hana", now=at)
    with entered(inbox.url, inbox.viewer) as vera:
        page = vera.get("/admin/reconciliation")
        kinds = {one["key"]: one for one in vera.get("/admin/reconciliation.json").json()["readings"]["action_required"]["value"]["kinds"]}
    assert (kinds["batch"]["total"], [one["id"] for one in kinds["batch"]["rows"]]) == (1, [inbox.batch])
    assert [one["id"] for one in kinds["client_money"]["rows"]] == [one.id for one in first]
    with entered(inbox.url, inbox.viewer) as vera:
        [row] = vera.get("/admin/approvals.json").json()["batches"]
        told = plain(vera.get("/admin/approvals").text)
    assert [(one["provider"], one["held"]["asset"]) for one in row["cover"]] == [("simulator", "EUR")], "what it is paid out of"
    assert re.search(r"<td[^>]*>in (1 d 0 h|2[0-9] h [0-9]+ min)<", told), "how long there is to approve it"
    assert f"counterfoil batches approve {inbox.batch}" in re.sub("<[^>]+>", "", page.text)
    with inbox.desk.database.transaction() as conn:
        for one in first:
            sign_client_money(conn, one.id, sha256=one.sha256.hex(), action_taken="none was needed", actor="person:vera", now=at)
    with entered(inbox.url, inbox.viewer) as vera:
        after = {one["key"] for one in vera.get("/admin/reconciliation.json").json()["readings"]["action_required"]["value"]["kinds"]}
    assert "client_money" not in after
    assert "batch" in after


def test_nothing_waits_on_an_empty_installation(desk):
    days.an_empty_day(desk)
    with days.served(desk) as url:
        page = httpx2.get(url + PATH, headers={"Authorization": f"Bearer {days.a_key(desk.database)}"}).text
    for said in ("Nothing waits for a second person.", "No batch waits.", "Nothing was decided, and nothing expired."):
        assert said in page


def test_what_takes_two_people_has_words_for_it():
    verbs = {(noun.machine.name, verb.name): verb.label for noun in NOUNS for verb in noun.verbs}
    assert [one for one, paired in PAIRED.items() if not (paired.label or verbs.get(one))] == []


def test_a_payload_is_read_as_fields_with_money_and_links():
    break_id = "break_01KA0000000000000000000000"
    payload = {
        "byRuleMax": "1000",
        "tiers": [{"above": "5000", "approvers": 2}],
        "breakId": break_id,
        "payees": ["bolt", "nut"],
    }
    facts, cut = readable(payload, "EUR", {"EUR": Asset("EUR", 2)})
    assert [(one.name, one.value) for one in facts] == [
        ("by rule max", Money(1_000, "EUR")),
        ("tiers 1: above", Money(5_000, "EUR")),
        ("tiers 1: approvers", "2"),
        ("break id", break_id),
        ("payees", "bolt, nut"),
    ]
    assert facts[3].path == f"/admin/breaks/{break_id}"
    assert not cut
    assert readable({"minor": "1234"}, None, {})[0][0][:2] == ("amount, minor units", "1,234")
    assert readable({f"x{n}": n for n in range(61)}, None, {})[1]


def test_a_browser_goes_the_whole_way_by_keyboard(inbox, look):  # noqa: F811
    page = look(inbox.url, inbox.checker, path=PATH)
    page.get_by_role("button", name=re.compile(f"Preview: approve.*{inbox.resume.id}")).focus()
    page.keyboard.press("Enter")
    page.get_by_text("Nothing is changed yet").wait_for()
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / "approvals-preview.png", full_page=True)
    page.get_by_label("reason").focus()
    page.keyboard.type("the provider answers again")
    page.keyboard.press("Enter")
    page.locator("#receipt").wait_for()
    assert "Resume a queue: done" in page.locator("#receipt").inner_text()
    assert not is_paused(inbox)
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / "approvals-receipt.png", full_page=True)


def test_it_works_without_javascript(inbox, look):  # noqa: F811
    page = look(inbox.url, inbox.checker, path=PATH, java_script_enabled=False)
    page.get_by_role("button", name=re.compile(f"Preview: reject.*{inbox.limit.id}")).click()
    page.get_by_label("reason").fill("too much")
    page.get_by_role("button", name="Confirm: reject").click()
    assert "Set how much may be written off: rejected" in page.locator("#receipt").inner_text()


def test_it_is_whole_on_every_screen_and_every_word_can_be_read(inbox, look):  # noqa: F811
    page = look(inbox.url, inbox.checker, path=PATH)
    is_whole_on_every_screen(page, inbox.url + PATH, picture="approvals")
