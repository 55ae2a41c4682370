"""A recovery drill proves that a second can be recovered; a drill that is killed is said not to have ended, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.backups.making import Backups
from counterfoil.backups.recovery.archive import WalFolder
from counterfoil.backups.recovery.bases import make_base, reaches_in
from counterfoil.backups.recovery.job import JOBS, needs_base, proven_base, prune_bases
from counterfoil.backups.recovery.receiving import WalArchive
from counterfoil.backups.store import MANIFEST
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.drills import recover, running
from counterfoil.drills.drills import RECOVERY, RESTORE, SILENT_AFTER, DrillWaits, ask_for_drill, checks_of, list_drills, show_drill
from counterfoil.drills.running import DrillMeans, clear, run_drill, run_waiting
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.log.notes import open_note
from counterfoil.wiring import INVARIANTS
from tests.backups.conftest import apart, backups, books, posted, proven_period
from tests.backups.recovery.conftest import archive, moved, own_books, own_server, proofs, switched

__all__ = ("apart", "archive", "backups", "books", "own_books", "own_server", "proofs")


def means_of(own: Backups, folder: Path, invariants: Any = INVARIANTS) -> DrillMeans:
    return DrillMeans(own, invariants, folder / "scratch")


def test_a_recovery_is_proven_to_its_second_with_time_and_loss(archive: WalArchive, own_books: Database, tmp_path: Path) -> None:
    proven_period(archive.backups, now() - timedelta(hours=1), now())
    made = make_base(archive, actor="t")
    posted(own_books, f"{tmp_path.name}-x")
    archive.fetch()
    done = run_drill(means_of(archive.backups, tmp_path), RECOVERY, actor="t")
    assert done.error is None
    with own_books.transaction() as conn:
        looked = {one.what: (one.outcome, one.told) for one in checks_of(conn, done.id)}
        open_note(str(done.evidence), note_keys(conn))
        assert proven_base(conn) == made.id
    assert (done.state, list(looked)) == ("passed", list(recover.PARTS)), looked
    assert (done.backup_id, done.root_matches, (done.restore_ms or 0) > 0, done.lost_s is not None) == (made.id, True, True, True)
    assert "first commit that was left out" in looked["moment"][1]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_second_that_is_not_there_or_no_base_fails_the_drill_with_the_reason(archive: WalArchive, tmp_path: Path) -> None:
    none = run_drill(means_of(archive.backups, tmp_path), RECOVERY, actor="t")
    assert (none.state, "no base" in str(none.error)) == ("failed", True)
    make_base(archive, actor="t")
    late = run_drill(means_of(archive.backups, tmp_path), RECOVERY, actor="t", at=now() + timedelta(hours=1))
    assert (late.state, "the log in the store ends before it" in str(late.error)) == ("failed", True)


def test_a_base_that_cannot_be_read_fails_the_drill_though_an_older_one_serves(archive: WalArchive, tmp_path: Path) -> None:
    made = [make_base(archive, actor="t") for _ in range(2)]
    manifest = archive.backups.store.folder / made[1].id / MANIFEST
    manifest.chmod(0o600)
    manifest.write_text(manifest.read_text().replace('"segment_bytes"', '"?"'))
    done = run_drill(means_of(archive.backups, tmp_path, INVARIANTS[:1]), RECOVERY, actor="t")
    assert (done.state, done.backup_id, f"a base in it cannot be read: {made[1].id}" in str(done.error)) == ("failed", made[0].id, True)


def test_a_log_that_nobody_fetches_fails_the_drill_by_its_age(archive: WalArchive, tmp_path: Path) -> None:
    make_base(archive, actor="t")
    later = moved(archive, clock=lambda: now() + timedelta(hours=1))
    done = run_drill(means_of(later.backups, tmp_path, INVARIANTS[:1]), RECOVERY, actor="t")
    assert (done.state, "older than 15 minutes" in str(done.error)) == ("failed", True)


def test_bases_and_log_go_when_no_second_of_the_window_needs_them(
    archive: WalArchive, own_books: Database, own_server: PrivatePostgres, tmp_path: Path
) -> None:
    proven_period(archive.backups, now() - timedelta(hours=1), now())
    first = make_base(archive, actor="t")
    switched(own_server)
    archive.fetch()
    second = make_base(archive, actor="t")
    assert not needs_base(archive)
    weeks = moved(archive, clock=lambda: now() + timedelta(days=20))
    assert prune_bases(weeks, actor="t") == [], "none goes before one was proven"
    assert run_drill(means_of(archive.backups, tmp_path), RECOVERY, actor="t").error is None
    system = reaches_in(archive.backups.store)[0].base.system
    before = len(WalFolder(archive.backups.folder, system).kept())
    assert prune_bases(archive, actor="t") == [], "both are within the window"
    for dry_run in (True, False):  # the books know bases of other stores, too
        going = {one.id for one in prune_bases(weeks, actor="t", dry_run=dry_run)}
        assert (first.id in going, second.id in going) == (True, False)
    kept = WalFolder(archive.backups.folder, system).kept()
    [reach] = reaches_in(archive.backups.store)
    assert (reach.base.id, reach.missing, len(kept) < before, reach.start < reach.until) == (second.id, None, True, True)
    assert min(one.segment.number for one in kept) == reach.base.first, "what lies before it went, and nothing of it"


def test_a_log_without_a_base_asks_for_one(archive: WalArchive, own_server: PrivatePostgres) -> None:
    assert needs_base(moved(archive, clock=lambda: now() + timedelta(hours=2))), "there is none"
    make_base(archive, actor="t")
    switched(own_server)
    archive.fetch()
    [reach] = reaches_in(archive.backups.store)
    kept = WalFolder(archive.backups.folder, reach.base.system)
    [first] = [one for one in kept.kept() if one.segment.number == reach.base.first]
    (kept.folder / f"{first.name}.note").unlink()
    later = moved(archive, clock=lambda: now() + timedelta(hours=2))
    assert needs_base(later), "its first segment is gone: what comes could not be recovered"
    assert not needs_base(archive), "one that was begun just now is not begun again"
    assert {one.name for one in JOBS} == {"base-backup", "fetch-wal"}


def test_one_of_a_kind_at_a_time(archive: WalArchive, own_books: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def another(self: Any) -> None:
        with pytest.raises(DrillWaits), own_books.transaction() as conn:
            ask_for_drill(conn, make_id("drl"), RESTORE, backup_id=None, actor="t", now=now())
        with own_books.transaction() as conn:
            ask_for_drill(conn, make_id("drl"), RECOVERY, backup_id=None, actor="t", now=now())
        seen.append("beside")

    monkeypatch.setattr(running.RestoreDrill, "steps", another)
    run_drill(means_of(archive.backups, tmp_path), RESTORE, actor="t")
    assert seen == ["beside"]
    waited = run_waiting(means_of(archive.backups, tmp_path))
    assert waited is not None
    assert (waited.name, waited.state) == (RECOVERY, "failed"), "it was asked for, and there is no base"
    assert run_waiting(means_of(archive.backups, tmp_path)) is None


KILLED = """
import sys, time
from pathlib import Path
from counterfoil.backups.keys import BackupKeys
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.base.edge import Database, make_id, now
from counterfoil.drills import scratch
from counterfoil.drills.drills import RESTORE
from counterfoil.drills.running import DrillMeans, run_drill
url, folder, key = sys.argv[1:]
def stands(self, server):
    print(server.pid, flush=True)
    time.sleep(600)
