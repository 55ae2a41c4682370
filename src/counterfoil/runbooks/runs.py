"""Runs of runbooks: begun, answered step by step, signed. What the machine can answer it answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from shlex import quote
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.types.json import Jsonb

from counterfoil.base.formats.runbook import Runbook, Span, StepSpec, Type, filled, is_query
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import record_birth
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.runbooks.answering import Asker, Found, answer_absent, answer_step, things_of
from counterfoil.runbooks.given import code_of
from counterfoil.runbooks.model import GREEN, RUNBOOK_RUN, RunbookRun, RunbookStep, show_run, specs_of, steps_of

MACHINE: Final = "system:runbooks"
BY_ITSELF: Final = ("check", "query")  # asked as soon as their turn has come
_SAID: Final = {"note": "tick", "approval": "approve"}
BY_MACHINE: Final = (*BY_ITSELF, "action", "wait")


class RunbookStepRefused(Problem):
    """The step of a run cannot be answered like this now."""

    todo = "See what is named; `counterfoil runbook show` lists every step with what it takes."


class RunNotPassed(Problem):
    """The run cannot be signed: not every step passed."""

    todo = "See to the steps that are named and have them asked again, or close the run with a reason."


class About(NamedTuple):
    """What a run is about: a program, one thing, an alert; a day of the span that it covers, None for the last whole one."""

    program_id: str = ""
    subject: str = ""
    alert_id: str | None = None
    day: date | None = None


def begin(conn: Connection[Any], asker: Asker, runbook: Runbook, about: About, *, by: str, make_id: MakeId, now: datetime) -> RunbookRun:
    """A new run, with all answered that the machine answers by itself. Raises NotFound, InvalidInput."""
    program, subject = about.program_id, about.subject
    if about.alert_id is not None:
        row = conn.execute("select program_id, subject from alert where id = %s", [about.alert_id]).fetchone()
        if row is None:
            raise NotFound(what="alert", id=about.alert_id)
        program, subject = program or row[0], subject or row[1]
    if about.program_id and runbook.kind == "checklist" and not any("%(program)s" in one.sql + one.applies for one in runbook.steps):
        raise InvalidInput("programId", "left out: this checklist is of the whole installation, and nothing of it is of one program")
    if program and conn.execute("select from program where id = %s", [program]).fetchone() is None:
        raise NotFound(what="program", id=program)
    starts, ends = span_of(runbook.covers, about.day, now)
    run = RunbookRun(
        id=make_id("rbr"),
        program_id=program,
        runbook=runbook.name,
        kind=runbook.kind,
        title=runbook.title,
        state="running",
        starts_at=starts,
        ends_at=ends,
        subject=subject,
        alert_id=about.alert_id,
        started_by=by,
        started_at=now,
        ended_by=None,
        ended_at=None,
        passed=0,
        steps_total=len(runbook.steps),
        sha256=runbook.sha256,
    )
    conn.execute(
        """insert into runbook_run (id, program_id, runbook, kind, title, ordered, steps_written, sha256, starts_at, ends_at,
                                    subject, alert_id, started_by, started_at, state, state_at)
           values (%(id)s, %(program_id)s, %(runbook)s, %(kind)s, %(title)s, %(ordered)s, %(written)s, decode(%(sha256)s, 'hex'),
                   %(starts_at)s, %(ends_at)s, %(subject)s, %(alert_id)s, %(started_by)s, %(started_at)s, 'running', %(started_at)s)""",
        {**run._asdict(), "ordered": runbook.ordered, "written": Jsonb([asdict(one) for one in _of_this(conn, runbook, run, now)])},
    )
    record_birth(conn, RUNBOOK_RUN, [run.id], "running", actor=by, at=now)
    go_on(conn, asker, show_run(conn, run.id), now=now)
    return show_run(conn, run.id)


def _of_this(conn: Connection[Any], runbook: Runbook, run: RunbookRun, now: datetime) -> list[StepSpec]:
    """The steps with what they name of this run put in: of which things something is to be done, and how it is typed."""
    facts = {"subject": run.subject, "program": run.program_id, "alert": run.alert_id or "", "code": code_of(conn, run)}
    found = []
    for one in runbook.steps:
        things: tuple[str, ...] | None = None
        if is_query(one.of):
            things = things_of(conn, run, one.of, now=now)
        elif one.of:
            of = filled(one.of, facts)
            things = () if "{" in of else (of,)
        named = {**facts, "of": things[0] if things else ""}
        found.append(replace(one, things=things, command=filled(one.command, {key: quote(value) for key, value in named.items() if value})))
    return found


def span_of(covers: Span | None, day: date | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The span that holds `day`, in UTC; without one, the last that is over. Raises InvalidInput for a day where none is covered."""
    if covers is None:
        if day is not None:
            raise InvalidInput("day", "absent: the runbook is about no span of time")
        return None, None
    today = now.astimezone(UTC).date()
    if day is not None and day > today:
        raise InvalidInput("day", "not in the future", got=day.isoformat())
    first = _first(covers, day or _first(covers, today) - timedelta(days=1))
    return _midnight(first), _midnight(_first(covers, first + timedelta(days={"day": 1, "week": 7, "month": 31}[covers])))


def _first(covers: Span, day: date) -> date:
    if covers == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if covers == "week" else day


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def go_on(conn: Connection[Any], asker: Asker, run: RunbookRun, *, now: datetime) -> None:
    """Ask what has not been asked yet and can be; where steps wait for each other, up to the first that is not answered well."""
    ordered = is_ordered(conn, run.id)
    for step, spec in zip(steps_of(conn, run.id), specs_of(conn, run.id), strict=True):
        if step.outcome == "open" and spec.type in BY_ITSELF:
            found = ask_step(conn, asker, run, step.number, by=MACHINE, now=now)
        elif step.outcome == "open" and (absent := answer_absent(conn, run, spec, now=now)) is not None:
            keep(conn, run, step, found := absent, by=MACHINE, now=now)
        elif ordered and step.outcome not in GREEN:
            return
        else:
            continue
        if ordered and found.outcome not in GREEN:
            return


