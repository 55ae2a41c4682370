"""How the dashboard answers: one transaction for a page, headers on everything, and a page for people when something fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Scope

from counterfoil.api.http.problems import MEDIA_TYPE, body_of, request_id_of, status_of
from counterfoil.base.edge import Database
from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.money import Asset
from counterfoil.base.paging import CURSOR_MAX
from counterfoil.base.problems import Busy, Fact, InvalidInput, NotAllowed, NotAuthenticated, NotFound, Problem, TooLarge
from counterfoil.base.text import CLEAN_LINES, is_clean, pasted, printable, refuse_unclean
from counterfoil.dashboard.pages.integrity_checks import IntegrityChecks
from counterfoil.dashboard.pages.levels import KeptLevels
from counterfoil.dashboard.settings.page_acts import acts_here
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.rendering import PageProblem, Renderer, WayOn
from counterfoil.dashboard.web.sections import SectionContext, parse_day
from counterfoil.dashboard.web.sessions import BY_ITSELF_ASKED, Session, SessionEnded, Sessions
from counterfoil.dashboard.work.brakes import brakes_told
from counterfoil.dashboard.work.counts import waiting_told
from counterfoil.dashboard.work.receipts import receipt_of
from counterfoil.ledger.reads.booked import BookedHere
from counterfoil.operations.access.access import require
from counterfoil.operations.access.oidc.provider import OpenIdClient
from counterfoil.operations.access.records import clean
from counterfoil.operations.access.scopes import ALL_PAGES
from counterfoil.operations.access.second_factor import SecondFactorFirst
from counterfoil.operations.access.turns import TurnLimits
from counterfoil.operations.noun_pages import NARROW_MAX
from counterfoil.operations.work.runner import Queue
from counterfoil.wiring import Wiring

# What of a form is as a browser sends it, by what the parser says where it is not; the last of anything else.
WHOLE: Final = {
    "boundary": "parts with a boundary, which it names",
    "Too many": "at most 1,000 fields and files",
    "maximum size": "fields of at most 1,048,576 bytes",
    "": "parts that its boundary separates, each under a name",
}
PROGRAM_MAX: Final = 64  # characters, as of the key of a receipt
PASTED_MAX: Final = 2_000  # what is searched for may be a whole line of a log
SILENT: Final = "The database does not answer, so nothing can be measured."
FAILED: Final = "Something is wrong on our side: this page could not be made."
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would not say where a form came from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LENGTHS: Final = {"q": PASTED_MAX, "after": CURSOR_MAX, "program": PROGRAM_MAX, "receipt": PROGRAM_MAX}
NOT_PAGES: Final = ("/api", "/webhooks/", "/peers/", "/metrics", "/healthz")
_OURS: Final = re.compile(r"/account|/admin(?:/[A-Za-z0-9_-]{1,64}){1,4}")
_log = structlog.get_logger("counterfoil.dashboard")


class FormBroken(InvalidInput):
    """This form did not come as a browser sends one; nothing of it was done."""

    todo = "Open the page again and repeat it there. Where it happens again, something between the browser and the server changes it."


def broken_form(error: HTTPException) -> Problem:
    """Why a form could not be read, by what its parser says."""
    if error.status_code == 413:
        return TooLarge(field="body", limit=str(error.detail))
    return FormBroken("form", next(limit for words, limit in WHOLE.items() if words in error.detail))


class PageRoute(Route):
    """The address of an endpoint that takes the request alone: nothing of FastAPI is made for it, which for four hundred of them takes
    twenty times as long."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route, and known to the line of the log."""
        match, found = super().matches(scope)
        return match, {**found, "route": self} if found else found


PageEndpoint = Callable[[Request], Response] | Callable[[Request], Coroutine[Any, Any, Response]]


def page_route(router: APIRouter, method: str, path: str, endpoint: PageEndpoint) -> None:
    """Answer one method at an address, and no other."""
    made = PageRoute(path, endpoint, methods=[method], include_in_schema=False)
    made.methods = {method}  # Starlette adds HEAD to GET
    router.routes.append(made)


@dataclass(frozen=True)
class Served:
    """What the pages of one process are served with."""

    wiring: Wiring
    database: Database
    renderer: Renderer
    door: Sessions
    integrity_checks: IntegrityChecks
    levels: KeptLevels
    queues: Sequence[Queue]
    stuck_minutes: int
    entropy: Callable[[int], bytes]
    login_provider: OpenIdClient | None
    turn_limits: TurnLimits


