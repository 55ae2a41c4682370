"""What the auditor reads later: who was refused, who tried to log in, and from which address; and who tried too often."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from fastapi import Request

from counterfoil.api.http.problems import request_id_of
from counterfoil.base.edge import Database
from counterfoil.operations.access import records
from counterfoil.operations.access.access import Caller
from counterfoil.operations.access.principals import skeleton

AGAIN_S: Final = 60.0  # the same refusal of the same key is recorded once in so long
SEEN_MAX: Final = 10_000


class Doorman:
    """Records for one process; the counts of failures are those of the whole installation."""

    def __init__(self, database: Database, clock: Callable[[], datetime], make_id: Callable[[str], str]) -> None:
        """Writes to `database`, each record in a transaction of its own."""
        self._database = database
        self._clock = clock
        self._make_id = make_id
        self._seen: dict[tuple[str, ...], float] = {}

    def refused(self, request: Request, caller: Caller, needs: str) -> None:
        """Somebody asked for what their role does not allow."""
        if self._is_new(caller.scope, request.method, route_of(request), needs):
            self._record(request, "refused", caller.name, caller=caller, needs=needs)

    def key_refused(self, request: Request) -> None:
        """A key or login that is well formed and opens nothing: unknown, revoked, over."""
        address, now = address_in(request), self._clock()
        with self._database.transaction() as conn:
            failures = records.count_failure(conn, [f"key:{records.clean(address)}"], now=now)
        if failures <= records.RECORDED_MAX:
            self._record(request, "key_refused", "")

    def refuse_if_many(self, request: Request, name: str) -> None:
        """Raise TooManyAttempts when this name or this address failed too often lately; that is recorded, too."""
        buckets = records.buckets_of(skeleton(name), address_in(request))
        try:
            with self._database.transaction(read_only=True) as conn:
                records.refuse_if_many(conn, buckets, now=self._clock())
        except records.TooManyAttempts:
            if self._is_new("limited", name, address_in(request)):
                self._record(request, "login_limited", name)
            raise

    def login_failed(self, request: Request, name: str) -> None:
        """Count it for the name and the address, and record it."""
        buckets = records.buckets_of(skeleton(name), address_in(request))
        with self._database.transaction() as conn:
            records.count_failure(conn, list(buckets), now=self._clock())
        self._record(request, "login_failed", name)

    def logged_in(self, request: Request, caller: Caller) -> None:
        """Somebody got in."""
        self._record(request, "login", caller.name, caller=caller)

    def logged_out(self, request: Request, caller: Caller) -> None:
        """Somebody ended their login."""
        self._record(request, "logout", caller.name, caller=caller)

    def _is_new(self, *what: str) -> bool:
        at, before = time.monotonic(), self._seen.get(what)
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen[what] = at if before is None or at - before > AGAIN_S else before
        return self._seen[what] == at

    def _record(self, request: Request, kind: str, name: str, *, caller: Caller | None = None, needs: str | None = None) -> None:
        event = records.AccessEvent(
            self._make_id("acc"),
            self._clock(),
            kind,
            name,
            (caller.principal_id or None) if caller else None,
            (caller.key_id or None) if caller else None,
            address_in(request),
            request.method[:10],
            route_of(request),
            needs,
            request_id_of(request),
        )
        with self._database.transaction() as conn:
            records.record_access(conn, event)


def address_in(request: Request) -> str:
    """Where it comes from, as the middleware found it."""
    peer = request.client.host if request.client else ""
    return str(request.scope.get("counterfoil.address", peer))


def route_of(request: Request) -> str:
    """The route's path with the names of its parts: what stands in an address may be confidential."""
    return str(getattr(request.scope.get("route"), "path", "")) or request.url.path[: records.TEXT_MAX]
