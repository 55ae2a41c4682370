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
from counterfoil.base.formats.runbook import ALERTS_OWN, StepSpec, is_query
from counterfoil.base.invariant import Invariant
from counterfoil.base.problems import InvalidInput
from counterfoil.integrity.asking import CHECK_LIMIT, ask
from counterfoil.operations.providers import Provider, keeping_balances
from counterfoil.reconciliation.period_report.report import report_of_period
from counterfoil.reconciliation.runs.pairings import pairings
from counterfoil.runbooks.given import code_of, given_of
from counterfoil.runbooks.model import RunbookRun

ROWS_MAX: Final = 200
CELL_MAX: Final = 500
TOLD_MAX: Final = 2_000
RECONCILED: Final = ("reconciled", "reconciled with accepted items")
INCOMPLETE: Final = "incomplete"
QUERY_LIMIT: Final = timedelta(seconds=30)
LISTED_LIMIT: Final = timedelta(seconds=60)  # of one check among several; the one that an alert is about may take as long as a full run's


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
    try:
        with _reading(conn):
            done = _acted(conn, run, spec, now) if spec.type == "action" else None
            if done is not None and done.outcome == "passed":
                return done  # also where doing it left nothing that it would be about
            if (absent := _absent(conn, run, spec, now)) is not None:
                return absent
            if done is not None:
                return done
            if spec.type == "wait":
                return _waited(conn, run, spec, since, now)
            if spec.checks:
                return _checked(conn, asker, run, spec, now)
            return _reported(conn, asker, run, spec, now) if spec.report else _queried(conn, run, spec, now)
    except psycopg.Error as error:
        return _not_asked(error, spec.until or spec.sql, now)


def answer_absent(conn: Connection[Any], run: RunbookRun, spec: StepSpec, *, now: datetime) -> Found | None:
    """That a step does not apply, or that this could not be asked; None where a person is to answer it. Writes nothing."""
    try:
        with _reading(conn):
            return _absent(conn, run, spec, now)
    except psycopg.Error:
        return None  # what is not known to be absent stays to be answered


def _absent(conn: Connection[Any], run: RunbookRun, spec: StepSpec, now: datetime) -> Found | None:
    if spec.things == () and is_query(spec.of):
        return Found("does_not_apply", "There is nothing that it is about.", {"of": spec.of, "askedAt": _at(now)})
    if spec.applies and not _rows_of(conn, spec.applies, run, now)[1]:
        return Found("does_not_apply", "There is nothing that it is about.", {"applies": spec.applies, "askedAt": _at(now)})
    return None


def things_of(conn: Connection[Any], run: RunbookRun, query: str, *, now: datetime) -> tuple[str, ...]:
    """The first column of what a query finds, once each. Raises InvalidInput where it cannot be asked."""
    try:
        with _reading(conn):
            return tuple(dict.fromkeys(row[0] for row in _rows_of(conn, query, run, now)[1]))
    except psycopg.Error as error:
        raise InvalidInput("of", "a query that can be asked", detail=_reason(error)) from error


def _not_asked(error: Exception, query: str, now: datetime) -> Found:
    said = _reason(error)
    return Found("not_checked", f"It could not be asked: {said}", {"error": said, "query": query, "askedAt": _at(now)})


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0][:CELL_MAX]


@contextmanager
def _reading(conn: Connection[Any]) -> Iterator[None]:
    """Read only and within a time limit, whatever a query says; what it set is taken back with the savepoint."""
    with conn.transaction(force_rollback=True):
        conn.execute("select set_config('statement_timeout', %s, true)", [str(int(QUERY_LIMIT.total_seconds() * 1000))])
        conn.execute("set transaction read only")
        yield


def _checked(conn: Connection[Any], asker: Asker, run: RunbookRun, spec: StepSpec, now: datetime) -> Found:
    """What checks find; where they are the alert's own, of its subject alone, with how much else they find."""
    own = spec.checks == (ALERTS_OWN,)
    codes = _codes(conn, asker, run, spec.checks)
    if not codes:
        return Found("not_checked", "No check is named: the run answers no alert, and no check has this playbook.", {"askedAt": _at(now)})
    asked = [_asked(conn, asker, code, run if own and (run.subject or run.alert_id) else None, now) for code in codes]
    evidence = {"found": sum(one["found"] for one in asked), "checks": asked, "askedAt": _at(now)}
    told = "; ".join(_told(one) for one in asked if one["found"]) or f"{', '.join(codes)}: nothing found{_elsewhere(asked)}."
    failed = [one for one in asked if one["outcome"] == "failed"]
    if failed and (spec.type == "query" or not evidence["found"]):
        said = "; ".join(f"{one['code']}: {one['error']}" for one in failed)
        return Found("not_checked", _short(f"Not everything could be asked. {said}"), evidence)
    return Found("failed" if spec.type == "check" and evidence["found"] else "passed", _short(told), evidence)


