"""What other counterfoil servers ask of our agents: signed, and answered once. The signature is the key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, get_args

from fastapi import Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import Services, services_of
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.webhooks.inbound import verify_standard
from counterfoil.treasury.two_phase.answering import answer_peer
from counterfoil.treasury.two_phase.peers import Message, read_asked, signed

router = routes("Transactions", prefix="/peers")
MESSAGES: Final = get_args(Message)


class PeerAnswer(ViewModel):
    """What became of it here; signed as the question was."""

    answer: str = Field(description="yes or no to prepare, applied to commit, released to cancel.")
    why: str | None = Field(None, description="Of a no.")


@router.post("/{peer}/{message}", response_model=PeerAnswer, operation_id="peer_ask", summary="Ask for a part of a transaction")
async def ask(request: Request, peer: Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")], message: Message) -> Response:
    """Another server's coordinator has our agents promise, apply or release their part. The same question again is answered as before; the
    same transaction with another content is refused."""
    services, body = services_of(request), await request.body()
    headers = dict(request.headers.items())
    return await run_in_threadpool(_answered, services, peer, message, body, headers, services.wiring.clock())


def _answered(services: Services, name: str, message: Message, body: bytes, headers: dict[str, str], now: datetime) -> Response:
    peer = services.wiring.peers.get(name)
    if peer is None:
        raise NotFound(what="peer", id=name)
    message_id = verify_standard(body, headers, peer.secret, now=now)
    asked = read_asked(body)
    if message_id != f"{name}.{asked.transaction}.{message}":
        raise InvalidInput("webhook-id", "who asks, the transaction and the message, with points between")
    with services.database.transaction() as conn:
        told = answer_peer(conn, name, message, asked, make_id=services.wiring.make_id, now=now)
    answered = canonical_json({"answer": told.answer, "why": told.why}).encode()
    return Response(answered, media_type="application/json", headers=signed(answered, f"{message_id}.answer", peer.secret, now=now))
