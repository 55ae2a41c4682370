"""Copies over HTTP: listed, told with what is wrong of them, and copied anew by who may; the proof tells where it lies."""

from __future__ import annotations

from pathlib import Path

from counterfoil.base.edge import Database, now
from tests.api.office import fresh, opened
from tests.proofs.stores.builders import copied, spoilt


def test_a_copy_is_told_with_what_is_wrong_of_it_and_copied_anew(database: Database, tmp_path: Path) -> None:
    copying = copied(database, tmp_path)
    with opened(database, copying=copying) as office:
        copy_id = spoilt(database, copying)
        [listed] = office.ask("GET", "/api/copies?state=wrong").json()["data"]
        assert (listed["id"], listed["path"]) == (copy_id, "proofs/packages/prf_01-0123456789abcdef.zip")
        shown = office.ask("GET", f"/api/copies/{copy_id}").json()
        assert shown["allowed"] == ["renew"]
        assert shown["error"] == "it has 6 bytes, and had 6" or "SHA-256" in shown["error"]
        refused = office.ask("POST", f"/api/copies/{copy_id}/renew", role="operator", key=fresh(), json={"reason": "looked into"})
        assert refused.status_code == 403
        done = office.ask("POST", f"/api/copies/{copy_id}/renew", role="administrator", key=fresh(), json={"reason": "looked into"})
        assert done.json()["state"] == "waiting"
        ran = office.ask("POST", "/api/admin/ops/run/copies", role="operator", key=fresh(), json={})
        assert ran.status_code == 200
        failing = office.ask("GET", f"/api/copies/{copy_id}").json()
        assert (failing["state"], "another file lies there" in failing["lastError"]) == ("waiting", True), "a folder is not written over"
        (copying.store.folder / listed["path"]).unlink()
        with database.transaction() as conn:
            conn.execute("update store_copy set due_at = %s", [now()])
        office.ask("POST", "/api/admin/ops/run/copies", role="operator", key=fresh(), json={})
        assert office.ask("GET", f"/api/copies/{copy_id}").json()["state"] == "kept"


def test_a_proof_tells_where_its_package_lies(database: Database, tmp_path: Path) -> None:
    with opened(database) as office:
        span = {"from": f"{now():%Y-%m-%d}T00:00:00Z", "to": now().isoformat()}
        made = office.ask("POST", "/api/proofs", role="auditor", key=fresh(), json=span).json()
        assert office.ask("GET", f"/api/proofs/{made['id']}").json()["copies"] == []
        copied(database, tmp_path, proof_id=made["id"])
        [place] = office.ask("GET", f"/api/proofs/{made['id']}").json()["copies"]
    assert (place["store"], place["state"]) == (f"file://{tmp_path}/share", "kept")
