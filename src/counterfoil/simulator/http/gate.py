"""What stands before every request: the key, the size, the outage; and how to say nothing at all."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final

from starlette.responses import Response

from counterfoil.simulator.engine import Simulation
from counterfoil.simulator.http.views import SimulatorReply, error

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES_MAX: Final = 65_536
HANG_UP: Final = "counterfoil.hang_up"  # the extension of the scope that drops the connection
_CONTROLS: Final = ("/v1/faults", "/v1/clock", "/v1/journal", "/v1/webhook-endpoint")
_OPEN: Final = ("/healthz", "/openapi.json", "/docs")


class JsonAnswer(Response):
    """An answer as JSON."""

    media_type = "application/json"

    def __init__(self, answer: SimulatorReply) -> None:
        """Encode the body; the decision's headers go along."""
        super().__init__(
            json.dumps(answer.body, separators=(",", ":"), ensure_ascii=False).encode(),
            status_code=answer.status,
            headers=dict(answer.headers),
        )


class HangUp(Response):
    """No answer: the connection is held for a while and then dropped."""

    def __init__(self, hold_ms: int) -> None:
        """Hold for `hold_ms`, or until the caller gives up."""
        super().__init__()
        self.hold_ms = hold_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Wait, then drop the connection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.hold_ms / 1_000):
                await _gone(receive)
        scope["extensions"][HANG_UP]["abort"]()
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def response_of(answer: SimulatorReply) -> Response:
    """The response that says, or does not say, this answer."""
    return JsonAnswer(answer) if answer.hang_ms is None else HangUp(answer.hang_ms)


class Gate:
    """ASGI: lets a request through to `app`, or answers it here."""

    def __init__(self, app: App, engine: Simulation, api_key: str) -> None:
        """Guard `app` with one bearer key."""
        self.app, self.engine = app, engine
        self._bearer = f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check in this order: outage, key, size."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope["path"], dict(scope["headers"]))
        await (self.app if refusal is None else refusal)(scope, receive, send)

    def _refusal(self, path: str, headers: dict[bytes, bytes]) -> Response | None:
        if path in _OPEN:
            return None
        outage = self.engine.state.outage
        if outage is not None and not path.startswith(_CONTROLS) and self.engine.now_us() < outage.until_us:
            return HangUp(0) if outage.mode == "closed" else JsonAnswer(error(503, "unavailable", "we are away"))
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._bearer):
            return JsonAnswer(error(401, "unauthenticated", "no valid API key", field="Authorization"))
        if b"transfer-encoding" in headers:
            return JsonAnswer(error(411, "length_required", "say how long the body is", field="Content-Length"))
        if int(headers.get(b"content-length", b"0") or b"0") > BODY_BYTES_MAX:
            return JsonAnswer(error(413, "too_large", "the body is too large", limit=f"{BODY_BYTES_MAX} bytes"))
        return None