def answered(
    served: Served,
    page: DashboardPage,
    request: Request,
    session: Session,
    *,
    refused: Problem | None = None,
    typed: Mapping[str, str] | None = None,
    booked: BookedHere | None = None,
) -> tuple[SectionContext, Any, dict[str, Asset]]:
    """A page's answer, measured in one read-only transaction. Raises InvalidInput for a parameter that the page does not know.

    Whoever is of one program is shown that program, by the database itself; for another there is NotFound. Raises NotAllowed.
    """
    require(session.caller, page.needs, ALL_PAGES)
    given = dict(request.query_params) if request.method == "GET" else {}
    day, program, key = given.pop("day", None), given.pop("program", None), given.pop("receipt", "")
    given.pop(BY_ITSELF_ASKED, None)
    if "q" in given:
        given["q"] = pasted(given["q"])
    if unknown := sorted(set(given) - set(page.wants)):
        raise InvalidInput(unknown[0][:40], f"one of {', '.join(('day', 'program', *page.wants))}")
    for name, value in (*given.items(), ("program", program or ""), ("receipt", key)):
        most = _LENGTHS.get(name, NARROW_MAX)
        if len(value) > most or not (value.isprintable() or name == "q"):
            raise InvalidInput(name, f"at most {most} printable characters", got=value[:40])
    only = session.caller.program_id
    if only is not None and program not in (None, "", only):
        raise NotFound(what="program", id=program)
    chosen = parse_day(day, now=served.wiring.clock())
    with served.database.transaction(read_only=True, program_id=only) as conn:
        ask = SectionContext(
            conn,
            chosen,
            only or program or None,
            served.wiring.clock,
            served,
            {**given, **request.path_params},
            refused,
            typed or {},
            only,
            session.caller,
            brakes_told(conn, only=only),
            receipt_of(conn, session.caller, key, request.url.path.removesuffix(".json")) if key else None,
            booked=booked,
            waiting=waiting_told(conn, now=served.wiring.clock(), program_id=only or program or None),
        )
        ask = replace(ask, acts=acts_here(ask, page.path))
        return ask, page.answer(ask), known_assets(conn)


def shown(
    served: Served,
    page: DashboardPage,
    request: Request,
    session: Session,
    *,
    refused: Problem | None = None,
    typed: Mapping[str, str] | None = None,
    booked: BookedHere | None = None,
) -> Response:
    """A page; after a form that was `refused` with the reason on it and with what was `typed`; after a look at one with what it would
    have `booked`."""
    _note_refusal(served, request, refused)
    ask, answer, assets = answered(served, page, request, session, refused=refused, typed=typed, booked=booked)
    body = served.renderer.page(page, ask, answer, assets, session, address_of(request))
    response = Response(body, status_of(refused) if refused else 200, media_type="text/html")
    served.door.keep_program(request, response, session)
    return _ending(finish(response))


def guarded(served: Served, request: Request, act: Callable[[], Response]) -> Response:
    """`act`, and a page for people when it fails. Who is not logged in is sent to the form, which says why; who may not is recorded."""
    try:
        return act()
    except NotAuthenticated as refusal:
        why = {"ended": "session"} if isinstance(refusal, SessionEnded) else {}
        asked = {"next": address_of(request)} if request.method == "GET" else {}
        response = RedirectResponse(f"/login?{urlencode(why | asked)}", 303)
        if why:
            response.delete_cookie(served.door.cookie, path="/")
        return finish(response)
    except Problem as problem:
        _note_refusal(served, request, problem)
        return problem_page(served, request, problem)
    except Exception:  # noqa: BLE001 - this is the edge: it is logged, and a person gets a page
        _log.exception("a page failed", path=request.url.path)
        return problem_page(served, request, None)


def _note_refusal(served: Served, request: Request, problem: Problem | None) -> None:
    """The auditor reads who asked for what their role does not allow, on a page as over the API."""
    session = served.door.known(request)
    if isinstance(problem, NotAllowed) and session is not None and "needs" in problem.facts:
        served.door.doorman.refused(request, session.caller, str(problem.facts["needs"]))


def problem_page(served: Served, request: Request, problem: Problem | None) -> Response:
    """What was refused, or, without `problem`, that the fault is ours; within the frame for whoever is in, with one way on."""
    status = status_of(problem) if problem else 500
    title = SILENT if isinstance(problem, Busy) else problem.headline() if problem else FAILED
    told = PageProblem(
        title,
        {name: fact for name, fact in _told(served, problem).items() if name not in _said_already(problem)} if problem else {},
        status,
        problem.what_to_do() if problem and (problem.todo or status == 403) else "",
        _way_on(request, problem, status),
        request.method == "GET",
        request_id_of(request),
        served.wiring.clock(),
    )
    body = served.renderer.problem(told, served.door.known(request), framed=_is_inside(request))
    return _ending(finish(Response(body, status, media_type="text/html")))


