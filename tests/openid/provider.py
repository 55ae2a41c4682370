"""An OpenID provider: discovery, keys, codes with PKCE, signed tokens; `python -m tests.openid.provider`. It can be told to lie.

It logs everybody in at once, as the subject that it was told (`POST /control`). One thread serves; it prints its address when it listens.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT, SECRET, REDIRECT = "counterfoil-test", "a secret of the client", "/login/provider/back"


def b64(given: bytes) -> str:
    return base64.urlsafe_b64encode(given).rstrip(b"=").decode()


class Provider:
    """Its state: keys, codes that were given out, and the lie of now."""

    def __init__(self) -> None:
        self.issuer, self.rotations = "", 0
        self.keys: dict[str, Any] = {}
        self.rotate("RS256")
        self.other = RSAKey.generate_key(2048, {"kid": "rs-1", "use": "sig"})  # the same name, another key
        self.codes: dict[str, dict[str, str]] = {}
        self.lie, self.subject, self.algorithm = "", "alice", "RS256"
        self.asked: list[str] = []

    def rotate(self, algorithm: str) -> None:
        self.rotations += 1
        kid = f"{algorithm[:2].lower()}-{self.rotations}"
        made = RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}) if algorithm == "RS256" else ECKey.generate_key("P-256", {"kid": kid})
        self.algorithm, self.current = algorithm, kid
        self.keys = {kid: made}

    def token(self, asked: dict[str, str], access: str) -> str:
        now, nonce = int(time.time()), asked["nonce"]
        at_hash = b64(hashlib.sha256(access.encode()).digest()[:16])
        claims: dict[str, Any] = {"iss": self.issuer, "aud": CLIENT, "sub": self.subject, "nonce": nonce, "iat": now, "exp": now + 300}
        claims |= {"acr": asked.get("acr_values", "").partition(" ")[0] or None, "auth_time": now if "max_age" in asked else None}
        claims |= {"at_hash": at_hash} | self._claims_of_lie(now)
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.current}
        if self.lie == "no signature":
            return f"{b64(json.dumps({'alg': 'none'}).encode())}.{b64(json.dumps(claims).encode())}."
        if self.lie == "public key as secret":
            signed = ".".join(b64(json.dumps(one).encode()) for one in ({"alg": "HS256", "kid": self.current}, claims))
            public = self.keys[self.current].as_pem(private=False)
            return f"{signed}.{b64(hmac.digest(public, signed.encode(), hashlib.sha256))}"
        if self.lie == "another key":
            return jwt.encode(header | {"alg": "RS256"}, claims, self.other)
        if self.lie == "unknown key":
            return jwt.encode({"alg": "RS256", "kid": "nobody's"}, claims, self.other)
        if self.lie == "garbage":
            return "not.a.token"
        made = jwt.encode(header, claims, self.keys[self.current])
        if self.lie == "changed claims":
            head, _, signature = made.split(".")
            return f"{head}.{b64(json.dumps(claims | {'sub': 'mallory'}).encode())}.{signature}"
        return made

    def _claims_of_lie(self, now: int) -> dict[str, Any]:
        lies: dict[str, dict[str, Any]] = {
            "another issuer": {"iss": "https://evil.example"},
            "another audience": {"aud": "somebody-else"},
            "several audiences": {"aud": [CLIENT, "somebody-else"], "azp": "somebody-else"},
            "expired": {"iat": now - 1000, "exp": now - 61},
            "just expired": {"exp": now - 30},
            "not yet": {"iat": now + 200, "nbf": now + 200},
            "another nonce": {"nonce": "replayed"},
            "no nonce": {"nonce": None},
            "no subject": {"sub": None},
            "another access token": {"at_hash": b64(bytes(16))},
            "no end": {"exp": None},
            "weaker": {"acr": "password"},
            "no strength": {"acr": None},
            "long ago": {"auth_time": now - 1_000},
            "no time": {"auth_time": None},
            "time in words": {"auth_time": "now"},
        }
        return lies.get(self.lie, {})


class Handler(BaseHTTPRequestHandler):
    """One request."""

    provider: Provider
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        found, path = parse_qs(urlsplit(self.path).query), urlsplit(self.path).path
        told = self.provider
        told.asked.append(path)
        if path == "/.well-known/openid-configuration":
            lying = told.lie == "metadata of another issuer"
            self._answer(
                200,
                {
                    "issuer": "https://evil.example" if lying else told.issuer,
                    "authorization_endpoint": f"{told.issuer}/authorize",
                    "token_endpoint": "http://evil.example/token" if told.lie == "endpoint in clear" else f"{told.issuer}/token",
                    "jwks_uri": f"{told.issuer}/keys",
                    "authorization_response_iss_parameter_supported": True,
                },
            )
        elif path == "/keys":
            self._answer(200, {"keys": [one.as_dict(private=False) | {"kid": kid} for kid, one in told.keys.items()]})
        elif path == "/authorize":
            self._authorize({name: values[0] for name, values in found.items()})
        elif path == "/asked":
            self._answer(200, {"asked": told.asked})
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        told = self.provider
        told.asked.append(self.path)
        if self.path == "/control":
            given = json.loads(body)
            told.lie, told.subject = given.get("lie", ""), given.get("subject", "alice")
            if "rotate" in given:
                told.rotate(given["rotate"])
            self._answer(200, {})
        elif self.path == "/token":
            self._token({name: values[0] for name, values in parse_qs(body.decode()).items()})
        else:
            self._answer(404, {})

    def _authorize(self, asked: dict[str, str]) -> None:
        told = self.provider
        wanted = {"response_type": "code", "client_id": CLIENT, "scope": "openid", "code_challenge_method": "S256"}
        if any(asked.get(name) != value for name, value in wanted.items()) or not asked["redirect_uri"].endswith(REDIRECT):
            self._answer(400, {"error": "invalid_request"})
            return
        code = secrets.token_urlsafe(24)
        told.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": told.issuer}
        if told.lie == "access denied":
            back = {"error": "access_denied", "state": asked["state"], "iss": told.issuer}
        self.send_response(302)
        self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(back)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _token(self, form: dict[str, str]) -> None:
        told = self.provider
        asked = told.codes.pop(form.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if self.headers.get("authorization") != f"Basic {basic}":
            self._answer(401, {"error": "invalid_client"})
        elif asked is None or asked["redirect_uri"] != form.get("redirect_uri") or asked["code_challenge"] != challenge:
            self._answer(400, {"error": "invalid_grant"})
        elif told.lie == "no identity":
            self._answer(200, {"access_token": "a", "token_type": "Bearer"})
        elif told.lie == "broken":
            self._answer(500, {})
        elif told.lie == "endless":
            self._answer(200, {"id_token": "x" * 400_000})
        else:
            access = secrets.token_urlsafe(16)
            self._answer(200, {"access_token": access, "token_type": "Bearer", "id_token": told.token(asked, access)})

    def _answer(self, status: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until the end of standard input."""
    Handler.provider = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    print(Handler.provider.issuer, flush=True)
    import threading

    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
