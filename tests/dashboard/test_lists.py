"""The lists of all nouns, the rail that leads to them, and the search that finds one of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import openpyxl
import psycopg
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.dashboard.finding.lists import list_pages_of, things
from counterfoil.dashboard.finding.rail import BESIDE, GROUPS, rail_of
from counterfoil.dashboard.web.format import STATE_GRADES
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from counterfoil.operations.access.records import AccessEvent, record_access
from counterfoil.operations.listing import ListAsked
from counterfoil.operations.noun_pages import SavedView
from counterfoil.payouts.batches.gathering import Wanted, gather_batch
from counterfoil.wiring import NOUNS
from tests.builders import PROGRAM
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.screens import is_whole_on_every_screen
from tests.people import log_in_as

LISTED = [noun for noun, _ in list_pages_of(NOUNS)]


@pytest.fixture(scope="module")
def desk(server, tmp_path_factory):
    """Sixty payouts that nobody has reserved yet, more than a page."""
    with a_desk(server, tmp_path_factory.mktemp("lists")) as made:
        days.an_empty_day(made)
        amounts = [f"{number}.00" for number in range(41, 101)]
        for number, invoice_id in enumerate(days.issued(made, amounts, payees=2)):
            made.pay(invoice_id, 4_100 + number * 100)
        made.deliver()
        for _ in range(3):
            made.work("webhooks", "verify", "settle", "events")
        made.rows("update payout set state = 'cancelled' where id = (select min(id) from payout) returning id")
        yield made


@pytest.fixture(scope="module")
def url(desk) -> Iterator[str]:
    with days.served(desk) as found:
        yield found


@pytest.fixture(scope="module")
def client(desk, url: str) -> Iterator[httpx2.Client]:
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as opened:
        assert opened.post("/login", data={"key": days.a_key(desk.database, role="viewer", name="vera")}).status_code == 303
        yield opened


def ids_on(page: str) -> list[str]:
    return re.findall(r'<tr id="([^"]+)"', page)


def test_every_page_and_every_list_stands_in_the_rail_once() -> None:
    placed = [place for _, places in GROUPS for place in places]
    assert len(placed) == len(set(placed))
    known = {page.path.removeprefix("/admin/") for page in PAGES if page.menu} | {noun.plural for noun in LISTED}
    assert known - set(placed) - set(BESIDE) == set(), "say in finding/rail.py where it stands"
    assert [group.title for group in rail_of(NOUNS)][:3] == ["", "Money", "Payouts"]


@pytest.mark.parametrize("noun", LISTED, ids=lambda noun: noun.plural)
def test_every_noun_has_a_list_in_every_state_and_as_a_file(client, noun) -> None:
    page = client.get(f"/admin/{noun.plural}")
    assert page.status_code == 200, page.text[-500:]
    for state in noun.machine.states():
        narrowed = client.get(f"/admin/{noun.plural}", params={"state": state})
        assert (narrowed.status_code, "None is" in narrowed.text or bool(ids_on(narrowed.text))) == (200, True)
    assert client.get(f"/admin/{noun.plural}", params={"state": "nonsense"}).status_code == 422
    assert client.get(f"/admin/{noun.plural}.json").json()["plural"] == noun.plural
    for suffix in ("csv", "xlsx"):
        file = client.get(f"/admin/{noun.plural}.{suffix}")
        assert (file.status_code, file.headers["content-disposition"]) == (200, f'attachment; filename="{noun.plural}.{suffix}"')


@pytest.mark.parametrize("noun", [one for one in LISTED if one.views], ids=lambda noun: noun.plural)
def test_a_saved_view_is_a_list_and_a_file_by_its_address(client, noun) -> None:
    path = f"/admin/{noun.plural}"
    for view in noun.views:
        page = client.get(path, params={"view": view.name})
        there = 1 if (noun.plural, view.name) == ("payouts", "owed") else 0  # the one that is cancelled
        assert (page.status_code, len(ids_on(page.text)), f"None is {view.words}." in page.text) == (200, there, not there)
        assert client.get(f"{path}.csv", params={"view": view.name}).status_code == 200
    assert client.get(path, params={"view": "nonsense"}).status_code == 422
    assert client.get(path, params={"view": noun.views[0].name, "state": next(iter(noun.machine.states()))}).status_code == 422


def test_states_that_are_as_they_should_be_are_words_alone_and_a_payee_leads_to_their_page(client) -> None:
    assert set(STATE_GRADES) <= {state for noun in NOUNS for state in noun.machine.states()}, "a state that is marked is one"
    page = client.get("/admin/payouts").text
    rows = page[page.index('<section id="list"') :]
    assert 'class="mark' not in rows
    assert len(re.findall(r'<a href="/admin/payees/payee-[12]">payee-[12]</a>', rows)) == 20


def test_the_payouts_that_a_person_looks_for_are_one_click_away(client) -> None:
    page = client.get("/admin/payouts").text
    addresses = re.findall(r'href="(/admin/[a-z]+\?view=[a-z-]+)">([^<]+)</a>', page)
    assert [words for _, words in addresses] == [
        *("failed", "in doubt", "stuck over 10 min", "over and still owed", "held over 30 d", "missing for a paid invoice")
    ]
    assert {client.get(address).status_code for address, _ in addresses} == {200}


def test_what_is_stuck_held_for_long_or_lacks_a_payout_is_in_its_view(desk) -> None:
    nouns = {one.plural: one for one in LISTED}

    def seen(conn, plural: str, name: str) -> list[str]:
        view = next(one for one in nouns[plural].views if one.name == name)
        return [row.id for row in things(conn, nouns[plural], ListAsked(view=view), rows_max=9, after=None, now=desk.clock.now)]

    with psycopg.connect(desk.database.url) as conn:
        conn.execute("set local session_replication_role = replica")  # as they will stand: no rule looks on
        rows = conn.execute("select id, invoice_id from payout where state = 'pending' order by id limit 4").fetchall()
        stand = (("processing", 11), ("processing", 9), ("held", 31 * 24 * 60), ("held", 60))
        for (payout_id, _), (state, minutes) in zip(rows, stand, strict=True):
            at = desk.clock.now - timedelta(minutes=minutes)
            conn.execute("update payout set state = %s, state_at = %s where id = %s", [state, at, payout_id])
        assert seen(conn, "payouts", "stuck") == [rows[0][0]]
        assert seen(conn, "payouts", "held") == [rows[2][0]]
        for name, state in (("failed", "failed"), ("in-doubt", "reconcile_required")):
            assert seen(conn, "payouts", name) == []
            conn.execute("update payout set state = %s where id = %s", [state, rows[3][0]])
            assert seen(conn, "payouts", name) == [rows[3][0]]
        assert seen(conn, "invoices", "no-payout") == []
        conn.execute("update payout set invoice_id = 'inv_none' where id = %s", [rows[1][0]])
        assert seen(conn, "invoices", "no-payout") == [rows[1][1]]
        conn.rollback()


def test_a_saved_view_is_read_by_set_however_many_rows_it_has(desk) -> None:
    noun = next(one for one in LISTED if one.plural == "payouts")
    view = SavedView("all", "all of them", "t.id is not null")
    with psycopg.connect(desk.database.url) as conn:
        asked = Counted(conn)
        found = things(asked, noun, ListAsked(view=view), rows_max=500, after=None, now=desk.clock.now)
        newest = conn.execute("select id from payout order by id desc limit 500").fetchall()
    assert ([(one.id,) for one in found], len(found) > 20) == (newest, True)
    assert asked.times <= 2, "one query finds which, another reads them"


class Counted:
    """A connection that counts what it is asked."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn, self.times = conn, 0

    def execute(self, *asked):
        self.times += 1
        return self._conn.execute(*asked)

    def cursor(self, **how):
        self.times += 1
        return self._conn.cursor(**how)