def _ending(response: Response) -> Response:
    """What was too slow may come late, and is no request of its own."""
    if response.status_code == 408:
        response.headers["Connection"] = "close"
    return response


def _told(served: Served, problem: Problem) -> Mapping[str, Fact]:
    """Its facts for people; amounts in minor units, and so called, where the database does not tell the decimals of their assets."""
    if not problem.amounts:
        return problem.facts
    with suppress(Problem), served.database.transaction(read_only=True) as conn:
        return problem.told(tell_in(known_assets(conn)))
    return problem.told()


def _said_already(problem: Problem) -> tuple[str, ...]:
    return ("what", "id", "path") if isinstance(problem, NotFound) else ()


def _way_on(request: Request, problem: Problem | None, status: int) -> WayOn:
    """The one thing to do next that is plain from where somebody stands."""
    today = WayOn(PAGES[0].path, f"Go to {PAGES[0].menu}") if _is_inside(request) else WayOn("/login", "Go to the form to log in")
    if request.method != "GET":
        came = urlsplit(request.headers.get("referer", ""))
        from_here = came.netloc == request.headers.get("host") and ours(came.path) == came.path
        return WayOn(came.path, "Go back to the page of the form") if from_here else today
    if isinstance(problem, SecondFactorFirst):
        return WayOn("/account", "Go to the page of your account")
    if status >= 500:
        return WayOn(address_of(request), "Ask again")
    if problem and isinstance(problem, NotFound) and problem.facts.get("id") and _is_inside(request):
        return WayOn(f"/admin/search?{urlencode({'q': str(problem.facts['id'])})}", "Search for it")
    if status == 422 and request.url.query and ours(request.url.path) == request.url.path:
        return WayOn(request.url.path, "Open the page without what was asked for")
    return today


def _is_inside(request: Request) -> bool:
    """Is it a page that one logs in for?"""
    return request.url.path.startswith(("/admin", "/account"))


def guarded_json(served: Served, request: Request, act: Callable[[], Response]) -> Response:
    """`act`, and a problem as JSON when it fails; who may not is recorded."""
    try:
        return act()
    except Problem as problem:
        _note_refusal(served, request, problem)
        return finish(JSONResponse(body_of(problem, request_id_of(request)), status_of(problem), media_type=MEDIA_TYPE))


def add_problem_pages(app: FastAPI, served: Served) -> None:
    """A person who asks for an address that is not there, or sends what no form of ours sends, gets a page; a program its JSON.

    Whoever is not logged in learns of no address behind the login: it is asked for like every other.
    """
    for kind in (HTTPException, RequestValidationError):
        _add_problem_page(app, served, kind, app.exception_handlers.get(kind))


def _add_problem_page(app: FastAPI, served: Served, kind: type[Exception], before: Any) -> None:
    @app.exception_handler(kind)
    async def page(request: Request, error: Exception) -> Response:
        if before is not None and not _is_for_people(request):
            answer: Response = await before(request, error)
            return answer
        return await run_in_threadpool(guarded, served, request, lambda: _not_there(served, request, error))


def _not_there(served: Served, request: Request, error: Exception) -> Response:
    if _is_inside(request):
        served.door.who(request)
    if isinstance(error, HTTPException) and isinstance(error.__cause__, Problem):
        raise error.__cause__
    if isinstance(error, HTTPException) and error.status_code in (404, 405):
        raise NotFound(what="page", path=clean(request.url.path))
    if isinstance(error, HTTPException):
        raise broken_form(error)
    raise InvalidInput("form", "what a form of this page sends")


def _is_for_people(request: Request) -> bool:
    """Does a browser ask for a page, at an address that is not the API's?"""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(NOT_PAGES)


def refuse_unclean_form(filled: Mapping[str, str], prose: Collection[str] = ()) -> None:
    """Every field of a form comes through here; those that are `prose` have lines. Raises InvalidInput for the first that holds control
    characters."""
    for name, value in filled.items():
        if name in prose and not is_clean(value, lines=True):
            raise InvalidInput(name, CLEAN_LINES, got=printable(value)[:80])
        if name not in prose:
            refuse_unclean(value, name[:40] if name.isprintable() else "form")


def address_of(request: Request) -> str:
    """The path and the query that were asked for."""
    query = f"?{request.url.query}" if request.url.query else ""
    return request.url.path + query


def ours(address: str) -> str:
    """`address` if it is a page of ours, else the first page: nobody is sent elsewhere by a link."""
    path, _, query = address.partition("?")
    return address if _OURS.fullmatch(path) and "\\" not in query and query.isprintable() else PAGES[0].path


def finish(response: Response) -> Response:
    """With the headers of every answer."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response
