"""The dashboard over HTTP: pages, their twins, the form to log in, and three files; every answer says what a browser may do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from counterfoil.base import edge
from counterfoil.base.edge import Database
from counterfoil.base.invariant import Invariant
from counterfoil.base.money import Asset
from counterfoil.base.problems import Busy, Fact, InvalidInput, Kind, NotAuthenticated, Problem
from counterfoil.dashboard.asking import Ask, parse_day
from counterfoil.dashboard.pages import PAGES, Page
from counterfoil.dashboard.rendering import ASSETS, Renderer
from counterfoil.dashboard.session import Door, FormNotOurs, SessionEnded, refuse_other_sites, refuse_wrong_csrf
from counterfoil.dashboard.truths import Truths
from counterfoil.dashboard.twin import as_json
from counterfoil.ledger.books import known_assets
from counterfoil.operations.events import EVENTS
from counterfoil.operations.webhooks_in import WEBHOOKS_IN
from counterfoil.operations.work import Queue
from counterfoil.payouts.machines import PULLING, REPAIRING, RESERVING, SENDING
from counterfoil.settlement.intents import PROCESSING, VERIFYING
from counterfoil.wiring import INVARIANTS, Wiring

QUEUES: Final = (WEBHOOKS_IN, VERIFYING, PROCESSING, EVENTS, RESERVING, SENDING, PULLING, REPAIRING)
STATUS: Final[dict[Kind, int]] = {
    "invalid": 422, "unauthenticated": 401, "forbidden": 403, "missing": 404, "conflict": 409, "busy": 503, "too_large": 413,
}  # fmt: skip
PROGRAM_MAX: Final = 64
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
_log = structlog.get_logger("counterfoil.dashboard")


@dataclass(frozen=True)
class Served:
    """What the pages of one process are served with."""

    wiring: Wiring
    database: Database
    renderer: Renderer
    door: Door
    truths: Truths
    queues: Sequence[Queue]
    stuck_minutes: int


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
) -> None:
    """Add the dashboard to `app`; see the package for what each argument means. Nothing is asked before somebody looks."""
    database = wiring.database
    if not isinstance(database, Database):
        raise TypeError("the dashboard needs the database of base.edge")
    served = Served(
        wiring=wiring,
        database=database,
        renderer=Renderer(version=version, refresh_s=refresh_s),
        door=Door(database, wiring.clock, entropy, https=https),
        truths=Truths(database, invariants, wiring.clock),
        queues=queues,
        stuck_minutes=stuck_minutes,
    )
    router = APIRouter(include_in_schema=False)
    for page in PAGES:
        _add_page(router, served, page)
    _add_door(router, served)
    _add_assets(router, served)
    app.include_router(router)


def _add_page(router: APIRouter, served: Served, page: Page) -> None:
    @router.get(page.path)
    def html(request: Request, day: str | None = None, program: str | None = None) -> Response:
        return _guarded(served, request, lambda: _show(served, page, request, day, program))

    @router.get(f"{page.path}.json")
    def twin(request: Request, day: str | None = None, program: str | None = None) -> Response:
        return _guarded_twin(lambda: _show_twin(served, page, request, day, program))


def _add_door(router: APIRouter, served: Served) -> None:
    @router.get("/")
    def home() -> Response:
        return _finish(RedirectResponse(PAGES[0].path, 303))

    @router.get("/login")
    def form(request: Request, next: str = "", ended: str = "") -> Response:  # noqa: A002 - as it is called in addresses
        return _guarded(served, request, lambda: _form(served, next, told=_ENDED.get(ended)))

    @router.post("/login")
    def log_in(
        request: Request,
        key: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",  # noqa: A002
    ) -> Response:
        return _guarded(served, request, lambda: _log_in(served, request, key, next))

    @router.post("/logout")
    def log_out(request: Request, csrf: Annotated[str, Form()] = "") -> Response:
        return _guarded(served, request, lambda: _log_out(served, request, csrf))

    @router.post(f"{PAGES[0].path}/ask")
    def ask_truths(request: Request, csrf: Annotated[str, Form()] = "", back: Annotated[str, Form()] = "") -> Response:
        return _guarded(served, request, lambda: _ask_truths(served, request, csrf, back))


def _add_assets(router: APIRouter, served: Served) -> None:
    @router.get("/admin/assets/{name}")
    def asset(name: str) -> Response:
        found = ASSETS.get(name)
        if found is None:
            return _finish(Response("There is no such file.", 404, media_type="text/plain"))
        response = _finish(Response(served.renderer.files[name], media_type=found))
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"  # its address carries its hash
        return response


def _answer(served: Served, page: Page, day: str | None, program: str | None) -> tuple[Ask, Any, dict[str, Asset]]:
    now = served.wiring.clock()
    chosen = parse_day(day, now=now)
    if program and len(program) > PROGRAM_MAX:
        raise InvalidInput("program", f"at most {PROGRAM_MAX} characters", got=program[:40])
    with served.database.transaction(read_only=True) as conn:
        ask = Ask(conn, chosen, program or None, served.wiring.clock, served)
        return ask, page.answer(ask), known_assets(conn)


def _show(served: Served, page: Page, request: Request, day: str | None, program: str | None) -> Response:
    session = served.door.who(request)
    ask, answer, assets = _answer(served, page, day, program)
    body = served.renderer.page(page, ask, answer, assets, session, _address(request))
    return _finish(Response(body, media_type="text/html"))


def _show_twin(served: Served, page: Page, request: Request, day: str | None, program: str | None) -> Response:
    served.door.who(request)
    ask, answer, _ = _answer(served, page, day, program)
    told = {"question": page.question, "day": ask.day.on.isoformat(), "program": ask.program_id}
    return _finish(JSONResponse(told | as_json(answer)))


def _form(
    served: Served, next_path: str, *, told: str | None = None, status: int = 200, refused: bool = False
) -> Response:
    body = served.renderer.login(_ours(next_path), told=told, refused=refused)
    return _finish(Response(body, status, media_type="text/html"))


def _log_in(served: Served, request: Request, key: str, next_path: str) -> Response:
    response = RedirectResponse(_ours(next_path), 303)
    try:
        served.door.log_in(request, key, response)
    except (NotAuthenticated, FormNotOurs) as refusal:
        return _form(served, next_path, told=refusal.title(), status=STATUS[refusal.kind], refused=True)
    except Problem as refusal:
        if "wait_seconds" not in refusal.facts:
            raise
        wait = refusal.facts["wait_seconds"]
        refused = _form(served, next_path, told=f"{refusal.title()} Wait {wait} seconds.", status=429, refused=True)
        refused.headers["Retry-After"] = str(wait)
        return refused
    return _finish(response)


def _log_out(served: Served, request: Request, csrf: str) -> Response:
    refuse_other_sites(request)
    refuse_wrong_csrf(served.door.who(request), csrf)
    response = RedirectResponse("/login?ended=logout", 303)
    served.door.log_out(request, response)
    return _finish(response)


def _ask_truths(served: Served, request: Request, csrf: str, back: str) -> Response:
    refuse_other_sites(request)
    refuse_wrong_csrf(served.door.who(request), csrf)
    served.truths.ask_now()
    return _finish(RedirectResponse(_ours(back) + "#truths", 303))


def _guarded(served: Served, request: Request, act: Callable[[], Response]) -> Response:
    """`act`, and a page for people when it fails. Who is not logged in is sent to the form, which says why."""
    try:
        return act()
    except NotAuthenticated as refusal:
        why = {"ended": "session"} if isinstance(refusal, SessionEnded) else {}
        asked = {"next": _address(request)} if request.method == "GET" else {}
        response = RedirectResponse(f"/login?{urlencode(why | asked)}", 303)
        if why:
            response.delete_cookie(served.door.cookie, path="/")
        return _finish(response)
    except Problem as problem:
        title = SILENT if isinstance(problem, Busy) else problem.title()
        return _refused(served, request, title, problem.facts, STATUS[problem.kind])
    except Exception:  # noqa: BLE001 - this is the edge: it is logged, and a person gets a page
        _log.exception("a page failed", path=request.url.path)
        return _refused(served, request, FAILED, {}, 500)


def _refused(served: Served, request: Request, title: str, facts: Mapping[str, Fact], status: int) -> Response:
    body = served.renderer.problem(title, facts, status, served.wiring.clock(), _address(request))
    return _finish(Response(body, status, media_type="text/html"))


def _guarded_twin(act: Callable[[], Response]) -> Response:
    try:
        return act()
    except Problem as problem:
        said = {"type": f"/problems/{type(problem).__name__}", "title": problem.title(), "status": STATUS[problem.kind]}
        facts = {name: fact for name, fact in problem.facts.items() if fact is not None}
        return _finish(JSONResponse(facts | said, STATUS[problem.kind], media_type="application/problem+json"))


_ENDED: Final = {
    "session": SessionEnded.title(),
    "logout": "You are logged out. The session of this browser cannot be used any more.",
}


def _address(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return request.url.path + query


def _ours(address: str) -> str:
    """`address` if it is a page of ours, else the first page: nobody is sent elsewhere by a link."""
    path, _, query = address.partition("?")
    return (
        address
        if path in {page.path for page in PAGES} and "\\" not in query and query.isprintable()
        else PAGES[0].path
    )


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response
