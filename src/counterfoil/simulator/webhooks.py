"""Webhooks as Standard Webhooks has them: signed, tried until a 2xx, never in the way of an answer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import ssl
from typing import Any, NamedTuple

import httpx2

SECRET_PREFIX = "whsec_"  # noqa: S105


class Sent(NamedTuple):
    """How one try ended: the status, or 0 and the error's class when no answer came."""

    status: int
    error: str


def secret_bytes(secret: str) -> bytes:
    """The key behind `whsec_…`, at least 16 bytes. Raises ValueError for anything else."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
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


class Sender:
    """One pool of connections to the client's endpoint."""

    def __init__(self, *, timeout_ms: int, connections_max: int) -> None:
        """No proxy, no redirects: what is signed goes where it was told to go."""
        self._client = httpx2.AsyncClient(
            timeout=timeout_ms / 1_000,
            limits=httpx2.Limits(max_connections=connections_max, max_keepalive_connections=connections_max),
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    async def send(self, url: str, body: bytes, headers: dict[str, str]) -> Sent:
        """Try once; an error is an outcome, not an exception."""
        try:
            response = await self._client.post(url, content=body, headers=headers)
        except httpx2.HTTPError as error:
            return Sent(0, type(error).__name__)
        return Sent(response.status_code, "" if response.is_success else f"HTTP {response.status_code}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
