"""Logins of persons: roles that are granted to them, a password that a slow hash keeps, and a token that lasts an hour."""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, NotAuthenticated, NotFound
from counterfoil.operations.access.access import (
    LOGIN_PREFIX,
    ONCE_PREFIX,
    ROLES,
    SECRET_BYTES,
    Caller,
    new_secret,
    open_session,
    refuse_conflicts,
)
from counterfoil.operations.access.principals import Principal, PrincipalEnded, create_principal, find_principal, skeleton

LOGIN_LIFE: Final = timedelta(hours=1)  # of a token for the command line; a page's session lasts longer and has a CSRF token
INVITATION_LIFE: Final = timedelta(hours=72)
PASSWORD_MIN, PASSWORD_MAX = 12, 200
SALT_BYTES: Final = 16
# scrypt with 32 MiB: what one guess costs (OWASP's least is 2^14 with r 8 and p 5; this is its equal in work).
_N, _R, _P = 2**15, 8, 3
_MEMORY: Final = 64 << 20


class LoginRefused(NotAuthenticated):
    """This name and this password do not belong together."""


class PasswordNeeded(NotAuthenticated):
    """A one-time secret only sets the first password; choose one with it."""


class Invited(NamedTuple):
    """A person who was added, and the one-time secret with which they choose their password; it is shown once."""

    principal: Principal
    once: str


def add_person(
    conn: Connection[Any],
    principal_id: str,
    entropy: bytes,
    *,
    name: str,
    by: str,
    now: datetime,
    program_id: str | None = None,
) -> Invited:
    """A person without a role, with a one-time secret that lasts 72 hours. Raises InvalidInput, NameTaken."""
    made = create_principal(conn, principal_id, kind="person", name=name, by=by, now=now, program_id=program_id)
    return Invited(made, invite(conn, made.id, entropy, now=now))


def invite(conn: Connection[Any], principal_id: str, entropy: bytes, *, now: datetime) -> str:
    """A new one-time secret for a person, in place of their password. Raises NotFound, PrincipalEnded, InvalidInput."""
    owner = find_principal(conn, principal_id)
    if owner.disabled_at is not None:
        raise PrincipalEnded(id=owner.id, name=owner.name)
    if owner.kind != "person":
        raise InvalidInput("principalId", "a person; a service has keys", got=owner.kind)
    once = ONCE_PREFIX + new_secret(entropy[:SECRET_BYTES], live=True).rpartition("_")[2]
    _keep(conn, owner.id, once, entropy[SECRET_BYTES:], now=now, expires_at=now + INVITATION_LIFE)
    return once


def set_password(conn: Connection[Any], principal_id: str, password: str, salt: bytes, *, now: datetime) -> None:
    """From now on this opens a login. Raises InvalidInput with the limit."""
    refuse_bad_password(password)
    _keep(conn, principal_id, password, salt, now=now, expires_at=None)


