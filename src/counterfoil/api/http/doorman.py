"""Who is let in: a person by name, password and code, counted before they are tried; and what the auditor reads of it later."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from psycopg import Connection

from counterfoil.api.http.problems import request_id_of
from counterfoil.audit.actions import ActionOrigin
from counterfoil.base.edge import Database
from counterfoil.base.problems import NotAuthenticated
from counterfoil.operations.access import logins, records
from counterfoil.operations.access.access import ONCE_PREFIX, Caller, authenticate
from counterfoil.operations.access.principals import skeleton
from counterfoil.operations.access.second_factor import CodeNeeded, use_code
from counterfoil.operations.access.turns import TooManyRequests, TurnLimits, part_of, take_turns

AGAIN_S: Final = 60.0  # the same refusal of the same key is recorded once in so long
SEEN_MAX: Final = 10_000
KEY_REMEMBERED_S: Final = 2.0  # a key that is revoked elsewhere ends here after at most so long
KEYS_REMEMBERED_MAX: Final = 10_000


class KeyRing:
    """Who holds which API key, remembered for two seconds, so that a burst of requests costs one look-up."""

    def __init__(self, database: Database, clock: Callable[[], datetime], limits: TurnLimits) -> None:
        """Keys are looked up in `database`, expire by `clock`, and ask as often as `limits` allow."""
        self.limits = limits
        self._turns, self._fetching = dict[str, tuple[int, float]](), dict[str, asyncio.Lock]()
        self._database = database
        self._clock = clock
        self._known: dict[bytes, tuple[float, Caller]] = {}

    def known(self, secret: str) -> Caller | None:
        """The holder, if the look-up is fresh enough. Touches no database: safe in an event loop."""
        found = self._known.get(digest_of(secret))
        return found[1] if found is not None and time.monotonic() - found[0] < KEY_REMEMBERED_S else None

    def look_up(self, secret: str) -> Caller:
        """The holder, from the database. Raises KeyMistyped, KeyRefused."""
        asked_at = time.monotonic()
        with self._database.transaction() as conn:
            caller = authenticate(conn, secret, now=self._clock())
        if len(self._known) >= KEYS_REMEMBERED_MAX:
            self._known.clear()
        self._known[digest_of(secret)] = (asked_at, caller)
        return caller

    def forget(self) -> None:
        """Look every key up again: one was revoked here."""
        self._known.clear()

    async def take_turn(self, scope: str, limit: int | None) -> None:
        """Count a request of this key, login or address. Raises TooManyRequests beyond its number within a second, in all processes."""
        if limit is None:
            return
        if len(self._turns) >= KEYS_REMEMBERED_MAX:
            self._turns.clear()
            self._fetching.clear()
        left, until = self._turns.get(scope, (0, 0.0))
        if left > 0 and time.monotonic() < until:  # nothing is waited for in between, so no other request takes the same turn
            self._turns[scope] = left - 1, until
            return
        async with self._fetching.setdefault(scope, asyncio.Lock()):  # one fetches for all that wait: each would take a part of its own
            left, until = self._turns.get(scope, (0, 0.0))
            if left == 0 or time.monotonic() >= until:
                left, until = await run_in_threadpool(self._fetch_turns, scope, limit)
            self._turns[scope] = (left - 1 if left > 0 else left), until
        if left < 0:
            raise TooManyRequests(limit=f"{limit} requests in a second", wait_seconds=1)

    def _fetch_turns(self, scope: str, limit: int) -> tuple[int, float]:
        """A part of this second's turns, for a second; or none (-1), and for a tenth of one nobody asks the database again."""
        with self._database.transaction() as conn:
            return (part_of(limit), time.monotonic() + 1) if take_turns(conn, scope, limit) else (-1, time.monotonic() + 0.1)


