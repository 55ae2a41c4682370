"""A proof has a page of its own: what it holds, who has signed, and a form that asks anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2

from counterfoil.base.edge import now
from counterfoil.proofs.packages.exporting import export_proof
from tests.dashboard import days


def test_a_proof_is_shown_with_its_files_and_its_verdict(desk: Any, tmp_path: Path):
    days.an_empty_day(desk)
    day = now().replace(hour=0, minute=0, second=0, microsecond=0)
    exporter = replace(desk.wiring, proof_folder=tmp_path / "proofs", clock=now).exporter()
    proof, _ = export_proof(exporter, day, now(), by="test")
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='controller')}"}
        page = httpx2.get(f"{url}/admin/proofs/{proof.id}", headers=headers)
    assert page.status_code == 200, page.text
    shown = page.text.replace("<wbr>", "")  # long words may break
    for said in (proof.id, "incomplete", "waiting", "manifest.json"):
        assert said in shown
    assert 'id="files"' in shown
    assert "You look with a key, without a session" in shown, "what is done on a page takes a login"
