"""Around every request: an id, a log line, limits on the body, and names in the query in either style. Plain ASGI, for speed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from counterfoil.api.http.connections import Network, TooSlow, address_of
from counterfoil.api.http.problems import failure, response_of
from counterfoil.base.logs import tell_fast
from counterfoil.base.problems import InvalidInput, Problem, TooLarge
from counterfoil.base.text import camel
from counterfoil.base.tracing.spans import request_span

WEBHOOK_BYTES_MAX: Final = 262_144
BATCH_BYTES_MAX: Final = 8 << 20  # 8,192 movements, or a journal of as many lines
QUERY_BYTES_MAX: Final = 4_096
LOGIN_BYTES_MAX: Final = 8_192  # read before anybody knows who sends it
FORM_BYTES_MAX: Final = 262_144
PAGES: Final = ("/admin/", "/account", "/login", "/password")
FILE_BYTES: Final = 16 << 20  # from this limit on a body is a file
BODY_S, FILE_S = 30.0, 600.0
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
HTTPS_HEADERS: Final = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
NAME: Final = "counterfoil.http"
STILL: Final = "counterfoil.still"  # in a request's scope: asks whether whoever was let in may do this still


class BodyCutShort(Problem, kind="invalid"):
    """Whoever sent this hung up before its body was whole; nothing of it was done."""

    todo = "Send it again, with the same Idempotency-Key."


class BodyLimits(NamedTuple):
    """How many bytes a body may have: one that is no file, and a file that is sent for import."""

    body_bytes_max: int
    import_bytes_max: int

    def of(self, path: str) -> int:
        """The limit for this address."""
        if path.startswith("/webhooks/"):
            return WEBHOOK_BYTES_MAX
        if path in ("/login", "/logout", "/password", "/api/logins", "/api/logins/confirm") or path.startswith("/account"):
            return LOGIN_BYTES_MAX
        if path.startswith("/admin/disputes/") and path.endswith("/evidence"):  # a file is in this form, as over HTTP
            return self.body_bytes_max
        if path.startswith("/admin/"):
            return FORM_BYTES_MAX
        if path in ("/api/usage", "/api/breaks/import", "/api/reconciliation/statements", "/api/bank-files/reports"):
            return self.import_bytes_max
        if path.startswith("/api/finance/batches/") and path.endswith("/repair"):
            return self.import_bytes_max
        if path in ("/api/movements/bulk", "/api/finance/journal"):
            return max(BATCH_BYTES_MAX, self.body_bytes_max)
        return self.body_bytes_max


class Wire:
    """The outermost layer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: BodyLimits,
        make_request_id: Callable[[], str],
        log_requests: bool,
        trusted: tuple[Network, ...] = (),
        https: bool = False,
    ) -> None:
        """`make_request_id` names requests whose caller did not. `log_requests`: a line for each, also when all is well. `trusted`
        proxies name the address of whoever asks. `https`: browsers are told to come by nothing else."""
        self._trusted = trusted
        self._headers = {**HEADERS, **(HTTPS_HEADERS if https else {})}
        self._app = app
        self._limits = limits
        self._make_request_id = make_request_id
        self._log_requests = log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else self._make_request_id()
        scope["counterfoil.request_id"] = request_id
        scope["counterfoil.address"] = address_of(scope, self._trusted)
        began, status, begun = time.perf_counter(), 500, False

        async def tell(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                told = MutableHeaders(scope=message)
                told["X-Request-Id"] = request_id
                for name, value in self._headers.items():
                    told.setdefault(name, value)
            await send(message)

        try:
            with request_span(f"HTTP {scope['method']}", headers.get("traceparent"), **{"counterfoil.request_id": request_id}) as span:
                await self._limited(scope, headers, receive, tell, request_id)
                if span is not None:
                    _tell_span(span, scope, status)
        except Exception as error:  # whatever it is, the caller gets an answer without our insides
            answer = failure(error, request_id)
            if begun:
                raise  # the answer cannot be taken back: the server cuts the connection
            await answer(scope, receive, tell)
        finally:
            if self._log_requests or status >= 500:
                self._say(scope, request_id, status, began)

    async def _limited(self, scope: Scope, headers: Headers, receive: Receive, send: Send, request_id: str) -> None:
        most = self._limits.of(scope["path"])
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > most:
            problem = TooLarge(field="body", limit=f"{most} bytes", got=int(length))
            if scope["path"].startswith(PAGES):  # a person sent a form: it is refused where it is read, with the frame around
                await self._app(scope, _refused(problem), send)
                return
            await response_of(problem, request_id)(scope, receive, send)
            return
        if len(scope["query_string"]) > QUERY_BYTES_MAX:
            refusal = InvalidInput("query", f"at most {QUERY_BYTES_MAX} bytes", got=len(scope["query_string"]))
            await response_of(refusal, request_id)(scope, receive, send)
            return
        if b"_" in scope["query_string"]:
            scope["query_string"] = _camel_query(scope["query_string"])
        await self._app(scope, _counted(scope, receive, most, BODY_S if most < FILE_BYTES else FILE_S), send)

    def _say(self, scope: Scope, request_id: str, status: int, began: float) -> None:
        route = scope.get("route")
        tell_fast(
            NAME,
            "request",
            {
                "request_id": request_id,
                "method": scope["method"],
                "path": getattr(route, "path", scope["path"]),
                "status": status,
                "ms": round((time.perf_counter() - began) * 1000, 1),
                "caller": scope.get("counterfoil.caller"),
            },
        )


def _tell_span(span: Any, scope: Scope, status: int) -> None:
    """The route as it is declared, never the path, in which ids and names stand; and the status."""
    route = getattr(scope.get("route"), "path", "")
    span.update_name(f"HTTP {scope['method']} {route}".strip())
    span.set_attribute("http.route", route)
    span.set_attribute("http.request.method", scope["method"])
    span.set_attribute("http.response.status_code", status)


def _refused(problem: Problem) -> Receive:
    """In the place of a body that is not read."""

    async def refused() -> Message:
        raise problem

    return refused


def _counted(scope: Scope, receive: Receive, most: int, seconds: float) -> Receive:
    """`receive`, but it refuses a body that grows beyond `most` bytes, whatever its Content-Length said or did not say, one
    that has not come after so many seconds, and one of somebody who may not send it any more when it is whole."""
    had, ends, whole = 0, time.monotonic() + seconds, False

    async def counted() -> Message:
        nonlocal had, whole
        if whole:
            return await receive()  # whether they are still there: that may take as long as it likes
        try:
            async with asyncio.timeout(max(0.0, ends - time.monotonic())):
                message = await receive()
        except TimeoutError:
            raise TooSlow(field="body", limit=f"{seconds:.0f} s") from None
        if message["type"] == "http.disconnect":
            raise BodyCutShort(field="body")
        had += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if had > most:
            raise HTTPException(413, f"{most} bytes")
        if whole and STILL in scope:
            await scope[STILL]()
        return message

    return counted


def _camel_query(query: bytes) -> bytes:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return urlencode([(camel(name), value) for name, value in pairs], encoding="latin-1").encode("latin-1")
