"""How a form goes its way: not from another site, from somebody who is logged in, from a page of their session, with clean fields, by
whoever may; looked at first, with a reason where one is needed, and then done once. Each form declares what is its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from psycopg import Connection
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from counterfoil.api.http.bodies import attachment
from counterfoil.api.http.doorman import origin_in
from counterfoil.api.http.kept_key import WantedOnce, once_outside
from counterfoil.api.http.problems import request_id_of
from counterfoil.audit.actions import record_action
from counterfoil.base.idempotency import Answer, once, request_hash
from counterfoil.base.ids import valid_id
from counterfoil.base.problems import Busy, InvalidInput, NotAuthenticated, Problem, ReasonRequired, check
from counterfoil.base.text import printable, prose_of
from counterfoil.dashboard.web.navigation import DashboardPage
from counterfoil.dashboard.web.serving import FormBroken, Served, broken_form, finish, guarded, page_route, refuse_unclean_form, shown
from counterfoil.dashboard.web.sessions import Session, refuse_other_sites, refuse_wrong_csrf
from counterfoil.dashboard.work.receipts import scope_of_forms
from counterfoil.ledger.reads.booked import BookedHere, booked_here
from counterfoil.operations.access.access import Caller, require
from counterfoil.operations.trial import trials_heard

OURS: Final = ("csrf", "confirm", "key")  # what every form carries beside its fields
BOOKED_TOLD_MAX: Final = 20  # lines of journals that a look at a form shows
PREVIEWED: Final = "a look at what would happen"  # the reason of a dry run, which is rolled back


class NotLookedAt(Problem, kind="invalid"):
    """This was confirmed without a look at what would happen; look at it first, and confirm it there."""


class HandedFile(NamedTuple):
    """A file that a form brought: under the name that its sender's machine gives it."""

    name: str
    content: bytes


class FormCall(NamedTuple):
    """A form as somebody sent it. `filled`: its fields without spaces around them; `rows`: the values of `row`, which may stand in it many
    times; `now`: the moment of everything that it does; `used`: the keys under which something was done; `looked`: digests of what was
    looked at; `booked`: what a look at it booked and took back; `file`: what it brought, where it takes a file."""

    served: Served
    request: Request
    session: Session
    filled: Mapping[str, str]
    rows: Sequence[str]
    now: datetime
    used: list[str]
    looked: list[str]
    booked: list[BookedHere]
    file: HandedFile | None = None

    @property
    def caller(self) -> Caller:
        """Who sent it."""
        return self.session.caller

    @property
    def confirmed(self) -> bool:
        """Was it looked at, and is it meant?"""
        return self.filled.get("confirm") == "yes"

    @property
    def reason(self) -> str:
        """Why, as it was filled in; empty where nothing was."""
        return self.filled.get("reason", "")

    @property
    def every(self) -> dict[str, str]:
        """Every text that was sent, by its name."""
        return {**self.filled, **{f"row{number}": row for number, row in enumerate(self.rows)}}

    def of(self, *names: str) -> dict[str, str]:
        """These of its fields, empty where they are not there."""
        return {name: self.filled.get(name, "") for name in names}

    def record(self, conn: Connection[Any], verb: str, subject_id: str, payload: Mapping[str, Any], *, reason: str | None = None) -> None:
        """The entry in the action log, as over HTTP."""
        record_action(
            conn,
            self.served.wiring.make_id("act"),
            actor=self.caller.actor,
            role=self.caller.role,
            verb=verb,
            subject_id=subject_id,
            reason=reason,
            request_id=request_id_of(self.request),
            origin=origin_in(self.request, self.caller),
            at=self.now,
            payload=dict(payload),
        )

    def done_once(self, verb: str, asked: Mapping[str, Any], work: Callable[[Connection[Any]], Mapping[str, Any]]) -> Answer:
        """Do `work` once per key of the preview; what is not confirmed is done and rolled back.

        What it returns is JSON, and the receipt where it names one: the sentence `receipt`, for the page at the path `on`.
        Raises NotLookedAt, InvalidInput for what is no key of ours, and what `once` raises.
        """
        if not self.confirmed:
            self.look_at(verb, asked)
            with self.served.database.transaction(commit=False, program_id=self.caller.program_id) as conn:
                with trials_heard(self._heard):
                    told = work(conn)
                now_booked = booked_here(conn, lines_max=BOOKED_TOLD_MAX)
                if now_booked.lines or not self.booked:
                    self.booked[:] = [now_booked]
                return Answer(told, None, replayed=False)
        key = self._looked_at(verb, asked)
        with self.served.database.transaction(program_id=self.caller.program_id) as conn:
            return once(conn, scope_of_forms(self.caller), key, _request(verb, asked), lambda: work(conn), now=self.now)

    def _heard(self, conn: Connection[Any]) -> None:
        """What was tried and is only proposed now: a second person's approval books it."""
        tried = booked_here(conn, lines_max=BOOKED_TOLD_MAX)
        if tried.lines:
            self.booked[:] = [tried._replace(approved=True)]

    def look_at(self, verb: str, asked: Mapping[str, Any]) -> None:
        """This is looked at, and told: whoever confirms it confirms this."""
        self.looked.append(look_digest(verb, asked))

    def done_outside(
        self, verb: str, asked: Mapping[str, Any], work: Callable[[], Mapping[str, Any]], record: Callable[[Connection[Any]], None]
    ) -> Answer:
        """As `done_once`, of what is confirmed, has transactions of its own and cannot be rolled back: the look at it is told by
        `look_at`. Raises what `once_outside` raises, too."""
        wanted = WantedOnce(
            scope_of_forms(self.caller), self._looked_at(verb, asked), _request(verb, asked), self.served.wiring.make_id("work")
        )
        return once_outside(self.served.database, self.served.wiring.clock, wanted, work, record)

    def receipt_at(self, path: str, place: str = "") -> FormDone:
        """To the page at `path`, which reads what was written down under this form's key."""
        return FormDone(goto=f"{path}?receipt={self._key()}{place}")

    def _looked_at(self, verb: str, asked: Mapping[str, Any]) -> str:
        """The key of the look at just this. Raises NotLookedAt: nobody has seen what this would do."""
        key, looked_at = self._key(), self.filled.get("key", "").partition(".")[2]
        if looked_at != look_digest(verb, asked):
            raise NotLookedAt(field="key", detail="what is filled in is not what was looked at" if looked_at else None)
        return key

    def _key(self) -> str:
        given = self.filled.get("key", "").partition(".")[0]
        if not given:
            raise NotLookedAt(field="key")
        self.used.append(valid_id(given, "key", "key"))
        return given


