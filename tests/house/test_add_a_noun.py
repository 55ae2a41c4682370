"""The page that shows how a noun is added: its files are installed as they stand, and used over HTTP, as commands, on the page."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from counterfoil.api.http.app import make_app
from counterfoil.base.edge import Database, make_id, now
from counterfoil.dashboard.web.routes import add_dashboard
from counterfoil.operations.approvals import by_verb
from counterfoil.wiring import NOUNS
from tests.api.office import Office, seed, served, wiring_for
from tests.cli.conftest import runner
from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "how-to" / "add-a-noun.md").read_text("utf-8")
FILES = dict(re.findall(r"```(?:sql|python) (\S+)\n(.*?)```", PAGE, re.DOTALL))
FILES_MAX, LINES_MAX = 9, 150


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The package of the page, importable."""
    folder = tmp_path / "voucher"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Vouchers."""\n')
    for name in ("voucher/model.py", "voucher/commands.py"):
        (tmp_path / name).write_text(FILES[name])
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("voucher.model")
    for name in [one for one in sys.modules if one == "voucher" or one.startswith("voucher.")]:
        del sys.modules[name]


@pytest.fixture
def office(database: Database, model: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """A server that knows vouchers."""
    with psycopg.connect(database.url, autocommit=True) as conn:
        conn.execute("set role counterfoil_owner")
        conn.execute(FILES["voucher.sql"].encode())
    paired = by_verb(*importlib.import_module("counterfoil.wiring").PAIRED.values(), *model.PAIRED)
    monkeypatch.setattr("counterfoil.api.nouns.operations.approvals.PAIRED", paired)
    wiring = wiring_for(database)
    keys, ids = seed(database)
    nouns = (*NOUNS, model.NOUN)
    app = make_app(wiring, owner="test", log_requests=False, nouns=nouns)
    add_dashboard(app, wiring, version="0", nouns=nouns)
    with served(app) as url:
        yield Office(url, database, wiring, keys, ids)


@pytest.fixture
def voucher(office: Office, model: Any) -> str:
    """A voucher that is not active yet."""
    made = make_id("vch")
    with office.database.transaction() as conn:
        model.create_voucher(conn, made, "main", asset="EUR", amount=2_500, now=now())
    return made


def test_it_is_used_over_http(office: Office, voucher: str):
    shown = office.ask("GET", f"/api/vouchers/{voucher}").json()
    assert (shown["amount"], shown["state"], shown["allowed"]) == ("2500", "draft", ["activate"])
    refused = office.ask("POST", f"/api/vouchers/{voucher}/spend", role="operator", json={"reason": "x"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/TransitionRefused")
    assert office.ask("POST", f"/api/vouchers/{voucher}/activate", role="viewer", json={}).status_code == 403
    dry = office.ask("POST", f"/api/vouchers/{voucher}/activate?dryRun=true", role="operator", json={})
    assert (dry.json()["state"], office.ask("GET", f"/api/vouchers/{voucher}").json()["state"]) == ("active", "draft")
    done = office.ask("POST", f"/api/vouchers/{voucher}/activate", role="operator", json={"expectedState": "draft"})
    assert (done.status_code, done.json()["state"]) == (200, "active")
    moved = office.ask("POST", f"/api/vouchers/{voucher}/spend", role="operator", json={"reason": "x", "expectedState": "draft"})
    assert moved.json()["type"] == "/problems/StateMoved"
    listed = office.ask("GET", "/api/vouchers?state=active").json()["data"]
    assert [one["id"] for one in listed] == [voucher]
    (action,) = office.ask("GET", f"/api/vouchers/{voucher}").json()["actions"]
    assert action["verb"] == "voucher.activate"


def test_what_takes_two_people_takes_two_people(office: Office, voucher: str):
    office.ask("POST", f"/api/vouchers/{voucher}/activate", role="operator", json={})
    waits = office.ask("POST", f"/api/vouchers/{voucher}/void", role="operator", json={"reason": "stolen"})
    assert waits.status_code == 202, waits.text
    proposal = office.ask("GET", f"/api/approvals/{waits.json()['proposal']}").json()
    assert proposal["programId"] == "main", "whoever sees the voucher's program alone sees what waits about it"
    assert office.ask("GET", f"/api/vouchers/{voucher}").json()["state"] == "active"
    body = {"reason": "yes", "payloadSha256": waits.json()["payloadSha256"]}
    path = f"/api/approvals/{waits.json()['proposal']}/approve"
    assert office.ask("POST", path, role="operator", json=body).status_code == 403
    done = office.ask("POST", path, role="approver", json=body)
    assert (done.status_code, done.json()["state"]) == (200, "done"), done.text
    assert office.ask("GET", f"/api/vouchers/{voucher}").json()["state"] == "void"


def test_its_job_lets_it_expire(office: Office, voucher: str, model: Any):
    office.ask("POST", f"/api/vouchers/{voucher}/activate", role="operator", json={})
    with office.database.transaction() as conn:
        conn.execute("update voucher set due_at = now() - interval '1 minute'")
    (job,) = model.JOBS
    assert job.run(office.wiring.context("test")).handled == 1
    shown = office.ask("GET", f"/api/vouchers/{voucher}").json()
    assert (shown["state"], shown["allowed"]) == ("expired", [])


def test_it_is_used_at_the_command_line(
    office: Office, voucher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / ".counterfoil"
    folder.mkdir()
    (folder / "client.json").write_text(json.dumps({"url": office.url, "keys": office.keys}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("counterfoil.cli.core.money.scales", lambda: {"EUR": 2})
    commands = importlib.import_module("counterfoil.cli.core.commands")
    part = commands.CommandPart("voucher.commands", "Money that is spent once.", commands.MONEY)
    monkeypatch.setitem(commands.PARTS, "vouchers", part)
    cli = runner(capsys)
    ran = cli("vouchers", "activate", voucher)
    assert (ran.code, ran.out) == (0, f"{voucher} is active.\n"), ran.err
    assert "25.00" in cli("vouchers", "list").out
    assert cli("vouchers", "spend", voucher).code == 2, "it asks for a reason"
    assert "approvals approve prop_" in cli("vouchers", "void", voucher, "--reason", "stolen").out
    assert cli("vouchers", "spend", voucher, "--reason", "a coat").out == f"{voucher} is spent.\n"
    assert "a coat" in cli("vouchers", "show", voucher).out


def test_it_has_a_page_with_a_preview_and_a_receipt(office: Office, voucher: str):
    with office.http(role=None) as browser:
        key = office.keys["operator"]
        site = {"Origin": office.url, "Sec-Fetch-Site": "same-origin"}
        assert browser.post("/login", data={"key": key}, headers=site).status_code == 303
        page = browser.get(f"/admin/vouchers/{voucher}").text
        assert "25.00" in page
        assert "Preview: activate" in page
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)
        assert csrf is not None
        filled = {"csrf": csrf[1], "expected_state": "draft"}
        preview = browser.post(f"/admin/vouchers/{voucher}/activate", data=filled, headers=site).text
        assert "Nothing is changed yet" in preview
        assert office.ask("GET", f"/api/vouchers/{voucher}").json()["state"] == "draft"
        filled |= {"confirm": "yes", "key": re.findall(r'name="key" value="([^"]+)"', preview)[0]}
        done = browser.post(f"/admin/vouchers/{voucher}/activate", data=filled, headers=site)
        assert done.status_code == 303
        (action,) = office.ask("GET", f"/api/vouchers/{voucher}").json()["actions"]
        assert action["requestId"] == done.headers["x-request-id"], "what was done is found in the server's log by its request"
        receipt = browser.get(done.headers["location"]).text
        assert "Done: activate." in receipt
        stale = {"csrf": csrf[1], "expected_state": "draft", "reason": "x"}
        refused = browser.post(f"/admin/vouchers/{voucher}/spend", data=stale, headers=site)
        assert (refused.status_code, "Somebody else moved it first" in refused.text) == (409, True)


def test_a_noun_takes_few_files_and_few_lines():
    own = {name: text for name, text in FILES.items() if name.startswith("voucher")}
    assert len(own) <= FILES_MAX
    mechanical = [
        line for text in own.values() for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "--", '"""'))
    ]
    assert len(mechanical) <= LINES_MAX, "declared once, a noun is small"
    assert f"{len(own)} files with {len(mechanical)} lines of code" in PAGE, "the page says what it counts to"
