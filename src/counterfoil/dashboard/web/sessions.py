"""Logging in: an API key opens a session of 12 hours; the browser keeps a cookie that no script and no other site can use."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from fastapi import Request
from fastapi.responses import Response

from counterfoil.api.http.doorman import Doorman, address_in
from counterfoil.base.edge import Database
from counterfoil.base.problems import NotAllowed, NotAuthenticated
from counterfoil.operations.access.access import (
    LOGIN_PREFIX,
    READ,
    SESSION_LIFE,
    Caller,
    authenticate,
    close_session,
    open_session,
    require,
    session_caller,
)
from counterfoil.operations.access.logins import LOGIN_LIFE, check_login

TOKEN_BYTES: Final = 32
KEY_LENGTH_MAX: Final = 200
COOKIE: Final = "counterfoil_session"
COOKIE_HTTPS: Final = "__Host-counterfoil_session"


class SessionEnded(NotAuthenticated):
    """Your session ended: it was open for 12 hours, you logged out, or its key expired or was revoked."""


class NotLoggedIn(NotAuthenticated):
    """Log in to see this page."""


class FormNotOurs(NotAllowed):
    """This form was not sent from a page of your session; open the page again and repeat it."""


class Session(NamedTuple):
    """Who looks. `csrf` goes into every form of theirs; None for a caller with a key and no session."""

    caller: Caller
    csrf: str | None


class Sessions:
    """Opens, checks and closes the sessions of one process."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        make_id: Callable[[str], str],
        *,
        https: bool,
    ) -> None:
        """`https`: browsers reach us by https; then the cookie travels by nothing else, and only to this very host."""
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._make_id = make_id
        self._https = https
        self._doorman = Doorman(database, clock, make_id)

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return COOKIE_HTTPS if self._https else COOKIE

    def log_in(self, request: Request, name: str, secret: str, response: Response) -> None:
        """Open a session: for a person by name and password, without a name for a login's token or for an API key, which approves nothing.

        Raises NotAuthenticated, NotAllowed, TooManyAttempts, FormNotOurs.
        """
        refuse_other_sites(request)
        self._doorman.refuse_if_many(request, name.strip())
        token, csrf = self._entropy(TOKEN_BYTES).hex(), self._entropy(TOKEN_BYTES).hex()
        try:
            with self._database.transaction() as conn:
                now = self._clock()
                if name.strip():
                    caller = check_login(conn, name, secret, now=now)
                else:
                    caller = authenticate(conn, secret.strip()[:KEY_LENGTH_MAX], now=now)
                require(caller, READ)
                life = LOGIN_LIFE if secret.strip().startswith(LOGIN_PREFIX) else SESSION_LIFE
                open_session(conn, caller, self._make_id("ses"), token, csrf, now=now, life=life, address=address_in(request))
        except NotAuthenticated:
            self._doorman.login_failed(request, name.strip())
            raise
        self._doorman.logged_in(request, caller)
        response.set_cookie(
            self.cookie,
            token,
            max_age=int(SESSION_LIFE.total_seconds()),
            path="/",
            secure=self._https,
            httponly=True,
            samesite="strict",
        )

    def who(self, request: Request) -> Session:
        """Who looks: by the session's cookie, or by a key in the Authorization header. Raises NotLoggedIn, SessionEnded."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        token = request.cookies.get(self.cookie)
        if scheme.lower() == "bearer" and key:
            with self._database.transaction() as conn:
                session = Session(authenticate(conn, key.strip()[:KEY_LENGTH_MAX], now=self._clock()), None)
        elif token:
            with self._database.transaction(read_only=True) as conn:
                try:
                    session = Session(*session_caller(conn, token, now=self._clock()))
                except NotAuthenticated as ended:
                    raise SessionEnded() from ended
        else:
            raise NotLoggedIn()
        require(session.caller, READ)
        return session

    def log_out(self, request: Request, response: Response) -> None:
        """End the session, here and in the browser."""
        token = request.cookies.get(self.cookie)
        if token:
            with self._database.transaction() as conn:
                close_session(conn, token, now=self._clock())
        response.delete_cookie(self.cookie, path="/", secure=self._https, httponly=True, samesite="strict")


def refuse_other_sites(request: Request) -> None:
    """Raise FormNotOurs when the browser says that another site sent this form. A browser that says neither is believed."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        raise FormNotOurs(field="sec-fetch-site")
    if site is None and origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise FormNotOurs(field="origin")


def refuse_wrong_csrf(session: Session, given: str) -> None:
    """Raise FormNotOurs unless the form carries the session's own token."""
    if session.csrf is None or not hmac.compare_digest(session.csrf.encode(), given.encode()):
        raise FormNotOurs(field="csrf")
