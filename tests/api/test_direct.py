"""What is asked thousands of times a second has less around it, and answers, refuses and tells as every other route."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from counterfoil.api.http.app import ROUTERS, make_app
from counterfoil.api.http.routing import StrictRoute
from tests.api.office import PROGRAM, Office, served
from tests.logged import logged

MOVEMENTS = "/api/movements"


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    with logged() as stream:
        yield stream


def movement(**more: Any) -> dict[str, Any]:
    both = {"debit": "cash:bank:client", "credit": "payable:payee:bolt", "amount": "5"}
    return {"id": str(uuid.uuid4()), "programId": PROGRAM, "asset": "EUR", **both, **more}


def test_only_routes_without_ids_in_their_address_and_without_parameters_of_their_own_are_direct() -> None:
    found = [route for router in ROUTERS for route in router.routes if isinstance(route, StrictRoute) and route.is_direct]
    assert [(route.path, sorted(route.methods or ())) for route in found] == [(MOVEMENTS, ["POST"])]
    assert all("{" not in route.path and not route.dependant.dependencies and not route.dependant.query_params for route in found)
    assert all(getattr(route.endpoint, "needs", None) for route in found), "who asks is known before the body is read"


def test_it_is_checked_refused_and_described_as_every_other_route(office: Office) -> None:
    cases = [
        ({"json": movement(), "params": {"programid": PROGRAM}}, "controller", 422, "InvalidInput"),
        ({"json": movement(), "params": {"x": "y" * 5_000}}, "controller", 422, "InvalidInput"),
        ({"json": movement(amount="-1")}, "controller", 422, "InvalidInput"),
        ({"content": b"{"}, "controller", 400, "Malformed"),
        ({"content": b" " * 2_000_000}, "controller", 413, "TooLarge"),
        ({"content": (b" " * 100_000 for _ in range(20))}, "controller", 413, "TooLarge"),
        ({"json": movement()}, "viewer", 403, "NotAllowed"),
        ({"json": movement()}, None, 401, "NotAuthenticated"),
        ({"json": movement(debit="payable:payee:nobody")}, "controller", 404, None),
    ]
    for asked, role, status, kind in cases:
        answer = office.ask("POST", MOVEMENTS, role=role, **asked)
        assert answer.status_code == status, (asked, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["requestId"] == answer.headers["x-request-id"]
        assert kind is None or answer.json()["type"] == f"/problems/{kind}"
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert office.ask("GET", MOVEMENTS).status_code == 405
    assert "post" in office.ask("GET", "/api/openapi.json").json()["paths"][MOVEMENTS]


def test_each_request_is_told_by_its_route_and_its_caller_and_a_fault_of_ours_shows_no_insides(
    office: Office, told: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("inside")

    with served(make_app(office.wiring, owner="logging")) as url:
        logging_office = replace(office, url=url)
        answers = [logging_office.ask("POST", MOVEMENTS, role="viewer", json=movement())]
        monkeypatch.setattr("counterfoil.api.nouns.ledger.movements.parsed", fails)
        answers.append(logging_office.ask("POST", MOVEMENTS, role="controller", json=movement()))
    assert [(one.status_code, "inside" in one.text) for one in answers] == [(403, False), (500, False)]
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    found = [(line["request_id"], line["path"], line["status"], line["caller"]) for line in lines if line["event"] == "request"]
    ids = [one.headers["x-request-id"] for one in answers]
    assert found == [(ids[0], MOVEMENTS, 403, "key:viewer"), (ids[1], MOVEMENTS, 500, "key:controller")]
