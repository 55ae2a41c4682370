"""Doctor's look at the address where others reach this server: a proxy in front speaks TLS there, which is nothing of ours, so it is asked
as a browser would ask it, and as one would that wants less than it should be given."""

from __future__ import annotations

import contextlib
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx2

from counterfoil.base.postgres.fitness import BAD, GOOD, WARNING, Check
from counterfoil.base.settings import Settings

WHAT: Final = "public address"
TIMEOUT_S: Final = 5
SOON: Final = timedelta(days=14)
HTTP_PORT: Final = 80
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
# No forward secrecy, no certificate, no encryption, or broken: whatever of it this machine's own library still knows.
WEAK_CIPHERS: Final = "kRSA:aNULL:eNULL:3DES:RC4:@SECLEVEL=0"
OLD_VERSIONS: Final = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)


class Spoken(NamedTuple):
    """What was agreed on: the version, the cipher, and until when the certificate is good."""

    version: str
    cipher: str
    until: datetime


def public_address(settings: Settings, *, now: datetime, http_port: int = HTTP_PORT) -> Iterator[Check]:
    """Nothing where it is not set, or is this machine. `http_port`: where it would answer without TLS."""
    found = urlsplit(settings.public_url or "")
    if not found.hostname or (found.scheme == "http" and found.hostname in LOOPBACK):
        return
    if found.scheme == "http":
        said = f"{settings.public_url} is reached without TLS: passwords, keys and cookies can be read on the way"
        yield Check(WHAT, WARNING, said, "Put a proxy that speaks TLS in front, and set COUNTERFOIL_PUBLIC_URL to its https address.")
        return
    host, port = found.hostname, found.port or 443
    try:
        spoken = _speak(host, port, ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        yield Check(WHAT, BAD, f"its certificate is not believed: {error.verify_message}", "Have one of a public authority for this name.")
        return
    except (OSError, ValueError) as error:
        yield Check(WHAT, WARNING, f"{host}:{port} was not reached from here: {type(error).__name__}", "Ask from where others reach it.")
        return
    yield _certificate(spoken, now)
    if told := [name for name, weak in _weaker(host, port) if weak]:
        do = "Let the proxy speak TLS 1.2 and 1.3 alone, with ciphers that have forward secrecy (ECDHE)."
        yield Check(WHAT, BAD, f"it also takes {' and '.join(told)}", do)
    if _answers_in_clear(host, http_port):
        yield Check(WHAT, BAD, f"port {http_port} answers without TLS, too", "Let the proxy answer there with a redirect to https alone.")
    if not settings.dashboard_https:
        do = "Set COUNTERFOIL_DASHBOARD_HTTPS=true: cookies then travel by https alone, and browsers come by nothing else."
        yield Check(WHAT, WARNING, "the pages do not know that they are reached by https", do)


def _certificate(spoken: Spoken, now: datetime) -> Check:
    said = f"{spoken.version} with {spoken.cipher}; its certificate is good until {spoken.until:%Y-%m-%d}"
    if spoken.until - now < SOON:
        return Check(WHAT, WARNING, said, "Renew the certificate; let the proxy do it by itself.")
    return Check(WHAT, GOOD, said)


def _weaker(host: str, port: int) -> Iterator[tuple[str, bool]]:
    """What is asked for that nobody should be given, and whether it was."""
    yield "versions before TLS 1.2", any(_agrees(host, port, partial(_only, version=version)) for version in OLD_VERSIONS)
    yield "ciphers without forward secrecy", _agrees(host, port, partial(_only, version=ssl.TLSVersion.TLSv1_2, ciphers=WEAK_CIPHERS))


def _only(context: ssl.SSLContext, version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is the point
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)


def _agrees(host: str, port: int, ask_for: Callable[[ssl.SSLContext], None]) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent: it is only asked whether it would
    try:
        ask_for(context)
        with socket.create_connection((host, port), TIMEOUT_S) as line, context.wrap_socket(line, server_hostname=host):
            return True
    except (OSError, ValueError):  # also where this machine's library knows none of it any more
        return False


def _speak(host: str, port: int, context: ssl.SSLContext) -> Spoken:
    with socket.create_connection((host, port), TIMEOUT_S) as line, context.wrap_socket(line, server_hostname=host) as spoken:
        cipher, until = spoken.cipher(), (spoken.getpeercert() or {}).get("notAfter", "")
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(until)), UTC)
        return Spoken(str(spoken.version()), cipher[0] if cipher else "", ends)


def _answers_in_clear(host: str, port: int) -> bool:
    """Does it answer without TLS, with anything but a way to https?"""
    with contextlib.suppress(httpx2.HTTPError):
        told = httpx2.get(f"http://{_in_address(host)}:{port}/", timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)
        return not (told.is_redirect and told.headers.get("location", "").startswith("https://"))
    return False


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host
