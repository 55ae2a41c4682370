"""Runs of runbooks as a noun: asked, ticked, signed. Routes, commands, forms and their page follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.formats.runbook import Type
from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import take_step
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import APPROVE, OPERATE
from counterfoil.operations.approvals import refuse_unless_logged_in
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.noun_pages import Elsewhere, First, SortKey
from counterfoil.operations.verbs import Do, Field, Noun, Part, Verb, VerbCall, VerbResult, of_all
from counterfoil.runbooks import runs
from counterfoil.runbooks.answering import TOLD_MAX, Asker, Found
from counterfoil.runbooks.doing import Nouns, say_action, told_of
from counterfoil.runbooks.model import GREEN, RUNBOOK_RUN, RunbookRun, RunbookStep, list_runs, lock_run, runs_by_id, show_run, steps_of

_STEP: Final = Field("step", "The number of the step.", example="3", bare=True)
_OF: Final = Field("of", "One of the things that the step names; all of them if left out.", required=False, example="po_01JD")
_NOTE: Final = Field("note", "What you found or decided. Kept with the run.", "prose", example="Agreed with the bank on the phone.")


def runbook_noun(checks: Sequence[Invariant], tables: Mapping[str, str], nouns: Nouns) -> Noun:
    """The noun over all checks. `tables`: where a thing is kept, by the prefix of its id; `nouns`: whose verbs a step can say."""
    known = {one.code: one for one in checks}
    return Noun(
        "runbook_run",
        "runbook-runs",
        "rbr",
        RUNBOOK_RUN,
        _verbs(known, tables, nouns),
        show_run,
        _refusals,
        row=RunbookRun,
        rows=list_runs,
        by_id=runs_by_id,
        sorts=(SortKey("started_at", datetime), SortKey("runbook", str)),
        help="Checklists and playbooks: typed steps, answered by the machine where it can, signed by people.",
        parts=(Part("answers", RunbookStep, of_all(steps_of), ("number", "type", "title", "outcome", "told", "actor", "at")),),
        columns=(
            "id",
            "runbook",
            "title",
            "state",
            "passed",
            "steps_total",
            "starts_at",
            "subject",
            "started_by",
            "started_at",
            "ended_by",
        ),
        elsewhere=(
            Elsewhere("Print it: each step with its answer, who gave it and when, and its evidence.", "counterfoil runbook print {id}"),
        ),
        first=First("It is begun of a checklist or a playbook.", "counterfoil runbook run morning"),
    )


def _number(one: VerbCall) -> int:
    given = str(one.taken["step"])
    if not given.isascii() or not given.isdigit() or len(given) > 3:
        raise InvalidInput("step", "the number of a step", got=given[:20])
    return int(given)


def _answered(one: VerbCall, run: RunbookRun, number: int) -> VerbResult:
    """What the step came to, and which is next."""
    steps = steps_of(one.conn, run.id)
    step = steps[number - 1]
    found = f": {step.told}" if step.told and step.type not in ("note", "approval") else ""
    return VerbResult(run.state, told=f"{number}. {step.title} {runs.words(step.outcome)}{found}\n{runs.what_next(run.id, steps)}")


def _check(checks: Mapping[str, Invariant], tables: Mapping[str, str]) -> Do:
    def do(one: VerbCall) -> VerbResult:
        run, asker, number = lock_run(one.conn, one.subject_id), Asker(checks, tables, one.providers), _number(one)
        runs.ask_step(one.conn, asker, run, number, by=one.actor, now=one.now)
        runs.go_on(one.conn, asker, run, now=one.now)
        return _answered(one, run, number)

    return do


def _do(checks: Mapping[str, Invariant], tables: Mapping[str, str], nouns: Nouns) -> Do:
    def do(one: VerbCall) -> VerbResult:
        run, asker, number = lock_run(one.conn, one.subject_id), Asker(checks, tables, one.providers), _number(one)
        spec, step = runs.turn_of(one.conn, run, number)
        if step.outcome in GREEN:
            raise runs.RunbookStepRefused(run=run.id, step=number, detail=f"it {runs.words(step.outcome)} already")
        said = say_action(one, run, number, spec, nouns)
        if all(each.refused is not None for each in said):
            raise runs.RunbookStepRefused(run=run.id, step=number, detail=f"nothing was done: {told_of(said)}"[:TOLD_MAX])
        if any(each.refused is not None for each in said):
            evidence = {"action": spec.action, "said": [each._asdict() for each in said]}
            runs.keep(one.conn, run, step, Found("failed", told_of(said)[:TOLD_MAX], evidence), by=one.actor, now=one.now)
        else:
            runs.ask_step(one.conn, asker, run, number, by=one.actor, now=one.now)
            runs.go_on(one.conn, asker, run, now=one.now)
        return VerbResult(run.state, told=f"{told_of(said)}.\n{runs.what_next(run.id, steps_of(one.conn, run.id))}")

    return do


def _tick(kind: Type, checks: Mapping[str, Invariant], tables: Mapping[str, str]) -> Do:
    def do(one: VerbCall) -> VerbResult:
        if kind == "approval":
            refuse_unless_logged_in(one.conn, one.by, now=one.now)
        run, number, note = lock_run(one.conn, one.subject_id), _number(one), str(one.taken["note"])
        runs.tick_step(one.conn, run, number, note, kind=kind, by=one.actor, now=one.now)
        runs.go_on(one.conn, Asker(checks, tables, one.providers), run, now=one.now)
        return _answered(one, run, number)

    return do


def _skip(checks: Mapping[str, Invariant], tables: Mapping[str, str]) -> Do:
    def do(one: VerbCall) -> VerbResult:
        run, number = lock_run(one.conn, one.subject_id), _number(one)
        runs.skip_step(one.conn, run, number, one.reason, by=one.actor, now=one.now)
        runs.go_on(one.conn, Asker(checks, tables, one.providers), run, now=one.now)
        return _answered(one, run, number)

    return do


def _sign(one: VerbCall) -> VerbResult:
    run = lock_run(one.conn, one.subject_id)
    RUNBOOK_RUN.next_state(run.state, "sign")
    if (why := runs.why_not_signed(steps_of(one.conn, run.id))) is not None:
        raise runs.RunNotPassed(run=run.id, detail=why)
    return _end(one, run, "sign")


def _close(one: VerbCall) -> VerbResult:
    return _end(one, lock_run(one.conn, one.subject_id), "close")


def _end(one: VerbCall, run: RunbookRun, verb: str) -> VerbResult:
    reason = one.reason or None
    RUNBOOK_RUN.next_state(run.state, verb, reason=reason)
    one.conn.execute("update runbook_run set ended_at = %s, ended_by = %s where id = %s", [one.now, one.actor, run.id])
    state = take_step(one.conn, RUNBOOK_RUN, run.id, run.state, verb, actor=one.actor, at=one.now, reason=reason)
    told = {"runbook": run.runbook, "startedBy": run.started_by}
    emit(one.conn, [NewEvent(f"runbook_run_{state}", run.program_id, run.id, told)], at=one.now)
    return VerbResult(state)


def _verbs(checks: Mapping[str, Invariant], tables: Mapping[str, str], nouns: Nouns) -> tuple[Verb, ...]:
    return (
        Verb(
            "do",
            OPERATE,
            "Do it",
            "The action of a step is done of what the step names, as if it were said there: its own guards decide. Try it dry first.",
            do=_do(checks, tables, nouns),
            done="{told}",
            takes=(_STEP, _OF),
        ),
        Verb(
            "check",
            OPERATE,
            "Ask again",
            "The machine asks a check or a query again, looks whether an action was done, or whether enough time went by.",
            do=_check(checks, tables),
            done="{told}",
            reason=False,
            takes=(_STEP,),
        ),
        Verb(
            "tick",
            OPERATE,
            "Tick",
            "What a person looks at is answered by a note. What the machine asks cannot be ticked.",
            do=_tick("note", checks, tables),
            done="{told}",
            reason=False,
            takes=(_STEP, _NOTE),
        ),
        Verb(
            "approve",
            APPROVE,
            "Approve",
            "A step that takes another person than the one who began the run is approved.",
            do=_tick("approval", checks, tables),
            done="{told}",
            reason=False,
            takes=(_STEP, _NOTE),
        ),
        Verb(
            "skip",
            OPERATE,
            "Skip",
            "An optional step is left out, with a reason.",
            do=_skip(checks, tables),
            done="{told}",
            takes=(_STEP,),
        ),
        Verb(
            "sign",
            OPERATE,
            "Sign off",
            "It is over, and passed. Refused while a step is open or fails.",
            do=_sign,
            reason=False,
        ),
        Verb("close", OPERATE, "Close unpassed", "It is over and did not pass; what was answered is kept.", do=_close),
    )


def _refusals(conn: Connection[Any], run_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    run = show_run(conn, run_id)
    there = None if run.state == "running" else f"it is {run.state}"
    sign = there or runs.why_not_signed(steps_of(conn, run_id))
    return {"do": there, "check": there, "tick": there, "approve": there, "skip": there, "sign": sign, "close": there}
