"""Runbooks: which there are, a new run of one, and a run as a document. What is done with a run is derived from its noun."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.bodies import attachment
from counterfoil.api.http.calls import ApiCall, Done, WholeInstallation, may
from counterfoil.api.http.fields import Clean, Day, ProgramId, id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer
from counterfoil.base.formats.runbook import StepSpec
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.runbooks.answering import Asker
from counterfoil.runbooks.catalogue import Catalogue, ListedRunbook, catalogue
from counterfoil.runbooks.document import document_of
from counterfoil.runbooks.model import RunbookRun, newest_runs, steps_of
from counterfoil.runbooks.runs import About, begin
from counterfoil.wiring import CHECKS, TABLES

router = routes("Runbooks")
CHECKS_BY_CODE = {one.code: one for one in CHECKS}
Name = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9-]{0,39}$", examples=["morning"])]


class LastRun(ViewModel):
    """The newest run of a runbook."""

    id: str
    state: str
    passed: int
    steps_total: int
    started_at: datetime
    started_by: str


class RunbookView(ViewModel):
    """A runbook: what it is for, and what its newest run came to."""

    name: str
    title: str
    kind: str = Field(description="checklist: its steps stand beside each other; playbook: they follow each other.")
    about: str
    covers: str | None = Field(description="day, week or month: what a run is about, the last whole one if it is not said.")
    own: bool = Field(description="Is it a file of the user's own?")
    steps: int
    last_run: LastRun | None = None


class RefusedFile(ViewModel):
    """A file of the user's that is wrong, so that it is not there to be run."""

    file: str
    line: int | None
    detail: str


class RunbooksView(ViewModel):
    """Runbooks, and the files that are not well written."""

    data: list[RunbookView]
    refused: list[RefusedFile]


class WrittenStep(ViewModel):
    """A step as it is written in the file."""

    number: int
    type: str = Field(description="check, query, action, wait, approval or note.")
    title: str
    help: str
    optional: bool
    checks: list[str]
    sql: str
    report: str
    action: str
    command: str
    minutes: int


class RunbookInFull(RunbookView):
    """A runbook with its steps."""

    sha256: str
    written: list[WrittenStep]


class RunbookRunRequest(RequestModel):
    """What the run is about; nothing of it is needed for a checklist."""

    program_id: ProgramId | None = None
    alert_id: Annotated[
        str | None, Field(pattern="^alt_[0-9A-HJKMNP-TV-Z]{26}$", description="The alert it answers; its subject is the run's.")
    ] = None
    subject: Annotated[Clean | None, Field(max_length=200, description="The one thing that it is about.")] = None
    day: Annotated[Day | None, Field(description="A day of the day, week or month to look at; absent: the last whole one.")] = None


class AnsweredStep(ViewModel):
    """A step with its newest answer."""

    number: int
    type: str
    title: str
    outcome: str = Field(description="passed, failed, not_checked, does_not_apply, done, skipped, or open: not answered yet.")
    told: str


class RunbookRunMade(WriteResult):
    """A run that began, with all answered that the machine answers by itself."""

    id: str
    runbook: str
    state: str
    passed: int
    steps_total: int
    starts_at: datetime | None
    ends_at: datetime | None
    steps: list[AnsweredStep]


