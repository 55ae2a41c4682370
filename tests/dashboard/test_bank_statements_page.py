"""The page of bank statements: each file, what of it could not be read and why, what is missing between two; and all of it as a file."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import httpx2

from counterfoil.base.edge import make_id
from counterfoil.reconciliation.bank_statements import import_bank_file
from counterfoil.statements import read
from tests.builders import PROGRAM
from tests.dashboard import days

FEBRUARY = "Date,Reference,Amount,Balance,Currency\n2026-02-27,R-1,10.00,110.00,EUR\n2026-02-28,R-2,-4.00,106.00,EUR\n"
APRIL = "Date,Reference,Amount,Balance,Currency\n2026-04-01,R-9,1.00,207.00,EUR\n2026-04-02,R-10,2.00,209.00,EUR\n"
UNREAD = "Date,Reference,Amount,Currency\n2026-04-03,R-11,3.00,EUR\n2026-04-31,R-12,4.00,EUR\n"


def test_files_what_was_not_read_and_what_is_missing_are_told(desk: Any, tmp_path: Path) -> None:
    days.an_empty_day(desk)
    ids = []
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='viewer')}"}
        with httpx2.Client(base_url=url, headers=headers) as viewer:
            assert "is compared with nothing" in viewer.get("/admin/bank-statements").text
            for name, text in (("february.csv", FEBRUARY), ("april.csv", APRIL), ("unread.csv", UNREAD)):
                (tmp_path / name).write_text(text)
                with desk.database.transaction() as conn:
                    given: dict[str, Any] = {"file_id": make_id("bf"), "file_name": name, "actor": "person:olga", "now": desk.clock.now}
                    ids.append(import_bank_file(conn, PROGRAM, "cash:bank:own", read(tmp_path / name), **given).id)
            page = viewer.get("/admin/bank-statements").text.replace("<wbr>", "")
            told = viewer.get("/admin/bank-statements.json").json()
            file = viewer.get("/admin/bank-statements.csv?sort=fileName").text
            found = viewer.get("/admin/search", params={"q": ids[-1]}).text
    assert "line 3 (Date): &#39;2026-04-31&#39; is no date" in page
    [gap] = told["gaps"]
    assert (gap["ours"], gap["kind"], gap["file"], gap["line"], gap["proven"]) == ("cash:bank:own", "missing", "april.csv", 2, True)
    assert gap["reason"] in page.replace("&#39;", "'")
    assert [(row["fileName"], row["records"], row["rejected"], row["grade"]) for row in told["rows"]] == [
        ("unread.csv", 1, 1, "attention"),
        ("april.csv", 2, 0, "right"),
        ("february.csv", 2, 0, "right"),
    ]
    rows = list(csv.reader(io.StringIO(file)))
    assert [row[3:9] for row in rows[1:]] == [
        ["april.csv", "csv", "2", "2", "0", "0"],
        ["february.csv", "csv", "2", "2", "0", "0"],
        ["unread.csv", "csv", "1", "1", "0", "1"],
    ]
    assert f"/admin/bank-statements#{ids[-1]}" in found
