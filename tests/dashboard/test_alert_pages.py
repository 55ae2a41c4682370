"""Alerts, incidents and runs of the sentinel on the pages: what was found is on the page of today, and each has a page of its own."""

from __future__ import annotations

import httpx2

from counterfoil.base.edge import make_id
from counterfoil.integrity.sentinel import Sentinel
from counterfoil.wiring import CHECKS, TABLES
from tests.builders import Desk
from tests.dashboard import days


def test_what_the_sentinel_found_is_on_the_page_of_today_and_has_a_page_of_its_own(desk: Desk) -> None:
    days.an_empty_day(desk)
    desk.rows("insert into reconciliation_schedule values ('full', '0 2 * * *', now() - interval '9 days') returning name")
    desk.rows("""insert into worker (id, host, pid, version, started_at, beat_at)
                 values ('w', 'h', 1, 'v', now(), now() - interval '1 hour') returning id""")
    Sentinel(desk.database, CHECKS, desk.clock, make_id, TABLES).run("full")
    [(run,)], [(incident,)] = desk.rows("select id from sentinel_run"), desk.rows("select id from incident")
    alerts = dict(desk.rows("select code, id from alert"))
    assert set(alerts) == {"JOB_NOT_RUN", "WORKER_DOWN"}
    with days.served(desk) as url, httpx2.Client(base_url=url, timeout=20, trust_env=False) as client:
        client.headers["Origin"] = url
        client.headers["Sec-Fetch-Site"] = "same-origin"
        assert client.post("/login", data={"key": days.a_key(desk.database, role="operator", name="o")}).status_code == 303
        today = client.get("/admin/reconciliation").text
        assert "2 critical open" in today
        for alert in alerts.values():
            assert f"/admin/alerts/{alert}" in today
            assert f"/admin/alerts/{alert}/ack" in client.get(f"/admin/alerts/{alert}").text
        assert f"/admin/incidents/{incident}/respond" in client.get(f"/admin/incidents/{incident}").text
        assert "full" in client.get(f"/admin/sentinel-runs/{run}").text
