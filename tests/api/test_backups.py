"""Backups over HTTP: read by those who may read; made and restored only on the machine where they lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from counterfoil.backups.keys import BackupKeys, BackupKeysUnset, new_backup_key
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.base.edge import make_id, now
from counterfoil.drills.drills import KIND_BY_NAME, RESTORE
from counterfoil.drills.running import DrillMeans, run_drill
from counterfoil.wiring import INVARIANTS, JOBS
from tests.api.office import Office


def test_each_backup_is_told_with_its_moment_and_why_one_failed(office: Office, tmp_path: Path) -> None:
    keys = BackupKeys([new_backup_key()])
    policy = KeepPolicy(14, 8, 24)
    made = Backups(office.database, office.database.url, tmp_path, lambda: keys, make_id, now, policy).make(actor="test")
    with pytest.raises(BackupKeysUnset):
        Backups(office.database, office.database.url, tmp_path, lambda: BackupKeys([]), make_id, now, policy).make(actor="test")
    with office.http() as client:
        failed, kept = client.get("/api/backups").json()["data"]
        shown = client.get(f"/api/backups/{made.id}").json()
        assert client.post("/api/backups", json={}).status_code == 405, "nobody makes one from afar"
    assert (kept["id"], kept["state"], kept["sha256"], kept["logSize"]) == (made.id, "kept", made.sha256, made.log_size)
    assert (failed["state"], "No key of backups is set" in failed["error"]) == ("failed", True)
    assert [one["verb"] for one in shown["steps"]] == ["create", "keep"]


def test_a_drill_is_told_with_its_checks_and_why_it_failed(office: Office, tmp_path: Path) -> None:
    """There is no backup: the drill comes to nothing, and nothing of it is green."""
    keys = BackupKeys([new_backup_key()])
    own = Backups(office.database, office.database.url, tmp_path / "store", lambda: keys, make_id, now, KeepPolicy(14, 8, 24))
    failed = run_drill(DrillMeans(own, INVARIANTS, tmp_path / "scratch"), RESTORE, actor="test")
    (listed,) = office.ask("GET", "/api/drills").json()["data"]
    shown = office.ask("GET", f"/api/drills/{failed.id}").json()
    assert (listed["id"], listed["state"], listed["error"][:7]) == (failed.id, "failed", "backup:")
    assert [one["outcome"] for one in shown["checks"]] == ["failed", *["not_checked"] * 12]
    assert '"outcome": "failed"' in shown["evidence"]


def test_a_drill_is_asked_for_by_who_may_and_a_worker_runs_it(office: Office, tmp_path: Path) -> None:
    """One of a kind at a time; each says when it is due; what is no drill, or not of this one, is refused."""

    def ask(*, dry_run: bool = False, **body: str) -> httpx2.Response:
        headers = {"Dry-Run": "true"} if dry_run else {}
        return office.ask("POST", "/api/drills", role="operator", key=make_id("try"), json=body, headers=headers)

    early = ask(name="recovery", recoverTo="2999-01-01T00:00:00Z").json()
    assert (early["field"], early["limit"].split(",")[0]) == ("recoverTo", "not later than now")
    standing = {one["name"]: one for one in office.ask("GET", "/api/drills/standing").json()["data"]}
    assert set(standing) == set(KIND_BY_NAME)
    assert (standing["recovery"]["lastState"], standing["recovery"]["overdue"]) == (None, False)
    assert ask(name="fire").json()["type"] == "/problems/InvalidInput"
    assert ask(name="workers", backupId=make_id("bkp")).status_code == 422
    asked = ask(name="recovery", recoverTo="2026-11-20T12:00:00Z")
    made = asked.json()
    assert (asked.status_code, made["state"], made["recoverTo"]) == (202, "waiting", "2026-11-20T12:00:00Z")
    waits = ask(name="recovery").json()
    assert (waits["type"], waits["drill"], waits["state"], "constraint" in waits) == ("/problems/DrillWaits", made["id"], "waiting", False)
    for dry_run in (False, True):
        gone = ask(name="restore", backupId=make_id("bkp"), dry_run=dry_run)
        assert (gone.status_code, gone.json()["what"]) == (404, "backup"), "a look at it does not pass, either"
    keys = BackupKeys([new_backup_key()])
    own = Backups(office.database, office.database.url, tmp_path / "store", lambda: keys, make_id, now, KeepPolicy(14, 8, 24))
    [job] = [one for one in JOBS if one.name == "drills"]
    wiring = replace(office.wiring, drills=DrillMeans(own, INVARIANTS, tmp_path / "scratch"))
    assert [job.run(wiring.context("w")).handled for _ in range(2)] == [1, 0]
    shown = office.ask("GET", f"/api/drills/{made['id']}").json()
    assert (shown["state"], "no base backup lies in the store" in shown["error"]) == ("failed", True)
    standing = {one["name"]: one for one in office.ask("GET", "/api/drills/standing").json()["data"]}
    assert (standing["recovery"]["lastId"], standing["recovery"]["lastState"]) == (made["id"], "failed")


def test_a_drill_that_was_begun_by_mistake_is_withdrawn_by_who_may_and_the_next_can_be_asked_for(office: Office) -> None:
    """With a reason that its signed result keeps; it is neither a last end nor one that passed."""

    def ask(path: str, role: str = "operator", **body: str) -> httpx2.Response:
        return office.ask("POST", f"/api/drills{path}", role=role, key=make_id("try"), json=body)

    made = ask("", name="database").json()["id"]
    assert ask(f"/{made}/withdraw", reason="x", role="viewer").status_code == 403
    assert ask(f"/{made}/withdraw").status_code == 422, "not without a reason"
    assert ask(f"/{made}/withdraw", reason="the wrong one").json()["state"] == "withdrawn"
    assert ask(f"/{made}/withdraw", reason="the wrong one").status_code == 409
    shown = office.ask("GET", f"/api/drills/{made}").json()
    assert (shown["state"], shown["error"], '"reason": "the wrong one"' in shown["evidence"]) == ("withdrawn", None, True)
    [standing] = [one for one in office.ask("GET", "/api/drills/standing").json()["data"] if one["name"] == "database"]
    assert (standing["lastState"], standing["passedAt"]) == (None, None)
    assert ask("", name="database").status_code == 202