@router.get("/checklists", response_model=RunbooksView, operation_id="checklist_list", summary="List the checklists")
def checklists(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Each with its newest run."""
    return _listed(call, lambda one: one.runbook.kind == "checklist")


@router.get("/runbooks", response_model=RunbooksView, operation_id="runbook_list", summary="List the runbooks")
def runbooks(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Checklists and playbooks, those that come with counterfoil and the user's own; files that are wrong are named with the line."""
    return _listed(call, lambda _: True)


@router.get("/runbooks/{name}", response_model=RunbookInFull, operation_id="runbook_show", summary="Show a runbook")
def runbook(name: Name, call: Annotated[ApiCall, may(READ)]) -> Response:
    """With its steps as they are written."""
    known = _known(call)
    one = known.named(name)
    with call.reading() as conn:
        last = newest_runs(conn).get(name)
    steps = [_written(number, step) for number, step in enumerate(one.steps, start=1)]
    return answer(RunbookInFull(**_facts(known.runbooks[name], last), sha256=one.sha256, written=steps))


@router.post("/checklists/{name}/runs", response_model=RunbookRunMade, operation_id="checklist_run_create", summary="Run a checklist")
def run_checklist(name: Name, body: RunbookRunRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """The machine answers what it can, at once, each with its evidence; a person signs it when all of it passed."""
    return _begun(call, name, body, "checklist")


@router.post("/runbooks/{name}/runs", response_model=RunbookRunMade, operation_id="runbook_run_create", summary="Run a runbook")
def run_runbook(name: Name, body: RunbookRunRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """A checklist or a playbook; of a playbook the machine answers up to the first step that waits for a person."""
    return _begun(call, name, body, None)


@router.get(
    "/runbook-runs/{run_id}/document",
    operation_id="runbook_run_export",
    summary="Export a run of a runbook",
    responses={200: {"description": "The document.", "content": {"text/markdown": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def document(run_id: Annotated[str, id_in_path("rbr")], call: Annotated[ApiCall, may(READ)]) -> Response:
    """As Markdown, to print or to keep: each step with its answer, who gave it and when, and its evidence."""
    with call.reading() as conn:
        text = document_of(conn, run_id, now=call.now)
    return attachment(text, "text/markdown; charset=utf-8", f"{run_id}.md")


def _written(number: int, step: StepSpec) -> WrittenStep:
    facts = {name: getattr(step, name) for name in WrittenStep.model_fields if name not in ("number", "checks")}
    return WrittenStep(number=number, checks=list(step.checks), **facts)


def _known(call: ApiCall) -> Catalogue:
    return catalogue(CHECKS_BY_CODE, call.services.wiring.runbook_folder)


def _listed(call: ApiCall, wanted: Callable[[ListedRunbook], bool]) -> Response:
    known = _known(call)
    with call.reading() as conn:
        last = newest_runs(conn)
    rows = [RunbookView(**_facts(one, last.get(name))) for name, one in known.runbooks.items() if wanted(one)]
    refused = [
        RefusedFile(file=str(one.facts.get("file", "")), line=_line(one.facts.get("line")), detail=one.sentence()) for one in known.refused
    ]
    return answer(RunbooksView(data=rows, refused=refused))


def _line(told: object) -> int | None:
    return told if isinstance(told, int) else None


def _facts(one: ListedRunbook, last: RunbookRun | None) -> dict[str, Any]:
    book = one.runbook
    shown = None if last is None else LastRun(**{name: getattr(last, name) for name in LastRun.model_fields})
    named = {name: getattr(book, name) for name in ("name", "title", "kind", "about", "covers")}
    return {**named, "own": one.own, "steps": len(book.steps), "last_run": shown}


def _begun(call: ApiCall, name: str, body: RunbookRunRequest, kind: str | None) -> Response:
    if call.caller.program_id is not None:  # seen from one program, checks of all would be falsely red or green
        raise WholeInstallation(program=call.caller.program_id)
    book = _known(call).named(name, kind=kind)
    about = About(body.program_id or "", body.subject or "", body.alert_id, body.day)

    def act(conn: Connection[Any]) -> Done:
        asker = Asker(CHECKS_BY_CODE, TABLES, call.services.wiring.providers)
        run = begin(conn, asker, book, about, by=call.actor, make_id=call.make_id, now=call.now)
        steps = [AnsweredStep(**{each: getattr(one, each) for each in AnsweredStep.model_fields}) for one in steps_of(conn, run.id)]
        told = {each: getattr(run, each) for each in RunbookRunMade.model_fields if each in run._fields}
        return Done(run.id, RunbookRunMade(**told, steps=steps))

    return call.write("runbook_run.create", act, asked={"runbook": name, **body.model_dump(mode="json")})
