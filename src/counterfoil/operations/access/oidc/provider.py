"""The provider over HTTP: what it says of itself, its keys, and the exchange of a code. No transaction is open meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx2

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.oidc import refusals as why
from counterfoil.operations.access.oidc.refusals import ProviderAway, ProviderDenied, ProviderLoginRefused
from counterfoil.operations.access.oidc.tokens import RSA_BITS_MIN, Expected, KeyUnknown, subject_of
from counterfoil.operations.authorities import authorities_of_questions

TIMEOUT_S: Final = 5
ANSWER_BYTES_MAX: Final = 262_144
KEPT_S: Final = 3_600  # what it says of itself, and its keys
KEYS_AGAIN_S: Final = 10  # an unknown key makes us look again, at most so often: nobody outside makes us ask without end
SCOPE: Final = "openid"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class LoginProvider(NamedTuple):
    """How an installation is known at its provider. `secret`: of a client that has one; PKCE is used in any case. `acr`: as one of which
    strengths a login there is taken, all if empty; `max_age_s`: how long ago it may be; `rsa_bits`: of its keys, where they are RSA's, the
    least."""

    issuer: str
    client_id: str
    secret: str | None
    acr: tuple[str, ...] = ()
    max_age_s: int | None = None
    rsa_bits: int = RSA_BITS_MIN


class ProviderSays(NamedTuple):
    """What a provider says of itself; `names_itself`: each of its answers must name it (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool
    basic: bool


def parse_provider(given: str, *, acr: str = "", minutes: int | None = None, rsa_bits: int = RSA_BITS_MIN) -> LoginProvider:
    """`ISSUER CLIENT_ID [SECRET]`, with spaces between; and what is asked of a login there. Raises ValueError."""
    parts = given.split()
    if len(parts) not in (2, 3) or not _is_safe(parts[0]):
        raise ValueError("must be ISSUER CLIENT_ID, and the client's secret if it has one; the issuer by https")
    secret = parts[2] if len(parts) > 2 else None
    return LoginProvider(parts[0], parts[1], secret, tuple(acr.split()), minutes * 60 if minutes else None, rsa_bits)


class OpenIdClient:
    """Speaks with one provider for one process; what it says of itself and its keys are kept for an hour."""

    def __init__(self, known: LoginProvider, redirect_uri: str, clock: Callable[[], datetime]) -> None:
        """`redirect_uri`: the one address that it sends people back to."""
        self.known, self.redirect_uri, self._clock = known, redirect_uri, clock
        self._lock = threading.Lock()
        self._says: tuple[float, ProviderSays] | None = None
        self._keys: tuple[float, Mapping[str, Any]] | None = None

    def begin(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to log in. Raises ProviderAway."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        asked = {"acr_values": " ".join(self.known.acr)} if self.known.acr else {}
        if self.known.max_age_s is not None:
            asked["max_age"] = str(self.known.max_age_s)
        address: str = prepare_grant_uri(
            self._metadata().authorization_endpoint,
            self.known.client_id,
            "code",
            redirect_uri=self.redirect_uri,
            scope=SCOPE,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            **asked,
        )
        return address

    def refuse_mix_up(self, issuer: str | None) -> None:
        """Raise ProviderLoginRefused when the answer names another provider, or none although ours names itself."""
        if issuer is None and self._metadata().names_itself:
            raise ProviderLoginRefused(why=why.MIXED_UP)
        if issuer is not None and issuer != self.known.issuer:
            raise ProviderLoginRefused(why=why.MIXED_UP, issuer=issuer[:80])

    def finish(self, code: str, *, nonce: str, verifier: str) -> str:
        """Who it is, in the provider's words. Raises ProviderAway, ProviderDenied, ProviderLoginRefused."""
        answer = self._exchange(code, verifier)
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            raise ProviderLoginRefused(why=why.FORM)
        known, spoken = self.known, access if isinstance(access, str) else None
        expected = Expected(known.issuer, known.client_id, nonce, spoken, known.acr, known.max_age_s, known.rsa_bits)
        try:
            return subject_of(token, self._key_set(), expected, now=self._clock())
        except KeyUnknown:
            pass
        try:
            return subject_of(token, self._key_set(at_most_s=KEYS_AGAIN_S), expected, now=self._clock())
        except KeyUnknown:
            raise ProviderLoginRefused(why=why.SIGNATURE) from None

    def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        says = self._metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
            "client_id": self.known.client_id,
        }
        basic = None
        if self.known.secret is not None and says.basic:
            basic = (self.known.client_id, self.known.secret)
        elif self.known.secret is not None:
            form["client_secret"] = self.known.secret
        status, answer = self._ask("POST", says.token_endpoint, data=form, auth=basic)
        if status in (400, 401, 403):
            raise ProviderDenied(said=str(answer.get("error", status))[:60])
        if status != 200:
            raise ProviderAway(issuer=self.known.issuer, answered=status)
        return answer

    def _metadata(self) -> ProviderSays:
        with self._lock:
            if self._says is not None and time.monotonic() - self._says[0] < KEPT_S:
                return self._says[1]
        issuer = self.known.issuer
        status, answer = self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if status != 200 or answer.get("issuer") != issuer:
            raise ProviderAway(issuer=issuer, answered=status)
        addresses = [answer.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if not all(isinstance(one, str) and _is_safe(one) for one in addresses):
            raise ProviderAway(issuer=issuer, limit="endpoints by https")
        methods = answer.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        names_itself = answer.get("authorization_response_iss_parameter_supported") is True
        says = ProviderSays(str(addresses[0]), str(addresses[1]), str(addresses[2]), names_itself, "client_secret_basic" in methods)
        with self._lock:
            self._says = time.monotonic(), says
        return says

    def _key_set(self, *, at_most_s: int = KEPT_S) -> Mapping[str, Any]:
        with self._lock:
            if self._keys is not None and time.monotonic() - self._keys[0] < at_most_s:
                return self._keys[1]
        status, answer = self._ask("GET", self._metadata().jwks_uri)
        if status != 200 or not isinstance(answer.get("keys"), list):
            raise ProviderAway(issuer=self.known.issuer, answered=status)
        with self._lock:
            self._keys = time.monotonic(), answer
        return answer

    def _ask(self, method: str, url: str, **more: Any) -> tuple[int, dict[str, Any]]:
        try:
            with (
                httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, verify=authorities_of_questions()) as client,
                client.stream(method, url, headers={"Accept": "application/json"}, **more) as answer,
            ):
                body = b""
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > ANSWER_BYTES_MAX:
                        raise ProviderAway(issuer=self.known.issuer, limit=f"{ANSWER_BYTES_MAX} bytes")
            read = httpx2.Response(answer.status_code, content=body).json() if body else {}
        except (httpx2.HTTPError, ValueError, RecursionError) as error:
            raise ProviderAway(issuer=self.known.issuer, detail=type(error).__name__) from None
        return answer.status_code, read if isinstance(read, dict) else {}


def callback(public_url: str) -> str:
    """The one address that a provider sends people back to."""
    if not _is_safe(public_url):
        raise InvalidInput("public_url", "an address by https, where people log in by a provider")
    return f"{public_url.rstrip('/')}/login/provider/back"


def _is_safe(url: str) -> bool:
    """By https, or on this very machine."""
    found = urlsplit(url)
    return found.scheme == "https" or (found.scheme == "http" and found.hostname in LOOPBACK)