def test_a_list_goes_on_page_by_page_without_a_row_twice_or_left_out(desk, client) -> None:
    seen: list[list[str]] = []
    address: str | None = "/admin/payouts"
    while address is not None:
        page = client.get(address).text
        seen.append(ids_on(page))
        found = re.search(r'href="(/admin/payouts\?after=[^"]+)"', page)
        address = found[1] if found else None
        assert ("20, more follow" in page) is (address is not None)
    assert [len(one) for one in seen] == [20, 20, 20]
    assert [row[0] for row in desk.rows("select id from payout order by id desc")] == [one for ids in seen for one in ids]
    assert len(ids_on(client.get("/admin/payouts?state=cancelled").text)) == 1


def test_a_sorted_list_goes_on_among_equals_and_says_how_it_is_sorted(desk, client) -> None:
    for sort, order in (("-amount", "asset desc, amount desc, id desc"), ("createdAt", "created_at, id")):
        seen, address = [], f"/admin/payouts?sort={sort}&payeeId=payee-1"
        while address is not None:
            answer = client.get(address)
            assert answer.status_code == 200, address[-60:]
            page = answer.text
            seen += ids_on(page)
            found = re.search(r'href="(/admin/payouts\?after=[^"]+)"', page)
            address = found[1].replace("&amp;", "&") if found else None
        assert seen == [row[0] for row in desk.rows(f"select id from payout where payee_id = 'payee-1' order by {order}")]
        assert (len(seen) > 20, len(seen)) == (True, len(set(seen)))
    page = client.get("/admin/payouts?sort=-amount&payeeId=payee-1").text
    assert 'aria-sort="descending"><a href="/admin/payouts?sort=amount&amp;payeeId=payee-1">' in page
    assert "by amount within each asset, the greatest first</caption>" in page
    lines = list(csv.DictReader(io.StringIO(client.get("/admin/payouts.csv?sort=amount&asset=EUR&amountMin=50.00").text)))
    wanted = desk.rows("select id from payout where amount >= 5000 order by amount, id")
    assert ([one["id"] for one in lines], 0 < len(lines) < 60) == ([row[0] for row in wanted], True)
    for wrong in ("sort=colour", "amountMin=5", "asset=XYZ", "startTime=soon", "sort=amount&after=po_01KA0000000000000000000000"):
        assert client.get(f"/admin/payouts?{wrong}").status_code == 422, wrong


