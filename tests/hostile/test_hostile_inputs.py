"""Hostile values at every place of every route, derived from the routes' own description, and on every page: none is a server error.

Each route gets each family over its places in turn, so that a run asks thousands of requests and stays under a minute.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import httpx2
import pytest

from counterfoil.base.edge import Database
from counterfoil.operations.access.access import ADMINISTER, APPROVE, AUDIT
from tests.api.office import PROGRAM, Office, fresh, opened
from tests.api.walk import Asked, walk
from tests.hostile.values import BODIES, TEXTS, VALUES

OF_A_ROUTE: Final = 14
BODIES_OF_A_ROUTE: Final = 3
ROLE_OF: Final = {ADMINISTER: "administrator", APPROVE: "approver", AUDIT: "auditor"}
NOT_ASKED: Final = ("/api/logins/end",)  # it would end the login that the rest is asked with


@pytest.fixture(scope="module")
def office(server: Any) -> Iterator[Office]:
    from tests.conftest import a_database

    with a_database(server) as database:
        assert isinstance(database, Database)
        with opened(database) as found:
            yield found


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a body where something stands, the whole of it first."""
    yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places_of(one, (*path, name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from places_of(one, (*path, number))


def put(value: Any, path: tuple[Any, ...], hostile: Any) -> Any:
    """The same body with `hostile` at a place."""
    if not path:
        return hostile
    made = copy.deepcopy(value)
    at = made
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = hostile
    return made


def hostile_requests(one: Asked, names: Iterator[str]) -> Iterator[tuple[str, str, dict[str, str], bytes | None]]:
    """What is asked of a route: name of the value, path, query, body."""
    body = None if one.body is None else json.dumps(one.body).encode()
    places = [("body", place) for place in places_of(one.body)] if isinstance(one.body, dict) else []
    places += [("query", (name,)) for name in one.params] + [("query", ("cursor",)), ("query", ("nobody",)), ("header", ("key",))]
    places += [("path", (number,)) for number, part in enumerate(one.route.split("/")) if part.startswith("{")]
    for where, place in itertools.islice(itertools.cycle(places), OF_A_ROUTE):
        name = next(names)
        value, text = VALUES[name], str(VALUES[name])
        told = f"{name} in {where} {place}"
        if where == "body":
            yield told, one.path, one.params, json.dumps(put(one.body, place, value)).encode()
        elif where == "query":
            yield told, one.path, one.params | {place[0]: text[:3_000]}, body
        elif where == "path":
            parts = one.path.split("/")
            parts[place[0]] = quote(text[:2_000], safe="", errors="surrogatepass") or "%20"
            yield told, "/".join(parts), one.params, body
        else:
            yield told, one.path, {}, body


def ask(client: httpx2.Client, method: str, path: str, params: dict[str, str], body: bytes | None) -> int:
    query = "&".join(f"{name}={quote(value, safe='', errors='surrogatepass')}" for name, value in params.items())
    headers = {"Content-Type": "application/json", "Idempotency-Key": fresh()}
    return client.request(method, f"{path}?{query}", content=body, headers=headers).status_code


def test_no_route_answers_a_hostile_value_with_a_server_error(office: Office) -> None:
    names, bodies, wrong, asked = itertools.cycle(VALUES), itertools.cycle(BODIES), [], 0
    clients = {role: office.http(role) for role in ("controller", "administrator", "approver", "auditor")}
    for one in walk(office, PROGRAM):
        if one.route in NOT_ASKED:
            continue
        client = clients[ROLE_OF.get(one.needs or "", "controller")]
        todo = list(hostile_requests(one, names))
        if one.body is not None:
            todo += [(name, one.path, one.params, BODIES[name]) for name in itertools.islice(bodies, BODIES_OF_A_ROUTE)]
        for told, path, params, body in todo:
            asked += 1
            try:
                status = ask(client, one.method, path, params, body)
            except httpx2.HTTPError as error:
                status = 599
                told = f"{told}: {error!r}"
            if status >= 500:
                wrong.append((one.method, one.route, told, status))
    assert wrong == []
    assert asked > 3_000
    assert office.ask("GET", "/healthz", role=None).status_code == 200


def test_there_are_hundreds_of_values() -> None:
    assert len(VALUES) > 100
    assert len(TEXTS) > 90
