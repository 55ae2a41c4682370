"""Pages of proofs, signers, drills and inclusion files: failed, old and forbidden are told apart on each, as on lists."""

from __future__ import annotations

from types import SimpleNamespace

import psycopg
import pytest
from structlog.testing import capture_logs

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.drills.drills import ask_for_drill
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import post
from tests.builders import PROGRAM
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_in_a_browser import look  # noqa: F401 - a fixture
from tests.dashboard.test_session import logged_in
from tests.dashboard.test_states import away, words_of
from tests.proofs.builders import House

PAGES = {  # and the table without which each is not known
    "/admin/signers": "signer",
    "/admin/drills": "drill",
    "/admin/drills/{drill}": "drill",
    "/admin/proofs/{proof}": "proof",
    "/admin/proofs/{proof}/disclosure": "proof",
    "/admin/journals/{journal}/inclusion": "log_entry",
}


@pytest.fixture(scope="module")
def walked(server, tmp_path_factory):
    """A proof, a drill that waits, a journal that is in the log; and somebody of another program."""
    folder = tmp_path_factory.mktemp("states")
    with a_desk(server, folder) as desk:
        days.an_empty_day(desk)
        house = House(desk, folder / "proofs")
        with desk.database.transaction() as conn:
            open_program(conn, "north", name="North", assets=[Asset("EUR", 2)], now=now())
            open_accounts(conn, PROGRAM, ["suspense", "bad_debt"], asset="EUR", actor="t", now=now())
            journal = post(
                conn, PROGRAM, key="k", kind="t", lines=[("suspense", "bad_debt", 5)], asset="EUR", actor="t", now=now()
            ).journal_id
            drill = ask_for_drill(conn, make_id("drl"), "database", backup_id=None, actor="t", now=now()).id
        ids = {"proof": house.exported(house.start, now()).id, "drill": drill, "journal": str(journal)}
        with days.served(desk, refresh_s=1) as url:
            yield SimpleNamespace(desk=desk, url=url, paths={one.format(**ids): table for one, table in PAGES.items()}, ids=ids)


def test_each_that_could_not_be_measured_says_that_and_shows_nothing(walked):
    client = logged_in(walked.url, walked.desk, role="auditor")
    with psycopg.connect(walked.desk.database.url, autocommit=True) as owner, capture_logs() as logged:
        for path, table in walked.paths.items():
            assert client.get(path).status_code == 200, path
            away(owner, table)
            try:
                told = client.get(path)
            finally:
                away(owner, table, back=True)
            words = words_of(told.text)
            assert (told.status_code, "Not known" in words, "<table" in told.text) == (500, True, False), path
    assert [one["path"] for one in logged if one["event"] == "a page failed"] == list(walked.paths)


def test_each_that_is_of_the_whole_installation_or_of_another_program_says_so_and_shows_nothing(walked):
    north = logged_in(walked.url, walked.desk, name="nora", program_id="north", role="auditor")
    for path in walked.paths:
        told = north.get(path)
        words = words_of(told.text)
        gone = "journals" in path or path.endswith(walked.ids["proof"])  # of theirs there is none
        assert "There is no such journal" in words or "not found" in words if gone else "whole installation" in words, (path, words[:300])
        assert (told.status_code == 404) == gone, path
        assert "<table" not in told.text, path


def test_each_is_measured_again_and_is_called_old_when_no_answer_comes(walked, look):  # noqa: F811
    client = logged_in(walked.url, walked.desk, role="auditor")
    for path in walked.paths:
        told = client.get(path).text
        assert ('<main id="main" data-live>' in told, "refresh.js" in told, 'id="refreshed"' in told) == (True, True, True), path
    page = look(walked.url, days.a_key(walked.desk.database), path="/admin/signers")
    with psycopg.connect(walked.desk.database.url, autocommit=True) as owner:
        away(owner, "signer")
        try:
            page.locator("html[data-stale]").wait_for(timeout=15_000, state="attached")
            assert page.locator("#refreshed").inner_text().startswith("Old figures, of ")
            assert page.locator("#signers.unknown").count() == 1
            page.complaints.clear()
        finally:
            away(owner, "signer", back=True)
