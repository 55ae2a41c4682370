"""One's own account over HTTP: password, second factor, sessions; and the form where a one-time secret chooses a password.

Whoever sits down at somebody else's open browser changes nothing here: every change asks for the password or for a code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from counterfoil.api.http.problems import status_of
from counterfoil.base.ids import valid_id
from counterfoil.base.problems import Busy, NotAllowed, NotAuthenticated, Problem
from counterfoil.dashboard.pages.account import AccountShown, account_shown, happened_lately
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served, finish, guarded, ours, refuse_unclean_form
from counterfoil.dashboard.web.sessions import Session, SessionEnded, refuse_other_sites, refuse_wrong_csrf
from counterfoil.operations.access import second_factor, sessions
from counterfoil.operations.access.access import READ, Caller
from counterfoil.operations.access.logins import LoginRefused, has_password, set_password
from counterfoil.operations.access.passwords import SALT_BYTES
from counterfoil.operations.access.scopes import ALL_PAGES

Text = Annotated[str, Form()]
Act = Callable[[Session], Response]


class PasswordsDiffer(Problem, kind="invalid"):
    """The new password was typed in two ways; type the same twice."""


class NotYourAccount(NotAllowed):
    """This page is of a person who logged in by name; an API key has no password and no second factor."""


def add_account(router: APIRouter, served: Served) -> None:
    """The page, its forms, and the page for one-time secrets."""
    _add_page(router, served)
    _add_factor(router, served)
    _add_sessions(router, served)
    _add_invitation(router, served)


def _add_page(router: APIRouter, served: Served) -> None:
    @router.get("/account")
    def account(request: Request, done: str = "", next: str = "") -> Response:  # noqa: A002 - as it is called in addresses
        return guarded(served, request, lambda: _shown(served, _owner(served, request), done=done, next_path=next))

    @router.post("/account/password")
    def password(request: Request, csrf: Text = "", password: Text = "", code: Text = "", new: Text = "", again: Text = "") -> Response:
        def act(session: Session) -> Response:
            refuse_unclean_form({"new": new})
            if new != again:
                raise PasswordsDiffer(field="again")
            caller, now = _proven(served, request, session, password, code), served.wiring.clock()
            with served.database.transaction() as conn:
                set_password(conn, caller.principal_id, new, served.entropy(SALT_BYTES), now=now, leaked=served.door.rules.leaked)
                sessions.end_other_sessions(conn, caller.principal_id, but=caller.session_id, now=now)
            return _changed(served, request, caller, "password_changed")

        return _acted(served, request, csrf, act)


def _add_factor(router: APIRouter, served: Served) -> None:
    @router.post("/account/factor/begin")
    def begin(request: Request, csrf: Text = "", password: Text = "") -> Response:
        def act(session: Session) -> Response:
            caller, now = _proven(served, request, session, password, ""), served.wiring.clock()
            random = served.entropy(second_factor.FACTOR_BYTES)
            with served.database.transaction() as conn:
                made = second_factor.begin_factor(conn, served.wiring.make_id("fac"), caller.principal_id, caller.name, random, now=now)
            return _shown(served, session, new_factor=made, waiting=made.id)

        return _acted(served, request, csrf, act)

    @router.post("/account/factor/confirm")
    def confirm(request: Request, csrf: Text = "", factor: Text = "", code: Text = "") -> Response:
        def act(session: Session) -> Response:
            who, now = session.caller.principal_id, served.wiring.clock()
            factor_id, random = valid_id(factor, "fac", "factor"), served.entropy(second_factor.RECOVERY_BYTES)
            with served.door.doorman.counted_code(request, session.caller), served.database.transaction() as conn:
                codes = second_factor.confirm_factor(conn, factor_id, who, code, random, now=now)
                sessions.end_other_sessions(conn, who, but=session.caller.session_id, now=now)
            served.door.doorman.happened(request, "factor_added", session.caller)
            fresh, token = served.door.renew(request, session.caller._replace(with_factor=True))
            response = _shown(served, fresh, done="factor_added", codes=codes)
            served.door.keep(response, token)
            return response

        return _acted(served, request, csrf, act, waiting=factor)

    @router.post("/account/factor/remove")
    def remove(request: Request, csrf: Text = "", password: Text = "", code: Text = "") -> Response:
        def act(session: Session) -> Response:
            caller, now = _proven(served, request, session, password, code), served.wiring.clock()
            with served.database.transaction() as conn:
                second_factor.end_factor(conn, caller.principal_id, now=now)
                sessions.end_other_sessions(conn, caller.principal_id, but=caller.session_id, now=now)
            return _changed(served, request, caller._replace(with_factor=False), "factor_removed")

        return _acted(served, request, csrf, act)

    @router.post("/account/confirm")
    def again(request: Request, csrf: Text = "", code: Text = "", next: Text = "") -> Response:  # noqa: A002
        def act(session: Session) -> Response:
            caller = served.door.doorman.code_again(request, session.caller, code)
            response = RedirectResponse(ours(next) if next else "/account?done=confirmed", 303)
            served.door.keep(response, served.door.renew(request, caller)[1])
            return finish(response)

        return _acted(served, request, csrf, act, next_path=next)


def _add_sessions(router: APIRouter, served: Served) -> None:
    @router.post("/account/sessions/end")
    def end(request: Request, csrf: Text = "", session_id: Text = "", password: Text = "", code: Text = "") -> Response:
        def act(session: Session) -> Response:
            who, now = session.caller.principal_id, served.wiring.clock()
            with served.database.transaction(read_only=True) as conn:
                by_password = has_password(conn, who)
            if by_password:  # who logs in at a provider has none to give
                _proven(served, request, session, password, code)
            with served.database.transaction() as conn:
                if session_id:
                    sessions.end_session(conn, who, valid_id(session_id, "ses", "session_id"), now=now)
                else:
                    sessions.end_other_sessions(conn, who, but=session.caller.session_id, now=now)
            served.door.doorman.happened(request, "session_ended", session.caller)
            return finish(RedirectResponse("/account?done=session_ended#sessions", 303))

        return _acted(served, request, csrf, act)


def _add_invitation(router: APIRouter, served: Served) -> None:
    @router.get("/password")
    def form(request: Request, once: str = "") -> Response:
        return guarded(served, request, lambda: _choose(served, once))

    @router.post("/password")
    def choose(request: Request, name: Text = "", once: Text = "", new: Text = "", again: Text = "") -> Response:
        return guarded(served, request, lambda: _chosen(served, request, name.strip(), once.strip(), new, again))


def _choose(served: Served, once: str, *, refused: Problem | None = None) -> Response:
    told = None if refused is None else _words(refused)
    status = 200 if refused is None else status_of(refused)
    return finish(Response(served.renderer.choose_password(once, told=told), status, media_type="text/html"))


def _chosen(served: Served, request: Request, name: str, once: str, new: str, again: str) -> Response:
    response = RedirectResponse(PAGES[0].path, 303)
    try:
        refuse_other_sites(request)
        refuse_unclean_form({"new": new, "name": name})
        if new != again:
            raise PasswordsDiffer(field="again")
        salt = served.entropy(SALT_BYTES)
        if not served.door.log_in_person(request, name, once, response, code=None, new_password=new, salt=salt).may(READ, ALL_PAGES):
            return finish(RedirectResponse("/login?ended=password", 303))  # added, and nobody gave them a role yet
    except Busy:
        raise
    except Problem as problem:
        return _choose(served, once, refused=problem)
    return finish(response)


def _owner(served: Served, request: Request) -> Session:
    session = served.door.who(request)
    if session.caller.session_id is None:
        raise NotYourAccount(name=session.caller.name)
    return session


def _acted(served: Served, request: Request, csrf: str, act: Act, *, waiting: str = "", next_path: str = "") -> Response:
    """A form of the page: by its own session and token; what is refused is said on the page."""

    def done() -> Response:
        refuse_other_sites(request)
        session = _owner(served, request)
        refuse_wrong_csrf(session, csrf)
        try:
            return act(session)
        except (SessionEnded, Busy):
            raise
        except Problem as problem:
            return _shown(served, session, refused=problem, waiting=waiting or None, next_path=next_path)

    return guarded(served, request, done)


def _proven(served: Served, request: Request, session: Session, password: str, code: str) -> Caller:
    """It is really them: by their password, and a code if they have a second factor. Raises NotAuthenticated, TooManyAttempts."""
    name = session.caller.name
    found = served.door.doorman.person(request, name, password, code=code, new_password=None, salt=b"")
    if found.principal_id != session.caller.principal_id:
        raise LoginRefused()
    return found._replace(session_id=session.caller.session_id)


def _changed(served: Served, request: Request, caller: Caller, kind: str) -> Response:
    """What somebody logs in with was changed: this login goes on under another cookie, every other one has ended."""
    served.door.doorman.happened(request, kind, caller)
    response = RedirectResponse(f"/account?done={kind}", 303)
    served.door.keep(response, served.door.renew(request, caller)[1])
    return finish(response)


def _shown(
    served: Served,
    session: Session,
    *,
    done: str = "",
    refused: Problem | None = None,
    new_factor: second_factor.NewFactor | None = None,
    waiting: str | None = None,
    codes: tuple[str, ...] = (),
    next_path: str = "",
) -> Response:
    now = served.wiring.clock()
    with served.database.transaction(read_only=True) as conn:
        found: AccountShown = account_shown(conn, session.caller, now=now)
        told = DONE[done] if done in DONE and happened_lately(conn, session.caller, done, now=now) else None
    going_to = ours(next_path) if next_path else ""
    shown = found._replace(done=told, refused=refused, new_factor=new_factor, waiting=waiting, codes=codes, next_path=going_to)
    status = status_of(refused) if refused and not isinstance(refused, NotAuthenticated) else 403 if refused else 200
    return finish(Response(served.renderer.account(session, shown, now), status, media_type="text/html"))


def _words(problem: Problem) -> str:
    limit = problem.facts.get("limit")
    return f"{problem.headline()}{f' Wanted: {limit}.' if limit else ''}"


DONE: Final = {
    "password_changed": "Your password is changed. Every other login of yours has ended.",
    "factor_added": "From now on you log in with a code, too.",
    "factor_removed": "You log in without a code from now on.",
    "session_ended": "It is ended.",
    "confirmed": "Your second factor is fresh: you may approve for a few minutes.",
}
