"""Other counterfoil servers that take part: how they are asked, and how their questions and answers are signed.

Every message says the whole of what is asked, under the transaction's id and its own word, so it may be lost, doubled or late: whoever
gets it again answers as before, and refuses the same id with another content. Question and answer are signed with the peers' secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import InvalidInput, NotAuthenticated, Problem, TooLarge
from counterfoil.base.secret import SigningSecret
from counterfoil.base.text import cleaned
from counterfoil.operations.providers.connection import NoAnswer, NotConnected, NotSent, OneRequest
from counterfoil.operations.webhooks.inbound import verify_standard

Message = Literal["prepare", "commit", "cancel"]
PEER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
LIMIT_S: Final = 5.0


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

    def body(self) -> bytes:
        """As it is sent and hashed."""
        parts = [{**part._asdict(), "amount": str(part.amount)} for part in self.parts]
        return canonical_json({"transaction": self.transaction, "reference": self.reference, "participants": parts}).encode()


class PeerReply(NamedTuple):
    """What a peer answered: yes, no, applied or released. `why`: of a no."""

    answer: str
    why: str | None = None


class Peer(Protocol):
    """Another server, as the coordinator sees it."""

    def ask(self, message: Message, asked: PeerQuestion, *, now: datetime) -> PeerReply:
        """Send it and read the answer. Raises NotUnderstood when none came that can be believed: it is asked again."""


class NotUnderstood(Exception):
    """No answer came that can be believed: whether it was done is not known, and it is asked again."""


class HttpPeer:
    """A peer over HTTP; safe to use from several threads. `ours`: how this server is called by it."""

    def __init__(self, url: str, secret: SigningSecret, *, ours: str, limit_s: float = LIMIT_S) -> None:
        """`limit_s`: how long an answer is waited for."""
        self.url, self.secret, self._ours, self._limit_s = url, secret, ours, limit_s

    def ask(self, message: Message, asked: PeerQuestion, *, now: datetime) -> PeerReply:
        """See Peer."""
        body = asked.body()
        headers = {"Content-Type": "application/json", **signed(body, f"{self._ours}.{asked.transaction}.{message}", self.secret, now=now)}
        try:
            line = OneRequest(self.url, limit_s=self._limit_s)
        except (NotConnected, ValueError) as error:
            raise NotUnderstood(str(error)) from error
        try:
            reply = line.post(f"/peers/{self._ours}/{message}", body, headers)
        except (NotSent, NoAnswer) as error:
            raise NotUnderstood(str(error)) from error
        finally:
            line.close()
        if reply.status != 200:
            raise NotUnderstood(cleaned(f"{reply.status}: {reply.body[:200].decode(errors='replace')}"))
        try:
            if verify_standard(reply.body, reply.headers, self.secret, now=now) != f"{self._ours}.{asked.transaction}.{message}.answer":
                raise NotUnderstood("an answer to another question")
            told = json.loads(reply.body)
            answer, why = cleaned(str(told["answer"])), told.get("why")
            return PeerReply(answer, None if why is None else cleaned(str(why)))
        except (NotAuthenticated, InvalidInput, TooLarge, ValueError, KeyError, TypeError, RecursionError) as error:
            raise NotUnderstood(f"an answer that cannot be believed: {type(error).__name__}") from error


def signed(body: bytes, message_id: str, secret: SigningSecret, *, now: datetime) -> dict[str, str]:
    """The headers under which a question or an answer is believed (Standard Webhooks, `v1`)."""
    stamp = str(int(now.timestamp()))
    mac = hmac.digest(secret.key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}


def read_asked(body: bytes) -> PeerQuestion:
    """What a peer asks. Raises InvalidInput."""
    try:
        told = json.loads(body)
        parts = [
            AskedPart(str(one["agent"]), str(one["side"]), str(one["asset"]), int(one["amount"]), int(one["scale"]))
            for one in told["participants"]
        ]
        found = PeerQuestion(str(told["transaction"]), str(told["reference"]), parts)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput("body", "a transaction with its participants") from error
    if found.body() != body:
        raise InvalidInput("body", "canonical JSON of a transaction, its reference and its participants")
    return found


class PeersRefused(Problem):
    """The setting of peers cannot be read."""

    kind = "invalid"


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
