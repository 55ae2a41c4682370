"""What a provider says of who somebody is: a signed token, and everything that must be true of it. Asks nobody and nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.operations.access.oidc import refusals as why
from counterfoil.operations.access.oidc.refusals import ProviderLoginRefused

ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")  # never `none`, and no secret that both know
LEEWAY_S: Final = 60  # how far two clocks may be apart
SUBJECT_MAX: Final = 255
RSA_BITS_MIN: Final = 2_048  # 112 bits of security, as most providers have; 3,072 are 128
_CLAIM: Final[Mapping[str, str]] = {
    "iss": why.ISSUER,
    "aud": why.AUDIENCE,
    "azp": why.AUDIENCE,
    "nonce": why.NONCE,
    "at_hash": why.ACCESS_TOKEN,
    "iat": why.FUTURE,
    "nbf": why.FUTURE,
}


class Expected(NamedTuple):
    """What a token must say: it is for us, of this provider, for this one login; made with one of these strengths, if any is named, by
    somebody who logged in there no longer ago than this, and signed with an RSA key of so many bits, if it is RSA's."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str | None
    acr: tuple[str, ...] = ()
    max_age_s: int | None = None
    rsa_bits: int = RSA_BITS_MIN


class KeyUnknown(Exception):
    """It names a key that is not among those that we know of: the provider may have another by now."""


def subject_of(token: str, keys: Mapping[str, Any], expected: Expected, *, now: datetime) -> str:
    """Who it is, in the provider's words, if all of it is true. Raises ProviderLoginRefused with the reason, KeyUnknown."""
    from authlib.oidc.core import CodeIDToken  # the extra `oidc`

    header, payload = _verified(token, keys, rsa_bits=expected.rsa_bits)
    options = {"iss": {"essential": True, "value": expected.issuer}, "aud": {"essential": True, "value": expected.client_id}}
    params = {"client_id": expected.client_id, "nonce": expected.nonce, "access_token": expected.access_token}
    claims = CodeIDToken(payload, header, options, params)
    _check(claims, now)
    _refuse_weak(payload, expected, now)
    subject = payload["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX or not subject.isprintable():
        raise ProviderLoginRefused(why=why.LACKS, claim="sub")
    return subject


def _refuse_weak(payload: Mapping[str, Any], expected: Expected, now: datetime) -> None:
    """What was asked of the login there is true of it: a provider may answer whatever was asked."""
    if expected.acr and payload.get("acr") not in expected.acr:
        raise ProviderLoginRefused(why=why.WEAK, allowed=" ".join(expected.acr))
    if expected.max_age_s is not None:
        at = payload.get("auth_time")
        if isinstance(at, bool) or not isinstance(at, int):
            raise ProviderLoginRefused(why=why.LACKS, claim="auth_time")
        if at + expected.max_age_s + LEEWAY_S < now.timestamp():
            raise ProviderLoginRefused(why=why.LONG_AGO, limit=f"{expected.max_age_s // 60} minutes")


def _verified(token: str, keys: Mapping[str, Any], *, rsa_bits: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its header and its claims, once its signature is that of a key of the provider."""
    from joserfc import jws, jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError):
        raise ProviderLoginRefused(why=why.FORM) from None
    if header.get("alg") not in ALGORITHMS:
        raise ProviderLoginRefused(why=why.ALGORITHM, algorithm=str(header.get("alg"))[:20])
    named = [one for one in keys.get("keys", []) if header.get("kid") in (None, one.get("kid")) and one.get("use", "sig") == "sig"]
    if not named:
        raise KeyUnknown()
    long_enough = [one for one in named if one.get("kty") != "RSA" or _bits(one.get("n")) >= rsa_bits]
    if not long_enough:
        raise ProviderLoginRefused(why=why.SHORT_KEY, limit=f"{rsa_bits} bits")
    try:
        read = jwt.decode(token, KeySet.import_key_set({"keys": long_enough}), algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, KeyError):
        raise ProviderLoginRefused(why=why.SIGNATURE) from None
    return dict(read.header), dict(read.claims)


def _bits(modulus: object) -> int:
    """How long an RSA key is; nothing where it cannot be read."""
    try:
        return int.from_bytes(base64.urlsafe_b64decode(f"{modulus}==")).bit_length()
    except (binascii.Error, ValueError):
        return 0


def _check(claims: Any, now: datetime) -> None:
    from joserfc.errors import ExpiredTokenError, InvalidClaimError, InvalidTokenError, MissingClaimError

    try:
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
    except ExpiredTokenError:
        raise ProviderLoginRefused(why=why.EXPIRED) from None
    except MissingClaimError as lacking:
        raise ProviderLoginRefused(why=why.LACKS, claim=str(lacking.claim)[:40]) from None
    except InvalidClaimError as wrong:
        raise ProviderLoginRefused(why=_CLAIM.get(str(wrong.claim), why.LACKS), claim=str(wrong.claim)[:40]) from None
    except InvalidTokenError:
        raise ProviderLoginRefused(why=why.FUTURE) from None
