"""Pausing and resuming queues and running jobs on their page: previewed, given a reason, confirmed. As over HTTP, with the same entries in
the action log."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from psycopg import Connection

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.api.http.doorman import origin_in
from counterfoil.api.http.problems import request_id_of
from counterfoil.audit.actions import record_action
from counterfoil.base.problems import Busy, InvalidInput, NotAuthenticated, NotFound, Problem, ReasonRequired
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served, finish, guarded, refuse_unclean_form, shown
from counterfoil.dashboard.web.sessions import Session, refuse_other_sites, refuse_wrong_csrf
from counterfoil.dashboard.work.form_keys import once_of_form
from counterfoil.operations.access.access import OPERATE, require
from counterfoil.operations.approvals import Proposal
from counterfoil.operations.work.pauses import Pause, QueuePart, known_part, pause, resume_or_propose, takes_two
from counterfoil.operations.work.queries import queue_depths
from counterfoil.wiring import JOBS, QUEUE_BY_NAME, ticks

PAGE: Final = next(page for page in PAGES if page.path == "/admin/queues")
ACTS: Final = ("pause", "resume", "run")
PREVIEWED: Final = "a look at what would happen"  # the reason of a dry run, which is rolled back
Text = Annotated[str, Form()]


class SwitchFilled(NamedTuple):
    """The form as it was filled in: an act on a queue, or on a part of it, or on a job."""

    act: str
    queue: str
    provider: str
    program_id: str
    job: str
    reason: str
    confirm: str
    key: str

    @property
    def confirmed(self) -> bool:
        """Was it previewed, and is it meant?"""
        return self.confirm == "yes"

    @property
    def part(self) -> QueuePart:
        """What is paused or resumed."""
        return QueuePart(self.queue, self.provider, self.program_id)


def add_queue_forms(router: APIRouter, served: Served) -> None:
    """The address that the forms are sent to."""

    @router.post(PAGE.path)
    def form(
        request: Request,
        csrf: Text = "",
        act: Text = "",
        queue: Text = "",
        provider: Text = "",
        program_id: Text = "",
        job: Text = "",
        reason: Text = "",
        confirm: Text = "",
        key: Text = "",
    ) -> Response:
        filled = SwitchFilled(act, queue, provider.strip(), program_id.strip(), job, reason.strip(), confirm, key)
        return guarded(served, request, lambda: _acted(served, request, csrf, filled))


def _acted(served: Served, request: Request, csrf: str, filled: SwitchFilled) -> Response:
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, csrf)
    typed = {name: value for name, value in filled._asdict().items() if name != "confirm"}
    try:
        refuse_unclean_form(filled._asdict())
        require(session.caller, OPERATE, "operations" if filled.act == "run" else "queues")
        if session.caller.program_id is not None:
            raise WholeInstallation(program=session.caller.program_id)
        if filled.act not in ACTS:
            raise InvalidInput("act", f"one of {', '.join(ACTS)}", got=filled.act[:40])
        if filled.act == "run":
            told = _run(served, request, session, filled)
            return shown(served, PAGE, request, session, typed=typed | told)
        return _switched(served, request, session, filled, typed)
    except (NotAuthenticated, Busy):
        raise
    except Problem as problem:
        return shown(served, PAGE, request, session, refused=problem, typed=typed)


def _switched(served: Served, request: Request, session: Session, filled: SwitchFilled, typed: dict[str, str]) -> Response:
    if filled.confirmed and not filled.reason:
        raise ReasonRequired(verb=filled.act, field="reason", limit="at least one word")
    queue = known_part(QUEUE_BY_NAME, filled.part)
    caller, now = session.caller, served.wiring.clock()
    reason = filled.reason if filled.confirmed else PREVIEWED
    with served.database.transaction(commit=filled.confirmed) as conn:
        if filled.act == "pause":
            done: Pause | Proposal = pause(conn, filled.part, reason=reason, actor=caller.actor, now=now)
        else:
            proposal_id = served.wiring.make_id("prop")
            done = resume_or_propose(conn, queue, filled.part, proposal_id, reason=reason, by=caller, now=now)
        payload = {"reason": reason, "provider": filled.provider, "program_id": filled.program_id}
        _record(conn, served, request, session, f"queue.{filled.act}", filled.queue, reason, payload)
        told = [] if filled.confirmed else _would(conn, served, filled, isinstance(done, Pause))
    if not filled.confirmed:
        return shown(served, PAGE, request, session, typed=typed | {"preview": "\n".join(told)})
    receipt = done.number if isinstance(done, Pause) else done.id
    return finish(RedirectResponse(f"{PAGE.path}?done={receipt}", 303))


def _would(conn: Connection[Any], served: Served, filled: SwitchFilled, at_once: bool) -> list[str]:
    """What happens, a sentence a line."""
    queue = QUEUE_BY_NAME[filled.queue]
    [depth] = queue_depths(conn, [queue], now=served.wiring.clock())
    waits = f"{'over ' if depth.more else ''}{depth.due:,} due and {depth.later:,} scheduled"
    part = ", ".join(one for one in (filled.provider, filled.program_id) if one)
    of = f" Of these only what is of {part}." if part else ""
    if filled.act == "pause":
        two = "two people" if takes_two(conn, queue, filled.part) else "one person"
        return [
            f"{depth.in_hand:,} in a worker's hands go on; what is called already is recorded.",
            f"The others wait, of {waits}, until it is resumed: nothing new is taken up.{of}",
            f"To resume it takes {two}.",
        ]
    if not at_once:
        return ["It stays paused. A proposal is made, and another person approves it within 24 hours on the page of approvals."]
    return [f"It is resumed at once: {waits} are worked on when they are due.{of}"]


def _run(served: Served, request: Request, session: Session, filled: SwitchFilled) -> dict[str, str]:
    """One bounded run of a job. It has transactions of its own and cannot be rolled back, so a preview tells and does not run it."""
    found = next((one for one in JOBS if one.name == filled.job), None)
    if found is None:
        raise NotFound(what="job", id=filled.job[:40])
    if not filled.confirmed:
        money = " It may send money." if found.queue and found.queue.money else ""
        told = f"{found.says}\nIt is done once now, as a worker would do it, and cannot be undone.{money}"
        return {"preview": told, "key": served.wiring.make_id("key")}

    def run() -> str:
        tally = ticks(served.wiring, served.wiring.make_id("work"))[found.name]()
        stale = f", {tally.stale:,} late writes refused" if tally.stale else ""
        return f"{found.name} ran once: {tally.handled:,} handled, {tally.failed:,} failed{stale}."

    def record(conn: Connection[Any]) -> None:
        _record(conn, served, request, session, "job.run", found.name, None, {"job": found.name})

    answer = once_of_form(served, session, "job.run", filled.key, {"job": found.name}, run, record)
    before = " This form was sent before: nothing was run a second time." if answer.replayed else ""
    return {"receipt": f"{answer.get()}{before}"}


def _record(
    conn: Connection[Any],
    served: Served,
    request: Request,
    session: Session,
    verb: str,
    subject_id: str,
    reason: str | None,
    payload: dict[str, str],
) -> None:
    record_action(
        conn,
        served.wiring.make_id("act"),
        actor=session.caller.actor,
        role=session.caller.role,
        verb=verb,
        subject_id=subject_id,
        reason=reason,
        request_id=request_id_of(request),
        origin=origin_in(request, session.caller),
        at=served.wiring.clock(),
        payload=payload,
    )
