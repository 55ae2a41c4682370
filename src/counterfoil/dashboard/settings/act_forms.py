"""The forms of settings: filled in, looked at as a dry run, given a reason, confirmed once. As over HTTP, with the same entry in the action
log. What takes two people is proposed here, decided among the approvals, and then done here by whoever proposed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from psycopg import Connection

from counterfoil.api.derived.acts import agreed, written
from counterfoil.api.http.calls import WholeInstallation
from counterfoil.api.http.doorman import origin_in
from counterfoil.api.http.problems import request_id_of
from counterfoil.api.http.routing import scopes_of
from counterfoil.audit.actions import record_action
from counterfoil.base.idempotency import once
from counterfoil.base.problems import Busy, NotAuthenticated, NotFound, Problem, ReasonRequired
from counterfoil.dashboard.web.fields import field_given
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.serving import Served, guarded, refuse_unclean_form, shown
from counterfoil.dashboard.web.sessions import Session, refuse_other_sites, refuse_wrong_csrf
from counterfoil.ledger.reads.books import known_assets
from counterfoil.operations.access.access import require
from counterfoil.operations.access.acts import ADD_PERSON, KEY_ACTS, PERSON_ACTS
from counterfoil.operations.acts import Act, ActCall, ActDone
from counterfoil.operations.by_two import done_or_proposed
from counterfoil.payouts.batches.acts import SET_POLICY

ACTS: Final[Mapping[str, Sequence[Act]]] = {
    "/admin/people": (ADD_PERSON,),
    "/admin/people/{id}": PERSON_ACTS,
    "/admin/keys": KEY_ACTS,
    "/admin/limits": (SET_POLICY,),
}
AGAIN: Final = "This form was sent before, and nothing was done a second time. What is told once was told then."


def add_setting_forms(router: APIRouter, served: Served) -> None:
    """The address of each act, below its page."""
    pages = {page.path: page for page in PAGES}
    for path, acts in ACTS.items():
        for act in acts:
            _add_form(router, served, pages[path], act)


def _add_form(router: APIRouter, served: Served, page: DashboardPage, act: Act) -> None:
    @router.post(f"{page.path}/{act.name}")
    async def form(request: Request) -> Response:
        filled = {name: str(value) for name, value in (await request.form()).items()}
        return await run_in_threadpool(guarded, served, request, lambda: _asked(served, request, page, act, filled))


def _asked(served: Served, request: Request, page: DashboardPage, act: Act, filled: Mapping[str, str]) -> Response:
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, filled.get("csrf", ""))
    confirmed = filled.get("confirm") == "yes"
    typed = {one.name: filled.get(one.name, "") for one in act.takes} | {"reason": filled.get("reason", ""), "act": act.name}
    try:
        refuse_unclean_form(filled)
        require(session.caller, act.permission, act.area)
        _refuse_program(act, session.caller.program_id, filled)
        if confirmed and not typed["reason"].strip():
            raise ReasonRequired(verb=act.name, field="reason", limit="at least one word")
        told = _done(served, request, session, act, filled, commit=confirmed)
    except (NotAuthenticated, Busy):
        raise
    except Problem as problem:
        return shown(served, page, request, session, refused=problem, typed=typed)
    if confirmed:
        return shown(served, page, request, session, typed={"act": act.name} | told)
    return shown(served, page, request, session, typed=typed | {"preview": told["receipt"], "key": served.wiring.make_id("key")})


def _refuse_program(act: Act, only: str | None, filled: Mapping[str, str]) -> None:
    """Whoever sees one program does what is of it, and nothing of the whole installation. Raises WholeInstallation, NotFound."""
    if only is not None and act.whole:
        raise WholeInstallation(program=only)
    if only is not None and filled.get("program_id", only) != only:
        raise NotFound(what="program", id=filled["program_id"][:64])


def _done(served: Served, request: Request, session: Session, act: Act, filled: Mapping[str, str], *, commit: bool) -> dict[str, str]:
    """What came of it, as the page says it; without `commit` it is done and rolled back. A secret is told to this answer alone."""
    caller, now = session.caller, served.wiring.clock()
    asked = {one.name: filled.get(one.name, "").strip() for one in act.takes}
    subject_id, reason, secrets = request.path_params.get("id", ""), filled.get("reason", "").strip(), list[str]()

    known = scopes_of(request.app.routes)

    def work(conn: Connection[Any]) -> dict[str, str]:
        asset = known_assets(conn).get(asked.get("asset", ""))
        taken = {one.name: field_given(one, asked, asset) for one in act.takes}
        call = ActCall(conn, subject_id, caller, now, served.wiring.make_id, served.entropy, reason or "looked at", taken, known)
        about, told = _said(act, call, secrets)
        record_action(
            conn,
            served.wiring.make_id("act"),
            actor=caller.actor,
            role=caller.role,
            verb=act.action,
            subject_id=about,
            reason=reason or None,
            request_id=request_id_of(request),
            origin=origin_in(request, caller),
            at=now,
            payload=written(act, taken) | {"reason": reason},
        )
        return told

    with served.database.transaction(commit=commit, program_id=caller.program_id) as conn:
        if not commit:
            return work(conn)
        scope = f"{caller.scope}:{act.action}:form"
        answer = once(conn, scope, filled.get("key", ""), {"subject": subject_id, **asked}, lambda: work(conn), now=now)
    if (services := getattr(request.app.state, "services", None)) is not None:  # pages may be served without the API
        services.keys.forget()
    told: dict[str, str] = answer.get()
    if answer.replayed:
        return told | {"again": AGAIN}
    if act.happened and "proposal" not in told:
        served.door.doorman.happened(request, act.happened, caller)
    return told | ({"secret": secrets[-1]} if secrets and "proposal" not in told else {})


def _said(act: Act, call: ActCall, secrets: list[str]) -> tuple[str, dict[str, str]]:
    """Do it, or propose it: which thing it is about, and what is said of it."""
    done: list[ActDone] = []

    def acted() -> str:
        done.append(act.do(act.settled(call)))
        secrets.extend(filter(None, [done[-1].secret]))
        return done[-1].subject_id

    if act.two is None:
        return acted(), {"receipt": done[-1].told}
    made = done_or_proposed(
        call.conn, agreed(act, call), acted, proposal_id=lambda: call.make_id("prop"), reason=call.reason, by=call.by, now=call.now
    )
    if made is None:
        return done[-1].subject_id, {"receipt": done[-1].told}
    later = "It takes a second person, who approves it within 24 hours; then whoever proposed it does it here."
    return made.id, {"receipt": later, "proposal": made.id}
