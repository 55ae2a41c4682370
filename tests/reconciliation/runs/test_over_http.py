"""The same over HTTP and in the terminal, with the authority that each needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from psycopg.types.json import Jsonb

from counterfoil.api.http.app import make_app
from counterfoil.base.edge import Database, now
from counterfoil.base.encryption.keys import carry
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.main import run as command
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import NewPosting
from counterfoil.ledger.journals.journal import post as ledger_post
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.payouts.machines import SEND_JOB
from counterfoil.payouts.providers_in_use import providers_not_set
from counterfoil.reconciliation.runs.nightly import reconcile_due
from counterfoil.reconciliation.runs.schedule import take_slot
from counterfoil.wiring import loops
from tests.api.office import Office, fresh, seed, served, wiring_for
from tests.conftest import KEYS
from tests.people import past_the_guard
from tests.reconciliation.runs.builders import PROGRAM, Says
from tests.reconciliation.runs.test_bank import mt940

SIGNED = "a controller looked at it"


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Iterator[Office]:
    """A server whose provider says what the test has it say."""
    provider: Any = Says()
    wiring = replace(
        wiring_for(database),
        providers={"simulator": provider},
        run_folder=tmp_path / "runs",
        crons={"full": "* * * * *"},
    )
    keys, ids = seed(database)
    with served(make_app(wiring, owner="test", log_requests=False)) as url:
        yield Office(url, database, wiring, keys, ids)


@pytest.fixture
def terminal(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command against the server; gives its code and what it printed."""
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "client.json").write_text(json.dumps({"url": office.url, "keys": office.keys}))
    monkeypatch.setenv("COUNTERFOIL_DATA_FOLDER", str(folder))
    monkeypatch.chdir(tmp_path)
    for name in ("COUNTERFOIL_URL", "COUNTERFOIL_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str]:
        code = command(words)
        return code, capsys.readouterr().out

    return run


def today() -> datetime:
    return now().astimezone(UTC)


def post(office: Office, path: str, body: dict[str, Any], role: str = "operator") -> Any:
    return office.ask("POST", path, role=role, key=fresh(), json=body)


def test_one_source_gives_its_run_and_no_source_the_runs_of_all(office: Office):
    one = post(office, "/api/reconciliation/runs", {"source": "simulator"}).json()
    assert (one["source"], one["verdict"], one["state"]) == ("simulator", "reconciled", "finished")
    every = post(office, "/api/reconciliation/runs", {}).json()
    assert [run["source"] for run in every["runs"]] == ["simulator", "simulator:payouts", "simulator:charges"]
    assert every["failed"] == []


def test_an_agent_gives_the_runs_of_the_sources_through_which_its_money_moved(office: Office, terminal: Any):
    with office.database.transaction() as conn:
        names = ["clearing:simulator", "treasury:agent:a1", "treasury:agent:a2"]
        open_accounts(conn, PROGRAM, names, asset="EUR", actor="t", now=today())
        lines = [NewPosting("clearing:simulator", "treasury:agent:a1", 5_00)]
        ledger_post(conn, PROGRAM, key="fund", kind="fund", lines=lines, asset="EUR", actor="t", now=today())

    def asked(**body: Any) -> Any:
        return post(office, "/api/reconciliation/runs", body)

    week = asked(agentId="a1", last="7d").json()
    assert [run["source"] for run in week["runs"]] == ["simulator", "simulator:payouts", "simulator:charges"]
    assert (week["runs"][0]["verdict"], week["failed"]) == ("not reconciled", [])
    assert asked(agentId="a1", date="2026-01-05").json()["runs"] == []
    assert asked(agentId="a2", last="7d").json()["runs"] == []
    unknown, both = asked(agentId="nobody", last="7d"), asked(agentId="a1", source="simulator")
    assert (unknown.status_code, "treasury:agent:nobody" in unknown.text) == (404, True)
    assert (both.status_code, "agentId" in both.text) == (422, True)
    assert terminal("reconcile", "run", "--agent-id", "a2", "--last", "7d")[1].startswith("No money of a2 moved")
    assert "simulator" in terminal("reconcile", "run", "--agent-id", "a1", "--last", "7d")[1]


def test_force_reconcile_takes_the_program_as_the_runbook_writes_it(office: Office):
    answer = post(office, "/api/admin/reconciliation/force-reconcile", {"programId": PROGRAM})
    assert answer.status_code == 201
    assert {run["scope"] for run in answer.json()["runs"]} == {"recent"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source": "nobody"}, None),
        ({"date": "2026-01-01", "last": "7d"}, "last"),
        ({"from": "2026-01-01"}, "to"),
        ({"last": "7w"}, "last"),
        ({"last": "0d"}, "last"),
        ({"scope": "recent", "date": "2026-01-01"}, "scope"),
        ({"source": "simulator", "from": "2026-02-01", "to": "2026-01-01"}, "date"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_its_field(office: Office, body: dict[str, Any], field: str | None):
    answer = post(office, "/api/reconciliation/runs", body)
    assert answer.status_code == (422 if field else 404), answer.text
    assert answer.json().get("field") == field


def test_seven_days_and_a_full_run_of_everything_that_is_compared(office: Office):
    week = post(office, "/api/reconciliation/runs", {"source": "simulator", "last": "7d"}).json()
    assert week["firstOn"] == (today().date() - timedelta(days=6)).isoformat()
    full = post(office, "/api/reconciliation/runs", {"source": "simulator", "scope": "full"}).json()
    assert (full["scope"], full["comparison"]["agrees"]) == ("full", True)
    day = post(office, "/api/reconciliation/runs", {"scope": "full", "date": today().date().isoformat()}).json()
    assert {run["scope"] for run in day["runs"]} == {"range"}


def test_a_statement_is_imported_tied_signed_and_reported(office: Office, terminal: Any, tmp_path: Path):
    day = today().date()
    office.fund("cash:bank:client", 1)  # a unit goes out; the account is open now
    file = tmp_path / "bank.sta"
    file.write_text(mt940([(1000, "R1", "a transfer")], opening=0, on=day, number=1))
    code, said = terminal("statements", "import", str(file))
    assert (code, said) == (0, "bank.sta: 1 of 1 line is new.\n")
    code, said = terminal("statements", "import", str(file))
    assert (code, said) == (0, "bank.sta: was imported before; nothing was added.\n")
    code, said = terminal("reconcile", "bank", "--output", "json")
    told = json.loads(said)
    assert [(row["booked"], row["stated"], row["unexplained"]) for row in told["report"]["balances"]] == [("-1", "1000", "0")]
    assert code == (0 if told["verdict"] == "reconciled" else 1)
    code, said = terminal("client-money", "make", "--date", day.isoformat(), "--output", "json")
    made = [one for one in json.loads(said)["statements"] if one["asset"] == "EUR"]
    assert [(one["owed"], one["held"], one["difference"]) for one in made] == [("0", "1000", "1000")]
    statement, sha256 = made[0]["id"], made[0]["sha256"]
    assert terminal("client-money", "show", statement)[0] == 0
    refused = post(office, f"/api/client-money/{statement}/sign", {"sha256": sha256, "reason": SIGNED}, role="operator")
    assert refused.status_code == 403
    code, said = terminal("client-money", "sign", statement, "--sha256", sha256, "--reason", SIGNED)
    assert code == 0
    assert f"signed by key:controller: {SIGNED}" in said
    again = post(office, f"/api/client-money/{statement}/sign", {"sha256": sha256, "reason": SIGNED}, role="controller")
    assert again.status_code == 409


def test_who_made_it_cannot_sign_it_even_with_the_right_role(office: Office):
    body = {"date": today().date().isoformat()}
    [made, *_] = post(office, "/api/client-money", body, role="controller").json()["statements"]
    told = {"sha256": made["sha256"], "reason": SIGNED}
    answer = post(office, f"/api/client-money/{made['id']}/sign", told, role="controller")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/MakerCannotSign")


def test_the_report_comes_as_a_file_in_four_formats(office: Office, terminal: Any, tmp_path: Path):
    code, _ = terminal("reconcile", "run", "--date", today().date().isoformat())
    assert code == 0
    start, end = (today() - timedelta(hours=1)).isoformat(), (today() + timedelta(hours=1)).isoformat()
    span = (
        "--start-time",
        f"{today().date()}T00:00:00Z",
        "--end-time",
        f"{today().date() + timedelta(days=1)}T00:00:00Z",
    )
    for form, begins in (("json", b"{"), ("csv", b'"section",'), ("xlsx", b"PK"), ("pdf", b"%PDF")):
        if form == "pdf":
            pytest.importorskip("typst")
        assert terminal("reconcile", "report", *span, "--format", form, "--file", f"r.{form}") == (0, f"r.{form}\n")
        assert (tmp_path / f"r.{form}").read_bytes().startswith(begins)
    code, said = terminal("reconcile", "report", *span, "--output", "json")
    assert json.loads(said)["verdict"] == "reconciled"
    assert json.loads(said)["report"] == json.loads((tmp_path / "r.json").read_bytes())
    assert office.ask("GET", "/api/reconciliation/report", params={"startTime": end, "endTime": start}).status_code == 422


def test_the_terminal_ends_with_1_when_a_source_is_not_reconciled_and_shows_what_fails(office: Office, terminal: Any):
    office.wiring.providers["simulator"].broken = httpx2.ConnectError("gone")
    code, said = terminal("reconcile", "run")
    assert code == 1
    assert "simulator could not be brought to a conclusion" in said
    code, said = terminal("reconcile", "sources")
    assert code == 0
    assert "gone" in said


def test_the_schedule_runs_once_and_draws_up_client_money_for_the_day_before(office: Office):
    wiring, known = office.wiring, list(office.wiring.pairings().values())

    def tick(worker: str, at: datetime):
        means = wiring.means()._replace(clock=lambda: at)
        return reconcile_due(means, known, {"full": "0 2 * * *"}, by=worker, make_id=wiring.make_id)

    noon = today().replace(hour=12, minute=0)
    night = (noon + timedelta(days=1)).replace(hour=2, minute=1)
    assert tick("a", noon).handled == 0
    assert [tick(worker, night).handled for worker in ("a", "b")] == [4, 0]
    rows = office.ask("GET", "/api/reconciliation/runs", params={"limit": 50}).json()["data"]
    assert {run["slotAt"] for run in rows} == {night.replace(minute=0, second=0, microsecond=0).isoformat().replace("+00:00", "Z")}
    assert {run["actor"] for run in rows} == {"system:schedule"}
    drawn = office.ask("GET", "/api/client-money").json()["data"]
    assert {(one["onDay"], one["madeBy"]) for one in drawn} == {(noon.date().isoformat(), "system:schedule")}
    standing = office.ask("GET", "/api/reconciliation/sources").json()
    assert [one["watermark"] for one in standing["sources"]] == [night.date().isoformat()] * 3


def test_an_unexplained_amount_is_said_by_the_run_the_list_the_sources_and_the_exit_code(office: Office, terminal: Any):
    office.wiring.providers["simulator"].closing_off = 7  # type: ignore[attr-defined]
    code, out = terminal("reconcile", "run", "--source", "simulator")
    assert (code, "not reconciled" in out, "Unexplained: 0.07 EUR" in out) == (NOT_GREEN, True, True), out
    listed = office.ask("GET", "/api/reconciliation/runs").json()["data"][0]
    source = office.ask("GET", "/api/reconciliation/sources").json()["sources"][0]
    for one in (listed, source):
        assert (one["verdict"], one["unexplained"]) == ("not reconciled", [{"asset": "EUR", "minor": "7"}])
    for view in ("list", "sources"):
        assert "0.07 EUR" in terminal("reconcile", view)[1]


def test_what_was_not_checked_is_said_by_the_run_the_list_and_the_exit_code(office: Office, terminal: Any, tmp_path: Path):
    day = (today() - timedelta(days=1)).date()
    (tmp_path / "a.sta").write_text(mt940([(100, "R1", "x")], opening=0, on=day, number=1))
    assert terminal("statements", "import", str(tmp_path / "a.sta"))[0] == 0
    code, out = terminal("reconcile", "run", "--source", "bank:client")
    assert (code, "incomplete" in out, "stale" in out) == (NOT_GREEN, True, True), out
    listed = office.ask("GET", "/api/reconciliation/runs").json()["data"][0]
    assert listed["verdict"] == "incomplete"
    assert any(why.startswith("stale") for why in listed["notChecked"])


def test_the_schedules_are_those_that_workers_have_whatever_the_server_is_set_to(office: Office):
    with office.database.transaction() as conn:
        take_slot(conn, "treasury-daily", "0 0 * * *", by="vm:1", now=today())
    assert "treasury-daily" not in office.wiring.crons
    told = office.ask("GET", "/api/reconciliation/sources").json()["schedules"]
    assert ("treasury-daily", "0 0 * * *") in {(one["name"], one["cron"]) for one in told}


def moved(office: Office, account: str) -> None:
    """Money of the program went through an account."""
    with office.database.transaction() as conn:
        open_accounts(conn, PROGRAM, [account, "suspense"], asset="EUR", actor="t", now=today())
        lines = [NewPosting(account, "suspense", 5_00)]
        ledger_post(conn, PROGRAM, key=fresh(), kind="test", lines=lines, asset="EUR", actor="t", now=today())


def test_a_source_that_money_went_through_and_nobody_reconciled_is_named_everywhere(office: Office, terminal: Any):
    for account in ("clearing:simulator", "clearing:left-behind", "cash:bank:client"):
        moved(office, account)
    assert post(office, "/api/reconciliation/runs", {"source": "simulator:payouts"}).status_code == 201
    assert office.wiring.providers["simulator"] is not None
    names = ["bank:client", "left-behind", "simulator"]
    told = office.ask("GET", "/api/reconciliation/sources").json()["sources"]
    never = {one["source"]: one for one in told if one["watermark"] is None}
    assert sorted(never) == names
    for one in never.values():
        assert (one["verdict"], one["attempt"], one["attemptedAt"], len(one["notChecked"])) == (None, "never", None, 1)
    health = office.ask("GET", "/api/admin/ops/health").json()
    assert health["sourcesNeverReconciled"] == 3
    assert health["verdict"] != "ok"
    assert {f"never reconciled: {name} of {PROGRAM}" for name in names} <= {one["what"] for one in health["lacking"]}
    code, out = terminal("reconcile", "list")
    assert (code, [f"Never reconciled: {name} of {PROGRAM}" in out for name in names]) == (0, [True] * 3)
    post(office, "/api/reconciliation/runs", {"source": "simulator"})
    told = office.ask("GET", "/api/reconciliation/sources").json()["sources"]
    assert sorted(one["source"] for one in told if one["watermark"] is None) == names[:2]


def test_a_provider_of_rows_that_nobody_can_ask_is_named_with_what_to_do(office: Office, terminal: Any):
    with past_the_guard(office.database.url) as conn:
        carry(conn, KEYS)
        set_destination(conn, "dst_1", program_id=PROGRAM, payee_id="bolt", provider="elsewhere", token="acct_1", actor="anna", now=today())
    health = office.ask("GET", "/api/admin/ops/health").json()
    assert (health["providersNotSet"], health["verdict"]) == (1, "critical")
    [one] = [one for one in health["lacking"] if one["what"].startswith("provider ")]
    assert (one["what"], "COUNTERFOIL_PROVIDER_URL" in one["do"]) == (
        f"provider elsewhere of {PROGRAM}: it is not set up here; nothing waits for it yet",
        True,
    )
    code, out = terminal("health")
    assert (code, "provider elsewhere" in out) == (NOT_GREEN, True)
    assert "provider elsewhere" in terminal("doctor")[1]


def test_a_worker_says_whom_it_sends_to_by_the_name_that_is_looked_for(office: Office):
    assert f"{SEND_JOB}:simulator" in [one.name for one in loops(office.wiring, "worker:test", poll_s=1)]


@pytest.mark.parametrize(("jobs", "told"), [([f"{SEND_JOB}:simulator"], False), ([f"{SEND_JOB}:other"], True), ([], True)])
def test_a_provider_that_no_running_worker_has_is_named_although_the_server_knows_it(office: Office, jobs, told):
    note = {"last_at": today().isoformat(), "last_ms": 1, "handled": 0, "failed": 0, "last_error": None}
    with office.database.transaction() as conn:
        conn.execute(
            """insert into worker (id, host, pid, version, started_at, beat_at, jobs)
               values ('w', 'h', 1, '1', %s, %s, %s)""",
            [today() - timedelta(hours=1), today(), Jsonb(dict.fromkeys(["settle", *jobs], note))],
        )
    with past_the_guard(office.database.url) as conn:
        carry(conn, KEYS)
        set_destination(conn, "dst_1", program_id=PROGRAM, payee_id="bolt", provider="simulator", token="acct_1", actor="anna", now=today())
    with office.database.transaction() as conn:
        found = [one.name for one in providers_not_set(conn, ["simulator"], now=today())]
    assert found == ["simulator"] * told
