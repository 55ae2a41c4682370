"""Connections: how long what is no body may take and be, and answers may lie unread; and from which address they come behind a proxy
that is trusted."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from counterfoil.api.http.problems import MEDIA_TYPE, body_of, status_of
from counterfoil.base.problems import Problem

HEAD_BYTES_MAX: Final = 32_768
HEAD_S: Final = 10.0
FRAMING_OF_BODY: Final = 8  # bytes around each byte of a body that comes in the smallest parts
LINGER_S: Final = 5.0  # a body may go on behind its answer for so long
WAITING_MAX: Final = 8  # requests behind one that is not answered yet; what comes after them is not looked at
PART_BYTES: Final = 2_048  # so much is looked at at once where requests begin, so that no more of them than fit in it are too many
BODY_PART_BYTES: Final = 16_384  # and so much inside a body
UNREAD_S: Final = 30.0  # an answer of which nothing was read in so long is given up
_log = structlog.get_logger("counterfoil.http")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TooSlow(Problem, kind="invalid"):
    """It did not come in the time that it has."""

    todo = "Send it faster, or less of it."


class HeadTooLong(Problem, kind="invalid"):
    """The request line and the headers, or what stands around a body and behind it, are longer than that may be."""

    todo = "Send shorter headers, or fewer of them."


class HeldFlow(FlowControl):
    """Nothing more is read while something that was read is not looked at yet, whoever asks for more."""

    held = False

    def resume_reading(self) -> None:
        """Unless it is held."""
        if not self.held:
            super().resume_reading()


class GuardedProtocol(HttpToolsProtocol):
    """Ends connections that cost more than they ask: what is not the body of a request is too long, or its headers do not come; its body
    goes on behind the answer; the answer is not read. Whoever can still be told is told why, and the log is in any case.

    Requests that are sent without waiting for answers wait where they cost nothing: in the sender's own buffers, but for a few."""

    def connection_made(self, transport: Any) -> None:
        """Begin to count."""
        self._head = 0  # bytes of a request line and headers that are not whole yet
        self._fields = 0  # bytes of the fields of this request: headers, and trailers behind its body
        self._framing = 0  # bytes behind the headers that are no body
        self._body = 0
        self._in_head, self._cut = True, False
        self._unread = 0  # bytes of answers that wait for their reader
        self._rest = b""  # read, and not looked at yet
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._after("head", HEAD_S, self._head_late)
        super().connection_made(transport)
        self.flow = self._flow = HeldFlow(transport)

    def data_received(self, data: bytes) -> None:
        """Look at it, part by part, as long as not too many requests wait."""
        if self._rest:
            self._rest += data  # it was on its way
        elif len(data) <= PART_BYTES and len(self.pipeline) < WAITING_MAX:
            self._look_at(data)
        else:
            self._look_at_parts(data)

    def _look_at_parts(self, data: bytes) -> None:
        at = 0
        while at < len(data) and len(self.pipeline) < WAITING_MAX and not self._cut:
            part = data[at : at + (PART_BYTES if self._in_head else BODY_PART_BYTES)]
            at += len(part)
            self._look_at(part)
        was_held = self._flow.held
        self._rest = b"" if self._cut else data[at:]
        self._flow.held = bool(self._rest)
        if self._rest:
            self._stop("head")  # they came in time; it is we who wait
            self._flow.pause_reading()
        elif was_held and not self.pipeline:
            self._flow.resume_reading()

    def _look_at(self, data: bytes) -> None:
        """Count what comes beside bodies."""
        if self._cut:
            return
        if self._in_head:
            self._head += len(data)
            if "head" not in self._timers:  # the next request of a connection that is kept
                self._after("head", HEAD_S, self._head_late)
        else:
            self._framing += len(data)
        super().data_received(data)
        framing_max = HEAD_BYTES_MAX + FRAMING_OF_BODY * self._body
        if not self._cut and (self._head > HEAD_BYTES_MAX if self._in_head else self._framing > framing_max):
            self._refuse(HeadTooLong(field="headers", limit=f"{HEAD_BYTES_MAX} bytes"))

    def on_message_begin(self) -> None:
        """Another request."""
        self._fields = self._framing = self._body = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Headers, and trailers, too. Raises HeadTooLong, at which the parser stops."""
        self._fields += len(name) + len(value) + len(": \r\n")
        if self._fields > HEAD_BYTES_MAX:
            raise HeadTooLong(field="headers", limit=f"{HEAD_BYTES_MAX} bytes")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """They are there."""
        self._in_head, self._head = False, 0
        self._stop("head")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of it."""
        self._framing -= len(body)
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes now are the headers of the next request."""
        self._in_head = True
        self._stop("body")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is written, but perhaps not read; and perhaps its request still comes, of which a little more is taken: who is cut off
        while they send may never see the answer."""
        if not self._in_head:
            self._after("body", LINGER_S, self._close)
        self._watch()
        super().on_response_complete()
        if self._rest and not self.transport.is_closing():
            self._look_at_parts(self._rest)

    def pause_writing(self) -> None:
        """The answer waits for its reader."""
        self._watch()
        super().pause_writing()

    def send_400_response(self, msg: str) -> None:
        """It cannot be read any further."""
        if self._fields > HEAD_BYTES_MAX:
            self._refuse(HeadTooLong(field="headers", limit=f"{HEAD_BYTES_MAX} bytes"))
        else:
            self._cut = True
            super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._rest = b""
        super().connection_lost(exc)

    def _after(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        self._stop(name)
        self._timers[name] = self.loop.call_later(seconds, act)

    def _stop(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _head_late(self) -> None:
        self._stop("head")
        if self._head:
            self._refuse(TooSlow(field="headers", limit=f"{HEAD_S:.0f} s"))
        else:
            self._close()  # nothing was asked, so there is nothing to answer

    def _refuse(self, problem: Problem) -> None:
        """Tell it, if no other answer is half written, and end the connection."""
        self._cut = True
        self._tell_log(problem.headline())
        if self.cycle is None or self.cycle.response_complete:
            body = json.dumps(body_of(problem, "")).encode()
            head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status_of(problem)] + head.encode() + body)
        self._close()

    def _close(self) -> None:
        """What is written goes out first, for as long as its reader takes some of it."""
        self._cut = True
        self._stop("body")
        if not self.transport.is_closing():
            self.transport.close()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing was asked for a while."""
        self._close()

    def _watch(self) -> None:
        """Look after a while whether some of what waits was read."""
        waits = self.transport.get_write_buffer_size()
        if waits and "answer" not in self._timers:
            self._unread = waits
            self._after("answer", UNREAD_S, self._look)

    def _look(self) -> None:
        self._stop("answer")
        waits = self.transport.get_write_buffer_size()
        if not waits:
            return
        if waits < self._unread:
            self._watch()
            return
        self._tell_log("The answer is not read.")
        self._cut = True
        self.transport.abort()

    def _tell_log(self, why: str) -> None:
        _log.warning("connection cut", why=why, address=self.client[0] if self.client else "")


def networks(given: str) -> tuple[Network, ...]:
    """Addresses and networks of a list with commas. Raises ValueError."""
    return tuple(ipaddress.ip_network(one.strip(), strict=False) for one in given.split(",") if one.strip())


def address_of(scope: Scope, trusted: Iterable[Network] = ()) -> str:
    """Where a request comes from: the peer, or, if that is a trusted proxy, whom it and the trusted ones before it name.

    Read from the right: what stands left of the first address that is not trusted could be written by anybody.
    """
    peer = str((scope.get("client") or ("", 0))[0])
    hops = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    known = tuple(trusted)
    for hop in reversed([one.strip() for line in hops for one in line.split(",")]):
        if not _within(peer, known) or not _is_address(hop):
            break
        peer = hop
    return peer


def _within(address: str, known: tuple[Network, ...]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in one for one in known)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
