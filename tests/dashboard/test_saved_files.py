"""What is in a file is saved from the page of its thing, in its exact bytes, by whoever may see the page."""

from __future__ import annotations

import hashlib
import re
from types import SimpleNamespace

import pytest
from markupsafe import escape

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access.access import Caller
from counterfoil.payouts.disputes.disputes import open_dispute
from counterfoil.payouts.disputes.evidence import EVIDENCE_MAX, add_evidence
from tests.builders import PROGRAM
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_session import csrf_of, logged_in

PHOTO = bytes(range(256)) * 4
NAME = "Kästchen “leer”.jpg"


@pytest.fixture(scope="module")
def things(server, tmp_path_factory):
    """A dispute with two files, and an incident."""
    with a_desk(server, tmp_path_factory.mktemp("files")) as desk:
        days.an_empty_day(desk)
        (invoice,) = days.issued(desk, ["44.00"], prefix="r", payee="payee-1")
        desk.pay(invoice, 44_00)
        desk.deliver()
        desk.work("webhooks", "verify", "settle")
        anna, incident = Caller("", "anna", "operator", principal_id="prn_anna"), make_id("inc")
        with desk.database.transaction() as conn:
            conn.execute(
                """insert into incident (id, program_id, level, code, title, opened_at, respond_by, state, state_at)
                   values (%s, %s, 'P2', 'X', 'Something', now(), now(), 'open', now())""",
                [incident, PROGRAM],
            )
            told = {"by": anna, "now": desk.clock.now}
            dispute = open_dispute(conn, make_id("dsp"), invoice, cause="empty", make_id=make_id, **told).id
            for name, content in (("note.txt", b"The parcel came empty."), (NAME, PHOTO)):
                add_evidence(conn, dispute, content, name=name, **told)
        with days.served(desk) as url:
            yield SimpleNamespace(desk=desk, url=url, dispute=dispute, incident=incident)


def test_each_file_of_evidence_is_saved_from_its_row(things):
    client = logged_in(things.url, things.desk, role="viewer")
    page = client.get(f"/admin/disputes/{things.dispute}").text
    assert page.count(" download>Save") == 2
    place = f"/admin/disputes/{things.dispute}/evidence/2"
    assert f'href="{place}"' in page
    found = client.get(place)
    assert (found.status_code, hashlib.sha256(found.content).hexdigest()) == (200, hashlib.sha256(PHOTO).hexdigest())
    assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''K%C3%A4stchen%20%E2%80%9Cleer%E2%80%9D.jpg"
    assert found.headers["content-type"] == "application/octet-stream", "no browser shows what somebody else made"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["cache-control"] == "no-store"


def test_the_figures_of_such_a_page_are_there_as_json_too(things):
    """What makes a file is no figure."""
    client = logged_in(things.url, things.desk, name="jo", role="viewer")
    for place in (f"/admin/disputes/{things.dispute}", f"/admin/incidents/{things.incident}"):
        found = client.get(f"{place}.json")
        assert found.status_code == 200, found.text
        assert "function" not in found.text


@pytest.mark.parametrize("number", ["0", "3", "-1", "x", "1.0", "9" * 30, "٢"])
def test_what_is_no_file_of_it_is_not_found(things, number):
    client = logged_in(things.url, things.desk, name="vera", role="viewer")
    assert client.get(f"/admin/disputes/{things.dispute}/evidence/{number}").status_code == 404


def handed(client, things, content: bytes, *, name: str = "box.png", **more):
    csrf = {"csrf": csrf_of(client), **more}
    return client.post(f"/admin/disputes/{things.dispute}/evidence", data=csrf, files={"file": (name, content)}, follow_redirects=False)


def kept(things):
    return things.desk.rows("select number, name from dispute_evidence where dispute_id = %s order by number", things.dispute)


def test_a_file_is_handed_in_on_the_page_once_with_who_gave_it(things):
    client = logged_in(things.url, things.desk, name="odo", role="operator")
    page = client.get(f"/admin/disputes/{things.dispute}").text
    assert 'enctype="multipart/form-data"' in page
    assert [handed(client, things, PHOTO[::-1]).status_code for _ in range(2)] == [303, 303]
    assert kept(things)[2:] == [(3, "box.png")], "the same file again is the one that is there"
    assert client.get(f"/admin/disputes/{things.dispute}/evidence/3").content == PHOTO[::-1]
    told = things.desk.rows(
        "select actor, payload ->> 'name' from action where verb = 'dispute.evidence' and subject_id = %s", things.dispute
    )
    assert told == [(told[0][0], "box.png")] * 2
    assert "odo" in told[0][0]


