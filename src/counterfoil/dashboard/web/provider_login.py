"""Logging in by an OpenID provider: the browser goes there, comes back with a code, and is the person whose subject that is."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from counterfoil.api.http.problems import status_of
from counterfoil.base.problems import NotFound, Problem
from counterfoil.dashboard.web.serving import Served, finish, guarded, ours
from counterfoil.operations.access.access import READ, Caller, require
from counterfoil.operations.access.oidc import attempts
from counterfoil.operations.access.oidc import refusals as why
from counterfoil.operations.access.oidc.provider import OpenIdClient
from counterfoil.operations.access.oidc.refusals import ProviderDenied, ProviderLoginRefused
from counterfoil.operations.access.scopes import ALL_PAGES

COOKIE: Final = "counterfoil_login"
COOKIE_HTTPS: Final = "__Host-counterfoil_login"


def add_provider_login(router: APIRouter, served: Served) -> None:
    """Where a login begins, and the one address that the provider sends people back to."""

    @router.get("/login/provider")
    def begin(request: Request, next: str = "") -> Response:  # noqa: A002 - as it is called in addresses
        return guarded(served, request, lambda: _begin(served, next))

    @router.get("/login/provider/back")
    def back(request: Request, code: str = "", state: str = "", iss: str | None = None, error: str = "") -> Response:
        return guarded(served, request, lambda: _back(served, request, code, state, iss, error))


def _begin(served: Served, next_path: str) -> Response:
    client, now = _client(served), served.wiring.clock()
    with served.database.transaction() as conn:
        begun = attempts.begin_attempt(conn, served.entropy(attempts.ENTROPY_BYTES), next_path=ours(next_path), now=now)
    response = RedirectResponse(client.begin(state=begun.state, nonce=begun.nonce, verifier=begun.verifier), 303)
    response.set_cookie(
        _cookie(served),
        begun.browser,
        max_age=int(attempts.LIFE.total_seconds()),
        path="/",
        secure=served.door.https,
        httponly=True,
        samesite="lax",  # it comes along when the provider sends the browser back, and with no form of another site
    )
    return finish(response)


def _back(served: Served, request: Request, code: str, state: str, issuer: str | None, error: str) -> Response:
    client = _client(served)
    try:
        with served.door.doorman.counted(request, "", ""):
            caller, next_path = _finished(served, request, client, code, state, issuer, error)
    except Problem as refusal:
        if refusal.kind == "busy":
            raise
        subject = refusal.facts.get("subject")
        told = " ".join(
            filter(None, (refusal.headline(), _sentence(refusal.facts.get("why")), f"Your subject: {subject}." if subject else ""))
        )
        body = served.renderer.login("", told=told, refused=True, provider=True)
        return finish(Response(body, status_of(refusal), media_type="text/html"))
    # A page, and no redirect: browsers leave a strict cookie at home as long as it was another site that sent them.
    response = Response(served.renderer.moved(next_path), media_type="text/html")
    served.door.open(request, caller, response, rules=served.door.rules._replace(needs_factor=False))  # their provider asks for it
    response.delete_cookie(_cookie(served), path="/", secure=served.door.https, httponly=True, samesite="lax")
    return finish(response)


def _finished(
    served: Served, request: Request, client: OpenIdClient, code: str, state: str, issuer: str | None, error: str
) -> tuple[Caller, str]:
    """Who it is, and where they wanted to go. The login that was begun is used up before anything is asked of the provider."""
    now = served.wiring.clock()
    with served.database.transaction() as conn:
        nonce, verifier, next_path = attempts.finish_attempt(conn, state, request.cookies.get(_cookie(served), ""), now=now)
    client.refuse_mix_up(issuer)
    if error:
        raise ProviderDenied(said=error[:60])
    if not code:
        raise ProviderLoginRefused(why=why.CODE)
    subject = client.finish(code, nonce=nonce, verifier=verifier)
    with served.database.transaction(read_only=True) as conn:
        caller = attempts.person_of_subject(conn, client.known.issuer, subject)
    require(caller, READ, ALL_PAGES)
    return caller, next_path


def _client(served: Served) -> OpenIdClient:
    if served.login_provider is None:
        raise NotFound(what="provider that people log in by")
    return served.login_provider


def _cookie(served: Served) -> str:
    return COOKIE_HTTPS if served.door.https else COOKIE


def _sentence(fact: object) -> str:
    return f"{str(fact)[0].upper()}{str(fact)[1:]}." if fact else ""