def _codes(conn: Connection[Any], asker: Asker, run: RunbookRun, named: Sequence[str]) -> list[str]:
    """The codes that a step names; for the alert's own, its code, and without an alert all whose playbook this is."""
    found: list[str] = []
    for code in named:
        if code != ALERTS_OWN:
            found.append(code)
        elif run.alert_id is not None:
            found.append(code_of(conn, run))
        else:
            found += [one.code for one in asker.checks.values() if one.playbook == run.runbook]
    return found


def _asked(conn: Connection[Any], asker: Asker, code: str, about: RunbookRun | None, now: datetime) -> dict[str, Any]:
    """One check with what it finds: of everything, or of what a run is `about`. More than can be looked through is no answer."""
    check = asker.checks.get(code)
    if check is None:
        return {"code": code, "outcome": "failed", "found": 0, "error": "there is no such check in this version"}
    limit = LISTED_LIMIT if about is None else CHECK_LIMIT
    answer = ask(conn, check, now=now, tables=asker.tables, limit=limit)
    mine = [one for one in answer.findings if about is None or (one.subject == about.subject and about.program_id in ("", one.program_id))]
    found = answer.total if about is None else sum(len(one.rows) for one in mine)
    outcome, error = answer.outcome, answer.error
    if about is not None and answer.outcome == "broken" and not mine:
        outcome, error = ("holds", None) if answer.whole else ("failed", f"it finds {answer.total}, more than can be looked through")
    told: dict[str, Any] = {"code": code, "question": check.question, "outcome": outcome, "found": found, "tookMs": answer.took_ms}
    rows = [list(row) for one in mine for row in one.rows][:ROWS_MAX]
    return {**told, "elsewhere": answer.total - found, "columns": list(answer.columns), "rows": rows, "error": error}


def _told(one: Mapping[str, Any]) -> str:
    first = " ".join(cell for cell in one["rows"][0] if cell) if one["rows"] else ""
    return f"{one['code']} finds {one['found']}{f', the first is {first}' if first else ''}{_elsewhere([one])}"


def _elsewhere(asked: Sequence[Mapping[str, Any]]) -> str:
    more = sum(one.get("elsewhere", 0) for one in asked)
    return f", and {more} of something else" if more else ""


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
    given = given_of(conn, run, query, now=now)
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


def _waited(conn: Connection[Any], run: RunbookRun, spec: StepSpec, since: datetime, now: datetime) -> Found:
    if spec.until:
        columns, rows, total = _rows_of(conn, spec.until, run, now)
        evidence = {"found": total, "query": spec.until, "columns": columns, "rows": rows, "askedAt": _at(now)}
        return Found("passed", "It is there.", evidence) if total else Found("failed", "It is not there yet.", evidence)
    until = since + timedelta(minutes=spec.minutes)
    evidence = {"since": _at(since), "until": _at(until), "askedAt": _at(now)}
    if now < until:
        return Found("failed", f"It is to be waited until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC.", evidence)
    return Found("passed", f"{spec.minutes} minutes went by.", evidence)


def _acted(conn: Connection[Any], run: RunbookRun, spec: StepSpec, now: datetime) -> Found:
    """Was it done since the run began? What takes two people was done when both have agreed."""
    things = None if spec.things is None else list(spec.things)
    evidence: dict[str, Any] = {"action": spec.action, "of": things, "askedAt": _at(now)}
    if spec.of and not things:  # what stands in braces was not known
        return Found("failed", f"The run is about no one thing: of what {spec.action} was to be done is not known.", evidence)
    row = conn.execute(
        """select id, actor, subject_id, reason, at from action
           where verb = %(verb)s and at >= %(since)s
             and (%(of)s::text[] is null or subject_id = any(%(of)s)
                  or exists (select from approval_proposal p where p.id = action.subject_id and p.subject_id = any(%(of)s)))
           order by at desc, id desc limit 1""",
        {"verb": spec.action, "of": things, "since": run.started_at},
    ).fetchone()
    if row is None:
        of = f" of {' or '.join(things)}" if things else ""
        return Found("failed", _short(f"Nobody has done it since the run began ({spec.action}{of})."), evidence)
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
