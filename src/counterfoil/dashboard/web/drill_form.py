"""Asking for a drill on its page, as over HTTP: the worker runs it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from counterfoil.api.http.doorman import origin_in
from counterfoil.api.http.problems import request_id_of
from counterfoil.audit.actions import record_action
from counterfoil.base.problems import Busy, NotAuthenticated, Problem
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served, finish, guarded, refuse_unclean_form, shown
from counterfoil.dashboard.web.sessions import Session, refuse_other_sites, refuse_wrong_csrf
from counterfoil.drills.drills import ask_for_drill
from counterfoil.operations.access.access import OPERATE, require

PAGE: Final = next(page for page in PAGES if page.path == "/admin/drills")


def add_drill_form(router: APIRouter, served: Served) -> None:
    """The address that the form is sent to."""

    @router.post(PAGE.path)
    def form(request: Request, csrf: Annotated[str, Form()] = "", name: Annotated[str, Form()] = "") -> Response:
        return guarded(served, request, lambda: _asked(served, request, csrf, name))


def _asked(served: Served, request: Request, csrf: str, name: str) -> Response:
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, csrf)
    try:
        refuse_unclean_form({"name": name})
        drill_id = _ask(served, request, session, name)
    except (NotAuthenticated, Busy):
        raise
    except Problem as problem:
        return shown(served, PAGE, request, session, refused=problem, typed={"name": name})
    return finish(RedirectResponse(f"{PAGE.path}/{drill_id}", 303))


def _ask(served: Served, request: Request, session: Session, name: str) -> str:
    caller, now = session.caller, served.wiring.clock()
    require(caller, OPERATE, "drills")
    with served.database.transaction(program_id=caller.program_id) as conn:
        drill = ask_for_drill(conn, served.wiring.make_id("drl"), name, backup_id=None, actor=caller.actor, now=now)
        record_action(
            conn,
            served.wiring.make_id("act"),
            actor=caller.actor,
            role=caller.role,
            verb="drill.ask",
            subject_id=drill.id,
            reason=None,
            request_id=request_id_of(request),
            origin=origin_in(request, caller),
            at=now,
            payload={"name": name},
        )
    return drill.id
