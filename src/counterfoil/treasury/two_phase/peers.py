"""Other counterfoil servers that take part: how they are asked, and how their questions and answers are signed.

Every message says the whole of what is asked, under the transaction's id and its own word, so it may be lost, doubled or late: whoever
gets it again answers as before, and refuses the same id with another content. Question and answer are signed with the peers' secret.
Messages travel alone or in a batch, which is nothing but an envelope: each keeps its own key, and has an answer of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol, get_args
from urllib.parse import urlsplit

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import InvalidInput, NotAuthenticated, Problem, TooLarge
from counterfoil.base.secret import SigningSecret
from counterfoil.base.text import cleaned
from counterfoil.operations.providers.connection import NoAnswer, NotConnected, NotSent, OneRequest
from counterfoil.operations.webhooks.inbound import verify_standard
from counterfoil.operations.work.runner import ERROR_TEXT_MAX

Message = Literal["prepare", "commit", "cancel"]
MESSAGES: Final = get_args(Message)
PEER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
LIMIT_S: Final = 5.0
BATCH_MAX: Final = 100  # messages; their answers, with a reason each, are less than what is read of an answer
BATCH_BYTES_MAX: Final = 200_000


class AskedPart(NamedTuple):
    """One agent of the server that is asked: what it pays (debit) or gets (credit), in minor units of an asset that has `scale` decimals
    where it is asked from. The other server may count the same asset in other units, and then it says no."""

    agent: str
    side: str
    asset: str
    amount: int
    scale: int


class PeerQuestion(NamedTuple):
    """What a coordinator asks of a peer: its part of a transaction, under the coordinator's id of it."""

    transaction: str
    reference: str
    parts: Sequence[AskedPart]

    def told(self) -> dict[str, Any]:
        """As it is written in JSON."""
        parts = [{**part._asdict(), "amount": str(part.amount)} for part in self.parts]
        return {"transaction": self.transaction, "reference": self.reference, "participants": parts}

    def body(self) -> bytes:
        """As it is sent and hashed."""
        return canonical_json(self.told()).encode()


class PeerMessage(NamedTuple):
    """One message: its word, and what it is about."""

    message: Message
    asked: PeerQuestion

    def key(self, sender: str) -> str:
        """What makes it the same message whenever it comes, alone or in whatever batch."""
        return f"{sender}.{self.asked.transaction}.{self.message}"


class PeerReply(NamedTuple):
    """What a peer answered: yes, no, applied or released. `why`: of a no."""

    answer: str
    why: str | None = None


class Peer(Protocol):
    """Another server, as the coordinator sees it."""

    def ask(self, message: Message, asked: PeerQuestion, *, now: datetime) -> PeerReply:
        """Send it and read the answer. Raises NotUnderstood when none came that can be believed: it is asked again."""

    def ask_many(self, messages: Sequence[PeerMessage], *, now: datetime) -> list[PeerReply | str]:
        """Send them in one batch, up to BATCH_MAX, and read the answers in the same order; of what was not done, why. Raises NotUnderstood
        when nothing came that can be believed: what became of each is not known, and each is asked again."""


class NotUnderstood(Exception):
    """No answer came that can be believed: whether it was done is not known, and it is asked again."""


class HttpPeer:
    """A peer over HTTP; safe to use from several threads. `ours`: how this server is called by it."""

    def __init__(self, url: str, secret: SigningSecret, *, ours: str, limit_s: float = LIMIT_S) -> None:
        """`limit_s`: how long an answer is waited for."""
        self.url, self.secret, self._ours, self._limit_s = url, secret, ours, limit_s

    def ask(self, message: Message, asked: PeerQuestion, *, now: datetime) -> PeerReply:
        """See Peer."""
        told = self._post(message, PeerMessage(message, asked).key(self._ours), asked.body(), now=now)
        try:
            return _reply_of(told)
        except (KeyError, TypeError) as error:
            raise _not_believed(error) from error

    def ask_many(self, messages: Sequence[PeerMessage], *, now: datetime) -> list[PeerReply | str]:
        """See Peer."""
        body = batch_body(messages, self._ours)
        told = self._post("batch", batch_id(self._ours, body), body, now=now)
        try:
            answers = told["answers"]
            if [one["key"] for one in answers] != [one.key(self._ours) for one in messages]:
                raise NotUnderstood("an answer to another question")
            return [cleaned(str(one["error"])) if one.get("error") is not None else _reply_of(one) for one in answers]
        except (KeyError, TypeError, AttributeError) as error:
            raise _not_believed(error) from error

    def _post(self, path: str, message_id: str, body: bytes, *, now: datetime) -> Any:
        """What the peer answered, once its signature says that it is the answer to this very question."""
        headers = {"Content-Type": "application/json", **signed(body, message_id, self.secret, now=now)}
        try:
            line = OneRequest(self.url, limit_s=self._limit_s)
        except (NotConnected, ValueError) as error:
            raise NotUnderstood(str(error)) from error
        try:
            reply = line.post(f"/peers/{self._ours}/{path}", body, headers)
        except (NotSent, NoAnswer) as error:
            raise NotUnderstood(str(error)) from error
        finally:
            line.close()
        if reply.status != 200:
            raise NotUnderstood(cleaned(f"{reply.status}: {reply.body[:200].decode(errors='replace')}"))
        try:
            if verify_standard(reply.body, reply.headers, self.secret, now=now) != f"{message_id}.answer":
                raise NotUnderstood("an answer to another question")
            return json.loads(reply.body)
        except (NotAuthenticated, InvalidInput, TooLarge, ValueError, RecursionError) as error:
            raise _not_believed(error) from error


