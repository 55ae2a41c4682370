"""How the dashboard answers: one transaction for a page, headers on everything, and a page for people when something fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from counterfoil.api.http.problems import status_of
from counterfoil.base.edge import Database
from counterfoil.base.money import Asset
from counterfoil.base.problems import Busy, Fact, InvalidInput, NotAuthenticated, NotFound, Problem
from counterfoil.base.text import refuse_unclean
from counterfoil.dashboard.pages.integrity_checks import IntegrityChecks
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.rendering import Renderer
from counterfoil.dashboard.web.sections import SectionContext, parse_day
from counterfoil.dashboard.web.sessions import Session, SessionEnded, Sessions
from counterfoil.ledger.reads.books import known_assets
from counterfoil.operations.access.oidc.provider import OpenIdClient
from counterfoil.operations.work.runner import Queue
from counterfoil.wiring import Wiring

PARAMETER_MAX: Final = 64
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
_OURS: Final = re.compile(r"/account|/admin(?:/[A-Za-z0-9_-]{1,64}){1,4}")
_log = structlog.get_logger("counterfoil.dashboard")


@dataclass(frozen=True)
class Served:
    """What the pages of one process are served with."""

    wiring: Wiring
    database: Database
    renderer: Renderer
    door: Sessions
    integrity_checks: IntegrityChecks
    queues: Sequence[Queue]
    stuck_minutes: int
    entropy: Callable[[int], bytes]
    login_provider: OpenIdClient | None


def answered(
    served: Served,
    page: DashboardPage,
    request: Request,
    session: Session,
    *,
    refused: Problem | None = None,
    typed: Mapping[str, str] | None = None,
) -> tuple[SectionContext, Any, dict[str, Asset]]:
    """A page's answer, measured in one read-only transaction. Raises InvalidInput for a parameter that the page does not know.

    Whoever is of one program is shown that program, by the database itself; for another there is NotFound.
    """
    given = dict(request.query_params) if request.method == "GET" else {}
    day, program = given.pop("day", None), given.pop("program", None)
    if unknown := sorted(set(given) - set(page.wants)):
        raise InvalidInput(unknown[0][:40], f"one of {', '.join(('day', 'program', *page.wants))}")
    for name, value in (*given.items(), ("program", program or "")):
        most = PASTED_MAX if name == "q" else PARAMETER_MAX
        if len(value) > most or not value.isprintable():
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
        )
        return ask, page.answer(ask), known_assets(conn)


def shown(
    served: Served,
    page: DashboardPage,
    request: Request,
    session: Session,
    *,
    refused: Problem | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """A page; after a form that was `refused` with the reason on it and with what was `typed`."""
    ask, answer, assets = answered(served, page, request, session, refused=refused, typed=typed)
    body = served.renderer.page(page, ask, answer, assets, session, address_of(request))
    return finish(Response(body, status_of(refused) if refused else 200, media_type="text/html"))


def guarded(served: Served, request: Request, act: Callable[[], Response]) -> Response:
    """`act`, and a page for people when it fails. Who is not logged in is sent to the form, which says why."""
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
        title = SILENT if isinstance(problem, Busy) else problem.headline()
        return _refused(served, request, title, problem.facts, status_of(problem))
    except Exception:  # noqa: BLE001 - this is the edge: it is logged, and a person gets a page
        _log.exception("a page failed", path=request.url.path)
        return _refused(served, request, FAILED, {}, 500)


def guarded_json(act: Callable[[], Response]) -> Response:
    """`act`, and a problem as JSON when it fails."""
    try:
        return act()
    except Problem as problem:
        said = {
            "type": f"/problems/{type(problem).__name__}",
            "title": problem.headline(),
            "status": status_of(problem),
        }
        facts = {name: fact for name, fact in problem.facts.items() if fact is not None}
        return finish(JSONResponse(facts | said, status_of(problem), media_type="application/problem+json"))


def refuse_unclean_form(filled: Mapping[str, str]) -> None:
    """Every field of a form comes through here. Raises InvalidInput for the first that holds control characters."""
    for name, value in filled.items():
        refuse_unclean(value, name[:40] if name.isprintable() else "form", lines=True)


def _refused(served: Served, request: Request, title: str, facts: Mapping[str, Fact], status: int) -> Response:
    body = served.renderer.problem(title, facts, status, served.wiring.clock(), address_of(request))
    return finish(Response(body, status, media_type="text/html"))


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