def test_a_list_is_narrowed_to_a_key_as_long_as_keys_are(desk, client) -> None:
    ((key, one),) = desk.rows("select key, id from payout where id = (select max(id) from payout)")
    assert len(key) > 64
    assert ids_on(client.get("/admin/payouts", params={"key": key}).text) == [one]
    assert client.get("/admin/payouts", params={"key": "k" * 256}).status_code == 422


def test_a_file_has_every_row_with_amounts_in_major_units_and_numbers_in_a_workbook(desk, client) -> None:
    lines = list(csv.DictReader(io.StringIO(client.get("/admin/payouts.csv?state=pending").text)))
    wanted = desk.rows("select id, amount from payout where state = 'pending' order by id desc")
    assert [(one["id"], one["amount"], one["amount_asset"]) for one in lines] == [(i, f"{m // 100}.{m % 100:02}", "EUR") for i, m in wanted]
    book = openpyxl.load_workbook(io.BytesIO(client.get("/admin/payouts.xlsx").content))
    header, *rows = book.active.iter_rows(values_only=True)
    at = header.index("amount")
    assert (len(rows), {type(row[at]) for row in rows} <= {int, float}) == (60, True)


def test_nobody_who_is_not_logged_in_gets_a_list_or_a_file(url: str) -> None:
    for path in ("/admin/payouts", "/admin/payouts.csv", "/admin/search?q=x"):
        with httpx2.Client(base_url=url, trust_env=False) as nobody:
            assert nobody.get(path).status_code == 303, path


def found(client: httpx2.Client, asked: str) -> list[tuple[str, str]]:
    told: dict[str, Any] = client.get("/admin/search.json", params={"q": asked}).json()
    return [(one["what"], one["path"].removeprefix("/admin/")) for one in told["hits"]]


