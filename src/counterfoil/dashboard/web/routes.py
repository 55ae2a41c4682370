"""The dashboard over HTTP: pages, JSON views, the form to log in, and a few files; every answer says what a browser may do with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.api.http.problems import status_of
from counterfoil.base import edge
from counterfoil.base.edge import Database
from counterfoil.base.invariant import Invariant
from counterfoil.base.problems import NotAuthenticated, Problem
from counterfoil.dashboard.finding.exporting import add_exports, add_noun_exports
from counterfoil.dashboard.finding.lists import list_pages_of
from counterfoil.dashboard.finding.rail import rail_of
from counterfoil.dashboard.finding.search import search_page
from counterfoil.dashboard.pages.integrity_checks import IntegrityChecks
from counterfoil.dashboard.pages.levels import KeptLevels
from counterfoil.dashboard.settings.act_forms import add_act_forms
from counterfoil.dashboard.web.account import add_account
from counterfoil.dashboard.web.api_pages import add_api_pages
from counterfoil.dashboard.web.forms import add_acts
from counterfoil.dashboard.web.json_view import as_json
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.nouns import add_verb_forms, pages_of
from counterfoil.dashboard.web.provider_login import add_provider_login
from counterfoil.dashboard.web.rendering import ASSETS, Renderer
from counterfoil.dashboard.web.serving import Served, add_problem_pages, answered, finish, guarded, guarded_json, ours, page_route, shown
from counterfoil.dashboard.web.sessions import FormNotOurs, SessionEnded, Sessions, refuse_other_sites, refuse_wrong_csrf
from counterfoil.dashboard.work.approval_forms import add_approval_forms
from counterfoil.dashboard.work.begin_forms import add_begin_form
from counterfoil.dashboard.work.client_money_form import add_client_money_form
from counterfoil.dashboard.work.disclosure_form import add_disclosure_form
from counterfoil.dashboard.work.drill_form import add_drill_form
from counterfoil.dashboard.work.parked_forms import add_parked_forms
from counterfoil.dashboard.work.queue_forms import add_queue_forms
from counterfoil.dashboard.work.reconcile_form import add_reconcile_form
from counterfoil.dashboard.work.saved_files import add_saved_files
from counterfoil.operations.access.access import DEFAULT_RULES, SessionRules
from counterfoil.operations.access.logins import PasswordNeeded
from counterfoil.operations.access.oidc.provider import LoginProvider, OpenIdClient, callback
from counterfoil.operations.access.turns import NO_LIMITS, TurnLimits
from counterfoil.operations.verbs import Noun
from counterfoil.operations.work.runner import Queue
from counterfoil.wiring import INVARIANTS, NOUNS, QUEUES, Wiring

# The forms of pages that have forms of their own.
FORMS: Final = (
    add_acts,
    add_drill_form,
    add_disclosure_form,
    add_saved_files,
    add_approval_forms,
    add_parked_forms,
    add_client_money_form,
    add_queue_forms,
    add_reconcile_form,
)


def add_dashboard(
    app: FastAPI,
    wiring: Wiring,
    *,
    version: str,
    refresh_s: int = 30,
    stuck_minutes: int = 10,
    https: bool = False,
    invariants: Sequence[Invariant] = INVARIANTS,
    queues: Sequence[Queue] = QUEUES,
    entropy: Callable[[int], bytes] = edge.entropy,
    session_rules: SessionRules = DEFAULT_RULES,
    login_provider: LoginProvider | None = None,
    public_url: str | None = None,
    turn_limits: TurnLimits = NO_LIMITS,
    nouns: Sequence[Noun] = NOUNS,
) -> None:
    """Add the dashboard to `app`; see the package for what each argument means. Nothing is asked before somebody looks."""
    database = wiring.database
    if not isinstance(database, Database):
        raise TypeError("the dashboard needs the database of base.edge")
    served = Served(
        wiring=wiring,
        database=database,
        renderer=Renderer(version=version, refresh_s=refresh_s, rail=rail_of(nouns)),
        door=Sessions(database, wiring.clock, entropy, wiring.make_id, https=https, rules=session_rules),
        integrity_checks=IntegrityChecks(database, invariants, wiring.clock),
        levels=KeptLevels(),
        queues=queues,
        stuck_minutes=stuck_minutes,
        entropy=entropy,
        login_provider=OpenIdClient(login_provider, callback(public_url or ""), wiring.clock) if login_provider else None,
        turn_limits=turn_limits,
    )
    router = APIRouter(include_in_schema=False)
    for page in PAGES:
        add_act_forms(router, served, page)
        if page.files is not None:
            add_exports(router, served, page, page.files)
        _add_page(router, served, page)
    for add_forms in FORMS:
        add_forms(router, served)
    for noun, page in pages_of(nouns):
        if page not in PAGES:
            add_act_forms(router, served, page)
            _add_page(router, served, page)
        add_verb_forms(router, served, noun, page)
    _add_page(router, served, search_page(nouns))
    for noun, page in list_pages_of(nouns):
        add_noun_exports(router, served, noun, page)
        add_begin_form(router, served, noun, page)
        add_act_forms(router, served, page)
        _add_page(router, served, page)
    add_api_pages(router, served)
    _add_door(router, served)
    add_account(router, served)
    add_provider_login(router, served)
    _add_assets(router, served)
    app.router.routes.extend(router.routes)  # flat, as those of the API: of a nested router each app makes every route a second time
    add_problem_pages(app, served)


def _add_page(router: APIRouter, served: Served, page: DashboardPage) -> None:
    def json_view(request: Request) -> Response:
        return guarded_json(served, request, lambda: _show_json(served, page, request))

    def html(request: Request) -> Response:
        return guarded(served, request, lambda: shown(served, page, request, served.door.who(request)))

    page_route(router, "GET", f"{page.path}.json", json_view)  # before the page, whose path would take the ending for a part of an id
    page_route(router, "GET", page.path, html)


def _add_door(router: APIRouter, served: Served) -> None:
    @router.get("/admin/")
    @router.get("/admin")
    @router.get("/")
    def home() -> Response:
        return finish(RedirectResponse(PAGES[0].path, 303))

    @router.get("/login")
    def form(request: Request, next: str = "", ended: str = "") -> Response:  # noqa: A002 - as it is called in addresses
        return guarded(served, request, lambda: _form(served, next, told=_ended(served, request, ended)))

    @router.post("/login")
    def log_in(
        request: Request,
        name: Annotated[str, Form()] = "",
        key: Annotated[str, Form()] = "",
        code: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",  # noqa: A002
    ) -> Response:
        return guarded(served, request, lambda: _log_in(served, request, name, key, code, next))

    @router.post("/logout")
    def log_out(request: Request, csrf: Annotated[str, Form()] = "") -> Response:
        return guarded(served, request, lambda: _log_out(served, request, csrf))

    @router.post(f"{PAGES[0].path}/ask")
    def ask_integrity_checks(request: Request, csrf: Annotated[str, Form()] = "", back: Annotated[str, Form()] = "") -> Response:
        return guarded(served, request, lambda: _ask_integrity_checks(served, request, csrf, back))


def _add_assets(router: APIRouter, served: Served) -> None:
    @router.get("/admin/assets/{name}")
    def asset(name: str) -> Response:
        found = ASSETS.get(name)
        if found is None:
            return finish(Response("There is no such file.", 404, media_type="text/plain"))
        response = finish(Response(served.renderer.files[name], media_type=found))
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"  # its address carries its hash
        return response


def _show_json(served: Served, page: DashboardPage, request: Request) -> Response:
    ask, answer, _ = answered(served, page, request, served.door.who(request))
    told = {"question": page.question, "day": ask.day.on.isoformat(), "program": ask.program_id}
    return finish(JSONResponse(told | as_json(answer)))


def _form(served: Served, next_path: str, *, told: str | None = None, status: int = 200, refused: bool = False) -> Response:
    body = served.renderer.login(ours(next_path), told=told, refused=refused, provider=served.login_provider is not None)
    return finish(Response(body, status, media_type="text/html"))


def _log_in(served: Served, request: Request, name: str, key: str, code: str, next_path: str) -> Response:
    response = RedirectResponse(ours(next_path), 303)
    try:
        served.door.log_in(request, name, key, response, code=code)
    except PasswordNeeded:  # they have a one-time secret: the page where it is used
        return finish(RedirectResponse("/password", 303))
    except (NotAuthenticated, FormNotOurs) as refusal:
        return _form(served, next_path, told=refusal.headline(), status=status_of(refusal), refused=True)
    except Problem as refusal:
        if "wait_seconds" not in refusal.facts:
            raise
        wait = refusal.facts["wait_seconds"]
        refused = _form(served, next_path, told=f"{refusal.headline()} Wait {wait} seconds.", status=429, refused=True)
        refused.headers["Retry-After"] = str(wait)
        return refused
    return finish(response)


def _ended(served: Served, request: Request, ended: str) -> str | None:
    """Why somebody is at the form, where a page of ours sent them there: another site's link says of no session that it is over."""
    from_us = request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    return _ENDED.get(ended) if from_us and served.door.cookie not in request.cookies else None


def _log_out(served: Served, request: Request, csrf: str) -> Response:
    refuse_other_sites(request)
    refuse_wrong_csrf(served.door.who(request), csrf)
    response = RedirectResponse("/login?ended=logout", 303)
    served.door.log_out(request, response)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'  # the cookie is deleted above, for this host alone
    return finish(response)


def _ask_integrity_checks(served: Served, request: Request, csrf: str, back: str) -> Response:
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, csrf)
    if session.caller.program_id is not None:
        raise WholeInstallation(program=session.caller.program_id)
    served.integrity_checks.ask_again()
    return finish(RedirectResponse(ours(back) + "#integrity_checks", 303))


_ENDED: Final = {
    "session": SessionEnded.title(),
    "password": "Your password is chosen. You have no role yet: once two administrators gave you one, log in here.",
    "logout": "You are logged out. The session of this browser cannot be used any more.",
}
