"""Pausing and resuming queues and running jobs on their page: previewed, given a reason, confirmed. As over HTTP, with the same entries in
the action log."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.dashboard.web.driver import PREVIEWED, FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.approvals import Proposal
from counterfoil.operations.work.pauses import Pause, QueuePart, drain, known_part, pause, resume_or_propose, takes_two
from counterfoil.operations.work.queries import queue_depths
from counterfoil.wiring import JOBS, QUEUE_BY_NAME, ticks

PAGE: Final = next(page for page in PAGES if page.path == "/admin/queues")
ACTS: Final = ("pause", "drain", "resume", "run")
FIELDS: Final = ("act", "queue", "provider", "program_id", "job", "reason")


def add_queue_forms(router: APIRouter, served: Served) -> None:
    """The address that the forms are sent to."""
    add_form(router, served, PageForm(PAGE.path, PAGE, _acted, _needs, reasoned=True, shows=FIELDS))


def _needs(call: FormCall) -> tuple[str, str]:
    return OPERATE, "operations" if call.filled.get("act") == "run" else "queues"


def _acted(call: FormCall) -> FormDone:
    act = call.filled.get("act", "")
    if call.caller.program_id is not None:
        raise WholeInstallation(program=call.caller.program_id)
    if act not in ACTS:
        raise InvalidInput("act", f"one of {', '.join(ACTS)}", got=act[:40])
    return _run(call) if act == "run" else _switched(call, act, QueuePart(**call.of("queue", "provider", "program_id")))


def _switched(call: FormCall, act: str, part: QueuePart) -> FormDone:
    queue = known_part(QUEUE_BY_NAME, part)
    reason = call.reason if call.confirmed else PREVIEWED
    payload = {"reason": reason, **call.of("provider", "program_id")}

    def work(conn: Connection[Any]) -> dict[str, str]:
        if act == "pause":
            done: Pause | Proposal = pause(conn, part, reason=reason, actor=call.caller.actor, now=call.now)
        elif act == "drain":
            done = drain(conn, part, reason=reason, actor=call.caller.actor, now=call.now)
        else:
            proposal_id = call.served.wiring.make_id("prop")
            done = resume_or_propose(conn, queue, part, proposal_id, reason=reason, by=call.caller, now=call.now)
        call.record(conn, f"queue.{act}", part.queue, payload, reason=reason)
        if not call.confirmed:
            return {"preview": "\n".join(_would(conn, call, act, part, isinstance(done, Pause)))}
        if not isinstance(done, Pause):
            return {"on": PAGE.path, "receipt": "It takes a second person: proposed.", "proposal": done.id}
        return {"on": PAGE.path, "receipt": _switch_told(done)}

    told: dict[str, str] = call.done_once(f"queue.{act}", {"queue": part.queue, **payload}, work).get()
    return call.receipt_at(PAGE.path, "#act") if call.confirmed else FormDone(told)


def _switch_told(one: Pause) -> str:
    became = "drains" if one.draining else "paused" if one.paused else "resumed"
    of = ", ".join(filter(None, (one.provider, one.program_id))) or "all of it"
    return f"{one.queue} {became}, {of}: “{one.reason}”"


def _would(conn: Connection[Any], call: FormCall, act: str, part: QueuePart, at_once: bool) -> list[str]:
    """What happens, a sentence a line."""
    queue = QUEUE_BY_NAME[part.queue]
    [depth] = queue_depths(conn, [queue], now=call.now)
    waits = f"{'over ' if depth.more else ''}{depth.due:,} due and {depth.later:,} scheduled"
    named = ", ".join(one for one in (part.provider, part.program_id) if one)
    of = f" Of these only what is of {named}." if named else ""
    if act == "pause":
        two = "two people" if takes_two(conn, queue, part) else "one person"
        return [
            f"{depth.in_hand:,} in a worker's hands go on; what is called already is recorded.",
            f"The others wait, of {waits}, until it is resumed: nothing new is taken up.{of}",
            f"To resume it takes {two}.",
        ]
    if act == "drain":
        return [
            f"{depth.in_hand:,} in a worker's hands go on until they are done, their calls with them; then it is paused.",
            f"Nothing new is taken up, of {waits}, until it is resumed.{of}",
        ]
    if not at_once:
        return ["It stays paused. A proposal is made, and another person approves it within 24 hours on the page of approvals."]
    return [f"It is resumed at once: {waits} are worked on when they are due.{of}"]


def _run(call: FormCall) -> FormDone:
    """One bounded run of a job. It has transactions of its own and cannot be rolled back, so a preview tells and does not run it."""
    wiring, name = call.served.wiring, call.filled.get("job", "")
    found = next((one for one in JOBS if one.name == name), None)
    if found is None:
        raise NotFound(what="job", id=name[:40])
    asked = {"job": found.name, "reason": call.reason}
    if not call.confirmed:
        call.look_at("job.run", asked)
        money = " It may send money." if found.queue and found.queue.money else ""
        told = f"{found.says}\nIt is done once now, as a worker would do it, and cannot be undone.{money}"
        return FormDone({"preview": told})

    def run() -> dict[str, Any]:
        tally = ticks(wiring, wiring.make_id("work"))[found.name]()
        stale = f", {tally.stale:,} late writes refused" if tally.stale else ""
        told = f"{found.name} ran once: {tally.handled:,} handled, {tally.failed:,} failed{stale}."
        return {"on": PAGE.path, "receipt": told, "partly": tally.failed > 0}

    call.done_outside("job.run", asked, run, lambda conn: call.record(conn, "job.run", found.name, asked, reason=call.reason)).get()
    return call.receipt_at(PAGE.path, "#act")
