"""Passwords: what may be one, and what a slow hash makes of it. One-time secrets are long and random, so a fast hash keeps those."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import ONCE_PREFIX

PASSWORD_MIN, PASSWORD_MAX = 12, 200
DIFFERENT_MIN: Final = 6
GUESSES_MIN: Final = 10**8  # fewer are made in a month, at a slow hash, by whoever took the database
JUDGED: Final = 72  # characters that are judged: what is hard to guess is no easier with more behind it
SALT_BYTES: Final = 16
# argon2id with 19 MiB, two passes, one lane: the least that OWASP names, about 30 ms on one core.
_ARGON2: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=SALT_BYTES)
HASHED_AT_ONCE_MAX: Final = 4  # so that many who guess at once do not take the server's memory
_TURNS: Final = threading.BoundedSemaphore(HASHED_AT_ONCE_MAX)
_OF_BEFORE: Final = "scrypt"  # how passwords were kept before; each comes under argon2id when its person logs in
_SCRYPT_MEMORY: Final = 64 << 20
_ONCE: Final = "once"


def refuse_bad_password(password: str, *, name: str = "") -> None:
    """Length is what counts (NIST 800-63B); no rule about kinds of letters. Raises InvalidInput, which does not show it."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX or len(set(password)) < DIFFERENT_MIN:
        limit = f"{PASSWORD_MIN} to {PASSWORD_MAX} characters, at least {DIFFERENT_MIN} of them different"
        raise InvalidInput("password", limit)
    plain = password.casefold()
    for word in filter(None, (name.casefold(), "counterfoil", "password")):
        if len(plain.replace(word, "")) < PASSWORD_MIN // 2:
            raise InvalidInput("password", "more than a name or a word that everybody guesses")
    if _guesses(password, name) < GUESSES_MIN:
        raise InvalidInput("password", "none that is known, and none made of known ones, keys in a row, dates or repetition")


def _guesses(password: str, name: str) -> int:
    """How many tries somebody needs who knows the commonest passwords, words and names, and how people change them."""
    from zxcvbn import zxcvbn  # its lists are read when the first password is chosen, not by every command

    return int(zxcvbn(password[:JUDGED], user_inputs=[name, "counterfoil"])["guesses"])


def hashed(password: str, salt: bytes) -> str:
    """What is kept of a password, in argon2's own form."""
    with _TURNS:
        return _ARGON2.hash(_text(password), salt=salt)


def hashed_once(secret: str) -> str:
    """What is kept of a one-time secret: its 200 random bits are guessed by nobody, however fast the hash."""
    return f"{_ONCE}${hashlib.sha256(_text(secret)).hexdigest()}"


def fits(secret: str, kept: str | None) -> bool:
    """Is this the secret? `kept` is None for a name that nobody has, which costs as long as a wrong password."""
    if secret.startswith(ONCE_PREFIX):
        return hmac.compare_digest(hashed_once(secret), kept or "")
    if len(secret) > PASSWORD_MAX:
        secret, kept = secret[:PASSWORD_MAX], None  # no password is so long; it costs as much time as one that is
    if kept is not None and kept.startswith(_OF_BEFORE):
        return _fits_scrypt(secret, kept)
    known = kept if kept is not None and not kept.startswith(_ONCE) else None
    against = known or _nobodys()
    with _TURNS:
        try:
            return _ARGON2.verify(against, _text(secret)) and known is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Was it kept in another way than passwords are today?"""
    return not kept.startswith(_ONCE) and (kept.startswith(_OF_BEFORE) or _ARGON2.check_needs_rehash(kept))


def _fits_scrypt(secret: str, kept: str) -> bool:
    _, n, r, p, salt, made = kept.split("$")
    with _TURNS:
        ours = hashlib.scrypt(_text(secret), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p), maxmem=_SCRYPT_MEMORY)
    return hmac.compare_digest(ours, base64.b64decode(made))


def _text(secret: str) -> bytes:
    return unicodedata.normalize("NFKC", secret).encode("utf-8", "surrogatepass")


@cache
def _nobodys() -> str:
    return hashed("nobody's", bytes(SALT_BYTES))
