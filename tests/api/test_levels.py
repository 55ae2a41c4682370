"""Service levels and trends over HTTP: what was not measured is said, and is not kept."""

from __future__ import annotations

from tests.api.office import Office, fresh


def test_what_was_measured_is_told_and_what_was_not_is_not_kept(office: Office) -> None:
    assert office.ask("POST", "/api/admin/ops/run/samples", role="operator", key=fresh()).status_code == 200
    levels = {one["name"]: one for one in office.ask("GET", "/api/admin/slo").json()["data"]}
    assert {name: one["verdict"] for name, one in levels.items()} == dict.fromkeys(levels, "not_measured")
    assert sorted(levels) == ["availability", "intents", "ledger", "payouts"]
    assert {one["kept"] for one in levels.values()} == {None}
    found = office.ask("GET", "/api/admin/trends", params={"days": 3}).json()
    assert len(found["processing"]) == len(found["payouts"]) == 3
    assert {one["minutesMeasured"] for one in found["queues"]} == {1}
    assert office.ask("GET", "/api/admin/trends", params={"days": 93}).json()["field"] == "days"
