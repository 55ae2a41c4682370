"""Notices: a test of the channels, and silences."""

from __future__ import annotations

from typing import Annotated

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Clean, Instant, Reason
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult
from counterfoil.base.problems import InvalidInput
from counterfoil.integrity.silences import silence_alerts
from counterfoil.operations.access.access import OPERATE
from counterfoil.wiring import CHECKS

router = routes("Notices")
silences = routes("Silences")
CODES = frozenset(one.code for one in CHECKS)


class TestRequest(RequestModel):
    """Which channel to try."""

    channel: Annotated[str | None, Field(max_length=40, description="By its name; absent: all of them.", examples=["slack"])] = None


class ChannelTried(ViewModel):
    """What a channel did with the test notice."""

    channel: str
    taken: bool
    error: str | None


class ChannelsTried(WriteResult):
    """Every channel that was tried. A channel that is not taken told nobody."""

    data: list[ChannelTried]


class SilenceRequest(RequestModel):
    """No notices of what, until when, and why."""

    code: Annotated[str, Field(max_length=80, description="Of this check; empty: of every one.", examples=["QUEUE_DEPTH"])] = ""
    program_id: Annotated[Clean, Field(max_length=64, description="In this program; empty: in every one.")] = ""
    until: Annotated[Instant, Field(description="At most 90 days from now.")]
    reason: Reason


class SilenceBegun(WriteResult):
    """The silence."""

    id: str
    state: str


@router.post("/admin/notices/test", response_model=ChannelsTried, operation_id="notice_test", summary="Send a test notice")
def test(body: TestRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """To one channel, or to all of them, now; it is answered what each of them did."""
    channels = call.services.wiring.channels
    if body.channel is not None and body.channel not in channels.names:
        raise InvalidInput("channel", f"one of {', '.join(channels.names)}" if channels.names else "none: no channel is set")
    if not channels.names:
        raise InvalidInput("channel", "a channel that is set: see the setting notice_channels")

    def act() -> Done:
        told = []
        for name in [body.channel] if body.channel else channels.names:
            title, text = "counterfoil: a test", f"{call.actor} asked whether this channel works. It does."
            delivery = None if call.dry_run else channels.send(name, level="info", title=title, body=text)
            told.append(ChannelTried(channel=name, taken=bool(delivery and delivery.taken), error=delivery.error if delivery else None))
        return Done("notices", ChannelsTried(data=told))

    return call.write_outside("notice.test", act, asked=body)


@silences.post("/silences", response_model=SilenceBegun, operation_id="silence_create", summary="Silence notices for a time")
def silence(body: SilenceRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Alerts are opened, counted and escalated as ever; nobody is told of them on a channel until then."""
    if body.code and body.code not in CODES:
        raise InvalidInput("code", "the code of a check, as `counterfoil sentinel checks` lists them", got=body.code)

    def act(conn: Connection[object]) -> Done:
        made = silence_alerts(
            conn,
            call.make_id("sil"),
            code=body.code,
            program_id=body.program_id,
            until=body.until,
            reason=body.reason,
            actor=call.actor,
            now=call.now,
        )
        return Done(made.id, SilenceBegun(id=made.id, state=made.state))

    return call.write("silence.create", act, asked=body, reason=body.reason)
