"""Runs of the sentinel: what they look at, up to when, and what they say when they could not look."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import Invariant, recent_query
from counterfoil.integrity.asking import CheckReply
from counterfoil.integrity.playbooks import PLAYBOOKS
from counterfoil.integrity.runs import answers_of, begin_run, end_run, newest_answers, note_answer, show_run
from counterfoil.integrity.sentinel import Sentinel
from counterfoil.integrity.touched import STEPPED, touched
from counterfoil.wiring import CHECKS, TABLES
from tests.integrity.conftest import Watch

UNBALANCED = "update account set debits = debits + 5, credits = credits + 5 where name = 'suspense' and book_id = 1"
MENDED = "update account set debits = debits - 5, credits = credits - 5 where name = 'suspense' and book_id = 1"
SLEEPS = Invariant("SLEEPS", "Is it quick?", "select pg_sleep(5)::text", "critical", "It is slow.", "P19")
GARBLED = Invariant("GARBLED", "Is it there?", "select from nowhere", "critical", "It is gone.", "P19")

ASKED_WHOLE = ("PERIOD_REOPENED_ALONE",)  # of so few rows that a recent run asks of all of them


def test_every_check_names_a_playbook_with_an_owner_and_can_be_asked() -> None:
    assert [one.code for one in CHECKS if one.playbook not in PLAYBOOKS] == []
    assert all(one.owner and one.steps and one.title for one in PLAYBOOKS.values())
    assert len({one.code for one in CHECKS}) == len(CHECKS)
    assert CHECKS[-1].code == "CHECK_NOT_RUN", "it looks at what the others answered"
    known = {*STEPPED, "journal", "account", "settlement", "payment"}
    for one in CHECKS:
        query = recent_query(one)
        if query is not None and not one.monitor:
            assert one.code in ASKED_WHOLE or {word for word in known if f"%({word})s" in query}, one.code
            assert "/* " not in query, f"{one.code}: a mark is misspelt"


def test_a_full_run_asks_everything_and_says_up_to_when(watch: Watch) -> None:
    run = watch.run()
    assert (run.kind, run.state, run.checks, run.failed, run.since) == ("full", "finished", len(CHECKS), 0, None)
    assert run.watermark == run.started_at == watch.clock.now
    assert (run.verdict, watch.alerts()) == ("holds", []), "a clean day"
    with watch.database.transaction() as conn:
        told = answers_of(conn, run.id)
    assert [one.code for one in told] == [one.code for one in CHECKS]
    assert run.holding + run.broken == run.checks
    assert all(one.took_ms >= 0 for one in told)


def test_a_source_that_nobody_reconciles_is_found_after_two_days_and_not_on_its_first(watch: Watch) -> None:
    watch.clock.advance(days=2, hours=-1)
    watch.run()
    assert watch.alerts("STALE_SOURCE") == []
    watch.clock.advance(hours=2)
    watch.run("recent")
    assert {(one.subject, one.program_id) for one in watch.alerts("STALE_SOURCE")} == {("x", "main"), ("x", "other")}


def test_a_recent_run_before_any_full_one_is_a_full_one(watch: Watch) -> None:
    assert watch.run("recent").kind == "full"
    watch.clock.advance(hours=1)
    assert watch.run("recent").kind == "recent"


def test_a_recent_run_looks_at_what_was_touched_and_finds_its_fault(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfoil.integrity.sentinel.OVERLAP", timedelta())
    old = watch.post("old")
    watch.now()
    watch.run()
    new = watch.post("new")
    watch.past_the_rules("update journal set lines = 2 where id = any(%s::uuid[])", [old, new])
    watch.now()
    run = watch.run("recent")
    assert (run.touched["journal"], run.touched["account"]) == (1, 2)
    assert {one.subject for one in watch.alerts("LEDGER_UNBALANCED")} == {f"journal {new}"}
    watch.run()
    assert {one.subject for one in watch.alerts("LEDGER_UNBALANCED")} == {f"journal {new}", f"journal {old}"}


def test_a_recent_run_begins_a_little_before_where_the_last_one_ended(watch: Watch) -> None:
    first = watch.run()
    watch.clock.advance(hours=1)
    second = watch.run("recent")
    assert first.watermark is not None
    assert second.since == first.watermark - timedelta(minutes=10), "what commits late is not passed over"
    assert second.watermark == watch.clock.now


def test_a_recent_run_finds_a_total_that_is_not_the_balance_of_the_last_posting(watch: Watch) -> None:
    watch.run()
    watch.post("new")
    watch.now()
    watch.run("recent")
    assert watch.alerts("ACCOUNT_BALANCE_DRIFT") == []
    watch.past_the_rules("update account set debits = debits + 1 where name = 'clearing:x' and book_id = 1")
    watch.run("recent")
    [found] = watch.alerts("ACCOUNT_BALANCE_DRIFT")
    assert (found.subject, found.program_id, found.severity) == ("clearing:x", "main", "critical")


@pytest.mark.parametrize(
    "fault",
    [
        "update account set debits = debits + 1 where name = 'clearing:x' and book_id = 1",
        "delete from posting p using account a where a.name = 'clearing:x' and a.book_id = 1 and p.debit = a.id and p.seq = a.last_seq",
    ],
    ids=["a total is raised", "the last posting is taken out"],
)
def test_a_recent_run_finds_the_last_posting_also_where_the_clock_was_set_back_since_and_a_segment_begun(watch: Watch, fault: str) -> None:
    watch.run()
    watch.post("new")
    watch.post("newer")
    watch.past_the_rules("insert into program_segment (program_id, segment, first_seq, postings) values ('main', 1, 1, 1)")
    watch.now()
    watch.run("recent")
    assert watch.alerts("ACCOUNT_BALANCE_DRIFT") == []
    watch.past_the_rules(fault)
    watch.run("recent")
    assert "clearing:x" in {one.subject for one in watch.alerts("ACCOUNT_BALANCE_DRIFT")}


def test_a_span_with_more_than_can_be_asked_at_once_is_asked_in_parts(watch: Watch) -> None:
    reached = watch.now()
    for number in range(7):
        watch.post(f"k{number}")
        watch.now()
    end, seen, parts = watch.now(), list[str](), 0
    while reached < end:
        with watch.database.transaction(read_only=True) as conn:
            span = touched(conn, since=reached, now=end, rows_max=2)
        assert span.until > reached
        seen += [str(one) for one in span.ids["journal"]]
        reached, parts = span.until, parts + 1
    assert len(set(seen)) == 7
    assert parts > 1


def test_a_recent_run_whose_time_is_over_is_cut_short_and_the_next_goes_on_there(watch: Watch) -> None:
    watch.run()
    for number in range(5):
        watch.clock.advance(minutes=15)
        watch.post(f"k{number}")
    hurried = replace(watch.sentinel, rows_max=1, recent_limit_s=0.0)
    run = hurried.run("recent")
    assert run.state == "cut_short"
    assert run.verdict != "holds"
    assert "was not looked at" in str(run.error)
    assert run.watermark is not None
    assert run.watermark < watch.clock.now
    after = watch.run("recent")
    assert (after.state, after.watermark) == ("finished", watch.clock.now)
    assert [(one.subject, one.state) for one in watch.alerts("CHECK_NOT_RUN")] == [("the recent run", "open")]
    watch.run("recent")
    assert [one.state for one in watch.alerts("CHECK_NOT_RUN")] == ["resolved"]


def _trips(conn: Connection[Any]) -> list[tuple[str]]:
    raise KeyError("EUR")


TRIPS = Invariant("TRIPS", "Does it stand?", _trips, "critical", "It trips.", "P19")


@pytest.mark.parametrize("broken", [GARBLED, SLEEPS, TRIPS], ids=["it cannot run", "it takes too long", "it trips over its data"])
def test_a_check_that_cannot_be_asked_is_a_finding_and_the_others_are_asked(
    watch: Watch, broken: Invariant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counterfoil.integrity.sentinel.CHECK_LIMIT", timedelta(milliseconds=900))
    one = replace(watch.sentinel, checks=(broken, *CHECKS)).run("full")
    assert (one.state, one.checks, one.failed) == ("cut_short", len(CHECKS) + 1, 1)
    assert one.verdict != "holds"
    [alert] = watch.alerts("CHECK_NOT_RUN")
    assert (alert.subject, alert.severity, alert.state) == (broken.code, "critical", "open")
    assert watch.run().state == "finished"
    watch.sentinel.round()
    [alert] = watch.alerts("CHECK_NOT_RUN")
    assert alert.state == "resolved"


def test_what_could_not_be_asked_stays_said_while_the_next_run_has_not_come_to_it(watch: Watch) -> None:
    replace(watch.sentinel, checks=(TRIPS, *CHECKS)).run("full")
    with watch.database.transaction() as conn:
        begin_run(conn, make_id("srun"), "full", since=None, actor="t", slot_at=None, now=watch.now())
    watch.sentinel.round()
    assert [(one.subject, one.state) for one in watch.alerts("CHECK_NOT_RUN")] == [("TRIPS", "open")]


def test_a_run_that_was_killed_is_cut_short_by_the_next_and_keeps_what_it_found(watch: Watch) -> None:
    dead = make_id("srun")
    with watch.database.transaction() as conn:
        begin_run(conn, dead, "full", since=None, actor="t", slot_at=None, now=watch.clock.now)
    watch.clock.advance(minutes=16)
    assert watch.run("recent").kind == "full", "what the dead one looked at is not known"
    with watch.database.transaction() as conn:
        run = show_run(conn, dead)
    assert (run.state, run.watermark) == ("cut_short", None)
    assert "its process was gone" in str(run.error)


def test_two_runs_at_once_open_one_alert(watch: Watch) -> None:
    watch.past_the_rules(UNBALANCED)
    checks = [one for one in CHECKS if one.code == "LEDGER_UNBALANCED"]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(Sentinel(watch.database, checks, watch.clock, make_id, TABLES).run, "full") for _ in range(2)]
    assert [one.result().state for one in runs] == ["finished", "finished"]
    [alert] = watch.alerts("LEDGER_UNBALANCED")
    assert alert.times == 2
    assert watch.rows("select level from incident") == [("P0",)]


def test_more_than_200_findings_are_200_alerts_and_a_count(watch: Watch) -> None:
    many = Invariant("MANY", "Is there nothing?", "select 'row ' || n from generate_series(1, 250) n", "warning", "There is.", "P12")
    run = replace(watch.sentinel, checks=(many,)).run("full")
    assert (run.findings, run.opened) == (250, 200)
    found = watch.alerts("MANY")
    assert (len(found), sorted(one.rest for one in found)[-2:]) == (200, [0, 50]), "one of them tells how many more there are"


def test_evidence_is_enough_to_see_it_again(watch: Watch) -> None:
    watch.past_the_rules(UNBALANCED)
    run = watch.run()
    [alert] = watch.alerts("LEDGER_UNBALANCED")
    told: dict[str, Any] = alert.evidence
    assert told["rows"], told
    assert (told["run"], told["playbook"], told["watermark"]) == (run.id, "P1", watch.clock.now.isoformat())
    assert told["query"] in {one.offenders for one in CHECKS}
    assert alert.program_id == "main"
    watch.past_the_rules(MENDED)


def test_an_answer_that_cannot_be_kept_is_a_check_that_failed_and_the_next_run_looks_again(watch: Watch) -> None:
    watch.run()
    watch.past_the_rules("update journal set lines = 2 where id = %s::uuid", watch.post("new"))
    watch.now()
    one, *rest = (check for check in CHECKS if check.code in ("LEDGER_UNBALANCED", "ACCOUNT_BALANCE_DRIFT"))
    nowhere = one._replace(playbook="P99", severity="grave")  # no alert can be of this severity
    run = replace(watch.sentinel, checks=(nowhere, *rest)).run("recent")
    assert (run.state, run.checks, run.failed, run.watermark) == ("cut_short", 2, 1, None)
    with watch.database.transaction() as conn:
        [failed] = [answer for answer in answers_of(conn, run.id) if answer.outcome == "failed"]
    assert "could not be kept" in str(failed.error)
    watch.run("recent")
    assert len(watch.alerts(one.code)) == 1


def test_that_what_is_new_holds_does_not_hide_what_the_full_run_found(watch: Watch) -> None:
    watch.past_the_rules("update journal set lines = 2 where id = %s::uuid", watch.post("old"))
    watch.run()
    watch.clock.advance(hours=1)
    watch.run("recent")
    with watch.database.transaction() as conn:
        newest = newest_answers(conn, [one.code for one in CHECKS if one.monitor])
        assert newest["LEDGER_UNBALANCED"].outcome == "broken"
        monitor = conn.execute("select max(at) from sentinel_check where code = 'WORKER_DOWN'").fetchone()
    assert monitor == (newest["WORKER_DOWN"].at,)


def test_a_recent_run_finds_a_book_whose_totals_do_not_add_up(watch: Watch) -> None:
    watch.run()
    watch.past_the_rules("update account set debits = debits + 5 where name = 'suspense' and book_id = 1")
    watch.post("new")
    watch.now()
    watch.run("recent")
    assert [one.program_id for one in watch.alerts("TRIAL_BALANCE_NONZERO")] == ["main"]


def test_a_run_about_a_year_ago_does_not_make_a_source_fresh(watch: Watch) -> None:
    watch.clock.advance(days=3)
    for number, days in ((1, 400), (2, 0)):
        on = (watch.clock.now - timedelta(days=days)).date()
        watch.rows(
            """insert into reconciliation_run (id, program_id, source, first_on, last_on, actor, started_at, beat_at, finished_at,
                   verdict, state)
               values (%s, 'main', 'x', %s, %s, 't', %s, %s, %s, 'reconciled', 'finished') returning id""",
            make_id("run"),
            on,
            on,
            *[watch.clock.now] * 3,
        )
        watch.run("recent")
        assert sorted(one.program_id for one in watch.alerts("STALE_SOURCE") if one.state == "open") == ["main", "other"][number - 1 :]


def test_a_run_that_was_cut_short_is_said_also_where_a_check_failed_before(watch: Watch) -> None:
    dead = make_id("srun")
    with watch.database.transaction() as conn:
        begin_run(conn, dead, "full", since=None, actor="t", slot_at=None, now=watch.clock.now)
        note_answer(conn, dead, 1, CheckReply("LEDGER_UNBALANCED", "failed", 1, error="x"), opened=0, now=watch.clock.now)
        end_run(conn, dead, watermark=None, touched={}, error="the disk was full", now=watch.clock.now)
    watch.clock.advance(minutes=1)
    watch.run("recent")
    assert "the full run" in {one.subject for one in watch.alerts("CHECK_NOT_RUN")}
