"""Backups by schedule, pruned behind them; too old a backup is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.backups.backups import list_backups
from counterfoil.backups.job import ACTOR, JOBS, proven_backup, prune
from counterfoil.backups.keys import BackupKeys, BackupKeysUnset
from counterfoil.backups.making import Backups
from counterfoil.backups.monitors import MONITORS, SCHEDULE
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.base.edge import make_id, now
from counterfoil.operations.work.jobs import JobContext
from counterfoil.operations.work.runner import Runner
from tests.builders import Clock, a_context
from tests.conftest import NOW

[JOB] = JOBS


def context_of(own: Backups, cron: str) -> JobContext:
    runner = Runner(own.database, lambda _: own.clock(), "w", lease=timedelta(minutes=1), rows_max=10, call_limit=timedelta(seconds=1))
    return a_context(runner, own.clock, crons={SCHEDULE: cron} if cron else {}, database=own.database, backups=own)


def newest(own: Backups) -> Any:
    with own.database.transaction() as conn:
        return list_backups(conn, rows_max=1, after=None, state=None)[0]


def proven(own: Backups, backup_id: str) -> None:
    """A restore drill passed on it, once."""
    with own.database.transaction() as conn:
        conn.execute(
            """insert into drill (id, name, actor, asked_at, backup_id, started_at, state, state_at)
               values (%(id)s, 'restore', 't', %(now)s, %(backup)s, %(now)s, 'running', %(now)s)""",
            {"id": (drill := make_id("drl")), "now": now(), "backup": backup_id},
        )
        conn.execute("insert into drill_check values (%s, 1, 'x', 'passed', 'x', %s)", [drill, now()])
        conn.execute(
            """update drill set state = 'passed', finished_at = %s, evidence = 'x', restore_ms = 1, lost_s = 1, lost_entries = 0,
                      root_matches = true where id = %s""",
            [now(), drill],
        )


def test_each_moment_of_the_schedule_is_one_backup(apart: Callable[..., Backups]) -> None:
    clock = Clock(NOW)
    own = apart(clock=clock)
    context = context_of(own, "30 1 * * *")
    assert JOB.tick(context, None).handled == 0, "a schedule that is new was not missed"
    clock.advance(days=1)
    assert [JOB.tick(context, None).handled for _ in range(2)] == [1, 0]
    assert (newest(own).actor, newest(own).state, newest(own).slot_at) == (ACTOR, "kept", datetime(2026, 11, 21, 1, 30, tzinfo=NOW.tzinfo))
    clock.advance(days=1)
    assert JOB.tick(context_of(own, ""), None).handled == 0, "nobody wants it any more"


def test_on_demand_it_is_made_at_once_and_the_policy_is_kept(apart: Callable[..., Backups]) -> None:
    own = apart(policy=KeepPolicy(1, 0, 0))
    for _ in range(3):
        JOB.run(context_of(own, ""))
    ids = own.store.ids()
    assert len(ids) == 3, "none goes before one was proven"
    proven(own, ids[0])
    assert [one.id for one in prune(own, actor="t", dry_run=True)][-2:] == [ids[2], ids[1]]
    assert own.store.ids() == ids
    assert {one.id for one in prune(own, actor="t")} >= {ids[1], ids[2]}
    assert own.store.ids() == ids[:1]
    with own.database.transaction() as conn:
        assert proven_backup(conn) == ids[0]


def test_files_whose_row_says_that_they_went_are_taken_away_later(apart: Callable[..., Backups]) -> None:
    """A process that was killed between both leaves files, never a row without them."""
    own = apart(policy=KeepPolicy(1, 0, 0))
    first, second = own.make(actor="t"), own.make(actor="t")
    proven(own, second.id)

    @dataclass(frozen=True)
    class Killed(Backups):
        @property
        def store(self) -> Any:
            raise KeyboardInterrupt

    try:
        prune(Killed(**vars(own)), actor="t")
    except KeyboardInterrupt:
        assert sorted(own.store.ids()) == [first.id, second.id]
    prune(own, actor="t")
    assert own.store.ids() == [second.id]


def test_files_that_no_row_knows_stay(apart: Callable[..., Backups], tmp_path: Path) -> None:
    """After a restore the younger backups are known to nobody: these above all."""
    own = apart(policy=KeepPolicy(1, 0, 0))
    one = own.make(actor="t")
    proven(own, one.id)
    stranger = own.folder / make_id("bkp")
    stranger.mkdir()
    prune(own, actor="t")
    assert stranger.name in own.store.ids()


def test_a_backup_that_is_too_old_is_found(apart: Callable[..., Backups]) -> None:
    own = apart()
    [check] = [one for one in MONITORS if one.code == "BACKUP_OVERDUE"]

    def found(at: datetime) -> Any:
        with own.database.transaction() as conn:
            assert callable(check.offenders)
            return check.offenders(conn, at)

    made = own.make(actor="t")
    assert made.snapshot_at is not None
    assert found(made.snapshot_at + timedelta(hours=47)) == []
    [late] = found(made.snapshot_at + timedelta(hours=49))
    assert (late.snapshot_at, late.due_at) == (made.snapshot_at, made.snapshot_at + timedelta(days=2))
    bad = apart(keys=lambda: BackupKeys([]))
    with pytest.raises(BackupKeysUnset):
        bad.make(actor="t")
    assert found(made.snapshot_at + timedelta(hours=49)) == [late], "one that failed is none"


def test_a_dump_does_not_stand_for_the_base_that_another_schedule_wants(apart: Callable[..., Backups]) -> None:
    own = apart()
    [check] = [one for one in MONITORS if one.code == "BACKUP_OVERDUE"]
    made = own.make(actor="t")
    assert made.snapshot_at is not None
    with own.database.transaction() as conn:
        for name in ("backup", "base-backup"):
            conn.execute(
                """insert into reconciliation_schedule values (%s, '0 * * * *', %s)
                   on conflict (name) do update set cron = excluded.cron, since = excluded.since""",
                [name, made.snapshot_at],
            )
    with own.database.transaction() as conn:
        assert callable(check.offenders)
        assert check.offenders(conn, made.snapshot_at + timedelta(hours=1)) == []
        late = check.offenders(conn, made.snapshot_at + timedelta(hours=3))
        assert [(one.what, one.snapshot_at) for one in late] == [("newest dump", made.snapshot_at), ("newest base", None)]
        conn.execute("update reconciliation_schedule set cron = '0 0 1 1 *' where name = 'backup'")
        assert [one.what for one in check.offenders(conn, made.snapshot_at + timedelta(hours=3))] == ["newest base"]
