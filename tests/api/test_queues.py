"""Queues over HTTP: paused by one person with a reason, resumed by two where money goes out, and looked at by every job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.operations.work.circuit_rules import CircuitLimits, Health
from counterfoil.operations.work.circuits import note_health, open_circuits
from counterfoil.operations.work.clocks import database_now
from counterfoil.reconciliation.runs.schedule import take_slot
from counterfoil.reconciliation.runs.slot_ends import end_slot
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, begin_transaction
from counterfoil.wiring import JOBS, QUEUES
from tests.api.office import Office, fresh
from tests.treasury.purse import an_agent

WHY = {"reason": "the provider is being looked at"}


def say(office: Office, path: str, role: str = "operator", **body: Any) -> Any:
    return office.ask("POST", path, role=role, key=fresh(), json={**WHY, **body})


def paused(office: Office) -> list[dict[str, Any]]:
    return office.ask("GET", "/api/admin/queue/pauses").json()["paused"]


def status(office: Office) -> dict[str, bool]:
    return {one["name"]: one["paused"] for one in office.ask("GET", "/api/admin/queue/status").json()["data"]}


def test_a_queue_is_paused_with_a_reason_and_shown_as_such(office: Office):
    assert say(office, "/api/admin/queue/pull/pause").json()["paused"] is True
    assert say(office, "/api/admin/queue/pull/pause", reason="once more").status_code == 200
    [one] = paused(office)
    assert (one["queue"], one["provider"], one["programId"]) == ("pull", "", "")
    assert one["reason"] == WHY["reason"]  # as it was paused first
    assert status(office) == {queue.name: queue.name == "pull" for queue in QUEUES}
    assert say(office, "/api/admin/queue/pull/resume").json()["paused"] is False
    assert paused(office) == []
    history = office.ask("GET", "/api/admin/queue/pauses?queue=pull").json()["history"]
    assert [turn["paused"] for turn in history] == [False, True]
    names = {one["name"] for one in office.ask("GET", "/api/events?subjectId=pull").json()["data"]}
    assert names == {"queue_paused", "queue_resumed"}


def test_a_queue_is_drained_then_stopped_at_once_and_resumed_like_any_pause(office: Office):
    told = say(office, "/api/admin/queue/pull/drain").json()
    assert (told["paused"], told["draining"]) == (True, True)
    assert [(one["queue"], one["draining"]) for one in paused(office)] == [("pull", True)]
    assert say(office, "/api/admin/queue/pull/pause").json()["draining"] is False, "now, with what is in hand"
    assert [(one["queue"], one["draining"]) for one in paused(office)] == [("pull", False)]
    assert say(office, "/api/admin/queue/pull/drain").json()["draining"] is False, "what is stopped stays so"
    assert say(office, "/api/admin/queue/pull/resume").json()["paused"] is False
    drained = {one["queue"]: one["draining"] for one in say(office, "/api/admin/queue/drain").json()["data"]}
    assert set(drained.values()) == {True}
    assert say(office, "/api/admin/queue/send/resume").status_code == 202, "money goes on by two"
    say(office, "/api/admin/queue/resume")


def test_what_sends_money_is_resumed_by_a_second_person(office: Office):
    say(office, "/api/admin/queue/send/pause", provider="simulator")
    asked = say(office, "/api/admin/queue/send/resume", provider="simulator")
    assert (asked.status_code, asked.json()["paused"]) == (202, True)
    assert len(paused(office)) == 1
    path = f"/api/approvals/{asked.json()['proposalId']}/approve"
    body = {"payloadSha256": asked.json()["payloadSha256"]}
    assert say(office, path, "controller", **body).status_code == 403
    assert say(office, path, "approver", **body).json()["state"] == "done"
    assert paused(office) == []


def test_a_pause_that_is_newer_than_the_proposal_is_not_ended_by_it(office: Office):
    say(office, "/api/admin/queue/settle/pause")
    say(office, "/api/admin/queue/send/pause")
    asked = say(office, "/api/admin/queue/send/resume").json()
    with office.database.transaction() as conn:
        conn.execute("insert into queue_pause (queue, paused, reason, actor, at) values ('send', true, 'again', 'x', now())")
    path = f"/api/approvals/{asked['proposalId']}/approve"
    assert say(office, path, "approver", payloadSha256=asked["payloadSha256"]).status_code == 409
    assert {one["queue"] for one in paused(office)} == {"settle", "send"}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("nowhere/pause", {}, "queue"),
        ("settle/pause", {"provider": "simulator"}, "provider"),
        ("answers/pause", {"programId": "main"}, "programId"),
        ("send/pause", {"reason": " "}, "reason"),
    ],
)
def test_what_cannot_be_paused_is_refused_by_its_field(office: Office, path: str, body: dict[str, str], told: str):
    refused = say(office, f"/api/admin/queue/{path}", **body)
    assert refused.status_code == 422
    assert told in refused.text


def test_what_is_not_paused_is_not_resumed(office: Office):
    for queue in ("send", "pull"):
        refused = say(office, f"/api/admin/queue/{queue}/resume")
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/NotPaused")
    assert say(office, "/api/admin/queue/send/pause", "viewer").status_code == 403


def test_all_queues_are_paused_at_once_and_money_goes_on_by_two(office: Office):
    say(office, "/api/admin/queue/pull/pause", provider="simulator")
    assert {one["paused"] for one in say(office, "/api/admin/queue/pause").json()["data"]} == {True}
    assert set(status(office).values()) == {True}
    resumed = {one["queue"]: one for one in say(office, "/api/admin/queue/resume").json()["data"]}
    assert (resumed["send"]["paused"], resumed["settle"]["paused"]) == (True, False)
    assert resumed["send"]["proposalId"]
    held = [(one["queue"], one["provider"]) for one in paused(office)]
    assert ("pull", "simulator") in held, "a pause of a part is ended by itself only"
    assert ("pull", "") not in held


def test_every_job_is_listed_and_runs_by_its_name(office: Office):
    listed = [one["name"] for one in office.ask("GET", "/api/admin/ops/jobs").json()["data"]]
    assert listed == [job.name for job in JOBS]
    for name in listed:
        ran = office.ask("POST", f"/api/admin/ops/run/{name}", role="operator", key=fresh())
        if name in ("backup", "base-backup", "fetch-wal"):  # this office has no folder for them
            assert (ran.status_code, ran.json()["field"]) == (422, "backup_folder")
            continue
        assert (ran.status_code, ran.json()["job"]) == (200, name), name
    unknown = office.ask("POST", "/api/admin/ops/run/launder", role="operator", key=fresh())
    assert unknown.status_code == 404
    assert "outbox" in unknown.text


def test_every_moment_of_every_schedule_is_listed_with_its_end(office: Office):
    began = now().replace(microsecond=0)
    with office.database.transaction() as conn:
        for hours in (5, 4, 2):
            at = began - timedelta(hours=hours)
            for name in ("sentinel-recent", "recent"):
                slot = take_slot(conn, name, "0 * * * *", by="w", now=at)
                if slot is not None:
                    end_slot(conn, slot, now=at, error="the statement is not there" if name == "recent" and hours == 2 else None)
    standing = {one["name"]: one for one in office.ask("GET", "/api/admin/ops/schedules").json()["data"]}
    assert (standing["recent"]["outcome"], standing["recent"]["error"]) == ("failed", "the statement is not there")
    assert standing["sentinel-recent"]["outcome"] == "done"
    rows, cursor = [], None
    while True:
        page = office.ask("GET", "/api/admin/ops/schedules/runs", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        rows += page["data"]
        if not (cursor := page["nextCursor"]):
            break
    assert [(one["name"], one["outcome"]) for one in rows] == [
        ("sentinel-recent", "done"),
        ("recent", "failed"),
        ("sentinel-recent", "missed"),
        ("recent", "missed"),
        ("sentinel-recent", "done"),
        ("recent", "done"),
    ]
    failed = office.ask("GET", "/api/admin/ops/schedules/runs", params={"schedule": "recent", "outcome": "failed"}).json()["data"]
    assert [one["error"] for one in failed] == ["the statement is not there"]
    assert office.ask("GET", "/api/admin/ops/schedules/runs", params={"outcome": "lost"}).status_code == 422
    oldest = office.ask("GET", "/api/admin/ops/schedules/runs", params={"sort": "at"}).json()["data"]
    assert oldest == rows[::-1]


def test_a_peer_that_does_not_answer_is_named_with_the_job_and_the_queue(office: Office):
    with office.database.transaction() as conn:
        ours = an_agent(conn, mandated=False)
        parts = [NewParticipant(ours, "credit", "EUR", 5), NewParticipant("agent_1", "debit", "EUR", 5, "south")]
        begin_transaction(conn, make_id("txn"), NewTransaction("main", "task", parts, peers=frozenset({"south"})), actor="x", now=now())
    for job in ("transactions", "peers"):
        office.ask("POST", f"/api/admin/ops/run/{job}", role="operator", key=fresh())
    wanted = [{"peer": "south", "waiting": 1, "attempts": 1, "lastError": "the peer south is not set up here"}]
    jobs = {one["name"]: one for one in office.ask("GET", "/api/admin/ops/jobs").json()["data"]}
    assert (jobs["peers"]["perPeer"], jobs["peers"]["peersSilent"]) == (True, wanted)
    assert (jobs["transactions"]["perPeer"], jobs["transactions"]["peersSilent"]) == (False, [])
    queues = {one["name"]: one for one in office.ask("GET", "/api/admin/queue/status").json()["data"]}
    assert (queues["transactions"]["peersSilent"], queues["transactions"]["depth"]) == (wanted, "slow")
    assert queues["send"]["peersSilent"] == []


def test_a_provider_that_does_not_work_is_seen_and_tried_at_once_when_a_person_says_so(office: Office):
    limits = CircuitLimits(failures=1)
    with office.database.transaction() as conn:
        note_health(conn, "simulator", "send", Health(False, "no answer"), now=database_now(conn), limits=limits)
    try:
        shown = {one["name"]: one for one in office.ask("GET", "/api/admin/queue/status").json()["data"]}
        assert (shown["send"]["circuitsOpen"], shown["send"]["depth"], shown["pull"]["circuitsOpen"]) == (
            ["simulator"],
            "slow",
            [],
        )
        health = office.ask("GET", "/api/admin/ops/health").json()
        assert health["providerCircuitsOpen"] == 1
        counter = next(one for one in health["counters"] if one["counter"] == "provider_circuits_open")
        assert counter["status"] == "warning"
        [one] = office.ask("GET", "/api/circuits?state=open").json()["data"]
        assert (one["provider"], one["queue"], one["failures"], one["lastError"]) == (
            "simulator",
            "send",
            1,
            "no answer",
        )
        path = f"/api/circuits/{one['id']}"
        assert office.ask("GET", path).json()["allowed"] == ["probe"]
        assert say(office, f"{path}/probe", "viewer").status_code == 403
        assert say(office, f"{path}/probe").json()["state"] == "half_open"
        with office.database.transaction() as conn:
            assert [each.probe_at <= database_now(conn) for each in open_circuits(conn)] == [True]
        assert [step["verb"] for step in office.ask("GET", path).json()["steps"]] == ["create", "trip", "probe"]
        assert say(office, f"{path}/probe").status_code == 409
    finally:
        with office.database.transaction() as conn:
            note_health(conn, "simulator", "send", Health(True), now=database_now(conn), limits=limits)
    assert office.ask("GET", path).json()["state"] == "closed"
    names = [one["name"] for one in office.ask("GET", f"/api/events?subjectId={one['id']}").json()["data"]]
    assert sorted(names) == ["provider_circuit_closed", "provider_circuit_opened"]