scratch.ScratchDrill.proven = stands
keys = BackupKeys([key])
store, proofs = Path(folder) / "store", Path(folder) / "proofs"
own = Backups(Database(url).open(), url, store, lambda: keys, make_id, now, KeepPolicy(1, 1, 1), proof_folder=proofs)
run_drill(DrillMeans(own, [], Path(folder) / "scratch"), RESTORE, actor="killed")
"""


def test_a_drill_that_is_killed_is_said_not_to_have_ended_and_leaves_no_server_and_no_folder(
    archive: WalArchive, own_books: Database, own_server: PrivatePostgres, tmp_path: Path
) -> None:
    from tests.backups.conftest import KEY

    archive.backups.make(actor="t")
    words = [sys.executable, "-c", KILLED, own_server.url, str(tmp_path), KEY]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running_drill:
        assert running_drill.stdout is not None
        server = int(running_drill.stdout.readline())
        os.kill(running_drill.pid, signal.SIGKILL)
    with own_books.transaction() as conn:
        [drill] = list_drills(conn, rows_max=5, after=None, state="running")
    assert drill.progress == "proofs"
    assert list((tmp_path / "scratch").iterdir()) != []
    end = time.monotonic() + 30
    while Path(f"/proc/{server}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{server}").exists(), "its server ended with it"
    assert clear(means_of(archive.backups, tmp_path)) == 0, "it may live: nothing is said before a minute is over"
    assert list((tmp_path / "scratch").iterdir()) != []
    later = moved(archive, clock=lambda: now() + SILENT_AFTER + timedelta(seconds=1))
    assert clear(means_of(later.backups, tmp_path)) == 1
    with own_books.transaction() as conn:
        drill = show_drill(conn, drill.id)
    assert (drill.state, str(drill.error).startswith("its process ended before it did, at: ")) == ("failed", True)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_drill_that_is_told_to_stop_has_failed_and_says_so(
    archive: WalArchive, own_books: Database, tmp_path: Path, monkeypatch: Any
) -> None:
    def stopped(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running.RestoreDrill, "steps", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_drill(means_of(archive.backups, tmp_path), RESTORE, actor="t")
    with own_books.transaction() as conn:
        [drill] = list_drills(conn, rows_max=1, after=None, state=None)
    assert (drill.state, "it was broken off: KeyboardInterrupt" in str(drill.error)) == ("failed", True)
    assert drill.evidence, "signed all the same"