def _request(verb: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    return {"verb": verb, "asked": dict(asked)}


def look_digest(verb: str, asked: Mapping[str, Any]) -> str:
    """Of what is looked at: the reason may come with the confirmation, and the state in which a thing is expected is judged by itself."""
    seen = {name: value for name, value in asked.items() if name not in ("reason", "expected_state")}
    return request_hash(_request(verb, seen)).hex()[:16]


class GivenFile(NamedTuple):
    """A zip that a form gives out, under a name that is ours: plain ASCII."""

    name: str
    body: bytes


class FormDone(NamedTuple):
    """What comes after a form: the page at `goto`, a `file`, or its own page with what is `told`; `over`: what was filled in is not shown
    again; `booked`: what it would book."""

    told: Mapping[str, str] = {}
    goto: str = ""
    over: bool = False
    booked: BookedHere | None = None
    file: GivenFile | None = None


@dataclass(frozen=True)
class PageForm:
    """What is a form's own: where it is sent, on which page it stands, who may send it, and what it does.

    `needs`: the permission and the area that it is of, of each form; None where what it does asks by itself. `reasoned`: it is not done
    without a reason. `also`: what its page is told beside its fields; `shows`: which of them it shows again, all but those that it `hides`,
    if empty. `takes_file`: one stands in it, under the name `file`; `prose`: which of its fields are texts of paragraphs.
    """

    path: str
    page: DashboardPage
    do: Callable[[FormCall], FormDone]
    needs: Callable[[FormCall], tuple[str, str]] | None = None
    reasoned: bool = False
    also: Mapping[str, str] | None = None
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    takes_file: bool = False
    prose: frozenset[str] = frozenset()


def add_form(router: APIRouter, served: Served, form: PageForm) -> None:
    """The address that a form is sent to."""

    async def sent(request: Request) -> Response:
        try:
            given = await _whole(request)
        except Problem as problem:
            unread = problem  # for what follows the end of this block
            return await run_in_threadpool(guarded, served, request, lambda: _unread(served, request, form, unread))
        filled = {name: _read(form, name, value) for name, value in given.items() if isinstance(value, str)}
        rows = [one for one in given.getlist("row") if isinstance(one, str)]
        files = [(name, value) for name, value in given.multi_items() if not isinstance(value, str)]
        file = HandedFile(files[0][1].filename or "", await files[0][1].read()) if form.takes_file and len(files) == 1 else None

        def carried() -> Response:
            unknown = [name for name, _ in files if not form.takes_file or name != "file" or len(files) > 1]
            if unknown:
                raise InvalidInput(unknown[0][:40], "one file, under the name file" if form.takes_file else "text, and no file")
            return _carried(served, request, form, filled, rows, file)

        return await run_in_threadpool(guarded, served, request, carried)

    page_route(router, "POST", form.path, sent)


async def _whole(request: Request) -> FormData:
    """The form, of which nothing is missing. Raises FormBroken, and what reading a body raises: TooLarge, TooSlow, BodyCutShort."""
    head = Message()
    head["Content-Type"] = request.headers.get("content-type", "")
    sort = head.get_content_type()
    try:
        body = await request.body()
        if body and sort not in ("multipart/form-data", "application/x-www-form-urlencoded"):
            raise FormBroken("form", "a form", got=printable(sort)[:80])
        given = await request.form()
    except HTTPException as error:
        raise broken_form(error) from None
    if sort == "multipart/form-data" and f"--{head.get_boundary()}--".encode("latin-1", "replace") not in body:
        raise FormBroken("form", "all of it: it ends before its last part does")
    return given


def _unread(served: Served, request: Request, form: PageForm, problem: Problem) -> Response:
    """The page of a form that could not be read, with the reason; for whoever is in."""
    refuse_other_sites(request)
    session = served.door.who(request)
    return shown(served, form.page, request, session, refused=problem, typed=dict(form.also or {}))


def _read(form: PageForm, name: str, value: str) -> str:
    return prose_of(value) if name in form.prose else value.strip()


def _carried(
    served: Served, request: Request, form: PageForm, filled: Mapping[str, str], rows: Sequence[str], file: HandedFile | None
) -> Response:
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, filled.get("csrf", ""))
    call = FormCall(served, request, session, filled, rows, served.wiring.clock(), [], [], [], file)
    again = call.of(*form.shows) if form.shows else {name: value for name, value in filled.items() if name not in (*OURS, *form.hides)}
    typed = {**again, **(form.also or {})}
    try:
        refuse_unclean_form(call.every, form.prose)
    except Problem as problem:
        if problem.facts.get("field") != "reason":
            return shown(served, form.page, request, session, refused=problem, typed=typed)
        return _shown_again(form, call, problem, typed)
    try:
        if form.needs is not None:
            require(session.caller, *form.needs(call))
        if form.reasoned and call.confirmed and not call.reason:
            raise ReasonRequired(verb=filled.get("verb") or typed.get("act"), field="reason", limit="at least one word")
        done = _done(form, call)
    except (NotAuthenticated, Busy):
        raise
    except (ReasonRequired, NotLookedAt) as problem:  # nothing was done: what there is to confirm is shown once more
        return _shown_again(form, call, problem, typed)
    except Problem as problem:
        return shown(served, form.page, request, session, refused=problem, typed=typed)
    if done.goto:
        return finish(RedirectResponse(done.goto, 303))
    if done.file is not None:
        return finish(attachment(done.file.body, "application/zip", done.file.name))
    before = dict(form.also or {}) if done.over else typed
    return shown(served, form.page, request, session, typed={**before, **done.told}, booked=done.booked)


def _shown_again(form: PageForm, call: FormCall, refused: Problem, typed: Mapping[str, str]) -> Response:
    """What was refused for its reason, or for want of a look at it, keeps its form: it is looked at, and may be confirmed there."""
    look = call._replace(filled={name: value for name, value in call.filled.items() if name not in ("confirm", "key", "reason")})
    told, booked = dict[str, str](), None
    if call.confirmed:
        with suppress(Problem):
            refuse_unclean_form(look.every, form.prose)
            if form.needs is not None:
                require(call.caller, *form.needs(look))
            done = _done(form, look)
            told, booked = dict(done.told), done.booked
    return shown(call.served, form.page, call.request, call.session, refused=refused, typed={**typed, **told}, booked=booked)


def _done(form: PageForm, call: FormCall) -> FormDone:
    """What the form does. What it confirms is done once: under the key that the look at it made, with which it is sent, however often."""
    done = form.do(call)
    if not call.confirmed:
        key = ".".join([call.served.wiring.make_id("key"), *call.looked[-1:]])
        return done._replace(told={"key": key, **done.told}, booked=next(iter(call.booked), None))
    check(bool(call.used), "what a form confirms is done under its key", path=form.path)
    return done
