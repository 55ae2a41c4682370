"""Traces that follow a payment: off, and as good as free, until a tracer is set.

A payment is followed from its invoice to the bank through requests, ticks and processes that know nothing of each other. So its trace is
not handed on: its id is made of the id of what is followed (the invoice, or whatever else the payout is paid for), and whoever works on
it finds the same one. `trace_id_of` tells it, to look it up.

What stands in a span: ids of records, names of queues, providers and kinds. Never an account, an amount, a destination or what was sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final, LiteralString, Protocol

from psycopg import Connection

_NOTHING: Final[AbstractContextManager[None]] = nullcontext()
# What each kind of record is followed by: a query of the id and of what is followed, for the ids `%(ids)s`.
_FOLLOWED: Final[dict[str, LiteralString]] = {}
# The spans that are open in this thread or task, by what they follow.
_open: ContextVar[Mapping[str, Any]] = ContextVar("open_spans", default=MappingProxyType({}))

# What records follow that are posted for before they are written down.
_named: ContextVar[Mapping[str, str]] = ContextVar("named", default=MappingProxyType({}))


class Tracer(Protocol):
    """What makes spans."""

    def span(self, name: str, *, follows: str | None, under: Any, attributes: Mapping[str, str | int]) -> AbstractContextManager[Any]:
        """A span while the context lasts: in the trace of what it `follows`, or `under` another one."""


_tracer: Tracer | None = None


def use_tracer(tracer: Tracer | None) -> None:
    """Make spans with it from now on, in this process; None: none."""
    global _tracer
    _tracer = tracer


def is_traced() -> bool:
    """Are spans made?"""
    return _tracer is not None


def declare_followed(table: str, query: LiteralString) -> None:
    """Records of `table` are followed: `query` finds, for `%(ids)s`, each id with the id of what is followed."""
    _FOLLOWED[table] = query


def trace_id_of(followed: str) -> str:
    """The trace of what is followed, as 32 hexadecimal digits."""
    return hashlib.sha256(followed.encode()).hexdigest()[:32]


def followed_by(conn: Connection[Any], table: str, ids: Sequence[str]) -> dict[str, str]:
    """What each of these records is followed by; nothing where no spans are made, or where such records are not followed."""
    query = _FOLLOWED.get(table)
    if _tracer is None or query is None or not ids:
        return {}
    if named := {one: _named.get()[one] for one in ids if one in _named.get()}:
        return named
    return {str(one): str(followed) for one, followed in conn.execute(query, {"ids": list(ids)}).fetchall() if followed}


def followed_as(new: Callable[[], Mapping[str, str]]) -> AbstractContextManager[Any]:
    """What these records are followed by, while journals are posted for them that are written down before they are."""
    return _NOTHING if _tracer is None else _naming(new())


@contextmanager
def _naming(new: Mapping[str, str]) -> Iterator[None]:
    token = _named.set(new)
    try:
        yield
    finally:
        _named.reset(token)


def span_of(name: str, followed: str | None, **attributes: str | int) -> AbstractContextManager[Any]:
    """A span in the trace of what is followed, under the one that is open of it here; nothing where nothing is followed."""
    if _tracer is None or followed is None:
        return _NOTHING
    return _made(_tracer, name, followed, attributes)


def spans_of(name: str, followed: Mapping[str, str], **attributes: str | int) -> AbstractContextManager[Any]:
    """A span for each record of a set that is worked on at once, by its id: each in the trace of what it is followed by."""
    if _tracer is None or not followed:
        return _NOTHING
    return _all(name, followed, attributes)


def spans_over(conn: Connection[Any], name: str, table: str, ids: Sequence[str]) -> AbstractContextManager[Any]:
    """The same, of records of a table that may be followed; asks nothing where nobody traces."""
    return spans_of(name, followed_by(conn, table, ids))


def request_span(name: str, parent: str | None, **attributes: str | int) -> AbstractContextManager[Any]:
    """A span of a request, under the caller's own where it names one (`traceparent`, W3C Trace Context)."""
    if _tracer is None:
        return _NOTHING
    return _tracer.span(name, follows=None, under=parent, attributes=attributes)


@contextmanager
def _made(tracer: Tracer, name: str, followed: str, attributes: Mapping[str, str | int]) -> Iterator[Any]:
    before = _open.get()
    with tracer.span(name, follows=followed, under=before.get(followed), attributes=attributes) as span:
        token = _open.set({**before, followed: span})
        try:
            yield span
        finally:
            _open.reset(token)


@contextmanager
def _all(name: str, followed: Mapping[str, str], attributes: Mapping[str, str | int]) -> Iterator[None]:
    with ExitStack() as stack:
        for subject, key in followed.items():
            stack.enter_context(span_of(name, key, **{"counterfoil.subject": subject, **attributes}))
        yield
