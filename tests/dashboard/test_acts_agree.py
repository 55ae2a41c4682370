"""An act is one thing whichever way it is asked for: what is proposed on a page is done over the API, and so on round."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import httpx2
import pytest

from counterfoil.api.http.app import make_app
from counterfoil.base.edge import make_id, now
from counterfoil.dashboard.settings.page_acts import ACTS_ON
from counterfoil.dashboard.web.routes import add_dashboard
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.operations.access.acts import (
    ADD_PERSON,
    CREATE_KEY,
    END_LOGINS,
    GRANT_ROLE,
    LINK_LOGIN,
    RESET_LOGIN,
    REVOKE_KEY,
    ROTATE_KEY,
    STOP_SECOND,
)
from counterfoil.operations.acts import Act
from counterfoil.payouts.batches.acts import SET_POLICY
from counterfoil.proofs.log.job import keep_log
from counterfoil.proofs.log.key_act import CHANGE_LOG_KEY
from counterfoil.proofs.personal_data import NAME_POLICY
from counterfoil.wiring import PAIRED
from tests.api.office import Office, fresh, seed, served, wiring_for
from tests.cli.conftest import beside
from tests.conftest import a_database
from tests.dashboard.looking import confirmed
from tests.people import log_in_as, past_the_guard

WAYS: Final = ("page", "api", "command")
ALL: Final = [act for acts in ACTS_ON.values() for act in acts]
PAGES: Final = {act.action: page for page, acts in ACTS_ON.items() for act in acts}
# Acts whose routes are written by hand, under another name than the action log has for them.
NAMED: Final = {"receivable.write_off": "debt_write_off", "customer_receivable.pay": "debt_pay", "break.limit": "break_set_limit"}


class Said(NamedTuple):
    """An act as it is said each way: the fields of its form, its body, its command."""

    act: Act
    form: dict[str, str]
    body: dict[str, Any]
    command: tuple[str, ...]


PAIRED_ONES: Final = (
    Said(
        GRANT_ROLE,
        {"role": "auditor", "program_id": "main"},
        {"role": "auditor", "programId": "main"},
        ("--role", "auditor", "--program", "main"),
    ),
    Said(RESET_LOGIN, {}, {}, ()),
    Said(
        LINK_LOGIN,
        {"issuer": "https://login.example", "subject": "{name}"},
        {"issuer": "https://login.example", "subject": "{name}"},
        ("--issuer", "https://login.example", "--subject", "{name}"),
    ),
    Said(
        CREATE_KEY,
        {"name": "key of {name}", "role": "viewer", "scopes": "payouts:read pages:read", "expires_at": "2030-01-01T00:00", "live": "no"},
        {
            "name": "key of {name}",
            "role": "viewer",
            "scopes": ["pages:read", "payouts:read"],
            "expiresAt": "2030-01-01T00:00:00Z",
            "live": False,
        },
        (
            "key of {name}",
            "--role",
            "viewer",
            "--scope",
            "payouts:read",
            "--scope",
            "pages:read",
            "--expires-at",
            "2030-01-01T00:00:00Z",
            "--test",
        ),
    ),
    Said(ROTATE_KEY, {"key_id": "{key}", "overlap": "12h"}, {"overlap": "12h"}, ("{key}", "--overlap", "12h")),
    Said(
        SET_POLICY,
        {"program_id": "main", "asset": "EUR", "by_rule_max": "100.00", "tiers": "0=1 50000.00=2"},
        {
            "programId": "main",
            "asset": "EUR",
            "byRuleMax": "10000",
            "tiers": [{"above": "0", "approvers": 1}, {"above": "5000000", "approvers": 2}],
        },
        ("EUR", "--by-rule", "100.00", "--tier", "0.00=1", "--tier", "50000.00=2"),
    ),
    Said(CHANGE_LOG_KEY, {"cause": "stolen"}, {"cause": "stolen"}, ("--cause", "stolen")),
)
ALONE: Final = (
    Said(
        ADD_PERSON,
        {"name": "new {name}", "program_id": "main"},
        {"name": "new {name}", "programId": "main"},
        ("new {name}", "--program", "main"),
    ),
    Said(END_LOGINS, {}, {}, ()),
    Said(REVOKE_KEY, {"key_id": "{key}"}, {}, ("{key}",)),
    Said(STOP_SECOND, {"announced_id": "{announced}"}, {}, ("{announced}",)),
    Said(
        NAME_POLICY,
        {"name": "Privacy of {name}", "sha256": "5a" * 32},
        {"name": "Privacy of {name}", "sha256": "5a" * 32},
        ("--name", "Privacy of {name}", "--sha256", "5a" * 32),
    ),
)


@pytest.fixture(scope="module")
def hall(server):
    """A server with the API and the pages, and two administrators who logged in."""
    with a_database(server) as database:
        keys, ids = seed(database)
        with past_the_guard(database.url) as conn:
            keys["administrator"] = keys["auditor"] = log_in_as(conn, "mira", "administrator")[1]  # who administers reads the records, too
        wiring = wiring_for(database)
        with database.transaction() as conn:
            open_accounts(conn, "main", ["suspense"], asset="EUR", actor="test", now=now())
        keep_log(wiring.runner("test"), make_id, None)  # the log has begun, so it has a key
        app = make_app(wiring, owner="test", log_requests=False)
        add_dashboard(app, wiring, version="0")
        with served(app) as url:
            yield SimpleNamespace(office=Office(url, database, wiring, keys, ids), app=app)


def formatted(given: Any, words: dict[str, str]) -> Any:
    """With the names of this time."""
    if isinstance(given, str):
        return given.format(**words)
    if isinstance(given, dict):
        return {name: formatted(value, words) for name, value in given.items()}
    return [formatted(one, words) for one in given] if isinstance(given, list | tuple) else given


def by_page(hall, said: Said, words: dict[str, str], cli: Any) -> str:
    page, office = PAGES[said.act.action].format(id=words["who"]), hall.office
    headers = {"Origin": office.url, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=office.url, headers=headers, timeout=20, trust_env=False) as client:
        assert client.post("/login", data={"key": office.keys["administrator"]}).status_code == 303
        csrf = re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)[1]
        form = {"csrf": csrf, **formatted(said.form, words), "reason": "agreed"}
        done = confirmed(client, f"{page}/{said.act.name}", form)
    assert done.status_code == 200, done.text
    proposed = re.search(r"/admin/approvals#(prop_[0-9A-Z]{26})", done.text)
    return proposed[1] if proposed else ""


def by_api(hall, said: Said, words: dict[str, str], cli: Any) -> str:
    path = said.act.path.format(principal_id=words["who"], key_id=words["key"], announced_id=words["announced"])
    body = formatted(said.body, words) | {"reason": "agreed"}
    done = hall.office.ask("POST", f"/api{path}", role="administrator", key=fresh(), json=body)
    assert done.status_code < 300, done.text
    return done.json().get("proposalId", "")


def by_command(hall, said: Said, words: dict[str, str], cli: Any) -> str:
    noun = {"proofs": "proof"}.get(said.act.area, said.act.area)  # what the commands of proofs begin with is in the singular
    who = (words["who"],) if said.act.subject else ()
    ran = cli(noun, said.act.name, *who, *formatted(said.command, words), "--reason", "agreed", "-o", "json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out).get("proposalId", "")


SAY: Final = {"page": by_page, "api": by_api, "command": by_command}


def somebody(hall) -> dict[str, str]:
    """A new person and a new key of theirs, and how they are called."""
    name = fresh("lena")
    with past_the_guard(hall.office.database.url) as conn:
        who = log_in_as(conn, name)[0].principal_id
    key = hall.office.by_two(
        "/api/keys", {"name": f"spare {name}", "role": "viewer"}, role="administrator", checker="second administrator"
    ).json()["id"]
    announced = make_id("adm")
    with hall.office.database.transaction() as conn:
        conn.execute(
            """insert into second_administrator (id, principal_id, reason, announced_by, announced_at, begins_at, lapses_at)
               values (%s, %s, 'x', 't', now(), now() + interval '72 hours', now() + interval '240 hours')""",
            [announced, who],
        )
    return {"name": name, "who": who, "key": key, "announced": announced}


def told(hall, act: Act, since: str) -> list[tuple[str, Any, str]]:
    """What the action log says of it: who, what was asked for, and why."""
    with hall.office.database.transaction(read_only=True) as conn:
        return conn.execute(
            "select actor, payload, reason from action where verb = %s and id > %s and actor = 'person:mira' order by id",
            [act.action, since],
        ).fetchall()


@pytest.mark.parametrize("said", PAIRED_ONES, ids=lambda one: one.act.action)
def test_what_is_proposed_one_way_is_done_another(hall, said, tmp_path, monkeypatch, capsys):
    cli = beside(hall.office, tmp_path, monkeypatch, capsys)
    for first, then in zip(WAYS, (*WAYS[1:], WAYS[0]), strict=True):
        words, since = somebody(hall), make_id("act")
        proposal = SAY[first](hall, said, words, cli)
        one = hall.office.ask("GET", f"/api/approvals/{proposal}", role="administrator").json()
        assert (one["machine"], one["verb"]) == (said.act.two.machine, said.act.two.verb)
        checker = "approver" if said.act is SET_POLICY else "second administrator"
        assert hall.office.approve({"proposalId": proposal, "payloadSha256": one["payloadSha256"]}, checker=checker).status_code == 200
        assert SAY[then](hall, said, words, cli) == "", f"proposed by {first}, another thing by {then}"
        proposed, done = told(hall, said.act, since)
        assert proposed == done


@pytest.mark.parametrize("said", ALONE, ids=lambda one: one.act.action)
def test_what_one_does_is_the_same_each_way(hall, said, tmp_path, monkeypatch, capsys):
    cli, found = beside(hall.office, tmp_path, monkeypatch, capsys), []
    for way in WAYS:
        words, since = somebody(hall), make_id("act")
        SAY[way](hall, said, words, cli)
        [(actor, payload, reason)] = told(hall, said.act, since)
        plain = json.dumps(payload).replace(words["name"], "N").replace(words["key"], "K").replace(words["announced"], "A")
        found.append((actor, plain, reason))
    assert found[0] == found[1] == found[2]


def test_every_act_has_its_route_its_form_and_its_approval(hall):
    paths = hall.app.openapi()["paths"]
    for act in ALL:
        assert paths[f"/api{act.path}"]["post"]["operationId"] == NAMED.get(act.action, act.action.replace(".", "_"))
        assert act.two is None or PAIRED[act.two.machine, act.two.verb].approved_by == act.two.approved_by


def test_an_id_is_never_typed_on_a_page_it_is_a_button_of_its_row(hall):
    words, office = somebody(hall), hall.office
    with httpx2.Client(base_url=office.url, headers={"Origin": office.url}, timeout=20, trust_env=False) as client:
        client.post("/login", data={"key": office.keys["administrator"]})
        page = client.get("/admin/keys").text
    row = page[page.index(f'<tr id="{words["key"]}"') :]
    row = row[: row.index("</tr>")]
    assert f'<input type="hidden" name="key_id" value="{words["key"]}">' in row
    assert f'aria-label="Revoke the key spare {words["name"]}"' in row
    assert not re.search(r'<input name="(key_id|link_id)"', page)
