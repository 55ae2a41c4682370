"""A call: who asks, when, under which key, for real or to see what would happen; and its one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from psycopg import Connection
from pydantic import BaseModel

from counterfoil.api.http.doorman import KEY_REMEMBERED_S, Doorman, KeyRing, address_in, digest_of, origin_in
from counterfoil.api.http.kept_key import WantedOnce, once_outside
from counterfoil.api.http.middleware import STILL
from counterfoil.api.http.problems import IdempotencyKeyMissing, request_id_of
from counterfoil.api.http.schemas import Proposed, WriteResult
from counterfoil.audit.actions import ActionOrigin, record_action
from counterfoil.base.edge import Database
from counterfoil.base.failpoints import reached
from counterfoil.base.idempotency import Answer, once
from counterfoil.base.problems import InvalidInput, NotAllowed, NotAuthenticated, Problem
from counterfoil.base.tracing.spans import followed_by, is_traced, span_of
from counterfoil.ledger.bulk_stream import BulkStreams
from counterfoil.ledger.group_commit import Gatherer
from counterfoil.operations.access.access import DEFAULT_RULES, Caller, KeyRefused, SessionRules, refuse_misspelt, require
from counterfoil.operations.access.records import clean
from counterfoil.operations.access.scopes import area_of
from counterfoil.operations.access.second_factor import SecondFactorFirst
from counterfoil.operations.by_two import ProposedVerb, done_or_proposed
from counterfoil.operations.together import Together
from counterfoil.operations.webhooks.inbound import NewWebhook
from counterfoil.wiring import TABLES, Wiring

KEY_HEADER: Final = "Idempotency-Key"
ADMITTED: Final = "counterfoil.admitted"  # in a request's scope: who asks
WITHIN: Final = "counterfoil.within"  # in a request's scope: it is about the program of its caller
DRY_RUN_HEADER: Final = "Dry-Run"
LOGOUT: Final = "/api/logins/end"  # also for who has no second factor where everybody needs one


class WholeInstallation(Problem, kind="forbidden"):
    """This is about the whole installation, and this key or login is of one program."""


class RightsChanged(Problem, kind="forbidden"):
    """What you may do was changed while your request came in, so nothing of it was done."""

    todo = "Send it again: it is decided by what you may do now."


@dataclass(frozen=True)
class Services:
    """What the routes of one process work with."""

    wiring: Wiring
    database: Database
    keys: KeyRing
    doorman: Doorman
    gatherer: Gatherer
    bulks: BulkStreams
    version: str
    owner: str  # how this process names its leases
    stuck_after: timedelta
    webhooks: Together[tuple[NewWebhook, bool], bool]  # stores those that come at the same moment
    session_rules: SessionRules = DEFAULT_RULES


class Done(NamedTuple):
    """What a write led to: the thing it was about, the answer, and what is told once and never stored (a new secret)."""

    subject_id: str
    shown: WriteResult
    status: int = 200
    told_once: dict[str, str] | None = None
    new: bool = True  # False: the ledger had it already, so nobody did anything now


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One authenticated request."""

    services: Services
    caller: Caller
    request_id: str
    now: datetime
    method: str
    path: str
    key: str | None
    dry_run: bool
    origin: ActionOrigin

    @property
    def actor(self) -> str:
        """How the caller is named in every record."""
        return self.caller.actor

    def make_id(self, prefix: str) -> str:
        """A fresh id."""
        return self.services.wiring.make_id(prefix)

    def key_digest(self) -> str:
        """Stands for this caller's Idempotency-Key where a short word is needed."""
        return digest_of(f"{self.caller.scope}:{self.key}").hex()[:32]

    @contextmanager
    def reading(self, program_id: str | None = None) -> Iterator[Connection[Any]]:
        """A read-only transaction on one snapshot: whoever only asks cannot write, and all it reads is of one moment.

        For a caller of one program, or who chose one, the database itself shows that program alone.
        """
        with self.services.database.transaction(read_only=True, program_id=self.caller.program_id or program_id) as conn:
            yield conn

    def write(
        self,
        verb: str,
        act: Callable[[Connection[Any]], Done],
        *,
        asked: BaseModel | dict[str, Any] | None = None,
        reason: str | None = None,
        secret: Sequence[str] = (),
        remembered: bool = True,
        snapshot: bool = False,
    ) -> Response:
        """Do `act` in one transaction with its entry in the action log, once per Idempotency-Key; a dry run is rolled back.

        `asked` is what was asked for, as it is compared when a key comes again and kept in the action log: no secrets in it.
        `secret` is compared, too, and kept nowhere: only the hash of the first goes into the hash of the request; the others are what
        another process may have remembered the same secret by. Without `remembered` the
        part below compares and remembers by itself. `snapshot`: what `act` reads and writes down is of one moment.
        """
        payload = asked.model_dump(mode="json") if isinstance(asked, BaseModel) else asked or {}
        told_once: dict[str, str] = {}

        def work(conn: Connection[Any]) -> dict[str, Any]:
            done = act(conn)
            told_once.update(done.told_once or {})
            if done.new:
                self._record(conn, verb, done.subject_id, reason, payload)
                self._trace(conn, verb, done.subject_id)
            return {"status": done.status, "body": done.shown.model_dump(mode="json", by_alias=True)}

        with self.services.database.transaction(commit=not self.dry_run, snapshot=snapshot, program_id=self.caller.program_id) as conn:
            if self.dry_run or self.key is None or not remembered:
                answer = Answer(work(conn), None, replayed=False)
            else:
                request, *same = [{"method": self.method, "path": self.path, "body": payload, "secret": one} for one in secret or ("",)]
                scope = f"{self.caller.scope}:{verb}"
                answer = once(conn, scope, self.key, request, lambda: work(conn), now=self.now, same=same)
            reached(f"api.{verb}.before_commit")
        reached(f"api.{verb}.after_commit")
        return self._told(answer, told_once)

    def write_together(
        self, verb: str, act: Callable[[Callable[[Connection[Any], str], None]], Done], *, asked: dict[str, Any]
    ) -> Response:
        """As `write`, of what is written in one transaction with what others asked for, and remembers its key by itself.

        `act` is given what writes the entry in the action log, about whatever it names, and calls it in that transaction. No dry run.
        """

        def record(conn: Connection[Any], subject_id: str) -> None:
            self._record(conn, verb, subject_id, None, asked)
            self._trace(conn, verb, subject_id)
            reached(f"api.{verb}.before_commit")

        done = act(record)
        reached(f"api.{verb}.after_commit")
        return self._told(
            Answer({"status": done.status, "body": done.shown.model_dump(mode="json", by_alias=True)}, None, replayed=False), {}
        )

    def write_outside(self, verb: str, act: Callable[[], Done], *, asked: BaseModel | dict[str, Any]) -> Response:
        """As `write`, of what has transactions of its own and cannot be rolled back: a tick, a reconciliation.

        The key is taken before anything is done: the same request again is told what came of the first, or that it is under way.
        """
        payload = asked.model_dump(mode="json") if isinstance(asked, BaseModel) else asked
        said: list[Done] = []

        def work() -> dict[str, Any]:
            done = act()
            said.append(done)
            return {"status": done.status, "body": done.shown.model_dump(mode="json", by_alias=True)}

        def record(conn: Connection[Any]) -> None:
            self._record(conn, verb, said[0].subject_id, None, payload)

        database = self.services.database
        if self.key is not None and not self.dry_run:
            request = {"method": self.method, "path": self.path, "body": payload, "secret": ""}
            wanted = WantedOnce(f"{self.caller.scope}:{verb}", self.key, request, self.make_id("work"))
            answer = once_outside(database, self.services.wiring.clock, wanted, work, record)
        else:
            answer = Answer(work(), None, replayed=False)
            with database.transaction(commit=not self.dry_run) as conn:
                record(conn)
        return self._told(answer, (said[0].told_once or {}) if said else {})

    def _trace(self, conn: Connection[Any], verb: str, subject_id: str) -> None:
        """Where somebody traces: that it was asked, in the trace of the payment that it is about, linked to this request's own."""
        if not is_traced():
            return
        table = TABLES.get(subject_id.partition("_")[0])
        followed = followed_by(conn, table, [subject_id]) if table else {}
        asked = {"counterfoil.subject": subject_id, "counterfoil.request_id": self.request_id}
        with span_of(f"asked {verb}", followed.get(subject_id), **asked, **{"counterfoil.dry_run": str(self.dry_run).lower()}):
            pass

    def _told(self, answer: Answer, told_once: dict[str, str]) -> Response:
        """The answer over the wire. After the end of the transaction, so that a refusal is remembered under its key, too."""
        found: dict[str, Any] = answer.get()
        body = {**found["body"], **told_once, "dryRun": self.dry_run}
        headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
        return JSONResponse(body, found["status"], headers=headers)

    def by_two(
        self,
        verb: str,
        act: Callable[[Connection[Any]], Done],
        said: ProposedVerb | Callable[[Connection[Any]], ProposedVerb],
        *,
        asked: BaseModel | dict[str, Any],
        reason: str,
        secret: Sequence[str] = (),
    ) -> Response:
        """As `write`, of what takes two people: the first time it is only tried, and proposed. Once another person has approved
        exactly `said`, whoever proposed it asks for the same again, under a new Idempotency-Key, and it is done.
        """

        def both(conn: Connection[Any]) -> Done:
            done: list[Done] = []

            def acted() -> str:
                done.append(act(conn))
                return done[-1].subject_id

            agreed = said if isinstance(said, ProposedVerb) else said(conn)
            made = done_or_proposed(
                conn, agreed, acted, proposal_id=lambda: self.make_id("prop"), reason=reason, by=self.caller, now=self.now
            )
            if made is None:
                return done[-1]
            shown = Proposed(
                proposal_id=made.id,
                machine=agreed.machine,
                verb=agreed.verb,
                payload_sha256=made.payload_sha256,
                expires_at=made.expires_at,
                state="proposed",
                told=getattr(done[-1].shown, "told", None) if done else None,
            )
            return Done(made.id, shown, 202)

        return self.write(verb, both, asked=asked, reason=reason, secret=secret)

    def _record(self, conn: Connection[Any], verb: str, subject_id: str, reason: str | None, payload: dict[str, Any]) -> None:
        record_action(
            conn,
            self.make_id("act"),
            actor=self.actor,
            role=self.caller.roles_told,
            verb=verb,
            subject_id=subject_id,
            reason=reason,
            request_id=self.request_id,
            payload=payload,
            at=self.now,
            origin=self.origin,
        )