def test_a_line_of_a_log_a_payee_a_customer_a_key_a_charge_and_an_amount_are_found(desk, client) -> None:
    payout, payee, invoice, key, amount = desk.rows(
        "select id, payee_id, invoice_id, key, amount from payout where state = 'pending' order by id limit 1"
    )[0]
    line = f'2026-11-28T03:38:10Z [warning] item failed queue=send subject_id={payout} error="of {invoice}, late"'
    assert found(client, line) == [("payout", f"payouts/{payout}"), ("invoice", f"invoices/{invoice}")]
    assert ("payee", f"payees/{payee}") in found(client, f" {payee} ")
    customer, charge = desk.rows(
        "select i.customer_id, p.charge_id from invoice i join payment p on p.invoice_id = i.id where i.id = %s", invoice
    )[0]
    assert ("customer", f"customers/{customer}") in found(client, customer)
    assert found(client, charge) == [("invoice", f"invoices/{invoice}")]
    assert ("payout", f"payouts/{payout}") in found(client, key)
    assert ("payout", f"payouts/{payout}") in found(client, f"{amount // 100}.{amount % 100:02} EUR")
    [(total,)] = desk.rows("select total from invoice where id = %s", invoice)
    assert ("invoice", f"invoices/{invoice}") in found(client, f"{total // 100}.{total % 100:02}")
    assert found(client, line.replace(" ", "\t") + "\x1b[0m\r\n") == found(client, line), "as a terminal or a page of logs gives it"
    for amount_as in (
        f"\ufeff{amount // 100},{amount % 100:02}\u00a0€",
        f"EUR {amount // 100}.{amount % 100:02}",
        f"{amount // 100},{amount % 100:02}",
        f"({amount // 100},{amount % 100:02} EUR)",
    ):
        assert ("payout", f"payouts/{payout}") in found(client, amount_as), amount_as
    for id_as in (payout.lower(), payout.upper(), payout.partition("_")[2], payout.partition("_")[2].lower()):
        assert found(client, id_as) == [("payout", f"payouts/{payout}")], id_as
    [(journal,)] = desk.rows("select id from journal where source_id = %s", charge)
    assert len(found(client, f"journal={journal}")) == 1


def test_money_of_no_invoice_is_found_by_what_it_is_and_leads_to_its_page(desk, client) -> None:
    desk.pay("a transfer without a reference", 4_711_03)
    desk.deliver()
    desk.work("webhooks")
    payment, charge, one = desk.rows("select payment_id, charge_id, id from unidentified_payment order by id desc")[0]
    for asked in (payment, charge, "a transfer without a reference", "4,711.03 EUR", "4.711,03", "4711.03"):
        assert found(client, asked) == [("unidentified_payment", f"unidentified-payments/{one}")], asked
    assert client.get(f"/admin/unidentified-payments/{one}").status_code == 200
    told = client.get("/admin/search.json", params={"q": "request_id=req_01M8K9HEQ236625M10WZT5XTB8"}).json()
    assert (told["hits"], told["missing"]) == ([], []), "requests are in logs alone"


def test_what_logs_and_the_api_say_in_minor_units_is_found_and_told_in_whole_units(desk, client) -> None:
    payout, amount = desk.rows("select id, amount from payout where state = 'pending' order by id limit 1")[0]
    told = f"{amount // 100}.{amount % 100:02} EUR"
    for asked in (str(amount), f'{{"amount":"{amount}","asset":"EUR"}}', f"amount={amount} asset=EUR"):
        hits = client.get("/admin/search.json", params={"q": asked}).json()["hits"]
        why = [one["why"] for one in hits if one["name"] == payout]
        assert [one.partition(":")[2] for one in why] == [f" {told}, as logs write it"], asked


