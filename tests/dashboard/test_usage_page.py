"""The page of usage that comes in: how far each file is, which fell silent, and the same as a file."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import httpx2

from counterfoil.base.edge import make_id
from counterfoil.settlement.usage.files import PartOfUsageFile, note_part
from counterfoil.settlement.usage.usage import UsageImport
from tests.builders import PROGRAM
from tests.dashboard import days


def test_files_under_way_silent_and_done_are_told_apart(desk: Any) -> None:
    days.an_empty_day(desk)
    at = desk.clock.now
    with desk.database.transaction() as conn:
        for number, (name, done, age_s) in enumerate((("under-way.csv", 500, 5), ("silent.csv", 300, 121), ("done.csv", 1_200, 3_600))):
            part = PartOfUsageFile(bytes([number]) * 32, 1_200, 1, done)
            made = UsageImport("imp_1", done, done, False, 2, [])
            said: dict[str, Any] = {"file_name": name, "make_id": make_id, "actor": "t", "now": at - timedelta(seconds=age_s)}
            note_part(conn, PROGRAM, part, made, **said)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='viewer')}"}
        with httpx2.Client(base_url=url, headers=headers) as client:
            page = client.get("/admin/usage-imports").text.replace("<wbr>", "")
            silent = client.get("/admin/usage-imports?standing=silent").text.replace("<wbr>", "")
            told = client.get("/admin/usage-imports.csv?sort=fileName").text
            wrong = client.get("/admin/usage-imports?standing=lost")
    for said_there in ("under-way.csv", "500 of 1,200", "under way", "300 of 1,200", "silent", "1,200 of 1,200", "done"):
        assert said_there in page, said_there
    assert ("silent.csv" in silent, "under-way.csv" in silent, "done.csv" in silent) == (True, False, False)
    assert [row[2:6] for row in csv.reader(io.StringIO(told))][1:] == [
        ["done.csv", "done", "1200", "1200"],
        ["silent.csv", "silent", "300", "1200"],
        ["under-way.csv", "under_way", "500", "1200"],
    ]
    assert wrong.status_code == 422
