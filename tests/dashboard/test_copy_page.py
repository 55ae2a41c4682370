"""The page of a copy: where it lies and what is wrong of it; copied anew by who may, and said why not to who may not."""

from __future__ import annotations

import pytest

from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_noun_pages import logged_in
from tests.proofs.stores.builders import copied, spoilt


@pytest.fixture(scope="module")
def desk(server, tmp_path_factory):
    with a_desk(server, tmp_path_factory.mktemp("copies")) as made:
        days.an_empty_day(made)
        yield made


def test_a_copy_that_is_wrong_says_why_and_who_may_have_it_copied_anew(desk, tmp_path):
    copy_id = spoilt(desk.database, copied(desk.database, tmp_path))
    with days.served(desk) as url:
        with logged_in(desk, url, "administrator") as browser:
            page = browser.get(f"/admin/copies/{copy_id}").text.replace("<wbr>", "")
            assert "Preview: copy anew" in page
            assert "proofs/packages/prf_01-0123456789abcdef.zip" in page
            assert "another SHA-256" in page
        with logged_in(desk, url, "viewer") as browser:
            assert "Preview: copy anew" not in browser.get(f"/admin/copies/{copy_id}").text
