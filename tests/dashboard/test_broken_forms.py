"""A form that is not as a browser sends one is refused on its own page, with the true reason, and nothing of it is done."""

from __future__ import annotations

from html import escape

import pytest

from counterfoil.api.http.middleware import FORM_BYTES_MAX, LOGIN_BYTES_MAX, BodyLimits, Wire
from counterfoil.dashboard.web.serving import FormBroken
from tests.dashboard import days, quiet
from tests.dashboard.test_session import a_browser, csrf_of, logged_in

desk, later, served = quiet.desk, quiet.later, quiet.served

PAGE = "/admin/queues"
MULTIPART = "multipart/form-data; boundary=b"
PART = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'


def a_client(desk, served, name):
    client = logged_in(served, desk, role="operator", name=name)
    client.timeout = 30
    return client


def parts(**fields: str) -> str:
    return "".join(PART.format(name, value) for name, value in fields.items())


BROKEN = {
    "it ends before its last part does": (MULTIPART, lambda asked: parts(**asked), "all of it"),
    "its last part is cut in the middle": (MULTIPART, lambda asked: parts(**asked)[:-9], "all of it"),
    "it names no boundary": ("multipart/form-data", lambda asked: parts(**asked) + "--b--\r\n", "parts with a boundary"),
    "another boundary": ("multipart/form-data; boundary=c", lambda asked: parts(**asked) + "--b--\r\n", "parts that its boundary"),
    "a part without a name": (MULTIPART, lambda _: "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", "each under a name"),
    "no form": ("application/json", lambda _: "{}", "a form"),
    "too many fields": (MULTIPART, lambda _: parts(**{f"a{n}": "" for n in range(1001)}) + "--b--\r\n", "at most 1,000 fields"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_it_is_told_within_the_frame_of_its_page_and_nothing_is_done(desk, served, case):
    sort, made, says = BROKEN[case]
    client = a_client(desk, served, "bruno")
    asked = {"csrf": csrf_of(client), "act": "pause", "queue": "payouts", "reason": "x"}
    before = desk.rows("select count(*) from action")
    answer = client.post(PAGE, content=made(asked).encode(), headers={"Content-Type": sort})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8"), answer.text
    text = answer.text.replace("<wbr>", "")
    assert says in text
    assert '<nav class="rail' in text
    assert 'id="refused"' in text
    assert escape(FormBroken.todo) in text, "what to do about it stands beside it"
    assert desk.rows("select count(*) from action") == before


def test_whoever_is_not_logged_in_or_comes_from_another_site_learns_nothing_of_it(desk, served):
    broken = {"content": b"x", "headers": {"Content-Type": MULTIPART}}
    stranger = a_browser(served).post(PAGE, **broken)
    assert (stranger.status_code, stranger.headers["location"].partition("?")[0]) == (303, "/login")
    client = a_client(desk, served, "brice")
    broken["headers"]["Sec-Fetch-Site"] = "cross-site"
    assert client.post(PAGE, **broken).status_code == 403


def test_a_whole_one_in_parts_is_read_as_any_other(desk, served):
    client = a_client(desk, served, "berta")
    content = parts(csrf=csrf_of(client), act="nothing") + "--b--\r\n"
    answer = client.post(PAGE, content=content.encode(), headers={"Content-Type": MULTIPART})
    assert (answer.status_code, "all of it" in answer.text) == (422, False), answer.text


@pytest.fixture(scope="module")
def limited(desk):
    """The address of the pages behind the limits of every body."""
    limits = {"limits": BodyLimits(1 << 20, 1 << 20), "make_request_id": lambda: "req_1", "log_requests": False}
    with days.served(desk, also=lambda app: app.add_middleware(Wire, **limits)) as url:
        yield url


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("path", "most", "framed"),
    [("/admin/queues", FORM_BYTES_MAX, True), ("/account/password", LOGIN_BYTES_MAX, True), ("/login", LOGIN_BYTES_MAX, False)],
)
def test_one_beyond_its_limit_is_refused_on_a_page(desk, limited, path, most, framed, streams):
    client = a_client(desk, limited, f"bob{len(path)}{streams}")
    content = b"a=" + b"x" * most
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    answer = client.post(path, content=iter([content[:most], content[most:]]) if streams else content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html; charset=utf-8"), answer.text
    told = answer.text.replace("<wbr>", "")
    assert f"{most} bytes" in told
    assert ('<nav class="rail' in told) is framed
