"""Backups over HTTP: read by those who may read; made and restored only on the machine where they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterfoil.backups.keys import BackupKeys, BackupKeysUnset, new_backup_key
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.base.edge import make_id, now
from counterfoil.drills.running import run_restore_drill
from counterfoil.wiring import INVARIANTS
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
    assert (failed["state"], "no key to encrypt backups with" in failed["error"]) == ("failed", True)
    assert [one["verb"] for one in shown["steps"]] == ["create", "keep"]


def test_a_drill_is_told_with_its_checks_and_why_it_failed(office: Office, tmp_path: Path) -> None:
    """There is no backup: the drill comes to nothing, and nothing of it is green."""
    keys = BackupKeys([new_backup_key()])
    own = Backups(office.database, office.database.url, tmp_path / "store", lambda: keys, make_id, now, KeepPolicy(14, 8, 24))
    failed = run_restore_drill(own, INVARIANTS, tmp_path / "scratch", wanted=None, actor="test")
    (listed,) = office.ask("GET", "/api/drills").json()["data"]
    shown = office.ask("GET", f"/api/drills/{failed.id}").json()
    assert (listed["id"], listed["state"], listed["error"][:7]) == (failed.id, "failed", "backup:")
    assert [one["outcome"] for one in shown["checks"]] == ["failed", *["not_checked"] * 12]
    assert '"outcome": "failed"' in shown["evidence"]
