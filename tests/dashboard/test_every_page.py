"""Every page there is, with something in it: by axe-core no violation of any rule, on three screens nothing out of sight, in both themes.

The pages are read off the routes, so none is left out; things are looked at in each of their states. axe comes from npm, as anvil does:
`npm install --no-save axe-core@4.10.3` puts it below this folder. It is read from there and run in the page by the browser's own door,
past the page's policy, which lets nothing in: what is served is what is looked at.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import psycopg
import pytest
from fastapi import FastAPI

from counterfoil.base.edge import now
from counterfoil.dashboard.finding.sought import NO_RECORDS, RECORDS
from counterfoil.dashboard.web.routes import add_dashboard
from counterfoil.wiring import NOUNS
from tests.builders import PROGRAM
from tests.dashboard import days
from tests.dashboard.test_in_a_browser import CONTRAST, PICTURES, SCHEMES, WIDTHS, look  # noqa: F401 - a fixture
from tests.dashboard.test_session import logged_in
from tests.dashboard.test_states import away
from tests.dashboard.whole_house import places_of
from tests.people import past_the_guard
from tests.reconciliation.breaks.builders import a_break, a_run

AXE = next(iter(sorted(Path("node_modules/axe-core").glob("axe.min.js"))), None)
if AXE is None:
    pytest.skip("axe-core is not here: npm install --no-save axe-core@4.10.3", allow_module_level=True)
RUN: Final = """(rules) => axe.run(document, { resultTypes: ["violations"], preload: false, ...rules }).then(
    ({ violations }) => violations.map(({ id, help, nodes }) =>
        `${id}: ${help}: ${nodes.slice(0, 4).map((node) => node.html.slice(0, 160)).join(" | ")}`))"""
# What is answered at an address and is no page to look at.
NO_PAGES: Final = {
    "/": "leads to Today",
    "/admin": "leads to Today",
    "/admin/": "leads to Today",
    "/admin/assets/{name}": "files of the pages",
    "/api/docs/{name}": "files of the pages",
    "/admin/journals/{id}/inclusion/file": "a file to save",
    "/admin/payouts/{id}/inclusion/file": "a file to save",
    "/admin/incidents/{id}/post-mortem": "a file to save",
    "/admin/disputes/{id}/evidence/{number}": "a file to save",
    "/login/provider": "leads to whoever logs people in",
    "/login/provider/back": "comes from there",
    "/password": "for whoever has no session: looked at below",
    "/login": "for whoever has no session: looked at below",
    "/api/docs": "Swagger UI, as its publisher draws it",
}
# Pages that show something else when they are asked for it.
MORE: Final = (
    "/admin/payouts?state=failed",
    "/admin/search?q=payee-1",
    "/admin/entries?account=payable:payee:*&asset=EUR",
    "/admin/nothing-here",
    "/admin/payouts?state=nonsense",
)
# Records that the house has none of: their questions are asked all the same, of ids that nothing has.
NONE_IN_THE_HOUSE: Final = {
    "act", "adm", "brp", "cbc", "cde", "crn", "csync", "energy", "fac", "iwo", "ksec", "lnk", "pf", "req", "sgn", "trm", "uf", "wo",
}  # fmt: skip
FAKE: Final = "01KA0000000000000000000000"
# By day on each screen, by night on a phone: a page is as wide in the dark, and its colours are the same on each screen.
SEEN: Final = (("light", 1280), ("light", 1920), ("light", 390), ("dark", 390))
# What is wider than its sheet is reached by scrolling it sideways, which no list needs:
# on a phone its rows are cards. But these are no lists.
PHONE: Final = min(WIDTHS)
WIDER_THAN_A_PHONE: Final = {
    "Map: ": "a drawing; the table below it says the same, as cards",
    "Coverage calendar": "a calendar, whose days are looked at beside each other; it begins at today",
    "Trial balance of ": "sums and balances, each read against its neighbours; the names of the accounts stay in sight",
}
OUT_OF_SIGHT: Final = """() => [...document.querySelectorAll("main .scroll")].filter((one) => one.scrollWidth > one.clientWidth)
    .map((one) => `${one.getAttribute("aria-label")} by ${one.scrollWidth - one.clientWidth}`)"""
# Words that run out of their cell lie upon those of the next.
RUN_OUT: Final = """() => [...document.querySelectorAll("main :is(td, th)")].flatMap((cell) => {
    const room = cell.getBoundingClientRect(), texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), found = [];
    const range = document.createRange();
    if (innerWidth <= 760 && cell.closest(".stack thead")) return [];  // the heads of cards are for readers alone
    while (room.width && texts.nextNode()) {
        const text = texts.currentNode;
        if (!text.textContent.trim() || text.parentElement.closest(".unseen, svg, select, textarea, .scroll .scroll")) continue;
        range.selectNodeContents(text);
        const over = Math.max(...[...range.getClientRects()].map((one) => one.right)) - room.right;
        if (over > 1) found.push(`"${text.textContent.trim().slice(0, 60)}" runs out of its cell by ${Math.round(over)}`);
    }
    return found;
})"""
UNTITLED: Final = """() => [...document.querySelectorAll("main .stack tbody td:not([data-l])")].map((one) => one.outerHTML.slice(0, 80))"""


def routed(wiring: Any) -> list[str]:
    """The address of every page that is served, as it is routed."""
    app = FastAPI(openapi_url=None)
    add_dashboard(app, wiring, version="0")
    got = {one.path for one in app.routes if "GET" in getattr(one, "methods", ())}
    return sorted({path for path in got if not path.endswith((".json", ".csv", ".xlsx"))} - set(NO_PAGES))


def addresses(house: SimpleNamespace) -> list[str]:
    """Every page that is served, each of one thing with all the things that there are of it to look at."""
    places, found = places_of(house.desk), []
    for path in routed(house.desk.wiring):
        found += [path.replace(path[path.index("{") : path.index("}") + 1], one) for one in places[path]] if "{" in path else [path]
    return [*found, *MORE]


def test_the_figures_of_every_page_are_there_as_json(house: SimpleNamespace) -> None:
    """What a page is made of may be of any kind; all of it is told."""
    app = FastAPI(openapi_url=None)
    add_dashboard(app, house.desk.wiring, version="0")
    told = {one.path for one in app.routes if getattr(one, "path", "").endswith(".json") and "GET" in getattr(one, "methods", ())}
    auditor = logged_in(house.url, house.desk, name="jason", role="administrator")
    auditor.headers["Connection"] = "close"  # a server may end a connection that it has answered on
    failed, places = {}, places_of(house.desk)
    for path in sorted(told):
        routed_at = path.removesuffix(".json")
        given = places.get(routed_at, []) if "{" in routed_at else [""]
        for one in given:
            address = path.replace(path[path.index("{") : path.index("}") + 1], one) if one else path
            answer = auditor.get(address)
            if answer.status_code != 200 or not isinstance(answer.json(), dict):
                failed[address] = answer.status_code
    assert failed == {}
    assert len(told) > 60


def violations(page: Any, rules: Any = None) -> list[str]:
    """What breaks a rule of axe-core, or, of all `rules`, these."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text("utf-8"))
    return page.evaluate(RUN, rules or {})


