"""The report of a month over HTTP."""

from __future__ import annotations

import json

from counterfoil.base.edge import now
from tests.api.office import Office


def test_a_month_is_reported_as_json_and_as_files(office: Office) -> None:
    office.fund("treasury:agent:a", 100_00)
    month = f"{now():%Y-%m}"
    found = office.ask("GET", f"/api/reports/monthly?month={month}").json()
    assert (found["verdict"], found["report"]["month"]) == ("not final", month)
    path = f"/api/reports/monthly?month={month}&format="
    assert json.loads(office.ask("GET", f"{path}json").content) == found["report"]
    for form, kind in (("csv", "text/csv"), ("xlsx", "spreadsheetml"), ("pdf", "application/pdf")):
        answer = office.ask("GET", f"{path}{form}")
        assert (answer.status_code, kind in answer.headers["content-type"]) == (200, True)
        assert f'monthly_report-main-{month}.{form}"' in answer.headers["content-disposition"]


def test_a_month_that_is_none_is_named(office: Office) -> None:
    told = office.ask("GET", "/api/reports/monthly?month=2026-13").json()
    assert (told["field"], "2025-12" in told["limit"]) == ("month", True)
