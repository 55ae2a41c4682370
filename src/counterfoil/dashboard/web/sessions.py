"""Logging in: a session that ends when nobody uses it, in a cookie that no script and no other site can use."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from fastapi import Request
from fastapi.responses import Response
from psycopg import Connection

from counterfoil.api.http.doorman import Doorman, address_in, agent_in
from counterfoil.api.http.program_scope import owner_of
from counterfoil.base.edge import Database
from counterfoil.base.problems import NotAllowed, NotAuthenticated
from counterfoil.operations.access.access import (
    LOGIN_PREFIX,
    READ,
    Caller,
    SessionRules,
    authenticate,
    open_session,
    permissions_of,
    require,
    session_caller,
)
from counterfoil.operations.access.logins import LOGIN_LIFE
from counterfoil.operations.access.passwords import SALT_BYTES
from counterfoil.operations.access.rotation import ends_of_secret
from counterfoil.operations.access.scopes import ALL_PAGES
from counterfoil.operations.access.second_factor import SecondFactorFirst
from counterfoil.operations.access.sessions import SEEN_EVERY, close_session, hash_of, note_use, renew_session

TOKEN_BYTES: Final = 32
KEY_LENGTH_MAX: Final = 200
COOKIE: Final = "counterfoil_session"
COOKIE_HTTPS: Final = "__Host-counterfoil_session"
BY_ITSELF: Final = "counterfoil-refresh"  # a page that refreshes itself says so: nobody uses it by that
BY_ITSELF_ASKED: Final = "refresh"  # and without JavaScript in its address
PROGRAM_COOKIE: Final = "counterfoil_program"  # which of their programs somebody looked at last; it opens nothing
PROGRAM_COOKIE_HTTPS: Final = f"__Host-{PROGRAM_COOKIE}"
KNOWN: Final = "counterfoil.session"
USED_REMEMBERED_MAX: Final = 10_000


class SessionEnded(NotAuthenticated):
    """Your session ended: its time was over, nobody used it for long, you logged out, or its person or key was ended."""


class NotLoggedIn(NotAuthenticated):
    """Log in to see this page."""


class FormNotOurs(NotAllowed):
    """This form was not sent from a page of your session; open the page again and repeat it."""


class Session(NamedTuple):
    """Who looks. `csrf` goes into every form of theirs; None for a caller with a key and no session."""

    caller: Caller
    csrf: str | None
    programs: tuple[str, ...] = ()  # between which they choose


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
        rules: SessionRules,
    ) -> None:
        """`https`: browsers reach us by https; then the cookie travels by nothing else, and only to this very host."""
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._make_id = make_id
        self._https = https
        self.rules = rules
        self._used: dict[bytes, datetime] = {}
        self.doorman = Doorman(database, clock, make_id, leaked=rules.leaked)

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return COOKIE_HTTPS if self._https else COOKIE

    @property
    def _program_cookie(self) -> str:
        return PROGRAM_COOKIE_HTTPS if self._https else PROGRAM_COOKIE

    @property
    def https(self) -> bool:
        """Do browsers reach us by https?"""
        return self._https

    def log_in(self, request: Request, name: str, secret: str, response: Response, *, code: str = "") -> None:
        """Open a session: for a person by name, password and code, without a name for a login's token or for an API key, which
        approves nothing. A session that this browser had ends.

        Raises NotAuthenticated, NotAllowed, TooManyAttempts, FormNotOurs.
        """
        refuse_other_sites(request)
        if name.strip():
            salt = self._entropy(SALT_BYTES)
            caller = self.log_in_person(request, name.strip(), secret, response, code=code, new_password=None, salt=salt)
            require(caller, READ, ALL_PAGES)
            return
        rules, given, now = self.rules, secret.strip()[:KEY_LENGTH_MAX], self._clock()
        by_login = given.startswith(LOGIN_PREFIX)
        if by_login:
            rules = rules._replace(life=LOGIN_LIFE)
        with self.doorman.counted(request, "", ""), self._database.transaction() as conn:
            caller = authenticate(conn, given, now=now)
            require(caller, READ, ALL_PAGES)
            if (until := ends_of_secret(conn, given)) is not None:  # what it opens ends with it
                rules = rules._replace(life=min(rules.life, until - now))
        self.open(request, caller, response, rules=rules, opened_by=caller.session_id if by_login else None)

    def log_in_person(
        self, request: Request, name: str, secret: str, response: Response, *, code: str | None, new_password: str | None, salt: bytes
    ) -> Caller:
        """Open a session for who gives a name and its password, or chooses one with a one-time secret; whoever may see no page gets none.
        Raises as `log_in`."""
        tokens: list[str] = []

        def opens(conn: Connection[Any], caller: Caller) -> None:
            if caller.may(READ, ALL_PAGES):
                tokens.append(self._begin(conn, request, caller, self.rules))

        caller = self.doorman.person(request, name, secret, code=code, new_password=new_password, salt=salt, opens=opens)
        for token in tokens:
            self.doorman.logged_in(request, caller)
            self.keep(response, token)
        return caller

    def open(
        self, request: Request, caller: Caller, response: Response, *, rules: SessionRules | None = None, opened_by: str | None = None
    ) -> None:
        """A session for whoever was let in; one that this browser had ends. `opened_by`: the login whose token did, with which it ends."""
        with self._database.transaction() as conn:
            token = self._begin(conn, request, caller, rules or self.rules, opened_by)
        self.doorman.logged_in(request, caller)
        self.keep(response, token)

    def _begin(self, conn: Connection[Any], request: Request, caller: Caller, rules: SessionRules, opened_by: str | None = None) -> str:
        token, csrf = self._entropy(TOKEN_BYTES).hex(), self._entropy(TOKEN_BYTES).hex()
        before, now = request.cookies.get(self.cookie), self._clock()
        if before:
            close_session(conn, before, now=now)
        where: dict[str, Any] = {"address": address_in(request), "agent": agent_in(request)}
        open_session(conn, caller, self._make_id("ses"), token, csrf, now=now, rules=rules, opened_by=opened_by, **where)
        return token

    def renew(self, request: Request, caller: Caller) -> tuple[Session, str]:
        """The same login under another token, because it may do more from now on; `keep` gives it to the browser. Raises SessionOver."""
        session_id = self._make_id("ses")
        token, csrf = self._entropy(TOKEN_BYTES).hex(), self._entropy(TOKEN_BYTES).hex()
        with self._database.transaction() as conn:
            renew_session(
                conn,
                caller,
                session_id,
                token,
                csrf,
                now=self._clock(),
                rules=self.rules,
                address=address_in(request),
                agent=agent_in(request),
            )
        return Session(caller._replace(session_id=session_id), csrf), token

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
            if BY_ITSELF not in request.headers and BY_ITSELF_ASKED not in request.query_params:
                self._note_use(token)
        else:
            raise NotLoggedIn()
        if session.caller.programs:
            session = session._replace(
                caller=self._in_one_program(request, session.caller), programs=tuple(sorted(session.caller.programs))
            )
        request.scope[KNOWN] = session
        if session.caller.lacks_factor and not request.scope["path"].startswith("/account"):
            raise SecondFactorFirst(name=session.caller.name)
        require(session.caller, READ, ALL_PAGES)
        return session

    def _in_one_program(self, request: Request, caller: Caller) -> Caller:
        """Somebody who has roles in single programs, as whoever they are in the one that they look at.

        The page names it, or the thing on it, or the page that they looked at before; else their roles of all programs count, or the first.
        """
        asked = [(name, str(value)) for name, value in request.path_params.items()]
        named = request.query_params.get("program")
        if named is None and asked:
            with self._database.transaction(read_only=True) as conn:
                named = owner_of(conn, asked)
        if named is None:
            named = request.cookies.get(self._program_cookie)
        if named not in caller.programs and READ not in permissions_of(caller.role):
            named = min(caller.programs)
        return caller.within(named)

    def known(self, request: Request) -> Session | None:
        """Who looks, as `who` found it for this very request; None where nobody was asked for, or the answer did not come."""
        found: Session | None = request.scope.get(KNOWN)
        return found

    def log_out(self, request: Request, response: Response) -> None:
        """End the session, here and in the browser; the auditor reads of it."""
        token = request.cookies.get(self.cookie)
        if token:
            with self._database.transaction() as conn:
                caller = close_session(conn, token, now=self._clock())
            if caller is not None:
                self.doorman.logged_out(request, caller)
        response.delete_cookie(self.cookie, path="/", secure=self._https, httponly=True, samesite="strict")

    def _note_use(self, token: str) -> None:
        """Once a minute for each session and process."""
        now, kept = self._clock(), hash_of(token)
        before = self._used.get(kept)
        if before is not None and before <= now < before + SEEN_EVERY:
            return
        if len(self._used) >= USED_REMEMBERED_MAX:
            self._used.clear()
        self._used[kept] = now
        with self._database.transaction() as conn:
            note_use(conn, token, now=now)

    def keep_program(self, request: Request, response: Response, session: Session) -> None:
        """Whoever has roles in several programs goes on looking at the one that they chose."""
        chosen = request.query_params.get("program")
        if chosen is not None and session.programs:
            how: dict[str, Any] = {"path": "/", "secure": self._https, "httponly": True, "samesite": "strict"}
            response.set_cookie(self._program_cookie, chosen if chosen in session.programs else "", **how)

    def keep(self, response: Response, token: str) -> None:
        """The browser has this session's token from now on."""
        response.set_cookie(
            self.cookie,
            token,
            max_age=int(self.rules.life.total_seconds()),
            path="/",
            secure=self._https,
            httponly=True,
            samesite="strict",
        )


def refuse_other_sites(request: Request) -> None:
    """Raise FormNotOurs when the browser says that another site sent this form. A browser that says neither is believed."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        raise FormNotOurs(field="sec-fetch-site")
    if site is None and origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise FormNotOurs(field="origin")


def refuse_wrong_csrf(session: Session, given: str) -> None:
    """Raise FormNotOurs unless the form carries the session's own token; a login of the command line has none, and sends no forms."""
    if not session.csrf or not hmac.compare_digest(session.csrf.encode(), given.encode()):
        raise FormNotOurs(field="csrf")