def faint(page: Any) -> list[str]:
    """Words that do not stand out from their ground: what of axe's rules a theme decides, at a tenth of the time."""
    return [f"{said} stands out by {ratio:.1f}" for ratio, said in page.evaluate(CONTRAST) if ratio < 4.5]


def test_there_is_something_to_look_at_on_every_page(house: SimpleNamespace) -> None:
    places = places_of(house.desk)
    assert [path for path in routed(house.desk.wiring) if "{" in path and not places[path]] == []
    assert len(addresses(house)) > 110


def out_of_sight(page: Any, width: int) -> tuple[list[str], set[str]]:
    """What is reached by scrolling sideways alone; and what may be on a phone, by its name."""
    hidden = page.evaluate(OUT_OF_SIGHT)
    may = {name for name in WIDER_THAN_A_PHONE for one in hidden if width == PHONE and one.startswith(name)}
    return [one for one in hidden if not one.startswith(tuple(may) or "\n")], may


def test_no_page_violates_a_rule_or_hides_a_part_on_any_screen(house: SimpleNamespace, look: Any) -> None:  # noqa: F811
    page, found, wider = look(house.url, house.key), {}, set()
    for path in addresses(house):
        page.goto(house.url + path)
        for scheme, width in SEEN:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            hidden, may = out_of_sight(page, width)
            wider |= may
            hidden += page.evaluate(RUN_OUT)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                hidden.append("the page scrolls sideways")
            if PICTURES:
                name = path.strip("/").replace("/", "-").replace("?", "-")
                page.screenshot(path=Path(PICTURES) / f"{name}-{width}-{scheme}.png", full_page=True)
            if broken := hidden + (violations(page) if (scheme, width) == SEEN[0] else faint(page) if scheme == "dark" else []):
                found[path, width, scheme] = broken
        if untitled := page.evaluate(UNTITLED):
            found[path, PHONE, "a value without the title of its column"] = untitled
    assert found == {}
    assert wider == set(WIDER_THAN_A_PHONE), "these are as wide as it says"
    page.complaints.clear()  # Chromium tells of the pages that are not there


