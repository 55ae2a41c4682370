"""Alerts from the run that found them to the person who settled them."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from counterfoil.base.problems import InvalidInput, Problem, ReasonRequired, TransitionRefused
from counterfoil.integrity.alerts.limits import keep_limits
from counterfoil.integrity.alerts.noun import FaultStands
from counterfoil.operations.work.runner import Runner
from counterfoil.reconciliation.runs.schedule import gaps, take_slot, withdraw
from tests.builders import a_context
from tests.integrity.conftest import CARL, Watch
from tests.integrity.test_sentinel import MENDED, UNBALANCED
from tests.waiting import at_once

CODE = "LEDGER_UNBALANCED"


def limits(watch: Watch) -> None:
    """What a worker does about time limits."""
    runner = Runner(watch.database, lambda _: watch.clock.now, "w")
    keep_limits(a_context(runner, watch.clock), None)


def found(watch: Watch) -> str:
    """A fault, and its alert."""
    watch.past_the_rules(UNBALANCED)
    watch.run()
    [alert] = watch.alerts(CODE)
    return alert.id


def test_what_is_found_again_is_counted_and_is_no_second_alert(watch: Watch) -> None:
    found(watch)
    watch.clock.advance(hours=1)
    watch.run()
    [alert] = watch.alerts(CODE)
    assert (alert.times, alert.last_seen_at - alert.first_seen_at) == (2, timedelta(hours=1))
    assert alert.first_run != alert.last_run


def test_an_alert_is_not_resolved_while_its_fault_is_there_and_is_when_it_was_mended(watch: Watch) -> None:
    alert = found(watch)
    with pytest.raises(FaultStands) as refused:
        watch.say("resolve", alert)
    assert refused.value.facts["code"] == CODE
    assert watch.alerts(CODE)[0].state == "open"
    watch.past_the_rules(MENDED)
    assert watch.say("resolve", alert) == "resolved"
    with pytest.raises(TransitionRefused):
        watch.say("resolve", alert)


def test_what_comes_back_is_a_new_alert_that_names_the_old_one(watch: Watch) -> None:
    first = found(watch)
    watch.past_the_rules(MENDED)
    watch.say("resolve", first)
    watch.clock.advance(hours=1)
    watch.past_the_rules(UNBALANCED)
    watch.run()
    before, after = watch.alerts(CODE)
    assert (before.state, after.state, after.previous) == ("resolved", "open", first)
    assert (after.program_id, after.subject) == (before.program_id, before.subject)


def test_what_is_no_longer_found_is_said_and_stays_for_a_person(watch: Watch) -> None:
    found(watch)
    watch.past_the_rules(MENDED)
    run = watch.run()
    [alert] = watch.alerts(CODE)
    assert (alert.state, alert.gone_run) == ("open", run.id)
    watch.past_the_rules(UNBALANCED)
    watch.run()
    assert watch.alerts(CODE)[0].gone_run is None


def test_accepting_takes_a_reason_and_an_end_and_lapses_then(watch: Watch) -> None:
    alert = found(watch)
    until = watch.clock.now + timedelta(days=2)
    with pytest.raises(ReasonRequired):
        watch.say("accept", alert, by=CARL, until=until)
    with pytest.raises(InvalidInput):
        watch.say("accept", alert, by=CARL, reason="known", until=watch.clock.now + timedelta(days=91))
    assert watch.say("accept", alert, by=CARL, reason="known", until=until) == "accepted"
    watch.clock.advance(days=1)
    watch.run()
    limits(watch)
    assert [one.state for one in watch.alerts(CODE)] == ["accepted"]
    watch.clock.advance(days=1, seconds=1)
    limits(watch)
    [one] = watch.alerts(CODE)
    assert (one.state, one.accepted_until) == ("open", None)
    assert one.respond_by is not None


def test_what_was_accepted_and_is_gone_is_over_at_its_end(watch: Watch) -> None:
    alert = found(watch)
    watch.say("accept", alert, by=CARL, reason="known", until=watch.clock.now + timedelta(hours=1))
    watch.past_the_rules(MENDED)
    watch.clock.advance(hours=2)
    watch.run()
    limits(watch)
    assert [one.state for one in watch.alerts(CODE)] == ["resolved"]


def test_nobody_answers_so_the_next_is_asked_until_everyone_is(watch: Watch) -> None:
    found(watch)
    asked = []
    for hours in (0, 4, 2, 1):
        watch.clock.advance(hours=hours, seconds=1)
        limits(watch)
        limits(watch)
        asked.append(watch.alerts(CODE)[0].escalated_to)
    assert asked == ["on_call", "treasury_lead", "everyone", "everyone"]
    told = watch.rows(
        "select payload ->> 'from' from event where name = 'alert_escalated' and payload ->> 'code' = %s order by at, id", CODE
    )
    assert told == [("on_call",), ("treasury_lead",), ("everyone",)]


def test_an_answer_ends_the_time_limit(watch: Watch) -> None:
    alert = found(watch)
    assert watch.say("ack", alert) == "acknowledged"
    watch.clock.advance(days=1)
    limits(watch)
    [one] = watch.alerts(CODE)
    assert (one.escalated_to, one.owner, one.respond_by) == ("on_call", "person:olga", None)
    assert watch.say("reopen", alert, reason="not mine") == "open"
    assert watch.alerts(CODE)[0].owner is None


def test_several_of_one_kind_go_to_the_treasury_lead_at_once(watch: Watch) -> None:
    ids = [watch.post(f"k{number}") for number in range(3)]
    watch.past_the_rules("update journal set lines = 2 where id = any(%s::uuid[])", ids)
    watch.run()
    alerts = watch.alerts(CODE)
    assert {(one.extent, one.escalated_to) for one in alerts} == {("several", "treasury_lead")}
    assert {one.respond_by for one in alerts} == {watch.clock.now + timedelta(hours=2)}
    done = watch.say_of_many("ack", [one.id for one in alerts], "open")
    assert [one.state for one in done] == ["acknowledged"] * 3


def test_snoozing_and_assigning_leave_the_state(watch: Watch) -> None:
    alert = found(watch)
    until = watch.clock.now + timedelta(hours=8)
    assert watch.say("snooze", alert, until=until) == "open"
    assert watch.say("assign", alert, owner="olga") == "open"
    [one] = watch.alerts(CODE)
    assert (one.snoozed_until, one.owner) == (until, "olga")
    with pytest.raises(InvalidInput):
        watch.say("snooze", alert, until=watch.clock.now)


def test_a_monitor_that_no_longer_finds_it_ends_its_alert_by_itself(watch: Watch) -> None:
    at = watch.clock.now - timedelta(days=9)
    watch.rows("insert into reconciliation_schedule values ('sentinel-full', '0 2 * * *', %s) returning name", at)
    watch.run()
    assert [one.state for one in watch.alerts("JOB_NOT_RUN")] == ["open"]
    watch.run("recent")
    assert [one.state for one in watch.alerts("JOB_NOT_RUN")] == ["resolved"], "the run before was full, and finished"


def test_an_alert_that_is_open_again_goes_up_again_and_is_told_again(watch: Watch) -> None:
    alert = found(watch)
    for answer in ("accept", "ack"):
        if answer == "accept":
            watch.clock.advance(hours=5)
            limits(watch)
            watch.say("accept", alert, by=CARL, reason="known", until=watch.clock.now + timedelta(hours=1))
            watch.clock.advance(hours=2)
            limits(watch)
        else:
            watch.say("ack", alert)
            watch.say("reopen", alert, reason="not mine")
        watch.clock.advance(hours=5)
        limits(watch)
    [one] = watch.alerts(CODE)
    assert (one.state, one.escalated_to) == ("open", "everyone")
    told = watch.rows("select payload ->> 'from' from event where name = 'alert_escalated' and subject_id = %s order by at, id", alert)
    assert told == [("on_call",), ("on_call",), ("treasury_lead",)]


def test_a_warning_that_was_accepted_and_becomes_critical_is_open_again_with_its_incident(watch: Watch) -> None:
    due = """insert into event (id, name, level, program_id, subject_id, payload, at, state, state_at, due_at)
             select %s || n, 'x', 'info', '', 'x', '{}', now(), 'due', now(), now() - interval '1 minute'
             from generate_series(1, 300) n returning id"""
    watch.rows(due, "first.")
    watch.sentinel.round()
    [one] = watch.alerts("QUEUE_DEPTH")
    watch.say("accept", one.id, by=CARL, reason="known", until=watch.clock.now + timedelta(days=9))
    watch.sentinel.round()
    assert [(found.severity, found.state) for found in watch.alerts("QUEUE_DEPTH")] == [("warning", "accepted")]
    watch.rows(due, "second.")
    watch.sentinel.round()
    [one] = watch.alerts("QUEUE_DEPTH")
    assert (one.severity, one.state, one.accepted_until) == ("critical", "open", None)
    assert one.incident_id is not None, "600 are a backlog, P2"
    assert one.respond_by is not None


def told_of(watch: Watch, alert: str) -> list[str]:
    return [name for (name,) in watch.rows("select name from event where subject_id = %s order by at, id", alert)]


def test_a_step_up_of_what_is_snoozed_is_kept_and_shown_and_the_end_of_the_snooze_is_told_once(watch: Watch) -> None:
    alert = found(watch)
    watch.say("snooze", alert, until=watch.clock.now + timedelta(hours=5))
    watch.clock.advance(hours=4, seconds=1)
    limits(watch)
    assert watch.alerts(CODE)[0].escalated_to == "treasury_lead"
    assert told_of(watch, alert) == ["alert_critical", "alert_escalated"]
    watch.clock.advance(hours=1)
    limits(watch)
    limits(watch)
    assert told_of(watch, alert) == ["alert_critical", "alert_escalated", "alert_snooze_over"]
    assert watch.rows("select payload ->> 'to' from event where name = 'alert_snooze_over'") == [("treasury_lead",)]
    assert watch.alerts(CODE)[0].snoozed_until is None


def test_what_is_accepted_while_it_is_snoozed_is_not_told_of_when_the_snooze_would_have_ended(watch: Watch) -> None:
    alert = found(watch)
    watch.say("snooze", alert, until=watch.clock.now + timedelta(hours=1))
    watch.say("accept", alert, by=CARL, until=watch.clock.now + timedelta(hours=9), reason="known")
    assert watch.alerts(CODE)[0].snoozed_until is None, "what was said last counts"
    watch.clock.advance(hours=2)
    limits(watch)
    assert told_of(watch, alert) == ["alert_critical"]


def test_a_warning_that_becomes_critical_is_snoozed_no_more(watch: Watch) -> None:
    alert = found(watch)
    watch.past_the_rules("update alert set severity = 'warning'")
    watch.say("snooze", alert, until=watch.clock.now + timedelta(hours=5))
    watch.run()
    [one] = watch.alerts(CODE)
    assert (one.severity, one.snoozed_until, told_of(watch, alert)) == ("critical", None, ["alert_critical", "alert_critical"])


def test_an_answered_alert_has_no_time_limit_when_others_of_its_kind_appear(watch: Watch) -> None:
    first = found(watch)
    watch.say("ack", first)
    for number in range(2):
        watch.past_the_rules("update journal set lines = 2 where id = %s::uuid", watch.post(f"k{number}"))
    watch.run()
    assert {(one.extent, one.respond_by is None) for one in watch.alerts(CODE) if one.id == first} == {("several", True)}


def test_two_who_resolve_at_once_resolve_it_once_and_the_other_is_told(watch: Watch) -> None:
    alert = found(watch)
    watch.past_the_rules(MENDED)
    together, said = threading.Barrier(2), []

    def resolves() -> None:
        together.wait()
        try:
            said.append(watch.say("resolve", alert))
        except Problem as refused:
            said.append(type(refused).__name__)

    at_once(resolves, 2)
    assert said.count("resolved") == 1, said
    assert set(said) - {"resolved"} <= {"Busy", "TransitionRefused"}, said
    assert watch.rows("select count(*) from step where subject_id = %s and verb = 'resolve'", alert) == [(1,)]


def test_workers_with_other_settings_do_not_take_a_schedule_from_each_other_and_that_is_told(watch: Watch) -> None:
    began = watch.clock.now
    # Two hours ago in any day, so that its next moment is not among the minutes looked at.
    daily, hourly = f"{began.minute} {(began.hour - 2) % 24} * * *", "0 * * * *"

    def takes(worker: str, cron: str, minutes: int) -> bool:
        with watch.database.transaction() as conn:
            return take_slot(conn, "backup", cron, by=worker, now=began + timedelta(minutes=minutes)) is not None

    def wants_none(worker: str, minutes: int) -> str:
        with watch.database.transaction() as conn:
            withdraw(conn, ["backup"], by=worker, now=began + timedelta(minutes=minutes))
        return str(watch.rows("select cron from reconciliation_schedule where name = 'backup'")[0][0])

    assert not takes("a", daily, 0), "it is new"
    for minutes in range(0, 30, 2):
        assert not takes("a", daily, minutes)
        assert wants_none("b", minutes) == daily
        assert not takes("c", hourly, minutes)
    assert takes("a", daily, 24 * 60), "who has it takes its moments, whatever the others want"
    watch.clock.advance(minutes=28)
    watch.run("recent")
    assert [one.subject for one in watch.alerts("SCHEDULE_CONTESTED")] == ["backup"]
    assert wants_none("b", 25 * 60) == "", "the one that wanted it is gone: nobody does"
    assert not takes("c", hourly, 25 * 60 + 1)
    assert wants_none("b", 25 * 60 + 2) == hourly, "a schedule that is wanted stands before one that is not"


def test_a_round_of_monitors_does_not_stand_for_the_recent_run_that_nobody_made(watch: Watch) -> None:
    at = watch.clock.now - timedelta(days=9)
    watch.rows("insert into reconciliation_schedule values ('sentinel-recent', '0 * * * *', %s) returning name", at)
    for _ in range(3):
        watch.sentinel.round()
        watch.clock.advance(minutes=1)
        assert [one.state for one in watch.alerts("JOB_NOT_RUN") if one.subject == "sentinel-recent"] == ["open"]


def test_a_schedule_that_was_taken_away_is_missed_by_nobody(watch: Watch) -> None:
    at = watch.clock.now - timedelta(days=9)
    watch.rows("insert into reconciliation_schedule values ('sentinel-full', '0 2 * * *', %s) returning name", at)
    with watch.database.transaction() as conn:
        withdraw(conn, ["sentinel-full"], by="w", now=watch.clock.now)
    watch.run("recent")
    assert watch.alerts("JOB_NOT_RUN") == []
    with watch.database.transaction() as conn:
        assert take_slot(conn, "sentinel-full", "0 2 * * *", by="w", now=watch.clock.now) is None, "wanted again, from now on"
        assert gaps(conn) == []
