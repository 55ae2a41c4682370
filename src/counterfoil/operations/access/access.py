"""Who may do what: API keys, roles, permissions, and the dashboard's sessions."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import ALPHABET
from counterfoil.base.problems import InvalidInput, NotAllowed, NotAuthenticated, NotFound, check

SECRET_BYTES: Final = 25  # 200 bits
SESSION_LIFE: Final = timedelta(hours=12)
NAME_MAX: Final = 80
LAST_USE_EVERY: Final = timedelta(minutes=1)

READ: Final = "read"
OPERATE: Final = "operate"  # drive work on: import usage, issue invoices, retry, reconcile
APPROVE: Final = "approve"  # be the second person: what was proposed by somebody else
WORK_BREAKS: Final = "work_breaks"  # own a break, comment on it, turn a proposal down
ACCEPT_BREAK: Final = "accept_break"  # close a break as it is
POST_JOURNAL: Final = "post_journal"
CLOSE_PERIOD: Final = "close_period"
AUDIT: Final = "audit"  # read what people did
ADMINISTER: Final = "administer"  # keys, programs, rates

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "viewer": frozenset({READ}),
    "operator": frozenset({READ, OPERATE, WORK_BREAKS}),
    "approver": frozenset({READ, APPROVE, WORK_BREAKS, ACCEPT_BREAK}),
    "controller": frozenset({READ, OPERATE, WORK_BREAKS, ACCEPT_BREAK, POST_JOURNAL, CLOSE_PERIOD, AUDIT}),
    "auditor": frozenset({READ, AUDIT}),
    "administrator": frozenset({READ, AUDIT, ADMINISTER}),
}
_KEY: Final = re.compile(r"cf_(live|test)_([0-9A-HJKMNP-TV-Z]{40})([0-9A-HJKMNP-TV-Z]{7})", re.ASCII)


class KeyRefused(NotAuthenticated):
    """This API key is unknown, expired or revoked."""


class KeyMistyped(NotAuthenticated):
    """This is no API key: its checksum does not fit, so a character is wrong or missing."""


class Caller(NamedTuple):
    """Whoever stands behind a request: the actor in steps and journals, and the role that decides."""

    key_id: str
    name: str
    role: str

    @property
    def actor(self) -> str:
        """How this caller is named in every record."""
        return f"key:{self.name}"


class ApiKey(NamedTuple):
    """An API key as it is shown: never its secret."""

    id: str
    name: str
    role: str
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def new_secret(entropy: bytes, *, live: bool) -> str:
    """`cf_live_…` or `cf_test_…`: 200 random bits in base 32 and a checksum, so that a typing error is named as one."""
    check(len(entropy) == SECRET_BYTES, "a secret carries 200 random bits", length=len(entropy))
    body = _base32(int.from_bytes(entropy), 40)
    mode = "live" if live else "test"
    return f"cf_{mode}_{body}{_checksum(mode, body)}"


def require(caller: Caller, permission: str) -> None:
    """Raise NotAllowed unless the caller's role holds the permission."""
    if permission not in ROLES[caller.role]:
        able = sorted(role for role, held in ROLES.items() if permission in held)
        raise NotAllowed(role=caller.role, needs=permission, roles=able)


def create_key(
    conn: Connection[Any],
    key_id: str,
    secret: str,
    *,
    name: str,
    role: str,
    by: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> ApiKey:
    """Store a key's hash; the secret is shown once by whoever made it and kept nowhere."""
    if role not in ROLES:
        raise InvalidInput("role", f"one of {', '.join(ROLES)}", got=role[:40])
    if not name.strip() or len(name) > NAME_MAX or not name.isprintable():
        raise InvalidInput("name", f"1 to {NAME_MAX} printable characters")
    conn.execute(
        """insert into api_key (id, name, role, secret_hash, hint, created_by, created_at, expires_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [key_id, name, role, _hash(secret), secret[-4:], by, now, expires_at],
    )
    return ApiKey(key_id, name, role, secret[-4:], by, now, expires_at, None, None)


def authenticate(conn: Connection[Any], secret: str, *, now: datetime) -> Caller:
    """Who holds this key. Raises KeyMistyped, KeyRefused. Notes the use, at most once a minute."""
    found = _KEY.fullmatch(secret)
    if not found or _checksum(found[1], found[2]) != found[3]:
        raise KeyMistyped()
    row = conn.execute(
        """select id, name, role, last_used_at from api_key
           where secret_hash = %s and revoked_at is null and (expires_at is null or expires_at > %s)""",
        [_hash(secret), now],
    ).fetchone()
    if row is None:
        raise KeyRefused()
    if row[3] is None or now - row[3] > LAST_USE_EVERY:
        conn.execute("update api_key set last_used_at = %s where id = %s", [now, row[0]])
    return Caller(row[0], row[1], row[2])


def revoke_key(conn: Connection[Any], key_id: str, *, now: datetime) -> None:
    """End a key now; sessions that were opened with it end too."""
    done = conn.execute("update api_key set revoked_at = coalesce(revoked_at, %s) where id = %s", [now, key_id])
    if done.rowcount == 0:
        raise NotFound(what="API key", id=key_id)


def list_keys(conn: Connection[Any], *, rows_max: int = 500) -> list[ApiKey]:
    """Every key, newest first."""
    with conn.cursor(row_factory=class_row(ApiKey)) as cur:
        return cur.execute(
            """select id, name, role, hint, created_by, created_at, expires_at, revoked_at, last_used_at
               from api_key order by created_at desc, id desc limit %s""",
            [rows_max],
        ).fetchall()


def open_session(conn: Connection[Any], caller: Caller, token: str, csrf: str, *, now: datetime) -> None:
    """Begin a dashboard session of 12 hours; the browser keeps `token`, we keep its hash."""
    conn.execute(
        """insert into dashboard_session (secret_hash, api_key_id, csrf, created_at, expires_at)
           values (%s, %s, %s, %s, %s)""",
        [_hash(token), caller.key_id, csrf, now, now + SESSION_LIFE],
    )


def session_caller(conn: Connection[Any], token: str, *, now: datetime) -> tuple[Caller, str]:
    """Who this session belongs to, and its CSRF token. Raises KeyRefused when it ended, or its key did."""
    row = conn.execute(
        """select k.id, k.name, k.role, s.csrf from dashboard_session s join api_key k on k.id = s.api_key_id
           where s.secret_hash = %s and s.expires_at > %s and k.revoked_at is null
             and (k.expires_at is null or k.expires_at > %s)""",
        [_hash(token), now, now],
    ).fetchone()
    if row is None:
        raise KeyRefused()
    return Caller(row[0], row[1], row[2]), row[3]


def close_session(conn: Connection[Any], token: str, *, now: datetime) -> None:
    """Log out; closing a session that is gone is no error."""
    conn.execute("update dashboard_session set expires_at = %s where secret_hash = %s", [now, _hash(token)])


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checksum(mode: str, body: str) -> str:
    return _base32(zlib.crc32(f"{mode}_{body}".encode()), 7)


def _base32(number: int, places: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(places)))
