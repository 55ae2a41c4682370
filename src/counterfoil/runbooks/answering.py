"""What the machine answers of a step: it asks the checks, shows what a query finds, and looks into the action log for what was done.

All of it reads: a query that would write is refused by the database. What could not be asked is `not_checked`, never passed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import Connection

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.invariant import Invariant
from counterfoil.integrity.asking import ask
from counterfoil.operations.providers import Provider, keeping_balances
from counterfoil.reconciliation.period_report.report import report_of_period
from counterfoil.reconciliation.runs.pairings import pairings
from counterfoil.runbooks.format import StepSpec
from counterfoil.runbooks.model import RunbookRun

ROWS_MAX: Final = 200
CELL_MAX: Final = 500
TOLD_MAX: Final = 2_000
RECONCILED: Final = ("reconciled", "reconciled with accepted items")
INCOMPLETE: Final = "incomplete"
QUERY_LIMIT: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class Asker:
    """What steps are answered with: the checks by their codes, where a thing is kept by the prefix of its id, and the providers."""

    checks: Mapping[str, Invariant]
    tables: Mapping[str, str]
    providers: Mapping[str, Provider]


class Found(NamedTuple):
    """An answer: its outcome, what was found in a sentence, and the evidence."""

    outcome: str
    told: str
    evidence: dict[str, Any]


def answer_step(conn: Connection[Any], asker: Asker, run: RunbookRun, spec: StepSpec, *, since: datetime, now: datetime) -> Found:
    """Ask one step of a run. `since`: when the step before it was answered, or the run began. Writes nothing."""
    if spec.type == "wait":
        return _waited(spec, since, now)
    if spec.type == "action":
        return _acted(conn, run, spec, now)
    try:
        with _reading(conn):
            if spec.applies and not _rows_of(conn, spec.applies, run, now)[1]:
                return Found("does_not_apply", "There is nothing that it is about.", {"applies": spec.applies, "askedAt": _at(now)})
            if spec.checks:
                return _checked(conn, asker, spec.checks, now)
            return _reported(conn, asker, run, spec, now) if spec.report else _queried(conn, run, spec, now)
    except psycopg.Error as error:
        said = (str(error).strip() or type(error).__name__).split("\n")[0][:CELL_MAX]
        return Found("not_checked", f"It could not be asked: {said}", {"error": said, "query": spec.sql, "askedAt": _at(now)})


@contextmanager
def _reading(conn: Connection[Any]) -> Iterator[None]:
    """Read only and within a time limit, whatever a query says; what it set is taken back with the savepoint."""
    with conn.transaction(force_rollback=True):
        conn.execute("select set_config('statement_timeout', %s, true)", [str(int(QUERY_LIMIT.total_seconds() * 1000))])
        conn.execute("set transaction read only")
        yield


def _checked(conn: Connection[Any], asker: Asker, codes: Sequence[str], now: datetime) -> Found:
    asked = []
    for code in codes:
        check = asker.checks.get(code)
        if check is None:
            asked.append({"code": code, "outcome": "failed", "found": 0, "error": "there is no such check in this version"})
            continue
        answer = ask(conn, check, now=now, tables=asker.tables)
        rows = [list(row) for one in answer.findings for row in one.rows][:20]
        told = {"code": code, "question": check.question, "outcome": answer.outcome, "found": answer.total, "tookMs": answer.took_ms}
        asked.append({**told, "columns": list(answer.columns), "rows": rows, "error": answer.error})
    broken = [one for one in asked if one["outcome"] == "broken"]
    failed = [one for one in asked if one["outcome"] == "failed"]
    evidence = {"found": sum(int(str(one["found"])) for one in asked), "checks": asked, "askedAt": _at(now)}
    if broken:
        return Found("failed", _short("; ".join(f"{one['code']} finds {one['found']}" for one in broken)), evidence)
    if failed:
        said = "; ".join(f"{one['code']}: {one['error']}" for one in failed)
        return Found("not_checked", _short(f"Not everything could be asked. {said}"), evidence)
    return Found("passed", f"{', '.join(codes)}: nothing found.", evidence)


def _queried(conn: Connection[Any], run: RunbookRun, spec: StepSpec, now: datetime) -> Found:
    columns, rows, total = _rows_of(conn, spec.sql, run, now)
    evidence = {"found": total, "query": spec.sql, "columns": columns, "rows": rows, "askedAt": _at(now)}
    first = " ".join(one for one in rows[0] if one) if rows else ""
    told = f"{total} found{f', the first is {first}' if first else ''}." if total else "Nothing found."
    if spec.type == "query":
        return Found("passed", _short(told), evidence)
    return Found("failed" if total else "passed", _short(told), evidence)


def _rows_of(conn: Connection[Any], query: str, run: RunbookRun, now: datetime) -> tuple[list[str], list[list[str]], int]:
    """Columns, the first rows as text, and how many there are."""
    given = {
        "now": now,
        "from": run.starts_at,
        "to": run.ends_at,
        "program": run.program_id,
        "subject": run.subject,
        "started": run.started_at,
    }
    counted = f"with found as ({query}) select (select count(*) from found), found.* from found limit {ROWS_MAX}"
    cur = conn.execute(counted.encode(), given)
    rows = cur.fetchall()
    columns = [one.name for one in cur.description or ()][1:]
    return columns, [["" if cell is None else str(cell)[:CELL_MAX] for cell in row[1:]] for row in rows], int(rows[0][0]) if rows else 0


def _reported(conn: Connection[Any], asker: Asker, run: RunbookRun, spec: StepSpec, now: datetime) -> Found:
    """The reconciliation report of the run's days, for each program, kept whole with the run. A check wants each of them reconciled."""
    if run.starts_at is None or run.ends_at is None:
        return Found("not_checked", "The run is about no days, so there is nothing to report of.", {"askedAt": _at(now)})
    known = list(pairings(keeping_balances(asker.providers)).values())
    first, last = run.starts_at.astimezone(UTC).date(), _day_before(run.ends_at)
    programs = [row[0] for row in conn.execute("select id from program order by id")]
    reports = {}
    for program in programs:
        report = report_of_period(conn, known, program, first=first, last=last, today=now.astimezone(UTC).date())
        digest = hashlib.sha256(canonical_json(report).encode()).hexdigest()
        reports[program] = {"verdict": report["verdict"], "sha256": digest, "report": report}
    said = ", ".join(f"{program}: {one['verdict']}" for program, one in reports.items()) or "there is no program"
    evidence: dict[str, Any] = {"reports": reports, "askedAt": _at(now)}
    if spec.type == "query":
        return Found("passed", _short(f"Kept, of {first} to {last}. {said}"), evidence)
    verdicts = [one["verdict"] for one in reports.values()]
    evidence["found"] = sum(verdict not in RECONCILED for verdict in verdicts)
    unknown = not verdicts or INCOMPLETE in verdicts
    outcome = "passed" if verdicts and not evidence["found"] else "not_checked" if unknown else "failed"
    return Found(outcome, _short(f"Of {first} to {last}. {said}"), evidence)


