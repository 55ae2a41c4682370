"""Pausing and resuming queues: looked at in each claim and before each call, whoever runs the job."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Because, ViewModel, WriteResult, answer, shows
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.work.pauses import (
    NotPaused,
    Pause,
    QueuePart,
    drain,
    history_of_pauses,
    known_part,
    pause,
    paused_now,
    resume_or_propose,
)
from counterfoil.wiring import QUEUE_BY_NAME, QUEUES

router = routes("Queues")
QueueName = Annotated[str, Path(max_length=40, json_schema_extra={"enum": [queue.name for queue in QUEUES]})]


class PartRequest(Because):
    """The whole queue, or only what belongs to a provider or a program."""

    provider: str = Field("", max_length=40, description="Only what is of this provider; empty: of every one.")
    program_id: str = Field("", max_length=64, description="Only what is of this program; empty: of every one.")


@shows(Pause)
class PauseView(ViewModel):
    """A turn of a queue's switch."""

    provider: str = Field(description="Empty: of every provider.")
    program_id: str = Field(description="Empty: of every program.")


class PausesView(ViewModel):
    """What is paused now, the oldest first; and each turn of the switches, newest first, at most 500."""

    paused: list[PauseView]
    history: list[PauseView]


class QueueSwitched(WriteResult):
    """The switch as it stands now; with `proposalId` it waits for a second person to approve the resumption."""

    queue: str
    provider: str
    program_id: str
    paused: bool
    draining: bool = Field(False, description="What is in a worker's hands may still end; nothing new is taken up.")
    proposal_id: str | None = None
    payload_sha256: str | None = Field(None, description="What the second person approves.")


class QueuesSwitched(WriteResult):
    """Every queue's switch, in the order in which work passes through them."""

    data: list[QueueSwitched]


@router.get("/admin/queue/pauses", response_model=PausesView, operation_id="queue_list_pauses", summary="List paused queues")
def pauses(call: Annotated[ApiCall, may(READ)], queue: Annotated[str | None, Query(max_length=40, examples=["send"])] = None) -> Response:
    """Every pause that holds now, and the history of the switches; of one queue, or of all."""
    with call.reading() as conn:
        now, history = paused_now(conn), history_of_pauses(conn, queue)
    shown = [one for one in now if queue in (None, one.queue)]
    return answer(PausesView(paused=[_shown(one) for one in shown], history=[_shown(one) for one in history]))


def _shown(one: Pause) -> PauseView:
    return PauseView(**one._asdict())


@router.post("/admin/queue/pause", response_model=QueuesSwitched, operation_id="queue_pause_all", summary="Pause every queue")
def pause_all(body: Because, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """No new work is taken up anywhere, as `POST /admin/queue/{queue}/pause` does for one. One person is enough."""

    def act(conn: Connection[Any]) -> Done:
        return Done("queues", QueuesSwitched(data=[_paused(conn, QueuePart(one.name, "", ""), body, call) for one in QUEUES]))

    return call.write("queue.pause", act, asked=body, reason=body.reason)


@router.post("/admin/queue/drain", response_model=QueuesSwitched, operation_id="queue_drain_all", summary="Drain every queue")
def drain_all(body: Because, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Nothing new is taken up anywhere, what runs ends, and then every queue is paused: before a server is stopped or changed."""

    def act(conn: Connection[Any]) -> Done:
        return Done("queues", QueuesSwitched(data=[_drained(conn, QueuePart(one.name, "", ""), body, call) for one in QUEUES]))

    return call.write("queue.drain", act, asked=body, reason=body.reason)


@router.post("/admin/queue/resume", response_model=QueuesSwitched, operation_id="queue_resume_all", summary="Resume every queue")
def resume_all(body: Because, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Queues that send money stay paused until a second person approves the proposal that is made for each of them."""

    def act(conn: Connection[Any]) -> Done:
        standing = {one.queue for one in paused_now(conn) if not one.provider and not one.program_id}
        parts = [QueuePart(one.name, "", "") for one in QUEUES if one.name in standing]
        if not parts:
            raise NotPaused(queue="every one")
        return Done("queues", QueuesSwitched(data=[_resumed(conn, part, body, call) for part in parts]))

    return call.write("queue.resume", act, asked=body, reason=body.reason)


@router.post("/admin/queue/{queue}/pause", response_model=QueueSwitched, operation_id="queue_pause", summary="Pause a queue")
def pause_queue(queue: QueueName, body: PartRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Nothing of it is taken up and no call begins, also by `ops/run`; what is called already is recorded. One person is enough."""
    part = QueuePart(queue, body.provider, body.program_id)
    known_part(QUEUE_BY_NAME, part)
    return call.write("queue.pause", lambda conn: Done(queue, _paused(conn, part, body, call)), asked=body, reason=body.reason)


@router.post("/admin/queue/{queue}/drain", response_model=QueueSwitched, operation_id="queue_drain", summary="Drain a queue")
def drain_queue(queue: QueueName, body: PartRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Nothing new of it is taken up; what a worker has taken is called for and recorded, and then it is paused. `inHand` of
    `GET /admin/queue/status` says what still runs. One person is enough; it is resumed as a pause is."""
    part = QueuePart(queue, body.provider, body.program_id)
    known_part(QUEUE_BY_NAME, part)
    return call.write("queue.drain", lambda conn: Done(queue, _drained(conn, part, body, call)), asked=body, reason=body.reason)


@router.post(
    "/admin/queue/{queue}/resume",
    response_model=QueueSwitched,
    responses={202: {"model": QueueSwitched, "description": "Proposed; it waits for a second person"}},
    operation_id="queue_resume",
    summary="Resume a queue",
)
def resume_queue(queue: QueueName, body: PartRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """A queue that sends money is resumed by a second person, who approves the proposal that this makes."""
    part = QueuePart(queue, body.provider, body.program_id)
    known_part(QUEUE_BY_NAME, part)

    def act(conn: Connection[Any]) -> Done:
        told = _resumed(conn, part, body, call)
        return Done(queue, told, 202 if told.proposal_id else 200)

    return call.write("queue.resume", act, asked=body, reason=body.reason)


def _paused(conn: Connection[Any], part: QueuePart, body: Because, call: ApiCall) -> QueueSwitched:
    made = pause(conn, part, reason=body.reason, actor=call.actor, now=call.now)
    return QueueSwitched(**part._asdict(), paused=made.paused)


def _drained(conn: Connection[Any], part: QueuePart, body: Because, call: ApiCall) -> QueueSwitched:
    made = drain(conn, part, reason=body.reason, actor=call.actor, now=call.now)
    return QueueSwitched(**part._asdict(), paused=made.paused, draining=made.draining)


def _resumed(conn: Connection[Any], part: QueuePart, body: Because, call: ApiCall) -> QueueSwitched:
    found = QUEUE_BY_NAME[part.queue]
    done = resume_or_propose(conn, found, part, call.make_id("prop"), reason=body.reason, by=call.caller, now=call.now)
    if isinstance(done, Pause):
        return QueueSwitched(**part._asdict(), paused=done.paused)
    return QueueSwitched(**part._asdict(), paused=True, proposal_id=done.id, payload_sha256=done.payload_sha256)