def refuse_bad_password(password: str) -> None:
    """Length is what counts (NIST 800-63B); no rule about kinds of letters. Raises InvalidInput, which does not show it."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX or len(set(password)) < PASSWORD_MIN // 2:
        raise InvalidInput("password", f"{PASSWORD_MIN} to {PASSWORD_MAX} characters, at least 6 of them different")


def check_login(
    conn: Connection[Any],
    name: str,
    password: str,
    *,
    now: datetime,
    new_password: str | None = None,
    salt: bytes = b"",
) -> Caller:
    """Whose name and password these are; a one-time secret sets `new_password`. Raises LoginRefused, PasswordNeeded, InvalidInput.

    A name that nobody has costs as long as a wrong password, so that names cannot be told apart by a clock.
    """
    row = conn.execute(
        """select p.id, p.name, p.program_id, w.hash, w.expires_at,
                  coalesce((select string_agg(g.role, '+' order by g.role) from role_grant g
                            where g.principal_id = p.id and g.revoked_at is null), '')
           from principal p join password w on w.principal_id = p.id
           where p.skeleton = %s and p.name = %s and p.kind = 'person' and p.disabled_at is null""",
        [skeleton(name), unicodedata.normalize("NFKC", name).strip()],
    ).fetchone()
    kept = row[3] if row else _hashed("nobody's", bytes(SALT_BYTES))
    if not _fits(password, kept) or row is None or (row[4] is not None and row[4] <= now):
        raise LoginRefused()
    if row[4] is not None and new_password is None:
        raise PasswordNeeded(field="newPassword")
    if new_password is not None:
        set_password(conn, row[0], new_password, salt, now=now)
    return Caller("", row[1], row[5], row[0], None, row[2], is_person=True)


def log_in(
    conn: Connection[Any],
    session_id: str,
    entropy: bytes,
    caller: Caller,
    *,
    now: datetime,
    address: str = "",
    life: timedelta = LOGIN_LIFE,
) -> tuple[Caller, str]:
    """A login for whom `check_login` found, and its token, which goes where an API key goes."""
    token = LOGIN_PREFIX + new_secret(entropy, live=True).rpartition("_")[2]
    return open_session(conn, caller, session_id, token, None, now=now, life=life, address=address), token


def grant_role(conn: Connection[Any], grant_id: str, principal_id: str, role: str, *, by: str, now: datetime) -> None:
    """Give a person a role. The same again changes nothing. Raises InvalidInput, NotFound, PrincipalEnded, RoleConflict."""
    if role not in ROLES:
        raise InvalidInput("role", f"one of {', '.join(ROLES)}", got=role[:40])
    owner = find_principal(conn, principal_id)
    if owner.disabled_at is not None:
        raise PrincipalEnded(id=owner.id, name=owner.name)
    if owner.kind != "person":
        raise InvalidInput("principalId", "a person; the role of a service stands on its key", got=owner.kind)
    conn.execute("select 1 from principal where id = %s for update", [principal_id])
    held = roles_of(conn, principal_id)
    keys = conn.execute("select role from api_key where principal_id = %s and revoked_at is null", [principal_id]).fetchall()
    refuse_conflicts(role, [*held, *(row[0] for row in keys)])
    if role not in held:
        conn.execute(
            "insert into role_grant (id, principal_id, role, granted_by, granted_at) values (%s, %s, %s, %s, %s)",
            [grant_id, principal_id, role, by, now],
        )


def revoke_role(conn: Connection[Any], principal_id: str, role: str, *, by: str, now: datetime) -> None:
    """Take a role away. Raises NotFound, LastAdministrator."""
    done = conn.execute(
        """update role_grant set revoked_by = %s, revoked_at = %s
           where principal_id = %s and role = %s and revoked_at is null""",
        [by, now, principal_id, role],
    )
    if done.rowcount == 0:
        raise NotFound(what="role of this principal", id=principal_id, role=role[:40])


def roles_of(conn: Connection[Any], principal_id: str) -> list[str]:
    """The roles that a person holds now."""
    rows = conn.execute("select role from role_grant where principal_id = %s and revoked_at is null order by role", [principal_id])
    return [row[0] for row in rows.fetchall()]


def is_administered(conn: Connection[Any]) -> bool:
    """Does anybody administer this installation: a person, or a service with a key?"""
    row = conn.execute(
        """select exists (select from role_grant where role = 'administrator' and revoked_at is null)
               or exists (select from api_key where role = 'administrator' and revoked_at is null)"""
    ).fetchone()
    return row == (True,)


def _keep(conn: Connection[Any], principal_id: str, secret: str, salt: bytes, *, now: datetime, expires_at: datetime | None) -> None:
    if conn.execute("select 1 from principal where id = %s", [principal_id]).fetchone() is None:
        raise NotFound(what="principal", id=principal_id)
    conn.execute(
        """insert into password (principal_id, hash, set_at, expires_at) values (%s, %s, %s, %s)
           on conflict (principal_id) do update set hash = excluded.hash, set_at = excluded.set_at, expires_at = excluded.expires_at""",
        [principal_id, _hashed(secret, salt), now, expires_at],
    )


def _hashed(secret: str, salt: bytes) -> str:
    made = hashlib.scrypt(_text(secret), salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY)
    return "$".join(("scrypt", str(_N), str(_R), str(_P), _b64(salt), _b64(made)))


def _fits(secret: str, kept: str) -> bool:
    _, n, r, p, salt, made = kept.split("$")
    ours = hashlib.scrypt(_text(secret[:PASSWORD_MAX]), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p), maxmem=_MEMORY)
    return hmac.compare_digest(ours, base64.b64decode(made))


def _text(secret: str) -> bytes:
    return unicodedata.normalize("NFKC", secret).encode("utf-8", "surrogatepass")


def _b64(given: bytes) -> str:
    return base64.b64encode(given).decode()
