"""Webhooks as Standard Webhooks has them: signed, tried until a 2xx, never in the way of an answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

SECRET_PREFIX: Final = "whsec_"  # noqa: S105
ANSWER_BYTES_MAX: Final = 1_000_000


class Sent(NamedTuple):
    """How one try ended: the status, or 0 and the error's class when no answer came."""

    status: int
    error: str


def secret_bytes(secret: str) -> bytes:
    """The key behind `whsec_…`, at least 16 bytes. Raises ValueError for anything else."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
    if not secret.startswith(SECRET_PREFIX) or len(key) < 16:
        raise ValueError("a webhook secret is whsec_ and base64 of at least 16 bytes")
    return key


def body_of(event: dict[str, Any]) -> bytes:
    """The exact bytes that are signed and sent: the same at every try."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def sign(secret: str, *, event_id: str, timestamp_s: int, body: bytes) -> str:
    """The `webhook-signature` header: `v1,` and HMAC-SHA256 of `id.timestamp.body` in base64."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret_bytes(secret), signed, hashlib.sha256)).decode()


def signed_headers(secret: str, *, event_id: str, timestamp_s: int, body: bytes, badly: bool) -> dict[str, str]:
    """The three headers of Standard Webhooks; `badly` signs another body, as a forger or a broken provider would."""
    signature = sign(secret, event_id=event_id, timestamp_s=timestamp_s, body=b"forged" if badly else body)
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature,
    }


def stripe_headers(secret: str, *, timestamp_s: int, body: bytes, badly: bool) -> dict[str, str]:
    """The header of Stripe: its time, and HMAC-SHA256 of `time.body` in hex, by the secret as it is written."""
    signed = f"{timestamp_s}.".encode() + (b"forged" if badly else body)
    signature = hmac.digest(secret.encode(), signed, hashlib.sha256).hex()
    return {"content-type": "application/json", "stripe-signature": f"t={timestamp_s},v1={signature}"}


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Sender:
    """A few connections to the client's endpoint, kept open: HTTP/1.1, POST, and of the answer only the status.

    A general client spends more on one webhook than the provider spends on the payout it tells of.
    """

    def __init__(self, *, timeout_ms: int) -> None:
        """No proxy, no redirects: what is signed goes where it was told to go."""
        self.timeout_ms = timeout_ms
        self._idle: dict[str, list[_Connection]] = {}
        self._tls: ssl.SSLContext | None = None

    async def send(self, url: str, body: bytes, headers: dict[str, str]) -> Sent:
        """Try once; an error is an outcome, not an exception."""
        parts = urlsplit(url)
        try:
            async with asyncio.timeout(self.timeout_ms / 1_000):
                status = await self._post(parts, body, headers)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:  # TimeoutError is an OSError
            return Sent(0, type(error).__name__)
        return Sent(status, "" if 200 <= status < 300 else f"HTTP {status}")

    async def close(self) -> None:
        """Close the connections."""
        for connection in [each for idle in self._idle.values() for each in idle]:
            connection.writer.transport.abort()
        self._idle.clear()

    async def _post(self, parts: SplitResult, body: bytes, headers: dict[str, str]) -> int:
        connection = await self._connection(parts)
        try:
            connection.writer.write(_request(parts, body, headers))
            status, reusable = await _status(connection.reader)
        except BaseException:
            connection.writer.transport.abort()
            raise
        if reusable:
            self._idle.setdefault(parts.netloc, []).append(connection)
        else:
            connection.writer.transport.abort()
        return status

    async def _connection(self, parts: SplitResult) -> _Connection:
        idle = self._idle.get(parts.netloc, [])
        while idle:
            connection = idle.pop()
            if not connection.reader.at_eof() and not connection.writer.is_closing():
                return connection
            connection.writer.transport.abort()
        secure = parts.scheme == "https"
        if secure and self._tls is None:
            self._tls = ssl.create_default_context()
        port = parts.port or (443 if secure else 80)
        return _Connection(*await asyncio.open_connection(parts.hostname, port, ssl=self._tls if secure else None))


def _request(parts: SplitResult, body: bytes, headers: dict[str, str]) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {target} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def _status(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status, and whether the connection can serve again: only when the answer says how long it is."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    if not head[0].startswith("HTTP/1."):
        raise ValueError("not HTTP")
    status = int(head[0].split(" ", 2)[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    length = headers.get("content-length", "0" if status == 204 else "")
    if not length.isdecimal() or int(length) > ANSWER_BYTES_MAX or "close" in headers.get("connection", ""):
        return status, False
    await reader.readexactly(int(length))
    return status, head[0].startswith("HTTP/1.1")
