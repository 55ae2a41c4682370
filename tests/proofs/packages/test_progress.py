"""How far an export is, and whether it lives: told while it goes, whoever makes it, and when its process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import now
from counterfoil.proofs import exports
from counterfoil.proofs.exports import PROOF_EXPORTS, ExportOver, ProofExport, bury_exports, exports_of, list_exports
from counterfoil.proofs.packages import exporting
from counterfoil.proofs.packages.exporting import export_proof
from counterfoil.wiring import JOBS
from tests.points import at_points
from tests.proofs.builders import House
from tests.waiting import until

JOB = next(job for job in JOBS if job.name == "proof-exports")
EXPORTER = """
import sys
from datetime import datetime
from pathlib import Path
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.failpoints import on_point
from counterfoil.proofs.packages.exporting import Exporter, export_proof

def hook(point):
    if point == "proof_export.page":
        print("here", flush=True)
        sys.stdin.read()

on_point(hook)
database = Database(sys.argv[1])
database.open()
exporter = Exporter(database, Path(sys.argv[2]), make_id, now, [], [], 2)
export_proof(exporter, *map(datetime.fromisoformat, sys.argv[3:]), by="killed")
"""


def newest(house: House) -> ProofExport:
    with house.desk.database.transaction() as conn:
        return list_exports(conn, rows_max=1, after=None, state=None)[0]


def silent(house: House, seconds: int) -> None:
    """As if nothing had been heard of the newest for so long."""
    with house.desk.database.transaction() as conn:
        newest = "(select id from proof_export order by id desc limit 1)"
        conn.execute(f"update proof_export set heard_at = heard_at - make_interval(secs => %s) where id = {newest}", [seconds])


def test_an_export_says_how_many_entries_are_done_of_how_many_while_it_goes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "BEAT_EVERY_S", 0.02)
    monkeypatch.setattr("counterfoil.proofs.log.entries.ENTRIES", 5)
    seen: list[ProofExport] = []

    def hook(point: str) -> None:
        if point == "proof_export.page" and len(seen) < 2:
            before = seen[-1].entries_done if seen else 0
            assert until(lambda: newest(house).entries_done > before, 3), newest(house).entries_done
            seen.append(newest(house))

    end = now()
    with at_points(hook):
        proof, new = export_proof(house.exporter, house.start, end, by="ann")
    assert [(one.state, one.stage, one.entries, one.silent_s) for one in seen] == [
        ("running", "Writing the entries", proof.entries, None)
    ] * 2
    assert [one.entries_done for one in seen] == [5, 10]
    again, newer = export_proof(house.exporter, house.start, end, by="otto")
    assert (new, newer, again.id) == (True, False, proof.id)
    with house.desk.database.transaction() as conn:
        came = exports_of(conn, proof.id, rows_max=9)
    assert [(one.actor, one.state, one.entries_done, one.entries, one.stage) for one in came] == [
        (by, "made", proof.entries, proof.entries, "It is made") for by in ("otto", "ann")
    ]


def test_what_went_wrong_is_kept_with_the_stage_at_which_it_did(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting.contents, "accounts_opened", broken)
    with pytest.raises(OSError, match="No space"):
        house.exported(house.start, now())
    failed = newest(house)
    assert (failed.state, failed.stage, failed.proof_id) == ("failed", "Adding up the trial balances", None)
    assert failed.error == "OSError: [Errno 28] No space left on device"


def test_an_export_whose_process_was_killed_is_told_as_silent_and_then_cut_short(house: House) -> None:
    words = [house.desk.database.url, str(house.folder), house.start.isoformat(), now().isoformat()]
    child = subprocess.Popen([sys.executable, "-c", EXPORTER, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"here\n"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    lying = house.folder / ".making" / newest(house).id
    assert (newest(house).state, newest(house).silent_s, lying.is_dir()) == ("running", None, True)
    silent(house, 30)
    assert 30 <= (newest(house).silent_s or 0) < 50, "nothing was heard of it: that is said, and nothing is decided yet"
    with house.desk.database.transaction() as conn:
        assert PROOF_EXPORTS.show(conn, lying.name).silent_s is not None
    context = _context(house)
    assert JOB.run(context).handled == 0
    silent(house, 60)
    assert JOB.run(context).handled == 1
    told = newest(house)
    assert (told.state, told.silent_s, told.proof_id, lying.exists()) == ("cut_short", None, None, False)
    assert told.error is not None
    assert told.error.startswith("its process ended before it did, at: ")
    assert house.exported(house.start, now()).entries > 0


def test_an_export_that_was_frozen_and_taken_for_dead_keeps_nothing_when_it_wakes(house: House) -> None:
    def hook(point: str) -> None:
        if point == "proof_export.page":
            silent(house, 90)
            assert bury_exports(house.desk.database, house.folder, now=now()) == 1

    kept = sorted((house.folder / "packages").glob("*"))
    with at_points(hook), pytest.raises(ExportOver):
        house.exported(house.start, now())
    assert (newest(house).state, sorted((house.folder / "packages").glob("*"))) == ("cut_short", kept)


def test_an_export_that_wakes_at_its_very_end_is_refused_before_its_package_is_put_into_the_store(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(made: Any, place: Path) -> bool:
        silent(house, 90)
        monkeypatch.setattr(exports.shutil, "rmtree", lambda *_, **__: None)  # its files are there still
        assert bury_exports(house.desk.database, house.folder, now=now()) == 1
        return False

    kept = sorted((house.folder / "packages").glob("*"))
    monkeypatch.setattr(exporting, "is_damaged", late)
    with pytest.raises(ExportOver):
        house.exported(house.start, now())
    assert sorted((house.folder / "packages").glob("*")) == kept


def _context(house: House) -> Any:
    return replace(house.desk.wiring, proof_folder=house.folder, clock=now).context("w")