class Doorman:
    """Records for one process; the counts of failures are those of the whole installation."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], make_id: Callable[[str], str], *, leaked: Path | None = None
    ) -> None:
        """Writes to `database`, each record in a transaction of its own. `leaked`: the file of passwords that nobody chooses."""
        self._database = database
        self._leaked = leaked
        self._clock = clock
        self._make_id = make_id
        self._seen: dict[tuple[str, ...], float] = {}

    def refused(self, request: Request, caller: Caller, needs: str) -> None:
        """Somebody asked for what their role does not allow."""
        if self._is_new(caller.scope, request.method, route_of(request), needs):
            self._record(request, "refused", caller.name, caller=caller, needs=needs)

    def key_refused(self, request: Request) -> None:
        """A key or login that is well formed and opens nothing: unknown, revoked, over."""
        if self._failures(f"key:{records.clean(address_in(request))}") <= records.RECORDED_MAX:
            self._record(request, "key_refused", "")

    def person(
        self,
        request: Request,
        name: str,
        password: str,
        *,
        code: str | None,
        new_password: str | None,
        salt: bytes,
        opens: Callable[[Connection[Any], Caller], None] | None = None,
    ) -> Caller:
        """Who this is. `opens`: what is opened for them, in the transaction in which the password is still theirs: one that is reset
        meanwhile opens nothing. Raises LoginRefused, CodeNeeded, CodeRefused, PasswordNeeded, TooManyAttempts, InvalidInput."""
        with self.counted(request, name, password):
            with self._database.transaction(read_only=True) as conn:
                kept = logins.find_password(conn, name)
            known = logins.judge_password(kept, password, now=self._clock())
        if known.has_factor and code:
            with self.counted_code(request, known.caller), self._database.transaction() as conn:
                caller, recovery = logins.check_code(conn, known, code, now=self._clock())
            if recovery:
                self._record(request, "recovery_used", caller.name, caller=caller)
        elif known.has_factor:
            raise CodeNeeded(field="code")
        else:
            caller = known.caller
        with self._database.transaction() as conn:
            logins.keep_password(conn, known, password, new_password, salt, now=self._clock(), leaked=self._leaked)
            if opens is not None:
                opens(conn, caller)
        if new_password is not None:
            self._record(request, "password_changed", caller.name, caller=caller)
        return caller

    def code_again(self, request: Request, caller: Caller, code: str) -> Caller:
        """Somebody who is logged in gives the code of their second factor again. Raises CodeRefused, TooManyAttempts."""
        with self.counted_code(request, caller), self._database.transaction() as conn:
            recovery = use_code(conn, caller.principal_id, code, now=self._clock())
        if recovery:
            self._record(request, "recovery_used", caller.name, caller=caller)
        return caller._replace(with_factor=True)

    @contextmanager
    def counted(self, request: Request, name: str, secret: str) -> Iterator[None]:
        """A try to log in: counted before it is made, and no failure if it did not end in a refusal. Raises TooManyAttempts.

        A one-time secret is guessed by nobody, so whoever has one is let in however often others failed.
        """
        address, looks, now = address_in(request), skeleton(name), self._clock()
        if secret.startswith(ONCE_PREFIX):
            try:
                yield
            except NotAuthenticated:
                if self._failures(f"once:{records.clean(address)}") <= records.RECORDED_MAX:
                    self._record(request, "login_failed", name)
                raise
            return
        with self._database.transaction(read_only=True) as conn:
            buckets = records.buckets_of(looks, address, known=records.comes_from(conn, looks, address, now=now))
        with self._counted_for(request, name, buckets):
            yield

    @contextmanager
    def counted_code(self, request: Request, caller: Caller) -> Iterator[None]:
        """As `counted`, of a code: for the person, wherever it came from."""
        with self._counted_for(request, caller.name, records.code_bucket(caller.principal_id)):
            yield

    def logged_in(self, request: Request, caller: Caller) -> None:
        """Somebody got in."""
        self._record(request, "login", caller.name, caller=caller)

    def logged_out(self, request: Request, caller: Caller) -> None:
        """Somebody ended their login."""
        self._record(request, "logout", caller.name, caller=caller)

    def happened(self, request: Request, kind: str, caller: Caller) -> None:
        """Something changed in how somebody gets in."""
        self._record(request, kind, caller.name, caller=caller)

    @contextmanager
    def _counted_for(self, request: Request, name: str, buckets: Mapping[str, int]) -> Iterator[None]:
        try:
            with self._database.transaction() as conn:
                records.count_attempt(conn, buckets, now=self._clock())
        except records.TooManyAttempts:
            if self._is_new("limited", name, address_in(request)):
                self._record(request, "login_limited", name)
            raise
        try:
            yield
        except NotAuthenticated:
            self._record(request, "login_failed", name)
            raise
        except BaseException:
            self._take_back(buckets)
            raise
        self._take_back(buckets)

    def _take_back(self, buckets: Mapping[str, int]) -> None:
        with self._database.transaction() as conn:
            records.take_back(conn, buckets)

    def _failures(self, bucket: str) -> int:
        with self._database.transaction() as conn:
            return records.count_failure(conn, {bucket: records.RECORDED_MAX}, now=self._clock())

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


def origin_in(request: Request, caller: Caller) -> ActionOrigin:
    """Whose an action of this request is, and where it comes from."""
    return ActionOrigin(caller.principal_id, caller.key_id or None, records.clean(address_in(request)))


def agent_in(request: Request) -> str:
    """The program that asks, in its own words."""
    return records.clean(request.headers.get("user-agent", ""))


def route_of(request: Request) -> str:
    """The route's path with the names of its parts: what stands in an address may be confidential."""
    return str(getattr(request.scope.get("route"), "path", "")) or request.url.path[: records.TEXT_MAX]


def digest_of(secret: str) -> bytes:
    """What is remembered of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