def _day_before(end: datetime) -> date:
    return (end.astimezone(UTC) - timedelta(microseconds=1)).date()


def _waited(spec: StepSpec, since: datetime, now: datetime) -> Found:
    until = since + timedelta(minutes=spec.minutes)
    evidence = {"since": _at(since), "until": _at(until), "askedAt": _at(now)}
    if now < until:
        return Found("failed", f"It is to be waited until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC.", evidence)
    return Found("passed", f"{spec.minutes} minutes went by.", evidence)


def _acted(conn: Connection[Any], run: RunbookRun, spec: StepSpec, now: datetime) -> Found:
    """Was it done since the run began? What takes two people was done when both have agreed."""
    of = spec.of.replace("{subject}", run.subject)
    evidence: dict[str, Any] = {"action": spec.action, "of": of, "askedAt": _at(now)}
    if "{subject}" in spec.of and not run.subject:
        return Found("failed", f"The run is about no one thing: of what {spec.action} was to be done is not known.", evidence)
    row = conn.execute(
        """select id, actor, subject_id, reason, at from action
           where verb = %(verb)s and at >= %(since)s
             and (%(of)s = '' or subject_id = %(of)s
                  or exists (select from approval_proposal p where p.id = action.subject_id and p.subject_id = %(of)s))
           order by at desc, id desc limit 1""",
        {"verb": spec.action, "of": of, "since": run.started_at},
    ).fetchone()
    if row is None:
        return Found("failed", f"Nobody has done it since the run began ({spec.action}{f' of {of}' if of else ''}).", evidence)
    action_id, actor, subject, reason, at = row
    evidence |= {"id": action_id, "actor": actor, "subject": subject, "reason": reason, "at": _at(at)}
    if (waits := _only_proposed(conn, spec, subject, run.started_at)) is not None:
        return Found("failed", f"{actor} proposed it, and it was not done by two ({waits}).", {**evidence, "proposal": waits})
    return Found("passed", f"{actor} did it at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC ({subject}).", evidence)


def _only_proposed(conn: Connection[Any], spec: StepSpec, subject: str, since: datetime) -> str | None:
    """The proposal that an action was, when it was never used: the log names either the proposal, or the thing that it is of."""
    machine, _, verb = spec.action.partition(".")
    row = conn.execute(
        """select p.id, u.proposal_id is not null as used
           from approval_proposal p left join approval_use u on u.proposal_id = p.id
           where p.id = %(subject)s or ((p.machine, p.verb, p.subject_id) = (%(machine)s, %(verb)s, %(subject)s) and p.made_at >= %(since)s)
           order by used desc, p.made_at desc, p.id desc limit 1""",
        {"subject": subject, "machine": machine, "verb": verb, "since": since},
    ).fetchone()
    return None if row is None or row[1] else str(row[0])


def _short(said: str) -> str:
    return said if len(said) <= TOLD_MAX else f"{said[: TOLD_MAX - 1]}…"


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
