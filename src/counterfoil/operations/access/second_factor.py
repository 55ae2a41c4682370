"""A person's second factor: one-time codes of an authenticator (RFC 6238), each good once, and recovery codes for who lost it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any, Final, NamedTuple

import pyotp
import segno
from psycopg import Connection

from counterfoil.base.database import name_refusals
from counterfoil.base.encryption.confidential import Confidential, encrypt, opened
from counterfoil.base.ids import ALPHABET
from counterfoil.base.problems import NotAuthenticated, Problem, check

CONFIDENTIAL: Final = Confidential("second_factor", ("id",), ("secret",), "second factors of people")
FACTOR_BYTES: Final = 20  # as long as the hash that codes are made with (RFC 4226)
STEP_S: Final = 30
DRIFT: Final = (-1, 0, 1)  # steps that a clock may be off
CODE_DIGITS: Final = 6
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10 * RECOVERY_CODES  # 80 bits each
ISSUER: Final = "counterfoil"


class CodeNeeded(NotAuthenticated):
    """This person has a second factor: log in with its code, too."""


class CodeRefused(NotAuthenticated):
    """This code is not that of the second factor now, nor a recovery code that was not used."""


class CodeUsed(CodeRefused):
    """This code was used before; wait for the next."""


class SecondFactorOld(Problem, kind="forbidden"):
    """An approval needs a fresh second factor: give its code again, then approve."""

    todo = "Give the code on the page of your account, or with `counterfoil confirm`, and approve within the next minutes."


class SecondFactorMissing(Problem, kind="forbidden"):
    """Who approves here has a second factor, and this person has none."""

    todo = "Add one on the page of your account (/account): it takes an authenticator and a minute. Then approve."


class SecondFactorFirst(Problem, kind="forbidden"):
    """Everybody who logs in here has a second factor, and this person has none yet."""

    todo = "Add one on the page of your account (/account): it takes an authenticator and a minute. Then go on."


class FactorHeld(Problem):
    """This person has a second factor already; take it away first."""


name_refusals(codes={"CF365": SecondFactorOld}, constraints={"second_factor_is_one": FactorHeld})


class NewFactor(NamedTuple):
    """A second factor that waits for its first code. `secret` is shown now, once, in letters and as a picture."""

    id: str
    secret: str
    address: str

    def picture(self) -> str:
        """Its QR code, as an SVG that an authenticator reads from the screen in either theme: black on white, with its margin."""
        drawn: str = segno.make(self.address, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff", title="QR code")
        return drawn


class HeldFactor(NamedTuple):
    """A factor as a code is held against it."""

    id: str
    secret: str
    used_step: int


def begin_factor(conn: Connection[Any], factor_id: str, principal_id: str, name: str, entropy: bytes, *, now: datetime) -> NewFactor:
    """A new secret, which counts once `confirm_factor` saw a code of it. Raises FactorHeld."""
    check(len(entropy) == FACTOR_BYTES, "a second factor carries 160 random bits", length=len(entropy))
    if has_factor(conn, principal_id):
        raise FactorHeld(id=principal_id)
    secret = base64.b32encode(entropy).decode()
    conn.execute(
        "insert into second_factor (id, principal_id, envelope, made_at) values (%s, %s, %s, %s)",
        [factor_id, principal_id, encrypt(conn, CONFIDENTIAL, [factor_id], [secret]), now],
    )
    return NewFactor(factor_id, secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER))


def confirm_factor(
    conn: Connection[Any], factor_id: str, principal_id: str, code: str, entropy: bytes, *, now: datetime
) -> tuple[str, ...]:
    """From now on this person logs in with it. Returns the recovery codes, which are shown once. Raises CodeRefused, FactorHeld."""
    check(len(entropy) == RECOVERY_BYTES, "recovery codes carry 80 random bits each", length=len(entropy))
    kept = _kept(conn, "id = %s and confirmed_at is null and ended_at is null and principal_id = %s", factor_id, principal_id)
    if kept is None:
        raise CodeRefused(field="code")
    _use_step(conn, kept, _plain(code), now)
    conn.execute("update second_factor set confirmed_at = %s where id = %s", [now, factor_id])
    each = len(entropy) // RECOVERY_CODES
    codes = tuple(_words(entropy[each * number : each * (number + 1)]) for number in range(RECOVERY_CODES))
    with conn.cursor() as cur:
        cur.executemany(
            "insert into recovery_code (factor_id, number, sha256) values (%s, %s, %s)",
            [[factor_id, number, _hash(_plain(one))] for number, one in enumerate(codes, 1)],
        )
    return codes


def has_factor(conn: Connection[Any], principal_id: str) -> bool:
    """Does this person log in with a second factor?"""
    row = conn.execute(
        "select exists (select from second_factor where principal_id = %s and confirmed_at is not null and ended_at is null)",
        [principal_id],
    ).fetchone()
    return row == (True,)


def use_code(conn: Connection[Any], principal_id: str, code: str, *, now: datetime) -> bool:
    """Use up a code; True if it was a recovery code. Raises CodeRefused, CodeUsed."""
    kept = _kept(conn, "principal_id = %s and confirmed_at is not null and ended_at is null", principal_id)
    plain = _plain(code)
    if kept is None:
        raise CodeRefused(field="code")
    if len(plain) == CODE_DIGITS:
        _use_step(conn, kept, plain, now)
        return False
    done = conn.execute(
        "update recovery_code set used_at = %s where factor_id = %s and sha256 = %s and used_at is null", [now, kept.id, _hash(plain)]
    )
    if done.rowcount == 0:
        raise CodeRefused(field="code")
    return True


def end_factor(conn: Connection[Any], principal_id: str, *, now: datetime) -> bool:
    """Nobody is asked for it from now on; what only began ends, too. False when there was none."""
    held = has_factor(conn, principal_id)
    conn.execute("update second_factor set ended_at = %s where principal_id = %s and ended_at is null", [now, principal_id])
    return held


def recovery_codes_left(conn: Connection[Any], principal_id: str) -> int:
    """How many recovery codes were not used yet."""
    row = conn.execute(
        """select count(*) from recovery_code c join second_factor f on f.id = c.factor_id
           where f.principal_id = %s and f.confirmed_at is not null and f.ended_at is null and c.used_at is null""",
        [principal_id],
    ).fetchone()
    return int(row[0]) if row else 0


def refuse_old_factor(conn: Connection[Any], session_id: str, *, now: datetime) -> None:
    """Nothing when this session's second factor is fresh, or its person has none and none is demanded; the database says the same.

    Raises SecondFactorOld, SecondFactorMissing.
    """
    row = conn.execute(
        """select approves_with_second_factor(s.id, %s), exists (
               select from second_factor f where f.principal_id = s.principal_id and f.confirmed_at is not null and f.ended_at is null)
           from session s where s.id = %s""",
        [now, session_id],
    ).fetchone()
    if row == (False, True):
        raise SecondFactorOld(session=session_id)
    if row == (False, False):
        raise SecondFactorMissing(session=session_id)


def _kept(conn: Connection[Any], which: str, *values: str) -> HeldFactor | None:
    row = conn.execute(f"select id, envelope, secret, used_step from second_factor where {which} for update", values).fetchone()
    if row is None:
        return None
    (secret,) = opened(conn, CONFIDENTIAL, [row[0]], row[1], [row[2]])
    return HeldFactor(row[0], secret, row[3])


def _use_step(conn: Connection[Any], kept: HeldFactor, code: str, now: datetime) -> None:
    here, codes = int(now.timestamp()) // STEP_S, pyotp.TOTP(kept.secret)
    found = [here + off for off in DRIFT if hmac.compare_digest(codes.generate_otp(here + off).encode(), code.encode())]
    if not found:
        raise CodeRefused(field="code")
    if max(found) <= kept.used_step:
        raise CodeUsed(field="code")
    conn.execute("update second_factor set used_step = %s where id = %s", [max(found), kept.id])


def _plain(code: str) -> str:
    return "".join(one for one in code.upper() if one.isascii() and one.isalnum())[:40]


def _words(entropy: bytes) -> str:
    number = int.from_bytes(entropy)
    text = "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(len(entropy) * 8 // 5)))
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
