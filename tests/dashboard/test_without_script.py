"""The forms of the dashboard without a script, and every kind of page by keyboard alone.

Both are read off what is routed and declared: each form that has an address of its own, of the verbs of things one of each set of fields
that is asked for; and of each template one page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

import httpx2

from counterfoil.dashboard.finding.lists import list_pages_of
from counterfoil.dashboard.settings.page_acts import ACTS_ON
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.nouns import pages_of
from counterfoil.wiring import NOUNS
from tests.dashboard.test_every_page import addresses
from tests.dashboard.test_in_a_browser import look  # noqa: F401 - a fixture
from tests.dashboard.test_who_may import FORMS, OTHERWISE
from tests.dashboard.whole_house import places_of
from tests.people import log_in_as, past_the_guard

ROUTED: Final = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in (*FORMS, *OTHERWISE)}
VERBS: Final = {f"/admin/{noun.plural}/{{id}}/{verb.word}": verb for noun in NOUNS for verb in noun.verbs}
AT_ONCE: Final = {
    "/admin/reconciliation/ask": "asks the checks anew, and changes nothing: there is nothing to look at first",
    "/admin/disputes/{id}/evidence": "a browser sends a file only once",
}
# Of what these are for there is nothing in the house: what waits for this very person, somebody who was announced, a debt, a login,
# a signer, a proof.
NOTHING_TO_DO_IT_TO: Final = {
    "/admin/approvals",
    "/admin/payees/{id}/write-off",
    "/admin/people/stop-second",
    "/admin/people/{id}/unlink",
    "/admin/proofs/{id}/disclosure",
    "/admin/signers/revoke",
}
LOOKED: Final = re.compile(r"[Ii]f you confirm|Once approved, it books")
# Filled in as its fields say: what stands there, one of the choices, or the example; what has none gets a word.
FILL: Final = """one => { for (const field of one.elements) {
    if (field.type === "checkbox") { field.checked = true; continue; }
    if (field.value || !["INPUT", "SELECT", "TEXTAREA"].includes(field.tagName) || field.type === "hidden") continue;
    if (field.tagName === "SELECT") { field.selectedIndex = field.options.length - 1; continue; }
    if (field.required) field.value = { "datetime-local": "2031-01-01T00:00", date: "2026-01-01", number: field.min || "1" }[field.type]
        ?? (field.placeholder.includes("…") || !field.placeholder ? "word" : field.placeholder);
} }"""
STEPS_OF_A_DATE: Final = 8  # one goes through the parts of it by the same key
STOPS: Final = """[...document.querySelectorAll("main :is(a[href], button, input, select, textarea, summary, [tabindex='0'])")]
    .filter((one) => !one.disabled && one.type !== "hidden" && one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true }))"""
FOLLOW: Final = f"""() => {{ window.tabbed = []; document.addEventListener("focusin", ({{ target }}) => window.tabbed.push(
    [target, getComputedStyle(target).outlineStyle !== "none" && target.getClientRects().length > 0]));
    const stops = {STOPS}; return stops.length + 1 + {STEPS_OF_A_DATE} * stops.filter((one) => one.type?.startsWith("date")).length }}"""
WENT: Final = f"""() => {{ const stops = {STOPS}, told = (one) => one?.outerHTML.slice(0, 100) ?? "nothing";
    const went = window.tabbed.filter(([one]) => document.querySelector("main").contains(one) && one.id !== "main");
    return {{ unseen: went.filter(([, seen]) => !seen).map(([one]) => told(one)),
              astray: stops.map((one, at) => went[at]?.[0] === one ? "" : `${{told(one)}} and not ${{told(went[at]?.[0])}}`)
                           .filter(Boolean).slice(0, 2),
              held: went.length - stops.length }} }}"""


def routed_of(action: str) -> str:
    """The address as it is routed."""
    return next((path for path, shape in ROUTED.items() if shape.fullmatch(action)), "")


def pattern_of(routed: str) -> str:
    """What a form is the first of: of verbs those that ask for the same kinds of fields, else its own address."""
    verb = VERBS.get(routed)
    return " ".join(sorted({one.kind for one in verb.takes} | {"reason"} if verb.reason else set())) if verb else routed


def first_forms(house: SimpleNamespace, key: str, paths: list[str]) -> Iterator[tuple[str, str, str]]:
    """Of each pattern the first form that stands on one of these pages: the page, where it is sent, and how that is routed."""
    told = set[str]()
    with httpx2.Client(base_url=house.url, headers={"Origin": house.url}, timeout=30, trust_env=False) as client:
        assert client.post("/login", data={"key": key}).status_code == 303
        for path in paths:
            main = client.get(path).text.partition("<main")[2]
            for action in map(html.unescape, re.findall(r'<form[^>]* method="post"[^>]* action="([^"]+)', main)):
                routed = routed_of(action.partition("#")[0])
                if routed and routed not in AT_ONCE and pattern_of(routed) not in told:
                    told.add(pattern_of(routed))
                    yield path, action, routed


def sent(page: Any, action: str) -> str:
    """What came of a form that somebody opened, filled in and sent: looked at, refused with the reason beside it, or nothing of these; and
    whether it is there for another role only."""
    form = page.locator(f'main form[method=post][action="{action}"]').first
    while (folded := form.locator("xpath=ancestor::details[not(@open)]")).count():
        folded.first.locator("> summary").click()
    for inside in form.locator("details:not([open])").all():
        inside.locator("> summary").click()
    if not form.locator("button").count():
        return "another's"
    form.evaluate(FILL)
    form.locator("button").first.click()
    if LOOKED.search(page.locator("main").inner_text()):
        return "looked at"
    return "refused" if page.locator("#refused, [role=alert]").count() else page.locator("main").inner_text()[:200]


def test_every_form_is_opened_filled_in_and_looked_at_without_a_script(house: SimpleNamespace, look: Any) -> None:  # noqa: F811
    with past_the_guard(house.desk.database.url) as conn:
        others = log_in_as(conn, "wilhelmina", "administrator")[1], log_in_as(conn, "ottilie", "operator")[1]
    of_acts = re.compile("|".join(re.sub(r"\{\w+\}", "[^/?]+", path) for path in ACTS_ON))
    came, anothers = dict[str, str](), set[str]()
    for key in (house.key, *others):
        page = look(house.url, key, java_script_enabled=False)
        paths = [path for path in addresses(house) if key == house.key or path in anothers or of_acts.fullmatch(path)]
        for path, action, routed in first_forms(house, key, paths):
            if came.get(routed) != "looked at":
                page.goto(house.url + path)
                came[routed] = sent(page, action)
                anothers |= {path} if came[routed] == "another's" else set()
    assert {routed: said for routed, said in came.items() if said not in ("looked at", "refused")} == {}
    page.complaints.clear()  # Chromium tells of each that was refused
    looked = {routed for routed, said in came.items() if said == "looked at"}
    assert {*ROUTED} - {*VERBS} - came.keys() - {*AT_ONCE} == NOTHING_TO_DO_IT_TO
    assert len(looked) > 20
    begun = {f"/admin/{noun.plural}" for noun in NOUNS if noun.begin}
    assert begun <= came.keys()


def kinds(house: SimpleNamespace) -> dict[str, str]:
    """Of each template a page that is there."""
    places, found = places_of(house.desk), dict[str, str]()
    for one in (*PAGES, *(page for _, page in list_pages_of(NOUNS)), *(page for _, page in pages_of(NOUNS))):
        things = places.get(one.path, [])
        path = re.sub(r"\{\w+\}", things[0], one.path) if "{" in one.path and things else one.path
        if "{" not in path:
            found.setdefault(one.template, path)
    return {**found, "account.html": "/account", "search.html": "/admin/search?q=payee-1"}


def test_by_keyboard_each_kind_of_page_is_walked_in_its_order_seen_at_each_step_and_left(house: SimpleNamespace, look: Any) -> None:  # noqa: F811
    page, found = look(house.url, house.key), {}
    assert len(kinds(house)) > 35
    for template, path in kinds(house).items():
        page.goto(house.url + path)
        page.locator(".skip").focus()
        steps = page.evaluate(FOLLOW)
        page.keyboard.press("Enter")
        for _ in range(steps):
            page.keyboard.press("Tab")
        went = page.evaluate(WENT)
        if went["unseen"] or went["astray"] or went["held"]:
            found[template, path] = went
    assert found == {}
