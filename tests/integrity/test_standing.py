"""How the workers stand together: healthy, degraded against what is usual here, or down; and why."""

from __future__ import annotations

from datetime import timedelta

from psycopg.types.json import Jsonb

from counterfoil.integrity.standing import BASELINE_MIN, WorkersStanding, workers_standing
from tests.integrity.conftest import Watch


def stands(watch: Watch) -> WorkersStanding:
    with watch.database.transaction(read_only=True) as conn:
        return workers_standing(conn, now=watch.clock.now)


def beats(watch: Watch, *, error: str | None = None) -> None:
    note = {"last_tick_at": watch.clock.now.isoformat(), "last_error": error}
    with watch.database.transaction() as conn:
        conn.execute(
            """insert into worker (id, host, pid, version, started_at, beat_at, jobs) values ('w', 'h', 1, 'v', %(now)s, %(now)s, %(jobs)s)
               on conflict (id) do update set beat_at = excluded.beat_at, jobs = excluded.jobs""",
            {"now": watch.clock.now, "jobs": Jsonb({"send": note})},
        )


def completed(watch: Watch, name: str, number: int, *, took_s: int, ago: timedelta) -> None:
    """Intents whose customers paid a moment before they were completed."""
    watch.past_the_rules(
        """with made as (select %s || n as name, %s - n * interval '1 millisecond' as at, %s as took from generate_series(1, %s) n),
           paid as (
               insert into payment (id, program_id, provider, charge_id, invoice_id, reference, asset, amount, applied, fee, occurred_at,
                   recorded_at) select 'pay_' || name, 'main', 'simulator', name, 'inv_' || name, name, 'EUR', 1, 1, 0, at, at from made)
           insert into intent (id, program_id, invoice_id, provider, created_at, completed_at, state, state_at)
           select 'int_' || name, 'main', 'inv_' || name, 'simulator', at, at + took, 'completed', at + took from made""",
        name,
        watch.clock.now - ago,
        timedelta(seconds=took_s),
        number,
    )


def test_without_a_worker_they_are_down_and_it_is_said_since_when(watch: Watch) -> None:
    assert stands(watch)[:2] == ("down", "no worker was heard of for 60 seconds")
    beats(watch)
    assert stands(watch)[:2] == ("healthy", "")
    watch.clock.advance(seconds=61)
    assert stands(watch).status == "down"


def test_a_job_that_fails_degrades_them_and_is_named(watch: Watch) -> None:
    beats(watch, error="it broke")
    assert stands(watch)[:2] == ("degraded", "jobs that fail: send")
    beats(watch)
    assert stands(watch).status == "healthy"


def test_twice_as_slow_as_usual_is_degraded_and_what_is_usual_must_be_known(watch: Watch) -> None:
    beats(watch)
    completed(watch, "now", 30, took_s=20, ago=timedelta(minutes=5))
    completed(watch, "before", BASELINE_MIN - 1, took_s=6, ago=timedelta(hours=3))
    assert (stands(watch).status, stands(watch).pace.usual) == ("healthy", None), "too few to know what is usual"
    completed(watch, "more", 1, took_s=6, ago=timedelta(hours=3))
    assert stands(watch)[:2] == ("degraded", "intents take 20.0 s, usual are 6.0 s")


def test_slower_than_usual_and_still_as_fast_as_promised_is_healthy(watch: Watch) -> None:
    beats(watch)
    completed(watch, "before", BASELINE_MIN, took_s=1, ago=timedelta(hours=3))
    completed(watch, "now", 30, took_s=4, ago=timedelta(minutes=5))
    assert stands(watch).status == "healthy"


def test_how_many_were_done_in_the_hour_and_how_long_nearly_all_took_is_told_beside_the_median(watch: Watch) -> None:
    completed(watch, "before", BASELINE_MIN, took_s=1, ago=timedelta(hours=3))
    completed(watch, "quick", 18, took_s=2, ago=timedelta(minutes=5))
    completed(watch, "late", 2, took_s=9, ago=timedelta(minutes=5))
    pace = stands(watch).pace
    assert (pace.completed, pace.more) == (20, False)
    assert (pace.latest, pace.usual) == (timedelta(seconds=2), timedelta(seconds=1))
    assert (pace.latest_p95, pace.usual_p95) == (timedelta(seconds=9), timedelta(seconds=1))