def test_what_is_no_file_or_too_large_a_one_is_refused_with_the_reason(things):
    client = logged_in(things.url, things.desk, name="ola", role="operator")
    before = kept(things)
    empty, large = handed(client, things, b""), handed(client, things, bytes(EVIDENCE_MAX + 1))
    assert (empty.status_code, large.status_code) == (422, 422)
    assert "1 to 5000000 bytes" in large.text.replace("<wbr>", "")
    assert handed(client, things, b"x", name="a" * 300).status_code == 422
    place, csrf = f"/admin/disputes/{things.dispute}/evidence", {"csrf": csrf_of(client)}
    assert client.post(place, data=csrf).status_code == 422, "no file at all"
    assert client.post(place, data=csrf, files={"other": ("a", b"x")}).status_code == 422
    assert client.post(place, data=csrf, files=[("file", ("a", b"x")), ("file", ("b", b"y"))]).status_code == 422
    assert client.post(place, data={"csrf": "0" * 64}, files={"file": ("a", b"x")}).status_code == 403
    viewer = logged_in(things.url, things.desk, name="vito", role="viewer")
    assert 'id="hand-in"' not in viewer.get(f"/admin/disputes/{things.dispute}").text
    assert handed(viewer, things, b"mine").status_code == 403
    assert kept(things) == before


def test_the_post_mortem_is_saved_from_the_page_of_its_incident(things):
    client = logged_in(things.url, things.desk, name="otto", role="operator")
    place = f"/admin/incidents/{things.incident}/post-mortem"
    assert f'href="{place}"' in client.get(f"/admin/incidents/{things.incident}").text
    found = client.get(place)
    assert found.status_code == 200
    assert found.headers["content-disposition"] == f"attachment; filename*=UTF-8''{things.incident}.md"
    assert "Something" in found.text
    assert client.get(f"/admin/incidents/{make_id('inc')}/post-mortem").status_code == 404


def test_whoever_may_not_see_the_page_saves_none_of_its_files(things):
    with things.desk.database.transaction() as conn:
        open_program(conn, "beside", name="Beside", assets=[Asset("EUR", 2)], now=now())
    places = (f"/admin/disputes/{things.dispute}/evidence/1", f"/admin/incidents/{things.incident}/post-mortem")
    other = logged_in(things.url, things.desk, name="olga", program_id="beside", role="operator")
    assert [other.get(place).status_code for place in places] == [404, 404]
    stranger = logged_in(things.url, things.desk, name="sven", role="viewer")
    stranger.cookies.clear()
    assert {stranger.get(place, follow_redirects=False).status_code for place in places} <= {303, 401}


def test_a_post_mortem_is_typed_in_lines_which_are_kept_wherever_it_is_shown(things):
    client = logged_in(things.url, things.desk, name="oriana", role="operator")
    page = f"/admin/incidents/{things.incident}"
    assert re.search(r'<textarea name="text" rows="4" maxlength="20000" required', client.get(page).text)
    form = {"csrf": csrf_of(client), "text": "\r\nThe import stopped.\r\n\r\n1. <why>\r\n\tthe disk\r\n"}
    kept = "The import stopped.\n\n1. <why>\n    the disk"
    looked = client.post(f"{page}/write", data=form)
    assert f">{escape(kept)}</textarea>" in looked.text, "what was typed stands in the form that confirms it"
    key = re.search(r'name="key" value="([^"]+)"', looked.text)[1]
    done = client.post(f"{page}/write", data={**form, "confirm": "yes", "key": key}, follow_redirects=False)
    assert done.status_code == 303, done.text
    shown = client.get(page).text
    assert f'<div class="prose">{escape(kept)}</div>' in shown
    assert f">{escape(kept)}</textarea>" in shown, "it may be written anew, from what there is"
    assert kept in {one["value"] for one in client.get(f"{page}.json").json()["facts"]}
    assert f"\n\n{kept}" in client.get(f"{page}/post-mortem").text
    assert things.desk.rows("select post_mortem from incident where id = %s", things.incident) == [(kept,)]


@pytest.mark.parametrize(
    ("verb", "filled", "says"),
    [
        ("write", {"text": "a\x1bb"}, "text without control characters other than ends of lines"),
        ("write", {"text": "x" * 20_001}, "at most 20,000 characters"),
        ("write", {"text": " \r\n "}, "something"),
        ("respond", {"reason": "a\r\nb"}, "text without control characters"),
    ],
)
def test_what_is_no_text_of_paragraphs_is_refused_with_its_limit(things, verb, filled, says):
    client = logged_in(things.url, things.desk, role="operator")
    before = things.desk.rows("select state, post_mortem from incident where id = %s", things.incident)
    answer = client.post(f"/admin/incidents/{things.incident}/{verb}", data={"csrf": csrf_of(client), **filled})
    assert (answer.status_code, says in answer.text.replace("<wbr>", "")) == (422, True), answer.text
    assert things.desk.rows("select state, post_mortem from incident where id = %s", things.incident) == before
