"""What a query of a runbook is given: the run's time, program and subject, and the ids that its alerts name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.runbooks.model import RunbookRun

ALERTS_MAX: Final = 200
NAMED_MAX: Final = 1_000
_ID: Final = re.compile(r"[a-z]+_[0-9A-HJKMNP-TV-Z]{26}(?![0-9A-Za-z])")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def given_of(conn: Connection[Any], run: RunbookRun, query: str, *, now: datetime) -> dict[str, Any]:
    """The parameters of `query`. `things`: the subject and every id in the rows that the alert keeps; of a run that answers no alert and is
    about no one thing, of all that stand and have this playbook; `journals`: the ids of journals among them."""
    given: dict[str, Any] = {
        "now": now,
        "from": run.starts_at,
        "to": run.ends_at,
        "program": run.program_id,
        "subject": run.subject,
        "started": run.started_at,
        "alert": run.alert_id or "",
        "code": code_of(conn, run),
    }
    if "%(things)s" in query or "%(journals)s" in query:
        said = list(dict.fromkeys(_said(conn, run)))
        ids = [found for one in said for found in _ID.findall(one)]
        journals = [found for one in said for found in _UUID.findall(one)]
        given["things"] = list(dict.fromkeys((*said, *ids, *journals)))[:NAMED_MAX]
        given["journals"] = list(dict.fromkeys(journals))[:NAMED_MAX]
    return given


def code_of(conn: Connection[Any], run: RunbookRun) -> str:
    """The code of the alert that a run answers; empty where it answers none."""
    row = conn.execute("select code from alert where id = %s", [run.alert_id]).fetchone()
    return str(row[0]) if row else ""


def _said(conn: Connection[Any], run: RunbookRun) -> Iterator[str]:
    """The subject, and what stands in the rows of its alerts."""
    if run.subject:
        yield run.subject
        if run.alert_id is None:
            return
    which = "id = %s" if run.alert_id else "evidence ->> 'playbook' = %s and state <> 'resolved'"
    rows = conn.execute(
        f"select subject, evidence -> 'rows' from alert where {which} order by id limit {ALERTS_MAX}".encode(),
        [run.alert_id or run.runbook],
    ).fetchall()
    for subject, found in rows:
        yield str(subject)
        yield from (str(cell) for row in found or () for cell in row if cell)