def test_a_webhook_is_found_by_the_providers_own_id_of_its_event_and_a_journal_by_its_key(desk, client) -> None:
    came, event = desk.rows("select id, event_id from webhook_in order by id limit 1")[0]
    assert found(client, f"evt: {event}") == [("webhook that came", f"webhooks#{came}")]
    with desk.database.transaction() as conn:
        open_accounts(conn, PROGRAM, names := ["cash:bank:own", "suspense"], asset="EUR", actor="test", now=now())
        how: dict[str, Any] = {"kind": "test", "asset": "EUR", "actor": "test", "now": now()}
        journal = str(post(conn, PROGRAM, key="of-november", lines=[(*names, 100)], **how).journal_id)
    assert found(client, "key=of-november") == found(client, journal) == [("journal", f"journals/{journal}/inclusion")]


def test_a_request_that_a_log_names_leads_whoever_may_see_it_to_what_was_refused_in_it(desk, client, url: str) -> None:
    request = make_id("req")
    with desk.database.transaction() as conn:
        refused = ("refused", "vera", None, None, "127.0.0.1", "GET", "/admin/audit", "audit", request)
        record_access(conn, AccessEvent(make_id("acc"), now(), *refused))
    line = f"2026-11-28T03:38:10Z [error] unexpected error request_id={request}"
    assert found(client, line) == [], "a viewer sees no audit"
    with httpx2.Client(base_url=url, headers={"Origin": url, "Sec-Fetch-Site": "same-origin"}, timeout=20, trust_env=False) as auditor:
        assert auditor.post("/login", data={"key": days.a_key(desk.database, role="auditor", name="iris")}).status_code == 303
        assert found(auditor, line) == [("request", f"audit?request={request}")]
        shown = auditor.get(f"/admin/audit.json?request={request}").json()["rows"]
        assert [(one["record"]["what"], one["record"]["subject"]) for one in shown] == [("refused", "GET /admin/audit")]


def test_what_is_not_there_is_said_and_nothing_near_is_shown(client) -> None:
    gone = "po_01M8G3G4BMFRP9HH9VXRNNTFYC"
    told = client.get("/admin/search.json", params={"q": f"{gone} payee-"}).json()
    assert (told["hits"], told["missing"]) == ([], [gone])
    assert found(client, "41.001 EUR") == [], "there is no such amount of it"
    assert found(client, "2026-11-28T03:38:41.00 took 41.00 s") == [], "a figure in a line is no amount"
    assert "Nothing was asked" in client.get("/admin/search").text
    assert client.get("/admin/search", params={"q": "x" * 2_001}).status_code == 422
    assert "&lt;b&gt;" in client.get("/admin/search", params={"q": "<b>po"}).text


def test_lists_the_rail_and_the_search_fit_every_screen(browser, desk, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}/login")
    page.fill("#key", days.a_key(desk.database, role="viewer", name="vic"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/reconciliation")
    for path in ("/admin/payouts", "/admin/circuits", "/admin/search?q=payee-1"):
        is_whole_on_every_screen(page, url + path)
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{url}/admin/payouts")
    assert not page.locator("#rail").is_visible()
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Menu").press("Enter")
    page.get_by_role("link", name="Batches").click()
    page.wait_for_url("**/admin/batches")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.locator("#rail").is_visible()
    assert page.locator("#rail a[aria-current]").inner_text() == "Batches"


def test_the_rows_beyond_the_twentieth_of_a_part_stand_behind_a_line_that_opens(desk, client) -> None:
    with desk.database.transaction() as conn:
        gathered = gather_batch(conn, Wanted("main", "EUR"), by=log_in_as(conn, "Gita", "operator")[0], make_id=make_id, now=now())
    page = client.get(f"/admin/batches/{gathered.batch_id}").text
    part = page[page.index('<section id="payouts"') : page.index('<section id="acts"')]
    first, more = part.split('<details id="payouts-more">')
    lengths = [len(re.findall("<tr>", one[one.index("<tbody>") : one.index("</tbody>")])) for one in (first, more)]
    assert (lengths[0], sum(lengths)) == (20, 59), "one of the sixty is cancelled"
    assert "<summary>39 more</summary>" in more
