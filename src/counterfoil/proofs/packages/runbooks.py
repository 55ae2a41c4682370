"""Runs of playbooks and checklists in a package: which ended in the period as its entries say it, and which had not when it was over.

That a run is signed, or closed unpassed, is an act, so it is an entry. Who verifies holds each run against them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row

from counterfoil.proofs.log.records import moment
from counterfoil.proofs.packages.layout import RUN_BEGINS, RUN_ENDS

BY_PEOPLE: Final = ("note", "approval")  # what the machine found may name destinations and bank lines, which are in no package


def runbook_runs_of(conn: Connection[Any], open_size: int, close_size: int, end: datetime) -> Iterator[dict[str, Any]]:
    """Runs that ended in the period, or had not ended when it was over: with each step as it was answered by then."""
    with conn.cursor(row_factory=dict_row) as cur:
        rows = cur.execute(
            """with act as (select a.subject_id, a.verb, a.actor, a.at, e.index
                            from action a join log_entry e on e.relation = 'action' and e.row_id = a.id
                            where a.verb = any(%(verbs)s) and e.index < %(close)s)
               select r.id, r.program_id, r.runbook, r.kind, r.title, encode(r.sha256, 'hex') as sha256, r.starts_at, r.ends_at, r.subject,
                      r.alert_id, r.started_by, r.started_at, ended.verb, ended.actor as ended_by, ended.at as ended_at,
                      s.number, s.step ->> 'type' as type, s.step ->> 'title' as step, n.outcome, n.told, n.actor, n.at, n.attempt
               from runbook_run r
               left join act ended on ended.subject_id = r.id and ended.verb <> %(begins)s
               cross join lateral jsonb_array_elements(r.steps_written) with ordinality s (step, number)
               left join lateral (select * from runbook_answer a where a.run_id = r.id and a.number = s.number and a.at < %(end)s
                                  order by a.attempt desc limit 1) n on true
               where (r.started_at < %(end)s or r.id in (select subject_id from act where verb = %(begins)s))
                     and (ended.index is null or ended.index >= %(open)s)
               order by r.started_at, r.id, s.number""",
            {"verbs": [RUN_BEGINS, *RUN_ENDS], "begins": RUN_BEGINS, "open": open_size, "close": close_size, "end": end},
        ).fetchall()
    for _, steps in groupby(rows, key=lambda row: row["id"]):
        yield _told(list(steps))


def _told(rows: list[dict[str, Any]]) -> dict[str, Any]:
    one = rows[0]
    return {
        "kind": one["kind"],
        "id": one["id"],
        "program": one["program_id"],
        "runbook": one["runbook"],
        "title": one["title"],
        "sha256": one["sha256"],
        "starts_at": _at(one["starts_at"]),
        "ends_at": _at(one["ends_at"]),
        "subject": one["subject"],
        "alert": one["alert_id"],
        "started_by": one["started_by"],
        "started_at": _at(one["started_at"]),
        "state": RUN_ENDS.get(one["verb"], "running"),
        "ended_by": one["ended_by"],
        "ended_at": _at(one["ended_at"]),
        "steps": [_step(row) for row in rows],
    }


def _step(row: dict[str, Any]) -> dict[str, Any]:
    outcome = row["outcome"] or "open"
    by_people = row["type"] in BY_PEOPLE or outcome == "skipped"
    return {
        "number": row["number"],
        "type": row["type"],
        "title": row["step"],
        "outcome": outcome,
        "told": row["told"] if by_people else None,
        "actor": row["actor"],
        "at": _at(row["at"]),
        "attempts": row["attempt"] or 0,
    }


def runs_counted(runs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What a manifest says of them: how many are signed and closed unpassed, and which were not finished."""
    found: dict[str, list[str]] = {"signed": [], "closed": [], "running": []}
    for one in runs:
        found[one["state"]].append(one["id"])
    return {"signed": len(found["signed"]), "closed": len(found["closed"]), "unfinished": found["running"]}


def _at(at: datetime | None) -> str | None:
    return None if at is None else moment(at)
