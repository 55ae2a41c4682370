"""What other counterfoil servers ask of our agents: signed, and answered once. The signature is the key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.bodies import signed_headers
from counterfoil.api.http.calls import Services, services_of
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.base.secret import SigningSecret
from counterfoil.operations.webhooks.inbound import verify_standard
from counterfoil.treasury.two_phase.answering import answer_peer
from counterfoil.treasury.two_phase.answering_together import answer_batch
from counterfoil.treasury.two_phase.peers import Message, answers_body, batch_id, read_asked, read_batch, signed

router = routes("Transactions", prefix="/peers")
PeerName = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]


class PeerAnswer(ViewModel):
    """What became of it here; signed as the question was."""

    answer: str = Field(description="yes or no to prepare, applied to commit, released to cancel.")
    why: str | None = Field(None, description="Of a no.")


class PeerAnswerInBatch(ViewModel):
    """What became of one message of a batch."""

    key: str = Field(description="Of the message: who asks, the transaction and the message, with points between.")
    answer: str | None = Field(description="yes or no to prepare, applied to commit, released to cancel; null where it was not done.")
    why: str | None = Field(description="Of a no.")
    error: str | None = Field(description="Why it was not done; it is asked again, or needs a person.")


class PeerAnswers(ViewModel):
    """What became of each message of a batch, in their order; signed as the batch was."""

    answers: list[PeerAnswerInBatch]


@router.post(
    "/{peer}/batch",
    response_model=PeerAnswers,
    operation_id="peer_ask_batch",
    summary="Ask for parts of up to a hundred transactions",
)
async def ask_batch(request: Request, peer: PeerName) -> Response:
    """As asked one by one: each message has its own key and its own answer, and one that is refused or fails spoils no other. The same
    batch again, or some of its messages in another, is answered as before."""
    services, body = services_of(request), await request.body()
    headers = signed_headers(request)
    return await run_in_threadpool(_batch_answered, services, peer, body, headers, services.wiring.clock())


@router.post("/{peer}/{message}", response_model=PeerAnswer, operation_id="peer_ask", summary="Ask for a part of a transaction")
async def ask(request: Request, peer: PeerName, message: Message) -> Response:
    """Another server's coordinator has our agents promise, apply or release their part. The same question again is answered as before; the
    same transaction with another content is refused."""
    services, body = services_of(request), await request.body()
    headers = signed_headers(request)
    return await run_in_threadpool(_answered, services, peer, message, body, headers, services.wiring.clock())


def _answered(services: Services, name: str, message: Message, body: bytes, headers: dict[str, str], now: datetime) -> Response:
    secret, message_id = _believed(services, name, body, headers, now)
    asked = read_asked(body)
    if message_id != f"{name}.{asked.transaction}.{message}":
        raise InvalidInput("webhook-id", "who asks, the transaction and the message, with points between")
    with services.database.transaction() as conn:
        told = answer_peer(conn, name, message, asked, make_id=services.wiring.make_id, now=now)
    return _signed(canonical_json({"answer": told.answer, "why": told.why}).encode(), message_id, secret, now)


def _batch_answered(services: Services, name: str, body: bytes, headers: dict[str, str], now: datetime) -> Response:
    secret, message_id = _believed(services, name, body, headers, now)
    if message_id != batch_id(name, body):
        raise InvalidInput("webhook-id", "who asks, batch, and the SHA-256 of the body, with points between")
    messages = read_batch(body, name)
    told = answer_batch(services.database, name, messages, make_id=services.wiring.make_id, now=now)
    return _signed(answers_body([one.key(name) for one in messages], told), message_id, secret, now)


def _believed(services: Services, name: str, body: bytes, headers: dict[str, str], now: datetime) -> tuple[SigningSecret, str]:
    """The peer's secret, and the id that it signed this with. Raises NotFound, and what a wrong signature raises."""
    peer = services.wiring.peers.get(name)
    if peer is None:
        raise NotFound(what="peer", id=name)
    return peer.secret, verify_standard(body, headers, peer.secret, now=now)


def _signed(answered: bytes, message_id: str, secret: SigningSecret, now: datetime) -> Response:
    return Response(answered, media_type="application/json", headers=signed(answered, f"{message_id}.answer", secret, now=now))
