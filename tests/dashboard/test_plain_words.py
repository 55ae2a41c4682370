"""No page says to people what only machines call so: `sent_at`, None, an empty pair of brackets."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Final

import pytest

from counterfoil.base.settings import Settings
from counterfoil.dashboard.web.format import found_words
from counterfoil.wiring import EVENT_KINDS, JOBS, QUEUES
from tests.dashboard.test_every_page import addresses
from tests.dashboard.test_session import logged_in

RAW: Final = re.compile(
    r"""\b[a-z]+(?:_[a-z]+)+\b(?![0-9_.:-])     # sent_at, and no reference of a provider's, which has digits
    |(?:(?<=[a-z,:]\ )|^)None(?![.]\ ?|[a-z\ ])  # and not: None of them
    |\b[A-Z][a-z]+(?:[A-Z][a-z]+)+:\ (?=\S)    # how programs call a kind of problem
    |\bnull\b|(?<!…)\bPT?[0-9]+[HMSD]\b|\bkey\ equal\b|timedelta|datetime[.]|[{]['"{]|\[\]|\(\)""",
    re.VERBOSE,
)
PLACE: Final = re.compile(r"/(?:[\w.-]+/)+[\w.-]*")  # of a file or a folder: whoever made it has named it
QUOTED: Final = ("code", "pre", "script", "style", "svg", "textarea", "head")  # what is typed, and what is drawn
# What people type and give partners by just this name: queues, jobs, events, settings, a state in an address; programs of PostgreSQL; and
# words of others: of a provider why it did not pay, of a rule set its passes.
NAMES: Final = (
    frozenset(one.name for one in (*QUEUES, *JOBS, *EVENT_KINDS))
    | frozenset(Settings.model_fields)
    | {
        *("look_ups", "reconcile_required", "pg_dump", "pg_basebackup", "pg_receivewal", "pg_restore"),
        *("account_closed", "returned_by_bank", "amount_tolerance"),
    }
)


class Words(HTMLParser):
    """What a page says to people: without its commands and its ids."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._within:
            self._within += [tag] if tag == self._within[0] else []
        elif tag in QUOTED or "id" in (given.get("class") or "").split():
            self._within = [tag]
        self.said += [given[name] or "" for name in ("aria-label", "title", "placeholder") if name in given]

    def handle_endtag(self, tag: str) -> None:
        if self._within and tag == self._within[0]:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.said.append(data)


def raw_words(page: str) -> set[str]:
    """What only a machine calls so, in the words of a page."""
    words = Words()
    words.feed(page.replace("<wbr>", ""))
    return {one for said in words.said for one in RAW.findall(PLACE.sub("", said).strip())} - NAMES


def test_what_only_machines_call_so_is_found():
    page = """<p title="by_rule">It is <b>not_sent</b>, None, after PT5M, key equal, {'a': 1}, []</p>
        NotThere: it is not there. <code>a_b</code> in /dev/shm/files-o_j/x po_01KA a key …P33M <i class="id">x_y</i>"""
    assert raw_words(page) == {"NotThere: ", "by_rule", "not_sent", "None", "PT5M", "key equal", "{'", "[]"}


def test_no_page_tells_people_what_only_machines_call_so(house: SimpleNamespace):
    auditor = logged_in(house.url, house.desk, name="clara", role="administrator")
    auditor.timeout = 30
    auditor.headers["Accept"] = "text/html"
    accounts = {part for (name,) in house.desk.rows("select distinct name from account") for part in name.split(":")}
    written = {name for (name,) in house.desk.rows("select reference from unidentified_payment")}  # by who paid, and told as it was written
    found = {path: sorted(raw) for path in addresses(house) if (raw := raw_words(auditor.get(path).text) - accounts - written)}
    assert not found, "\n".join(f"{path}: {', '.join(raw)}" for path, raw in found.items())


@pytest.mark.parametrize(
    ("engine", "people"),
    [
        ("key equal", "both have the same key"),
        ("key equal, 2 days apart", "both have the same key, 2 days apart"),
        ("key equal, amount off by -500", "both have the same key, and their amounts differ"),
        ("same batch, the sums differ", "same batch, the sums differ"),
    ],
)
def test_how_a_run_came_upon_a_break_is_said_in_words(engine: str, people: str):
    assert found_words(engine) == people