def _reply_of(told: Any) -> PeerReply:
    answer, why = cleaned(str(told["answer"])), told.get("why")
    return PeerReply(answer, None if why is None else cleaned(str(why)))


def _not_believed(error: Exception) -> NotUnderstood:
    return NotUnderstood(f"an answer that cannot be believed: {type(error).__name__}")


def batch_body(messages: Sequence[PeerMessage], sender: str) -> bytes:
    """A batch as it is sent."""
    told = [{"key": one.key(sender), "message": one.message, "asked": one.asked.told()} for one in messages]
    return canonical_json({"messages": told}).encode()


def batch_id(sender: str, body: bytes) -> str:
    """What a batch is signed under: it names its content, so that no answer to one is taken for the answer to another."""
    return f"{sender}.batch.{hashlib.sha256(body).hexdigest()}"


def in_batches(messages: Sequence[PeerMessage]) -> list[list[int]]:
    """The places of these messages, parted into batches of a size that a peer takes."""
    found: list[list[int]] = []
    room = 0
    for place, one in enumerate(messages):
        size = len(one.asked.body()) + 200  # with its key and its word
        if not found or len(found[-1]) == BATCH_MAX or size > room:
            found.append([])
            room = BATCH_BYTES_MAX
        found[-1].append(place)
        room -= size
    return found


def answers_body(keys: Sequence[str], answers: Sequence[PeerReply | str]) -> bytes:
    """The answers to a batch as they are sent."""
    told = [
        {"key": key, "answer": None, "why": None, "error": cleaned(one)[:ERROR_TEXT_MAX]}
        if isinstance(one, str)
        else {"key": key, "answer": one.answer, "why": one.why and cleaned(one.why)[:ERROR_TEXT_MAX], "error": None}
        for key, one in zip(keys, answers, strict=True)
    ]
    return canonical_json({"answers": told}).encode()


def signed(body: bytes, message_id: str, secret: SigningSecret, *, now: datetime) -> dict[str, str]:
    """The headers under which a question or an answer is believed (Standard Webhooks, `v1`)."""
    stamp = str(int(now.timestamp()))
    mac = hmac.digest(secret.key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}


def read_asked(body: bytes) -> PeerQuestion:
    """What a peer asks. Raises InvalidInput."""
    try:
        found = _question_of(json.loads(body))
        is_canonical = found.body() == body
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput("body", "a transaction with its participants") from error
    if not is_canonical:
        raise InvalidInput("body", "canonical JSON of a transaction, its reference and its participants")
    return found


def read_batch(body: bytes, sender: str) -> list[PeerMessage]:
    """The messages of a batch. Raises InvalidInput."""
    try:
        found = [PeerMessage(one["message"], _question_of(one["asked"])) for one in json.loads(body)["messages"]]
        is_canonical = batch_body(found, sender) == body
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput("body", "messages, each with its key, its word and what it asks") from error
    if not 0 < len(found) <= BATCH_MAX:
        raise InvalidInput("messages", f"1 to {BATCH_MAX}", got=str(len(found)))
    if any(one.message not in MESSAGES for one in found):
        raise InvalidInput("message", f"one of {', '.join(MESSAGES)}")
    if not is_canonical:
        raise InvalidInput("body", "canonical JSON of messages, each under its own key: who asks, the transaction and the message")
    return found


def _question_of(told: Any) -> PeerQuestion:
    parts = [
        AskedPart(str(one["agent"]), str(one["side"]), str(one["asset"]), int(one["amount"]), int(one["scale"]))
        for one in told["participants"]
    ]
    return PeerQuestion(str(told["transaction"]), str(told["reference"]), parts)


class PeersRefused(Problem, kind="invalid"):
    """The setting of peers cannot be read."""


def parse_peers(given: str, *, ours: str, providers: Collection[str] = ()) -> Mapping[str, HttpPeer]:
    """`NAME URL SECRET`, with commas between peers; none may be called as one of the `providers`, whose clearing accounts have their names.
    Raises PeersRefused, WeakSecret."""
    found: dict[str, HttpPeer] = {}
    for one in filter(None, map(str.strip, given.split(","))):
        words = one.split()
        if len(words) != 3 or not PEER_NAME.fullmatch(words[0]) or not _is_address(words[1]) or words[0] in found:
            raise PeersRefused(field="peers", limit="NAME URL SECRET of each peer once, with commas between peers")
        if words[0] == ours:
            raise PeersRefused(field="peers", limit="another name than ours, which is server_name", got=ours)
        if words[0] in providers:
            raise PeersRefused(
                field="peers", limit="another name than that of a provider: what it owes us stands under its name", got=words[0]
            )
        found[words[0]] = HttpPeer(words[1], SigningSecret(words[2], "peers"), ours=ours)
    return found


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0  # asking for the port reads it
    except ValueError:
        return False


def asked_of(transaction_id: str, reference: str, parts: Sequence[Any], scales: Mapping[str, int]) -> PeerQuestion:
    """What is asked of a peer, of its participants' rows; `scales`: the decimals that their assets have here."""
    asked = [AskedPart(one.peer_agent, one.side, one.asset, one.amount, scales[one.asset]) for one in parts]
    return PeerQuestion(transaction_id, reference, asked)