def services_of(request: Request) -> Services:
    """What `make_app` put there."""
    found: Services = request.app.state.services
    return found


def may(permission: str, *, key: bool = False, own: bool = False) -> Any:
    """The dependency of a route: a caller who holds `permission`, and, with `key`, an Idempotency-Key. `own`: it is about the caller alone,
    so whoever is of one program may ask it, too."""

    async def call(request: Request) -> ApiCall:
        made = await call_of(request, permission)
        if key and made.key is None:
            raise IdempotencyKeyMissing(KEY_HEADER, "1 to 255 printable ASCII characters")
        return made

    call.needs = permission  # type: ignore[attr-defined]
    call.needs_key = key  # type: ignore[attr-defined]
    call.own = own  # type: ignore[attr-defined]
    return Depends(call)


async def call_of(request: Request, permission: str) -> ApiCall:
    """The call that a request makes. Raises NotAuthenticated and its kin, NotAllowed, TooManyRequests, InvalidInput."""
    services = services_of(request)
    caller = await admitted(request, permission)
    if (caller.program_id is not None or caller.programs) and WITHIN not in request.scope:
        raise WholeInstallation(program=caller.program_id)  # nobody looked: better refused than shown
    return ApiCall(
        services,
        caller,
        request_id_of(request),
        services.wiring.clock(),
        request.method,
        request.scope["path"],
        request.headers.get(KEY_HEADER),
        _is_dry(request),
        origin_in(request, caller),
    )


