"""What answers name is asked for next, by the links of the API's document: no server error, no answer that is not as the document says."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from counterfoil.api.http.app import make_app
from counterfoil.base.edge import now
from counterfoil.base.logs import start_logging
from counterfoil.operations.access.access import ROLES
from counterfoil.operations.webhooks_out.addresses import networks_of
from counterfoil.operations.work.clocks import database_now
from tests.api.office import Office, served
from tests.builders import a_destination
from tests.dashboard.conftest import a_desk
from tests.dashboard.days import a_day_of_trouble, a_key, a_silent_worker, issued, reconciled, through
from tests.hostile.linked import Walker
from tests.people import log_in_as, past_the_guard
from tests.soak import examples

WALKS: Final = examples(2)
REACHED: Final = 25  # headings of the document, of 44: of the others this day has none, and nobody makes one by a request alone


@pytest.fixture(scope="module")
def office(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A day with every kind of trouble, and a key of each role."""
    start_logging("error", stream=io.StringIO())
    folder: Path = tmp_path_factory.mktemp("linked")
    with a_desk(server, folder) as desk:
        desk.spoil_the_statement()
        a_day_of_trouble(desk)
        desk.pay(issued(desk, ["10.00"], prefix="twice")[0], 15_00)
        through(desk)
        reconciled(desk)
        a_silent_worker(desk)
        with desk.database.transaction() as conn:
            a_destination(conn, "bolt", at=now())
        keys = {role: a_key(desk.database, role=role, name=role) for role in ROLES if role != "approver"}
        with past_the_guard(desk.database.url) as conn:
            keys["approver"] = log_in_as(conn, "vera", "approver")[1]
            keys["second administrator"] = log_in_as(conn, "karl", "administrator")[1]
        hooks = networks_of("127.0.0.1")
        wiring = replace(desk.wiring, proof_folder=folder, clock=now, database_clock=database_now, webhook_networks=hooks)
        with served(make_app(wiring, owner="test", log_requests=False)) as url:
            found = Office(url, desk.database, wiring, keys)
            for account in ("payable:payee:bolt", "suspense", "fee:platform"):
                found.fund(account, 1_000_000)
            yield found


def test_what_answers_link_to_is_answered_as_the_document_says(office: Office) -> None:
    walker = Walker(office, json.loads(office.ask("GET", "/api/openapi.json", role=None).text))
    for _ in range(WALKS):
        walker.walk()
    assert walker.wrong == []
    done: Counter[str] = Counter()
    for operation in {link.target.label: link.target for link in walker.links}.values():
        done[operation.tags[0]] += walker.done[operation.definition.raw["operationId"]]
    assert sum(walker.linked.values()) > 500
    assert sum(walker.done.values()) > 250
    assert sum(number > 0 for number in done.values()) > REACHED, done
