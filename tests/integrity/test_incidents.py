"""Incidents: opened by alerts, answered in time, closed when everything is in order; an imbalance pulls the brake."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import Invariant
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.integrity.incidents.noun import IncidentStands, watch_responses
from counterfoil.integrity.incidents.post_mortem import _cut, post_mortem_of
from counterfoil.integrity.incidents.queries import list_incidents, refuse_other_incident
from counterfoil.integrity.monitors import Backlog
from counterfoil.operations.approvals import approve_and_do
from counterfoil.operations.work.pauses import QueuePart, paused_now, propose_resume, resume, takes_two
from counterfoil.operations.work.runner import Runner
from counterfoil.wiring import CHECKS, PAIRED, QUEUE_BY_NAME
from tests.builders import a_context
from tests.integrity.conftest import CARL, Watch
from tests.integrity.test_alerts import limits
from tests.integrity.test_sentinel import MENDED, UNBALANCED
from tests.people import log_in_as

SETTLE = QueuePart("settle", program_id="main")


def imbalance(watch: Watch) -> str:
    """A fault, and its incident."""
    watch.past_the_rules(UNBALANCED)
    watch.run()
    [(incident,)] = watch.rows("select id from incident where level = 'P0'")
    return str(incident)


def let_go(watch: Watch) -> None:
    """Two people resume what the machine stopped."""
    with watch.database.transaction() as conn:
        maker, _ = log_in_as(conn, "Mira", "operator", at=watch.clock.now)
        made = propose_resume(conn, make_id("prop"), SETTLE, reason="verified", by=maker, now=watch.clock.now)
    with watch.database.transaction() as conn:
        checker, _ = log_in_as(conn, "Otto", "approver", at=watch.clock.now)
        approve_and_do(conn, made.id, PAIRED, payload_sha256=made.payload_sha256, reason="seen", by=checker, now=watch.clock.now)


def test_an_imbalance_is_a_p0_that_pauses_new_settlements_of_its_program_alone(watch: Watch) -> None:
    incident = imbalance(watch)
    assert watch.rows("select level, code, program_id, respond_by, brake from incident where level = 'P0'") == [
        ("P0", "LEDGER_UNBALANCED", "main", watch.clock.now + timedelta(minutes=15), "settle")
    ]
    with watch.database.transaction() as conn:
        assert [(one.part, one.actor) for one in paused_now(conn)] == [(SETTLE, "system:sentinel")]
        assert takes_two(conn, QUEUE_BY_NAME["settle"], SETTLE)
    assert [one.incident_id for one in watch.alerts("LEDGER_UNBALANCED")] == [incident]
    with watch.database.transaction() as conn:
        refuse_other_incident(conn, incident, "main")
        with pytest.raises(InvalidInput, match="an incident of program shop, or of all"):
            refuse_other_incident(conn, incident, "shop")


def test_one_person_alone_does_not_let_go_what_the_machine_stopped(watch: Watch) -> None:
    with watch.database.transaction() as conn:
        log_in_as(conn, "Ada", "administrator", at=watch.clock.now)
    imbalance(watch)
    with pytest.raises(Problem), watch.database.transaction() as conn:
        resume(conn, QUEUE_BY_NAME["settle"], SETTLE, reason="it is late", actor="person:olga", now=watch.clock.now)
    with watch.database.transaction() as conn:
        assert [one.part for one in paused_now(conn)] == [SETTLE]


def test_a_fault_that_is_found_again_neither_opens_nor_brakes_twice(watch: Watch) -> None:
    imbalance(watch)
    let_go(watch)
    watch.run()
    with watch.database.transaction() as conn:
        assert paused_now(conn) == []
        assert [one.level for one in list_incidents(conn, rows_max=9, after=None, state=None)].count("P0") == 1


def test_an_incident_is_closed_when_alerts_brake_and_post_mortem_are_in_order(watch: Watch) -> None:
    incident = imbalance(watch)

    def refused() -> str:
        with pytest.raises(IncidentStands) as problem:
            watch.say("close", incident, noun="incident", reason="done")
        return str(problem.value.facts["detail"])

    assert watch.say("respond", incident, noun="incident", reason="on it") == "responding"
    assert "alerts are not resolved" in refused()
    watch.past_the_rules(MENDED)
    watch.say("resolve", watch.alerts("LEDGER_UNBALANCED")[0].id)
    assert "still paused" in refused()
    let_go(watch)
    assert "post-mortem" in refused()
    watch.say("write", incident, noun="incident", text="A superuser edited an account.")
    assert watch.say("close", incident, noun="incident", reason="done") == "closed"
    with watch.database.transaction() as conn:
        text = post_mortem_of(conn, incident, now=watch.clock.now)
    brake = ("queue settle paused by system:sentinel", "queue settle resumed by person:")
    for told in (
        "# P0:",
        "LEDGER_UNBALANCED",
        "A superuser edited an account.",
        "incident respond by person:olga: on it",
        "resolve",
        *brake,
    ):
        assert told in text, text


def test_an_incident_that_nobody_answers_is_told_once(watch: Watch) -> None:
    imbalance(watch)
    runner = Runner(watch.database, lambda _: watch.clock.now, "w")
    for minutes in (14, 2, 1):
        watch.clock.advance(minutes=minutes)
        watch_responses(a_context(runner, watch.clock), None)
    assert watch.rows("select count(*) from event where name = 'incident_overdue' and payload ->> 'level' = 'P0'") == [(1,)]
    watch.clock.advance(days=1)
    watch_responses(a_context(runner, watch.clock), None)
    assert watch.rows("select count(*) from event where name = 'post_mortem_overdue'") == [(1,)]


def test_a_silent_worker_is_a_p1_and_is_over_when_it_is_heard_again(watch: Watch) -> None:
    watch.rows(
        """insert into worker (id, host, pid, version, started_at, beat_at) values ('w', 'h', 1, 'v', %s, %s) returning id""",
        watch.clock.now,
        watch.clock.now,
    )
    watch.clock.advance(minutes=2)
    watch.run()
    assert watch.rows("select level, program_id, brake from incident") == [("P1", "", None)]
    watch.rows("update worker set beat_at = %s returning id", watch.clock.now)
    watch.run("recent")
    assert [one.state for one in watch.alerts("WORKER_DOWN")] == ["resolved"]


def test_more_than_ten_refusals_in_a_row_of_an_endpoint_are_a_p3_and_six_are_a_warning(watch: Watch) -> None:
    [failing] = [one for one in CHECKS if one.code == "WEBHOOK_OUT_FAILING"]
    sentinel = replace(watch.sentinel, checks=(failing,))
    watch.past_the_rules(
        """insert into webhook_endpoint (id, program_id, url, events, min_level, owner_email, about, created_by, created_at, state,
               state_at)
           values ('we_1', 'main', 'https://x.example', '{}', 'info', 'a@x.example', '', 'x', now(), 'enabled', now())"""
    )
    said = []
    for number in (5, 6, 10, 11):
        watch.past_the_rules("update webhook_endpoint set failures = %s", number)
        sentinel.round()
        said.append([(one.severity, one.incident_id is not None) for one in watch.alerts("WEBHOOK_OUT_FAILING")])
    assert said == [[], [("warning", False)], [("warning", False)], [("critical", True)]]
    assert watch.rows("select level from incident") == [("P3",)]


def test_another_imbalance_pulls_the_brake_again_in_an_incident_that_stands(watch: Watch) -> None:
    incident = imbalance(watch)
    let_go(watch)
    watch.past_the_rules("update journal set lines = 2 where id = %s::uuid", watch.post("new"))
    watch.run()
    assert {one.incident_id for one in watch.alerts("LEDGER_UNBALANCED")} == {incident}
    with watch.database.transaction() as conn:
        assert [one.part for one in paused_now(conn)] == [SETTLE]


def test_what_was_accepted_and_lapses_after_its_incident_was_closed_is_a_new_incident(watch: Watch) -> None:
    incident = imbalance(watch)
    [alert] = watch.alerts("LEDGER_UNBALANCED")
    watch.say("accept", alert.id, by=CARL, reason="known", until=watch.clock.now + timedelta(hours=1))
    let_go(watch)
    watch.say("write", incident, noun="incident", text="A superuser edited an account.")
    watch.say("respond", incident, noun="incident", reason="on it")
    assert watch.say("close", incident, noun="incident", reason="accepted for an hour") == "closed"
    watch.run()
    assert watch.rows("select count(*) from incident where level = 'P0'") == [(1,)], "it is accepted"
    watch.clock.advance(hours=2)
    limits(watch)
    watch.run()
    assert watch.rows("select count(*) from incident where level = 'P0' and state = 'open'") == [(1,)]
    with watch.database.transaction() as conn:
        assert [one.part for one in paused_now(conn)] == [SETTLE]


def test_what_becomes_critical_opens_its_incident(watch: Watch) -> None:
    grave = {"severity": "warning"}

    def depth(conn: Connection[Any], now: datetime) -> list[Backlog]:
        return [Backlog("calls", 600, None, grave["severity"])]

    check = Invariant("DEEP", "Is it flat?", depth, "warning", "It is deep.", "P19", incident="P2", monitor=True)
    sentinel = replace(watch.sentinel, checks=(check,))
    sentinel.run("full")
    assert watch.rows("select count(*) from incident") == [(0,)]
    grave["severity"] = "critical"
    sentinel.run("full")
    sentinel.run("full")
    assert watch.rows("select level from incident") == [("P2",)]


def test_an_incident_counts_all_its_alerts_however_many_are_shown(watch: Watch) -> None:
    incident = imbalance(watch)
    watch.rows(
        """insert into alert (id, program_id, code, subject, period, severity, first_seen_at, last_seen_at, first_run, last_run, evidence,
                              first_evidence, rest, extent, escalated_to, state, state_at, incident_id)
           select 'alt_' || n, program_id, code, 's' || n, period, severity, first_seen_at - interval '1 day', last_seen_at, first_run,
                  last_run, evidence, first_evidence, 0, extent, escalated_to, 'resolved', state_at, incident_id
           from alert, generate_series(1, 500) n where incident_id = %s returning id""",
        incident,
    )
    with pytest.raises(IncidentStands) as problem:
        watch.say("close", incident, noun="incident", reason="done")
    assert "1 of its alerts are not resolved" in str(problem.value.facts["detail"])
    with watch.database.transaction() as conn:
        told = post_mortem_of(conn, incident, now=watch.clock.now)
        assert "481 more are not listed." in told
        assert "Not in it: alerts behind the first 20." in told


def test_a_week_without_a_worker_is_still_without_one(watch: Watch) -> None:
    at = watch.clock.now - timedelta(days=9)
    watch.rows("insert into worker (id, host, pid, version, started_at, beat_at) values ('w', 'h', 1, 'v', %s, %s) returning id", at, at)
    watch.run()
    assert [one.state for one in watch.alerts("WORKER_DOWN")] == ["open"]


def test_a_timeline_says_what_is_not_in_it() -> None:
    assert _cut(alerts=False, corrections=False) == ""
    assert _cut(alerts=True, corrections=True).strip() == "Not in it: alerts behind the first 20 and journals behind the first 100."
