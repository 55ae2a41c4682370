"""The five states of every list that follows from a noun: empty, loading, failed, stale and forbidden are told apart, on each of them."""

from __future__ import annotations

import html
import re

import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from counterfoil.base.edge import now
from counterfoil.base.money import Asset
from counterfoil.dashboard.finding.lists import list_pages_of
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.wiring import NOUNS
from tests.dashboard import days, quiet
from tests.dashboard.test_in_a_browser import look  # noqa: F401 - a fixture
from tests.dashboard.test_session import logged_in

LISTED = list_pages_of(NOUNS)
desk = quiet.desk


@pytest.fixture(scope="module")
def url(desk):
    with desk.database.transaction() as conn:
        open_program(conn, "north", name="North", assets=[Asset("EUR", 2)], now=now())
    with days.served(desk, refresh_s=1) as found:
        yield found


@pytest.fixture(scope="module")
def client(desk, url):
    opened = logged_in(url, desk)
    opened.timeout = 30
    return opened


def away(owner, table, *, back=False):
    """The table is not where the pages look for it, as after half a migration; or it is `back`."""
    names = [sql.Identifier(one) for one in (f"{table}_away", table)]
    owner.execute(sql.SQL("alter table {} rename to {}").format(*(names if back else names[::-1])))


def words_of(page):
    """What its main part says."""
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", page[page.index("<main") : page.index("</main>")])))


def test_an_empty_list_says_so_and_where_the_first_comes_from(desk, client):
    said = {}
    for noun, page in LISTED:
        if desk.rows(f'select count(*) from "{noun.machine.table}"') == [(0,)]:
            told = client.get(page.path)
            assert told.status_code == 200, page.path
            said[noun.name] = words_of(told.text)
    assert len(said) > 15, "the day is empty"
    firsts = {noun.name: noun.first for noun in NOUNS}
    for name, words in said.items():
        assert "There is none yet." in words, name
        assert firsts[name] is not None, f"{name} says where its first comes from"
        assert firsts[name].says in words, name
        assert "could not" not in words, name


def test_a_list_that_could_not_be_measured_says_that_and_shows_nothing(desk, client):
    with psycopg.connect(desk.database.url, autocommit=True) as owner, capture_logs() as logged:
        for noun, page in LISTED:
            away(owner, noun.machine.table)
            try:
                told = client.get(page.path)
            finally:
                away(owner, noun.machine.table, back=True)
            assert told.status_code == 500, page.path
            words = words_of(told.text)
            assert "Not known" in words, page.path
            assert "nothing is shown" in words, page.path
            assert "none yet" not in words, page.path
            assert f'href="{page.path}"' in told.text, "one way on: to ask again"
            assert "<table" not in told.text, page.path
            assert client.get(page.path).status_code == 200, page.path
    assert [one["path"] for one in logged if one["event"] == "a page failed"] == [page.path for _, page in LISTED]


def test_a_list_that_is_not_of_ones_program_says_so_and_is_no_empty_one(desk, url):
    north, forbidden = logged_in(url, desk, name="nora", program_id="north"), []
    for noun, page in LISTED:
        told = north.get(page.path)
        words = words_of(told.text)
        if told.status_code == 403:
            forbidden.append(noun.name)
            assert "Not allowed" in words, page.path
            assert "none yet" not in words, page.path
        else:
            assert (told.status_code, "There is none yet." in words) == (200, True), page.path
    assert set(forbidden) >= {"backup", "copy", "sentinel_run"}
    assert len(forbidden) < len(LISTED)


def test_every_list_is_measured_again_and_is_called_old_when_no_answer_comes(desk, url, client, look):  # noqa: F811
    for _, page in LISTED:
        told = client.get(page.path).text
        assert '<main id="main" data-live>' in told, page.path
        assert "refresh.js" in told, page.path
        assert 'id="refreshed"' in told, page.path
    page = look(url, days.a_key(desk.database), path="/admin/payouts")
    with psycopg.connect(desk.database.url, autocommit=True) as owner:
        owner.execute("begin")
        owner.execute("lock table payout")  # an answer is asked for, and does not come yet
        page.locator("html[data-asking]").wait_for(timeout=15_000, state="attached")
        assert "no answer yet" in page.locator("#refreshed").inner_text()
        owner.execute("rollback")
        page.locator("html:not([data-asking])").wait_for(timeout=15_000, state="attached")
        away(owner, "payout")
        page.locator("html[data-stale]").wait_for(timeout=15_000, state="attached")
        assert page.title() == "Not known · Payouts"
        assert page.locator("#refreshed").inner_text().startswith("Old figures, of ")
        assert page.locator("#list.unknown").count() == 1
        away(owner, "payout", back=True)
    page.locator("html:not([data-stale])").wait_for(timeout=15_000, state="attached")
    assert page.title() == "Payouts"
    assert page.locator("#list.unknown").count() == 0
    page.complaints.clear()  # Chromium tells of each answer that was no 200
