"""Making a new thing on the page of its list: filled in, looked at as a dry run, confirmed. As over HTTP, with the same entry in the
action log; a form that is sent twice makes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from psycopg import Connection

from counterfoil.api.http.doorman import origin_in
from counterfoil.api.http.problems import request_id_of
from counterfoil.audit.actions import record_action
from counterfoil.base.idempotency import once
from counterfoil.base.problems import Busy, NotAuthenticated, NotFound, Problem
from counterfoil.dashboard.web.fields import field_given
from counterfoil.dashboard.web.navigation import DashboardPage
from counterfoil.dashboard.web.serving import Served, finish, guarded, refuse_unclean_form, shown
from counterfoil.dashboard.web.sessions import Session, refuse_other_sites, refuse_wrong_csrf
from counterfoil.ledger.reads.books import known_assets
from counterfoil.operations.access.access import require
from counterfoil.operations.verbs import Begin, Noun, VerbCall, VerbResult

HIDDEN: Final = ("csrf", "confirm", "key")


def add_begin_form(router: APIRouter, served: Served, noun: Noun, page: DashboardPage) -> None:
    """The address that the form of a list is sent to, if things of its kind are made there."""
    begin = noun.begin
    if begin is None:
        return

    @router.post(page.path)
    async def form(request: Request) -> Response:
        filled = {name: str(value) for name, value in (await request.form()).items()}
        return await run_in_threadpool(guarded, served, request, lambda: _asked(served, request, noun, begin, page, filled))


def _asked(served: Served, request: Request, noun: Noun, begin: Begin, page: DashboardPage, filled: Mapping[str, str]) -> Response:
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, filled.get("csrf", ""))
    typed = {name: value for name, value in filled.items() if name not in HIDDEN}
    confirmed = filled.get("confirm") == "yes"
    try:
        refuse_unclean_form(filled)
        require(session.caller, begin.permission, noun.area)
        made = _made(served, request, session, begin, filled, commit=confirmed)
    except (NotAuthenticated, Busy):
        raise
    except Problem as problem:
        return shown(served, page, request, session, refused=problem, typed=typed)
    if confirmed:
        return finish(RedirectResponse(f"/admin/{noun.plural}/{made['id']}?begun=yes", 303))
    looked = {"preview": made["told"], "key": served.wiring.make_id("key")}
    return shown(served, page, request, session, typed=typed | looked)


def _made(served: Served, request: Request, session: Session, begin: Begin, filled: Mapping[str, str], *, commit: bool) -> dict[str, str]:
    """The id of what was made, and what is told of it; without `commit` it is made and rolled back."""
    caller, now = session.caller, served.wiring.clock()
    asked = {one.name: filled.get(one.name, "").strip() for one in begin.takes}
    only = caller.program_id
    if only is not None and asked.get("program_id", only) != only:
        raise NotFound(what="program", id=asked["program_id"][:64])

    def work(conn: Connection[Any]) -> dict[str, str]:
        asset = known_assets(conn).get(asked.get("asset", ""))
        taken = {one.name: field_given(one, asked, asset) for one in begin.takes}
        done: VerbResult = begin.do(VerbCall(conn, "", caller, now, served.wiring.make_id, taken=taken))
        record_action(
            conn,
            served.wiring.make_id("act"),
            actor=caller.actor,
            role=caller.role,
            verb=begin.action,
            subject_id=done.made or "",
            reason=None,
            request_id=request_id_of(request),
            origin=origin_in(request, caller),
            at=now,
            payload=asked,
        )
        return {"id": done.made or "", "told": done.told}

    with served.database.transaction(commit=commit, program_id=only) as conn:
        if not commit:
            return work(conn)
        scope = f"{caller.scope}:{begin.action}:form"
        answer = once(conn, scope, filled.get("key", ""), asked, lambda: work(conn), now=now)
    made: dict[str, str] = answer.get()
    return made