def test_whatever_has_an_id_is_found_by_it_and_leads_to_a_page(house: SimpleNamespace) -> None:
    """Of every kind of thing and of record that there is one of; the others are named."""
    assert logged_in(house.url, house.desk, name="nils", role="viewer").get("/admin/audit").status_code == 403, "which is recorded"
    ids, none = {}, set()
    kept = {prefix: some[0] if some[0].by == "id" else some[-1] for prefix, some in RECORDS.items()}  # a refusal was recorded
    tables = {one.prefix: (one.machine.table, "id") for one in NOUNS} | {prefix: (one.table, one.by) for prefix, one in kept.items()}
    for prefix, (table, by) in tables.items():
        rows = house.desk.rows(f"select {by} from {table} where {by} like %s order by id desc limit 1", f"{prefix}\\_{'_' * 26}")
        ids |= {prefix: rows[0][0]} if rows else {}
        none |= set() if rows else {prefix}
    auditor = logged_in(house.url, house.desk, name="iris", role="auditor")
    auditor.timeout = 30
    for one in ids.values():
        hits = auditor.get("/admin/search.json", params={"q": f"subject_id={one} queue=send"}).json()["hits"]
        assert [hit["name"] for hit in hits] == [one], one
        assert auditor.get(hits[0]["path"].partition("#")[0]).status_code == 200, (one, hits)
    gone = [f"{prefix}_{FAKE}" for prefix in sorted(none - set(NO_RECORDS))]
    told = auditor.get("/admin/search.json", params={"q": " ".join(gone)}).json()
    assert (told["hits"], told["missing"]) == ([], gone)
    assert none == NONE_IN_THE_HOUSE


PENDING: Final = "select id from payout where state in ('pending', 'held') order by id limit 1"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_look_at_what_would_happen_violates_no_rule(house: SimpleNamespace, look: Any, scheme: str) -> None:  # noqa: F811
    page = look(house.url, house.key, scheme=scheme, path=f"/admin/payouts/{house.desk.rows(PENDING)[0][0]}")
    page.locator("#act-cancel [name=reason]").fill("asked for by the payee")
    page.locator("#act-cancel button").click()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert "Nothing is changed yet" in page.locator("main").inner_text()
        assert (violations(page), page.evaluate(OUT_OF_SIGHT)) == ([], []), width


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", ["/login", "/password"])
def test_a_page_before_the_door_violates_no_rule(house: SimpleNamespace, look: Any, scheme: str, path: str) -> None:  # noqa: F811
    page = look(house.url, None, path=path, scheme=scheme)
    assert violations(page) == []


def test_axe_finds_what_is_wrong(house: SimpleNamespace, look: Any) -> None:  # noqa: F811
    page = look(house.url, house.key)
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"x\">')")
    found = violations(page)
    page.complaints.clear()
    assert [one.partition(":")[0] for one in found] == ["image-alt"]


