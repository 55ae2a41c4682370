"""Runbooks over HTTP: what the machine answers and nobody can tick, what people sign, and how steps wait for each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.edge import Database, entropy, make_id, now
from counterfoil.operations.access import access
from counterfoil.proofs.packages.layout import RUN_BEGINS, RUN_ENDS
from tests.api.office import PROGRAM, Office, fresh, opened
from tests.api.test_alerts import FAULT, MENDED
from tests.stories.superuser import by_a_superuser

OWN = """
name = "own"
title = "Ours"
kind = "playbook"

[[step]]
type = "query"
title = "What there is"
sql = "select id from program where id = %(program)s"

[[step]]
type = "action"
title = "The sentinel was run"
action = "sentinel_run.create"
command = "counterfoil sentinel run"

[[step]]
type = "approval"
title = "Another person agrees"

[[step]]
type = "wait"
title = "It is left alone"
minutes = 5
optional = true

[[step]]
type = "check"
title = "No program is called nothing"
sql = "select id from program where name = ''"

[[step]]
type = "check"
title = "A query that would write"
sql = "select nextval('sentinel_run_number')"
"""


def _robot(conn: Connection[Any], keys: dict[str, str]) -> None:
    """A key that may approve by its role: what a person agrees to, it does not."""
    keys["robot"], key_id = access.new_secret(entropy(access.SECRET_BYTES), live=False), make_id("key")
    access.create_key(conn, key_id, keys["robot"], name="robot", role="approver", by="test", now=now())


@pytest.fixture
def own_office(database: Database, tmp_path: Path) -> Iterator[Office]:
    """A server with a folder of own runbooks."""
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "wrong.toml").write_text(OWN.replace('kind = "playbook"', 'kind = "play"'))
    with opened(database, _robot, runbook_folder=tmp_path) as found:
        yield found


def say(office: Office, path: str, *, role: str = "operator", status: int = 200, **body: Any) -> Any:
    answered = office.ask("POST", path, role=role, key=fresh(), json=body)
    assert answered.status_code == status, answered.text
    return answered.json()


def outcomes(office: Office, run: str) -> list[str]:
    return [one["outcome"] for one in office.ask("GET", f"/api/runbook-runs/{run}").json()["answers"]]


def test_a_failing_check_cannot_be_ticked_and_the_run_not_signed_until_it_holds(office: Office):
    office.fund("suspense", 500)
    by_a_superuser(office, FAULT)
    run = say(office, "/api/checklists/morning/runs")
    at = next(one["number"] for one in run["steps"] if "Debits" in one["title"])
    step = run["steps"][at - 1]
    assert (step["outcome"], "LEDGER_UNBALANCED finds" in step["told"]) == ("failed", True)
    path = f"/api/runbook-runs/{run['id']}"
    refused = say(office, f"{path}/tick", step=str(at), note="it is fine", status=409)
    assert (refused["type"], "the machine answers a step of type check" in refused["detail"]) == ("/problems/RunbookStepRefused", True)
    assert say(office, f"{path}/skip", step=str(at), reason="no time", status=409)["detail"].endswith("it is not optional")
    assert say(office, f"{path}/sign", status=409)["type"] == "/problems/RunNotPassed"
    by_a_superuser(office, MENDED)
    assert say(office, f"{path}/check", step=str(at))["state"] == "running"
    shown = office.ask("GET", path).json()
    mended = shown["answers"][at - 1]
    assert (mended["outcome"], mended["attempts"], mended["evidence"]["found"]) == ("passed", 2, 0)
    assert {one["code"] for one in mended["evidence"]["checks"]} == {"LEDGER_UNBALANCED", "TRIAL_BALANCE_NONZERO"}
    note = next(one["number"] for one in run["steps"] if one["type"] == "note")
    say(office, f"{path}/tick", step=str(note), note="nothing waits")
    left = [one for one in outcomes(office, run["id"]) if one not in ("passed", "done")]
    if left:  # on new books no job ran yet, which the machine says
        assert say(office, f"{path}/close", reason="new books")["state"] == "closed"
    else:
        assert say(office, f"{path}/sign")["state"] == "signed"
    assert say(office, f"{path}/check", step="1", status=409)["detail"].endswith(("the run is closed", "the run is signed"))


def test_the_monthly_checklist_answers_its_six_items_with_evidence_and_keeps_the_report(office: Office):
    run = say(office, "/api/checklists/monthly-settlement/runs", day="2026-02-14")
    assert (run["startsAt"], run["endsAt"]) == ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
    assert [(one["type"], one["outcome"]) for one in run["steps"]] == [("check", "passed")] * 5 + [("query", "passed")]
    path = f"/api/runbook-runs/{run['id']}"
    evidence = office.ask("GET", path).json()["answers"][5]["evidence"]["reports"][PROGRAM]
    assert (evidence["report"]["program"], len(evidence["sha256"])) == (PROGRAM, 64)
    assert say(office, f"{path}/sign")["state"] == "signed"
    assert [one["id"] for one in office.ask("GET", "/api/runbook-runs?state=signed").json()["data"]] == [run["id"]]
    with psycopg.connect(office.database.url) as conn:
        verbs = conn.execute("select verb from action where subject_id = %s order by at, id", [run["id"]]).fetchall()
    assert verbs == [(RUN_BEGINS,), *((act,) for act, state in RUN_ENDS.items() if state == "signed")], "as packages know them"
    printed = office.ask("GET", f"{path}/document").text
    assert printed.count("## [x]") == 6
    assert evidence["sha256"] in printed
    listed = {one["name"]: one for one in office.ask("GET", "/api/checklists").json()["data"]}
    assert (listed["monthly-settlement"]["lastRun"]["id"], listed["monthly-settlement"]["lastRun"]["state"]) == (run["id"], "signed")


def test_steps_of_a_playbook_wait_for_each_other_and_for_what_people_do(own_office: Office):
    listed = own_office.ask("GET", "/api/runbooks").json()
    assert [(one["file"], one["line"]) for one in listed["refused"]] == [("wrong.toml", 4)]
    assert [one["type"] for one in own_office.ask("GET", "/api/runbooks/own").json()["written"]][:2] == ["query", "action"]
    run = say(own_office, "/api/runbooks/own/runs", programId=PROGRAM)["id"]
    path = f"/api/runbook-runs/{run}"
    assert outcomes(own_office, run) == ["passed", "open", "open", "open", "open", "open"]
    assert "step 2 comes first" in say(own_office, f"{path}/approve", role="approver", step="3", note="yes", status=409)["detail"]
    told = say(own_office, f"{path}/check", step="2")["told"]
    assert told.startswith("2. The sentinel was run failed: Nobody has done it"), told
    to_do = f"`counterfoil sentinel run`, then `counterfoil runbook check {run} 2`"
    assert told.endswith(f"Next is 2. The sentinel was run (failed): {to_do}"), "what is typed now"
    assert "\n\n`counterfoil sentinel run`" in own_office.ask("GET", f"{path}/document").text, "on paper, too"
    assert outcomes(own_office, run)[1] == "failed", "nobody has done it"
    say(own_office, "/api/sentinel-runs", kind="recent")
    say(own_office, f"{path}/check", step="2")
    assert "say `approve`" in say(own_office, f"{path}/tick", step="3", note="yes", status=409)["detail"]
    say(own_office, f"{path}/approve", step="3", note="yes", status=403)
    refused = say(own_office, f"{path}/approve", role="robot", step="3", note="yes", status=403)
    assert refused["type"] == "/problems/KeyCannotApprove"
    say(own_office, f"{path}/approve", role="approver", step="3", note="agreed")
    say(own_office, f"{path}/check", step="4")
    assert outcomes(own_office, run)[:4] == ["passed", "passed", "done", "failed"], "five minutes are not over"
    say(own_office, f"{path}/skip", step="4", reason="it is a drill")
    assert outcomes(own_office, run)[2:] == ["done", "skipped", "passed", "not_checked"], "a query that writes is refused, and not green"
    told = own_office.ask("GET", path).json()["answers"][5]["told"]
    assert "read-only transaction" in told
    assert "could not be asked" in say(own_office, f"{path}/sign", status=409)["detail"]
    assert say(own_office, f"{path}/close", reason="the file is wrong")["state"] == "closed"


def test_a_playbook_is_run_for_an_alert_and_passes_when_it_is_resolved(office: Office):
    office.fund("suspense", 500)
    by_a_superuser(office, FAULT)
    say(office, "/api/sentinel-runs", kind="full")
    alert = next(one for one in office.ask("GET", "/api/alerts?state=open").json()["data"] if one["code"] == "LEDGER_UNBALANCED")
    run = say(office, "/api/runbooks/P1/runs", alertId=alert["id"])
    path, numbers = f"/api/runbook-runs/{run['id']}", {one["title"]: one["number"] for one in run["steps"]}

    def check(title: str, outcome: str = "passed") -> None:
        say(office, f"{path}/check", step=str(numbers[title]))
        assert outcomes(office, run["id"])[numbers[title] - 1] == outcome

    shown = office.ask("GET", path).json()
    assert (shown["subject"], shown["alertId"], shown["programId"]) == (alert["subject"], alert["id"], alert["programId"])
    [asked] = shown["answers"][0]["evidence"]["checks"]
    assert (asked["code"], asked["rows"][0][0]) == ("LEDGER_UNBALANCED", alert["subject"])
    check("It is yours, and nobody else is asked", "failed")
    ack = {"step": str(numbers["It is yours, and nobody else is asked"]), "reason": "I look at it"}
    tried = office.ask("POST", f"{path}/do", role="operator", key=fresh(), headers={"Dry-Run": "true"}, json=ack).json()
    assert (tried["dryRun"], tried["told"].splitlines()[0]) == (True, f"{alert['id']} is acknowledged.")
    assert office.ask("GET", f"/api/alerts/{alert['id']}").json()["state"] == "open", "nothing was done yet"
    acked, following = say(office, f"{path}/do", **ack)["told"].splitlines()
    assert (acked, following.startswith("Next is 7. The cause")) == (f"{alert['id']} is acknowledged.", True)
    [done] = office.ask("GET", f"/api/alerts/{alert['id']}").json()["actions"]
    assert (done["verb"], done["reason"], done["requestId"]) == ("alert.ack", "I look at it", run["id"])
    assert say(office, f"{path}/do", status=409, **ack)["type"] == "/problems/RunbookStepRefused", "it is answered well already"
    assert outcomes(office, run["id"])[:6] == ["passed", "passed", "does_not_apply", "passed", "passed", "passed"], (
        "the machine pulled the brake"
    )
    say(office, f"{path}/tick", step=str(numbers["The cause"]), note="a row was edited by hand")
    agreed = numbers["Another person has seen the cause, and what will correct it"]
    say(office, f"{path}/approve", role="approver", step=str(agreed), note="seen")
    say(office, f"{path}/skip", step=str(numbers["The books are corrected by a journal"]), reason="the edit is taken back")
    check("A full run of the sentinel is over", "failed")
    say(office, "/api/sentinel-runs", kind="full")
    check("A full run of the sentinel is over")
    last = numbers["It is no longer found"]
    assert outcomes(office, run["id"])[last - 1] == "failed", "its fault stands"
    assert say(office, f"{path}/tick", step=str(last), note="fine", status=409)["type"] == "/problems/RunbookStepRefused"
    by_a_superuser(office, MENDED)
    check("It is no longer found")
    proposed = say(office, "/api/admin/queue/settle/resume", programId=PROGRAM, reason="verified", status=202)
    check("New settlements go on", "failed")
    approved = {"payloadSha256": proposed["payloadSha256"], "reason": "seen"}
    say(office, f"/api/approvals/{proposed['proposalId']}/approve", role="approver", **approved)
    check("New settlements go on")
    [incident] = [one for one in office.ask("GET", "/api/incidents").json()["data"] if one["code"] == "LEDGER_UNBALANCED"]
    assert incident["id"] in office.ask("GET", path).json()["answers"][numbers["The post-mortem is written"] - 1]["command"]
    say(office, f"/api/incidents/{incident['id']}/write", text="A row was edited by hand, and the edit was taken back.")
    check("The post-mortem is written")
    say(office, f"/api/alerts/{alert['id']}/resolve")
    check("The alert is resolved")
    assert say(office, f"{path}/sign")["state"] == "signed"


def test_what_is_asked_of_no_runbook_and_of_no_day_is_refused(office: Office):
    assert say(office, "/api/checklists/P1/runs", status=404)["type"] == "/problems/NotFound"
    assert say(office, "/api/runbooks/P1/runs", day="2026-01-01", status=422)["field"] == "day"
    assert say(office, "/api/checklists/weekly/runs", programId=PROGRAM, status=422)["field"] == "programId", "it would narrow nothing"
    future = (now() + timedelta(days=3)).date().isoformat()
    assert say(office, "/api/checklists/weekly/runs", day=future, status=422)["field"] == "day"
    run = say(office, "/api/checklists/weekly/runs", day="2026-01-01")
    assert (run["startsAt"], run["endsAt"]) == ("2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z")
    for step in ("0", "99", "one"):
        assert say(office, f"/api/runbook-runs/{run['id']}/check", step=step, status=422)["field"] == "step"
    assert datetime.fromisoformat(run["endsAt"]).tzinfo == UTC


@pytest.mark.parametrize(
    ("number", "type_", "outcome", "evidence", "by", "constraint"),
    [
        (4, "check", "done", "{}", "key:x", "runbook_answer_is_its_types_own"),
        (4, "check", "passed", '{"found": 1}', "key:x", "runbook_answer_passes_by_its_evidence"),
        (4, "check", "skipped", "{}", "key:x", "runbook_answer_skips_what_is_optional"),
        (4, "note", "done", "{}", "key:x", "runbook_answer_belongs"),
        (99, "note", "done", "{}", "key:x", "runbook_answer_belongs"),
    ],
)
def test_the_database_refuses_a_tick_that_the_machine_did_not_make(
    office: Office, number: int, type_: str, outcome: str, evidence: str, by: str, constraint: str
):
    run = say(office, "/api/checklists/morning/runs")["id"]
    with psycopg.connect(office.database.url, autocommit=True) as conn:
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            conn.execute(
                """insert into runbook_answer (run_id, number, attempt, type, outcome, told, evidence, actor, at)
                   values (%s, %s, 9, %s, %s, 'x', %s, %s, now())""",
                [run, number, type_, outcome, evidence, by],
            )
        assert caught.value.diag.constraint_name == constraint
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            conn.execute("update runbook_run set ended_at = now(), ended_by = 'x', state = 'signed' where id = %s", [run])
        assert caught.value.diag.constraint_name == "runbook_run_is_signed_when_it_passed"