def ask_step(conn: Connection[Any], asker: Asker, run: RunbookRun, number: int, *, by: str, now: datetime) -> Found:
    """Have the machine answer a step, and keep what it says. Raises InvalidInput, RunbookStepRefused."""
    spec, step = turn_of(conn, run, number)
    if spec.type not in BY_MACHINE:
        raise RunbookStepRefused(
            run=run.id, step=number, detail=f"it is a step of type {spec.type}: a person answers it (`{_SAID[spec.type]}`)"
        )
    found = answer_step(conn, asker, run, spec, since=_since(conn, run, number), now=now)
    keep(conn, run, step, found, by=by, now=now)
    return found


def tick_step(conn: Connection[Any], run: RunbookRun, number: int, note: str, *, kind: Type, by: str, now: datetime) -> None:
    """A person answers a note, or an approval: `kind`. Raises InvalidInput, RunbookStepRefused: what the machine asks nobody can tick."""
    spec, step = turn_of(conn, run, number)
    if spec.type in BY_MACHINE:
        said = f"the machine answers a step of type {spec.type}, and says that it {words(step.outcome)}; `check` has it asked again"
        raise RunbookStepRefused(run=run.id, step=number, detail=said)
    if spec.type != kind:
        raise RunbookStepRefused(run=run.id, step=number, detail=f"it is a step of type {spec.type}: say `{_SAID[spec.type]}`")
    if kind == "approval" and by == run.started_by:
        raise RunbookStepRefused(run=run.id, step=number, detail="another person approves than the one who began the run")
    keep(conn, run, step, Found("done", note, {"note": note}), by=by, now=now)


def skip_step(conn: Connection[Any], run: RunbookRun, number: int, reason: str, *, by: str, now: datetime) -> None:
    """Leave out what may be left out. Raises InvalidInput, RunbookStepRefused."""
    spec, step = turn_of(conn, run, number)
    if not spec.optional:
        raise RunbookStepRefused(run=run.id, step=number, detail="it is not optional")
    keep(conn, run, step, Found("skipped", reason, {"reason": reason}), by=by, now=now)


def keep(conn: Connection[Any], run: RunbookRun, step: RunbookStep, found: Found, *, by: str, now: datetime) -> None:
    """Write an answer down, beside those before it."""
    conn.execute(
        """insert into runbook_answer (run_id, number, attempt, type, outcome, told, evidence, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [run.id, step.number, step.attempts + 1, step.type, found.outcome, found.told, Jsonb(found.evidence), by, now],
    )


def why_not_signed(steps: Sequence[RunbookStep]) -> str | None:
    """Which steps stand in the way of signing; None when every one is answered well."""
    left = [one for one in steps if one.outcome not in GREEN]
    if not left:
        return None
    named = "; ".join(f"{one.number}. {one.title} ({words(one.outcome)})" for one in left[:3])
    return f"{len(left)} of {len(steps)} steps did not pass: {named}"


def what_next(run_id: str, steps: Sequence[RunbookStep]) -> str:
    """The first step that is not answered well, and what is typed for it; or that the run can be signed."""
    left = next((one for one in steps if one.outcome not in GREEN), None)
    if left is None:
        return f"Every step is answered: `counterfoil runbook sign {run_id}`"
    said = _SAID.get(left.type)
    answer = f"`counterfoil runbook {said or 'check'} {run_id} {left.number}{' --note …' if said else ''}`"
    typed = f"`{left.command}`, then {answer}" if left.command else answer
    return f"Next is {left.number}. {left.title} ({words(left.outcome)}): {typed}"


def is_ordered(conn: Connection[Any], run_id: str) -> bool:
    """Do its steps wait for those before them?"""
    row = conn.execute("select ordered from runbook_run where id = %s", [run_id]).fetchone()
    return bool(row and row[0])


def turn_of(conn: Connection[Any], run: RunbookRun, number: int) -> tuple[StepSpec, RunbookStep]:
    """A step whose turn it is. Raises InvalidInput, RunbookStepRefused."""
    if run.state != "running":
        raise RunbookStepRefused(run=run.id, step=number, detail=f"the run is {run.state}")
    steps, specs = steps_of(conn, run.id), specs_of(conn, run.id)
    if not 1 <= number <= len(steps):
        raise InvalidInput("step", f"the number of a step, 1 to {len(steps)}", got=str(number))
    before = next((one for one in steps[: number - 1] if one.outcome not in GREEN), None)
    if before is not None and is_ordered(conn, run.id):
        raise RunbookStepRefused(run=run.id, step=number, detail=f"step {before.number} comes first, and it {words(before.outcome)}")
    return specs[number - 1], steps[number - 1]


def _since(conn: Connection[Any], run: RunbookRun, number: int) -> datetime:
    """When the step before was answered well for the first time; of the first, when the run began."""
    row = conn.execute(
        "select min(at) from runbook_answer where run_id = %s and number = %s and outcome = any(%s)", [run.id, number - 1, list(GREEN)]
    ).fetchone()
    return row[0] if row and row[0] else run.started_at


def words(outcome: str) -> str:
    """An answer as a sentence goes on with it."""
    return {
        "open": "is open",
        "failed": "failed",
        "not_checked": "could not be asked",
        "passed": "passed",
        "done": "is done",
        "skipped": "was skipped",
        "does_not_apply": "does not apply",
    }[outcome]