# Pages whose parts all others are made of, in the states in which they are not all there.
LIVE: Final = (
    "/admin/reconciliation",
    "/admin/day",
    "/admin/payouts",
    "/admin/breaks",
    "/admin/queues",
    "/admin/money-map",
    "/admin/audit",
)
UNMEASURED: Final = {  # and the table that is not where they look for it
    "/admin/reconciliation": "payout",
    "/admin/day": "payout",
    "/admin/queues": "worker",
    "/admin/payouts": "payout",
    "/admin/client-money": "client_money",
}
FORBIDDEN: Final = ("/admin/audit", "/admin/drills", "/admin/levels", "/admin/backups", "/admin/queues", "/admin/payouts")
NOT_YOURS: Final = re.compile(r"Not allowed|whole installation|you see one program|you may read|does not allow")
FULL: Final = ("/admin/reconciliation", "/admin/day", "/admin/customers", MORE[2], "/admin/invoices", "/admin/breaks")
# A page that is not there asks again by itself after half a minute: it stands on a wall, and nothing was typed into it.
ITSELF: Final = {"rules": {"meta-refresh": {"enabled": False}}}
STATES_SEEN: Final = tuple((scheme, width) for scheme in SCHEMES for width in (1280, PHONE))


def seen(page: Any, state: str, path: str) -> dict[Any, list[str]]:
    """What is wrong with a page as it stands, on two screens in both themes; it leaves pictures, where somebody asked for them."""
    found = {}
    for scheme, width in STATES_SEEN:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        broken, _ = out_of_sight(page, width)
        broken += ["the page scrolls sideways"] if page.evaluate("document.documentElement.scrollWidth") > width else []
        broken += faint(page) + (violations(page, ITSELF) if (scheme, width) == STATES_SEEN[-1] else [])
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{state}-{path.strip('/').replace('/', '-')}-{width}-{scheme}.png", full_page=True)
        if broken:
            found[state, path, scheme, width] = broken
    return found


def test_a_page_whose_figures_are_old_is_whole_on_every_screen(house: SimpleNamespace, look: Any) -> None:  # noqa: F811
    page, found = look(house.url, house.key), {}
    for path in LIVE:
        page.goto(house.url + path)
        page.route("**/*", lambda route: route.abort())
        page.locator("#pause").click()
        page.locator("#pause").click()  # it goes on, so it asks at once
        page.locator("html[data-stale]").wait_for(state="attached")
        assert page.title().startswith("Not known"), path
        page.unroute("**/*")
        found |= seen(page, "old", path)
    assert found == {}
    page.complaints.clear()  # Chromium tells of each answer that did not come


def test_a_page_that_could_not_be_measured_is_whole_on_every_screen(house: SimpleNamespace, look: Any) -> None:  # noqa: F811
    page, found = look(house.url, house.key), {}
    with psycopg.connect(house.desk.database.url, autocommit=True) as owner:
        for path, table in UNMEASURED.items():
            away(owner, table)
            try:
                page.goto(house.url + path)
                assert re.search("could not be measured|Not known|failed to measure", page.locator("main").inner_text()), path
                found |= seen(page, "failed", path)
            finally:
                away(owner, table, back=True)
    assert found == {}
    page.complaints.clear()


def test_a_page_that_is_not_all_ones_own_is_whole_on_every_screen(house: SimpleNamespace, look: Any) -> None:  # noqa: F811
    page, found = look(house.url, days.a_key(house.desk.database, name="nora", program_id=PROGRAM)), {}
    waiting = house.desk.rows(PENDING)[0][0]
    for path in (*FORBIDDEN, f"/admin/payouts/{waiting}"):
        page.goto(house.url + path)
        assert path == "/admin/payouts" or NOT_YOURS.search(page.locator("main").inner_text()), path
        found |= seen(page, "forbidden", path)
    assert found == {}
    page.complaints.clear()


def test_a_page_of_thousands_is_whole_on_every_screen(house: SimpleNamespace, look: Any) -> None:  # noqa: F811
    """The last of these: the house is as full as it gets."""
    prices = [f"{9_000_000 + number}.{number % 100:02}" for number in range(2_000)]
    days.issued(house.desk, prices, prefix="a-customer-whose-name-takes-all-the-room-that-there-is", payees=40)
    with past_the_guard(house.desk.database.url) as conn:
        a_run(conn, [a_break() for _ in range(2_000)], at=now())
    page, found = look(house.url, house.key), {}
    for path in FULL:
        page.goto(house.url + path)
        found |= seen(page, "full", path)
    assert found == {}
    assert "2,0" in page.locator("main").inner_text(), "thousands are told"