async def admitted(request: Request, permission: str) -> Caller:
    """Who asks, by the headers alone, if they may. Who may not is recorded. Raises NotAuthenticated and its kin, NotAllowed."""
    known: Caller | None = request.scope.get(ADMITTED)
    services = services_of(request)
    if known is None:
        await services.keys.take_turn(f"address:{clean(address_in(request))}", services.keys.limits.of_address)
    try:
        caller = known or await authenticated(services, request)
        if caller.lacks_factor and request.scope["path"] != LOGOUT:
            raise SecondFactorFirst(name=caller.name)
        require(caller, permission, _area_in(request))
    except NotAllowed as refusal:
        await run_in_threadpool(services.doorman.refused, request, caller, str(refusal.facts["needs"]))
        raise
    except KeyRefused:
        await run_in_threadpool(services.doorman.key_refused, request)
        raise
    if known is None:
        await services.keys.take_turn(caller.scope, services.keys.limits.of_key)
        request.scope[STILL] = partial(_still, request, caller, time.monotonic())
    request.scope[ADMITTED] = caller
    return caller


async def _still(request: Request, caller: Caller, since: float) -> None:
    """A body may take minutes to come, and whoever sent its beginning may have lost key, login or role meanwhile. Raises KeyRefused,
    RightsChanged."""
    if time.monotonic() - since < KEY_REMEMBERED_S:
        return
    services = services_of(request)
    try:
        if await authenticated(services, request) != caller:
            raise RightsChanged(name=caller.name)
    except KeyRefused:
        await run_in_threadpool(services.doorman.key_refused, request)
        raise


def _area_in(request: Request) -> str:
    """What the route that was asked for is about, as scopes call it: its first heading. Without one no scope fits."""
    headings = getattr(request.scope.get("route"), "tags", None)
    return area_of(headings[0]) if headings else ""


async def authenticated(services: Services, request: Request) -> Caller:
    """Who asks. Raises NotAuthenticated and its kin."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise NotAuthenticated(expected="Authorization: Bearer cf_…")
    secret = secret.strip()
    caller = services.keys.known(secret)
    if caller is None:
        refuse_misspelt(secret)  # costs no connection
        caller = await run_in_threadpool(services.keys.look_up, secret)
    request.scope["counterfoil.caller"] = caller.actor
    return caller


def _is_dry(request: Request) -> bool:
    """Asked for in the query, in the header, or in both: whoever says it once is not overruled by the other place."""
    given = [*request.query_params.getlist("dryRun"), *request.headers.getlist(DRY_RUN_HEADER)]
    for one in given:
        if one.lower() not in ("true", "false"):
            raise InvalidInput("dryRun", "true or false", got=one[:40])
    return any(one.lower() == "true" for one in given)
