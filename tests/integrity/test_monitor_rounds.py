"""What must hold in time is asked each minute, and kept where there is something to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from counterfoil.base.invariant import Invariant
from counterfoil.cli.local.lookout import look_out
from counterfoil.integrity.runs import SentinelRun
from counterfoil.integrity.sentinel import Sentinel
from counterfoil.integrity.telling import how_things_stand
from counterfoil.operations.notices.channels import parse_channels
from counterfoil.operations.notices.heartbeat import NobodyAsks, call_out
from counterfoil.operations.work.jobs import JobContext
from counterfoil.wiring import CHECKS, JOBS, Wiring, loops
from tests.api.office import wiring_for
from tests.integrity.conftest import Watch
from tests.receiver import received

MONITORS = [one.code for one in CHECKS if one.monitor]
BEAT = """insert into worker (id, host, pid, version, started_at, beat_at, jobs) values ('w', 'h', 1, 'v', %s, %s, '{}')
          on conflict (id) do update set beat_at = excluded.beat_at"""


def a_worker_beats(watch: Watch) -> None:
    with watch.database.transaction() as conn:
        conn.execute(BEAT, [watch.clock.now, watch.clock.now])


def wiring(watch: Watch, **more: Any) -> Wiring:
    return replace(wiring_for(watch.database), clock=watch.clock, database_clock=watch.clock, **more)


def context(watch: Watch) -> JobContext:
    return wiring(watch).context("w")


def tick(watch: Watch) -> int:
    [job] = [one for one in JOBS if one.name == "monitors"]
    return job.tick(context(watch), None).handled


def runs(watch: Watch) -> list[tuple[Any, ...]]:
    return watch.rows("select kind, state, checks, broken, failed from sentinel_run order by number")


def test_a_worker_that_falls_silent_is_an_alert_within_two_minutes_and_over_when_one_beats_again(watch: Watch) -> None:
    a_worker_beats(watch)
    assert tick(watch) == len(MONITORS)
    watch.clock.advance(minutes=1, seconds=1)
    tick(watch)
    assert [(one.severity, one.state) for one in watch.alerts("WORKER_DOWN")] == [("critical", "open")]
    a_worker_beats(watch)
    watch.clock.advance(seconds=59)
    tick(watch)
    assert [one.state for one in watch.alerts("WORKER_DOWN")] == ["open"], "not asked more often than each minute"
    watch.clock.advance(seconds=2)
    a_worker_beats(watch)
    tick(watch)
    assert [one.state for one in watch.alerts("WORKER_DOWN")] == ["resolved"]


def test_rounds_that_find_nothing_write_no_run_and_one_that_ends_an_alert_does(watch: Watch) -> None:
    for _ in range(3):
        a_worker_beats(watch)
        assert tick(watch) == len(MONITORS)
        watch.clock.advance(minutes=1)
    assert runs(watch) == []
    assert watch.rows("select asked, failed, asked_at from monitor_round") == [(len(MONITORS), 0, watch.clock.now - timedelta(minutes=1))]
    watch.clock.advance(minutes=1)
    tick(watch)
    a_worker_beats(watch)
    for _ in range(3):
        watch.clock.advance(minutes=1)
        a_worker_beats(watch)
        tick(watch)
    told = [("monitors", "finished", len(MONITORS), broken, 0) for broken in (1, 0)]
    assert runs(watch) == told


def test_of_two_that_come_at_once_one_asks(watch: Watch) -> None:
    a_worker_beats(watch)
    assert [tick(watch), tick(watch)] == [len(MONITORS), 0]


def test_a_monitor_that_cannot_be_asked_is_never_silent_and_said_to_be_over_once_it_answers(watch: Watch) -> None:
    garbled = Invariant("GARBLED", "Is it there?", "select from nowhere", "critical", "It is gone.", "P19", monitor=True)

    def round_of(*checks: Invariant) -> SentinelRun | None:
        watch.clock.advance(minutes=1)
        a_worker_beats(watch)
        return replace(watch.sentinel, checks=checks).round().run

    first = round_of(garbled, *CHECKS)
    assert first is not None
    assert (first.state, first.failed, first.verdict) == ("cut_short", 1, "unknown")
    round_of(garbled, *CHECKS)
    assert {one.subject for one in watch.alerts("CHECK_NOT_RUN")} == {"GARBLED"}
    round_of(*CHECKS)
    round_of(*CHECKS)
    assert {one.state for one in watch.alerts("CHECK_NOT_RUN")} == {"resolved"}
    assert round_of(*CHECKS) is None


def test_a_round_is_no_recent_run_and_moves_no_watermark(watch: Watch) -> None:
    full = watch.run()
    watch.clock.advance(minutes=5)
    with watch.database.transaction() as conn:
        conn.execute(BEAT, [watch.clock.now - timedelta(minutes=3)] * 2)
    kept = watch.sentinel.round().run
    assert kept is not None
    assert (kept.kind, kept.since, kept.watermark) == ("monitors", None, None)
    watch.clock.advance(minutes=5)
    recent = watch.run("recent")
    assert full.watermark is not None
    assert recent.since == full.watermark - timedelta(minutes=10)


def test_rounds_that_nobody_asks_any_more_are_a_missed_schedule(watch: Watch) -> None:
    a_worker_beats(watch)
    tick(watch)
    watch.clock.advance(minutes=1, seconds=30)
    watch.run()
    assert watch.alerts("JOB_NOT_RUN") == []
    watch.clock.advance(minutes=1)
    watch.run("recent")
    assert [one.subject for one in watch.alerts("JOB_NOT_RUN")] == ["monitors"]


def how_it_stands(watch: Watch) -> tuple[str, bool]:
    """The level of the heartbeat, and whether it speaks of the monitors."""
    with watch.database.transaction(read_only=True) as conn:
        telling = how_things_stand(conn, watch.clock.now)
    return telling.level, "The monitors were not asked" in telling.line


def test_the_dead_mans_switch_is_called_only_while_the_monitors_are_asked_to_their_end(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trips(*_: Any, **__: Any) -> None:
        raise KeyError("EUR")

    a_worker_beats(watch)
    with received() as receiver:
        means = replace(context(watch), heartbeat_url=f"http://127.0.0.1:{receiver.port}/beat")
        watch.run()
        with pytest.raises(NobodyAsks):
            call_out(means, None)
        assert how_it_stands(watch) == ("warning", True)
        tick(watch)
        assert call_out(means, None).handled == 1
        assert how_it_stands(watch) == ("info", False)
        monkeypatch.setattr(Sentinel, "round", trips)
        for _ in range(3):
            watch.clock.advance(minutes=2)
            with pytest.raises(KeyError):
                tick(watch)
        with pytest.raises(NobodyAsks):
            call_out(means, None)
    watch.run("recent")
    assert [one.subject for one in watch.alerts("JOB_NOT_RUN")] == ["monitors"], "rounds that are begun and not ended"


@pytest.mark.parametrize("silent_s", [30, 90], ids=["a worker is at work", "nobody is"])
def test_the_server_tells_that_the_workers_are_gone_and_does_nothing_of_theirs_while_one_lives(watch: Watch, silent_s: int) -> None:
    with received() as receiver:
        one = wiring(watch, channels=parse_channels(f"ops=json://127.0.0.1:{receiver.port}/ops"))
        a_worker_beats(watch)
        watch.clock.advance(seconds=silent_s)
        known = loops(one, "server:lookout", poll_s=1)
        for _ in range(2):
            look_out(one, known)
        heard = [str(told.get("title", "")) for told in receiver.heard]
    gone = silent_s > 60
    assert any("WORKER_DOWN" in title for title in heard) is gone, heard
    assert [one.code for one in watch.alerts()] == (["WORKER_DOWN"] if gone else [])
    assert watch.rows("select count(*) from monitor_round where asked_by = 'server:lookout'") == [(1,)]


def test_the_lookout_lives_on_when_one_of_its_jobs_fails(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def trips(*_: Any, **__: Any) -> None:
        raise KeyError("EUR")

    monkeypatch.setattr(Sentinel, "round", trips)
    with received() as receiver:
        one = wiring(watch, channels=parse_channels(f"ops=json://127.0.0.1:{receiver.port}/ops"))
        a_worker_beats(watch)
        watch.run()
        watch.clock.advance(seconds=90)
        watch.run("recent")
        known = loops(one, "server:lookout", poll_s=1)
        for _ in range(2):
            look_out(one, known)
        assert any("WORKER_DOWN" in str(told.get("title", "")) for told in receiver.heard)
