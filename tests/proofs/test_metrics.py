"""What is measured of the log and of proofs."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from counterfoil.base.edge import now
from counterfoil.integrity.metrics.reading import exposition
from counterfoil.ledger.journals.journal import post
from counterfoil.proofs.metrics import METRICS
from tests.builders import PROGRAM
from tests.proofs.builders import House, a_border


def measured(house: House) -> dict[str, float]:
    with house.desk.database.transaction() as conn:
        told = exposition(conn, METRICS, namespace="cf", now=now()).decode()
    return {one.name: one.value for family in text_string_to_metric_families(told) for one in family.samples}


def test_how_long_an_export_took_when_a_checkpoint_was_signed_and_what_the_log_lacks_are_measured(house: House) -> None:
    before = measured(house)
    assert "cf_exports_duration_ms" not in before, "of no proof nothing is said, and not nought"
    made = house.exported(house.start, a_border())
    after = measured(house)
    assert after["cf_exports_duration_ms"] == made.duration_ms > 0
    with house.desk.database.transaction() as conn:
        row = conn.execute("select extract(epoch from max(at))::float from log_checkpoint").fetchone()
    assert row is not None
    assert after["cf_checkpoint_last_success_timestamp_seconds"] == row[0]
    more: dict[str, Any] = {"kind": "t", "asset": "EUR", "actor": "t", "now": now()}
    with house.desk.database.transaction() as conn:
        post(conn, PROGRAM, key="lacking", lines=[("bad_debt", "platform:own_funds", 1)], **more)
    assert measured(house)["cf_unsequenced_oldest_age_seconds"] > 0
