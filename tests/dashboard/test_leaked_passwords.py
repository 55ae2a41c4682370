"""Where a file of passwords that leaked is set, nobody chooses one of it, whichever way they choose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import entropy
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import SessionRules
from tests.dashboard import days, quiet
from tests.dashboard.test_account import OTHER, PASSWORD, a_browser, a_person, sent
from tests.operations.test_leaked import the_file

desk, later = quiet.desk, quiet.later
UNKNOWN = "a third password, which is long"


@pytest.fixture(scope="module")
def served(desk: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file: Path = the_file(tmp_path_factory.mktemp("leaked"), [OTHER, "something else that leaked"])
    with days.served(desk, session_rules=SessionRules(leaked=file)) as url:
        yield url


def test_a_password_that_leaked_is_chosen_by_nobody(desk: Any, served: str) -> None:
    caller = a_person(desk, "emil")
    client = a_browser(served, "emil")
    refused = sent(client, "password", password=PASSWORD, new=OTHER, again=OTHER)
    assert (refused.status_code, "leaked" in refused.text, OTHER in refused.text) == (422, True, False)
    assert sent(client, "password", password=PASSWORD, new=UNKNOWN, again=UNKNOWN).status_code == 303
    with desk.database.transaction() as conn:
        once = logins.reset_person(conn, caller.principal_id, entropy(25), now=desk.clock.now)
    invited = a_browser(served)
    refused = invited.post("/password", data={"name": "emil", "once": once, "new": OTHER, "again": OTHER})
    assert (refused.status_code, "leaked" in refused.text) == (422, True)
    assert invited.post("/password", data={"name": "emil", "once": once, "new": PASSWORD, "again": PASSWORD}).status_code == 303
