"""Who may do what: API keys, roles, permissions, and the dashboard's sessions."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.database import name_refusals
from counterfoil.base.ids import ALPHABET
from counterfoil.base.problems import InvalidInput, NotAllowed, NotAuthenticated, NotFound, Problem, check
from counterfoil.operations.access.principals import (
    Principal,
    PrincipalEnded,
    create_principal,
    find_principal,
    name_taken,
    skeleton,
    valid_name,
)
from counterfoil.operations.access.scopes import valid_scopes

SECRET_BYTES: Final = 25  # 200 bits
SESSION_LIFE: Final = timedelta(hours=12)
ROLES_REMEMBERED_MAX: Final = 256  # combinations of them
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
# Pairs that one principal never holds together; the database holds the same.
CONFLICTS: Final[frozenset[frozenset[str]]] = frozenset(
    frozenset(pair)
    for pair in (
        ("approver", "operator"),
        ("approver", "controller"),
        ("approver", "administrator"),
        ("administrator", "operator"),
        ("administrator", "controller"),
        ("auditor", "operator"),
        ("auditor", "controller"),
        ("auditor", "approver"),
        ("auditor", "administrator"),
    )
)
# How each secret begins that lets somebody in: a key of a real or of a test installation, a login's token, a one-time password.
LIVE_PREFIX: Final = "cf_live_"
TEST_PREFIX: Final = "cf_test_"
LOGIN_PREFIX: Final = "cf_login_"
ONCE_PREFIX: Final = "cf_once_"
PREFIXES: Final = (LIVE_PREFIX, TEST_PREFIX, LOGIN_PREFIX, ONCE_PREFIX)
_KEY: Final = re.compile(rf"({LIVE_PREFIX}|{TEST_PREFIX})([0-9A-HJKMNP-TV-Z]{{40}})([0-9A-HJKMNP-TV-Z]{{7}})", re.ASCII)


class KeyRefused(NotAuthenticated):
    """This API key is unknown, expired or revoked."""


class OutOfScope(NotAllowed):
    """This API key is narrower than its role, and what was asked for is not among its scopes."""

    todo: ClassVar[str] = "Ask with a key that has the scope that is named, or have two administrators make one."


class SessionOver(KeyRefused):
    """This login is over: it lasted its time, was ended, or its person or key was."""


class RoleConflict(Problem):
    """Nobody holds both of these roles: who makes something does not approve it, and who looks into it does neither."""


name_refusals(codes={"CF351": RoleConflict})


class KeyMistyped(NotAuthenticated):
    """This is no API key: its checksum does not fit, so a character is wrong or missing."""


class Caller(NamedTuple):
    """Whoever stands behind a request: the actor in steps and journals, the roles that decide, and the principal that acts.

    `role` holds several with a plus between, as `operator+viewer`; `programs` those that are of one program, by program, until it is known
    which program a request is about (`within`). `session_id` is a person's own login, without which nothing is
    approved; None for a key, also when it opened a page. `program_id`: this program alone is there for this caller.
    """

    key_id: str
    name: str
    role: str
    principal_id: str = ""
    session_id: str | None = None
    program_id: str | None = None
    is_person: bool = False  # who acts, by login or by a key of theirs
    with_factor: bool = False  # a second factor was given just now
    lacks_factor: bool = False  # it was demanded at the login, and there is none: they may add one, and nothing else
    programs: Mapping[str, str] = {}
    scopes: frozenset[str] | None = None  # of a key that is narrower than its role: `payouts:read`; None: all that the role allows

    @property
    def actor(self) -> str:
        """How this caller is named in every record: a person by their own name, whichever key or login of theirs it is."""
        return f"person:{self.name}" if self.is_person or not self.key_id else f"key:{self.name}"

    @property
    def roles_told(self) -> str:
        """The roles as a record names them: those of programs with their program, until it is known which program something is about."""
        return ", ".join([*filter(None, [self.role]), *(f"{role} in {program}" for program, role in sorted(self.programs.items()))])

    @property
    def scope(self) -> str:
        """Whose Idempotency-Keys these are."""
        return self.key_id or self.principal_id

    @property
    def permissions(self) -> frozenset[str]:
        """What the roles allow together; of roles of programs, what they allow in any."""
        return permissions_of("+".join((self.role, *self.programs.values()))) if self.programs else permissions_of(self.role)

    def within(self, program_id: str | None) -> Caller:
        """With the roles that they hold in this program, and its things alone; without a program, with their roles of all programs."""
        if program_id is None or program_id not in self.programs:
            return self._replace(programs={})
        roles = {one for one in (*self.role.split("+"), *self.programs[program_id].split("+")) if one}
        return self._replace(role="+".join(sorted(roles)), program_id=program_id, programs={})

    def may(self, permission: str, area: str) -> bool:
        """Do the roles allow it, and the scopes, of things of this kind? `area`: as in a scope, `payouts`; of pages `pages`."""
        return permission in self.permissions and (self.scopes is None or f"{area}:{permission}" in self.scopes)


class SessionRules(NamedTuple):
    """How long a session lasts at most, how long without use (None: as long), and how long a second factor in it is fresh.

    `demands_factor`: whoever approves in it has a second factor; `needs_factor`: whoever has none adds one before anything else.
    `leaked`: a file of passwords that leaked, of which nobody chooses one.
    """

    life: timedelta = SESSION_LIFE
    idle: timedelta | None = timedelta(hours=1)
    fresh: timedelta = timedelta(minutes=5)
    demands_factor: bool = False
    needs_factor: bool = False
    leaked: Path | None = None


DEFAULT_RULES: Final = SessionRules()


class ApiKey(NamedTuple):
    """An API key as it is shown: never its secret. `principal_id`: whose it is. `program_id`: it sees this program only.
    `scopes`: what of its role it has, sorted; None for all of it. `before_until`: the secret of before its rotation opens until then."""

    id: str
    name: str
    role: str
    principal_id: str
    program_id: str | None
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    scopes: list[str] | None = None
    before_until: datetime | None = None


def new_secret(entropy: bytes, *, live: bool) -> str:
    """`cf_live_…` or `cf_test_…`: 200 random bits in base 32 and a checksum, so that a typing error is named as one."""
    check(len(entropy) == SECRET_BYTES, "a secret carries 200 random bits", length=len(entropy))
    body = _base32(int.from_bytes(entropy), 40)
    prefix = LIVE_PREFIX if live else TEST_PREFIX
    return f"{prefix}{body}{_checksum(prefix, body)}"


@lru_cache(ROLES_REMEMBERED_MAX)  # each request asks it several times
def permissions_of(role: str) -> frozenset[str]:
    """What a role allows, or several with a plus between; nobody without a role may do anything."""
    return frozenset[str]().union(*(ROLES.get(one, frozenset()) for one in role.split("+")))


def require(caller: Caller, permission: str, area: str) -> None:
    """The one place that decides who may. Raise NotAllowed unless one of the caller's roles holds the permission, and OutOfScope unless a
    key with scopes has it for things of this `area`."""
    if permission not in caller.permissions:
        able = sorted(role for role, held in ROLES.items() if permission in held)
        raise NotAllowed(role=caller.role, needs=permission, roles=able)
    if not caller.may(permission, area):
        raise OutOfScope(role=caller.role, needs=f"{area}:{permission}", scopes=sorted(caller.scopes or ()))


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
    principal_id: str | None = None,
    program_id: str | None = None,
    scopes: Sequence[str] | None = None,
) -> ApiKey:
    """Store a key's hash; the secret is shown once by whoever made it and kept nowhere.

    It belongs to `principal_id`, or to a new service of its own name. A key of a program sees that program only; one with `scopes` may
    what they say and nothing else of its role. Raises InvalidInput, NotFound, NameTaken, PrincipalEnded, RoleConflict.
    """
    if role not in ROLES:
        raise InvalidInput("role", f"one of {', '.join(ROLES)}", got=role[:40])
    name, kept = valid_name(name), valid_scopes(scopes, role, permissions_of(role))
    if principal_id is None:
        owner = create_principal(conn, f"prn_{key_id.partition('_')[2]}", kind="service", name=name, by=by, now=now, program_id=program_id)
    else:
        owner = find_principal(conn, principal_id)
        _refuse_key(conn, owner, role, owner.program_id or program_id)
    program_id = owner.program_id or program_id
    row = conn.execute(
        """insert into api_key (id, name, role, principal_id, program_id, hint, created_by, created_at, expires_at, secret_hash, skeleton,
                                scopes)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict on constraint api_key_name_is_taken do nothing returning id""",
        [key_id, name, role, owner.id, program_id, secret[-4:], by, now, expires_at, _hash(secret), skeleton(name), kept],
    ).fetchone()
    if row is None:
        raise name_taken(conn, "api_key", name)
    return ApiKey(key_id, name, role, owner.id, program_id, secret[-4:], by, now, expires_at, None, None, kept)


def _refuse_key(conn: Connection[Any], owner: Principal, role: str, program_id: str | None) -> None:
    """A key of somebody whose other keys and roles it must not be held with, or who was ended."""
    if owner.disabled_at is not None:
        raise PrincipalEnded(id=owner.id, name=owner.name)
    conn.execute("select 1 from principal where id = %s for update", [owner.id])
    held = conn.execute(
        """select role from (select role, program_id from role_grant where principal_id = %(id)s and revoked_at is null
                             union select role, program_id from api_key where principal_id = %(id)s and revoked_at is null) held
           where program_id is null or %(program)s::text is null or program_id = %(program)s""",
        {"id": owner.id, "program": program_id},
    ).fetchall()
    refuse_conflicts(role, [row[0] for row in held])


def refuse_conflicts(role: str, held: Iterable[str]) -> None:
    """Raise RoleConflict when one principal must not hold `role` beside one of these: nobody makes and approves."""
    others = sorted(other for other in held if frozenset((role, other)) in CONFLICTS)
    if others:
        raise RoleConflict(role=role, held=others)


def refuse_misspelt(secret: str) -> None:
    """Raise KeyMistyped for what is no key or login by its form; asks no database."""
    found = _KEY.fullmatch(secret.replace(LOGIN_PREFIX, LIVE_PREFIX, 1) if secret.startswith(LOGIN_PREFIX) else secret)
    if not found or _checksum(found[1], found[2]) != found[3]:
        raise KeyMistyped()


def authenticate(conn: Connection[Any], secret: str, *, now: datetime) -> Caller:
    """Who holds this key, or logged in with this token. Raises KeyMistyped, KeyRefused, SessionOver. Notes a key's use once a minute."""
    if secret.startswith(LOGIN_PREFIX):
        return session_caller(conn, secret, now=now)[0]
    refuse_misspelt(secret)
    row = conn.execute(
        """select k.id, case p.kind when 'person' then p.name else k.name end, k.role, k.principal_id, k.program_id, k.last_used_at,
                  p.kind = 'person', k.scopes
           from api_key k join principal p on p.id = k.principal_id
           where k.id = key_of_secret(%(hash)s, %(now)s) and k.revoked_at is null and (k.expires_at is null or k.expires_at > %(now)s)
             and p.disabled_at is null""",
        {"hash": _hash(secret), "now": now},
    ).fetchone()
    if row is None:
        raise KeyRefused()
    if row[5] is None or now - row[5] > LAST_USE_EVERY:
        conn.execute("update api_key set last_used_at = %s where id = %s", [now, row[0]])
    return Caller(row[0], row[1], row[2], row[3], None, row[4], row[6], scopes=_scopes_in(row[7]))


def revoke_key(conn: Connection[Any], key_id: str, *, now: datetime) -> str:
    """End a key now; sessions that were opened with it end too. Returns its name. Raises NotFound."""
    ended = "update api_key set revoked_at = coalesce(revoked_at, %s) where id = %s returning name"
    row = conn.execute(ended, [now, key_id]).fetchone()
    if row is None:
        raise NotFound(what="API key", id=key_id)
    return str(row[0])


def open_session(
    conn: Connection[Any],
    caller: Caller,
    session_id: str,
    token: str,
    csrf: str | None,
    *,
    now: datetime,
    rules: SessionRules = DEFAULT_RULES,
    address: str = "",
    agent: str = "",
    opened_by: str | None = None,
) -> Caller:
    """Begin a session; whoever opened it keeps `token`, we keep its hash. Without a key in `caller` it is a person's own login.

    One that a key opened, such as that of a screen on a wall, is not ended for want of use. `opened_by`: it ends with that session.
    """
    idle_s = None if caller.key_id or rules.idle is None else rules.idle // timedelta(seconds=1)
    factor_until = now + rules.fresh if caller.with_factor else None
    conn.execute(
        """insert into session (id, secret_hash, principal_id, api_key_id, csrf, created_at, expires_at, address, agent, seen_at, idle_s,
                  factor_until, factor_demanded, factor_needed, opened_by)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            session_id,
            _hash(token),
            caller.principal_id,
            caller.key_id or None,
            csrf,
            now,
            now + rules.life,
            address[:100],
            agent[:200],
            now,
            idle_s,
            factor_until,
            rules.demands_factor,
            rules.needs_factor and not caller.key_id,
            opened_by,
        ],
    )
    return caller if caller.key_id else caller._replace(session_id=session_id)


def session_caller(conn: Connection[Any], token: str, *, now: datetime) -> tuple[Caller, str]:
    """Who this session belongs to, and its CSRF token. Raises SessionOver when it ended, or its key or its person did."""
    row = conn.execute(
        """select coalesce(k.id, ''), case p.kind when 'person' then p.name else coalesce(k.name, p.name) end,
                  coalesce(k.role, roles_of(p.id)), p.id, case when k.id is null then s.id end,
                  coalesce(k.program_id, p.program_id), p.kind = 'person',
                  s.csrf,
                  k.scopes, case when k.id is null then program_roles_of(p.id) else '{}' end,
                  s.factor_needed and not exists (
                      select from second_factor f where f.principal_id = p.id and f.confirmed_at is not null and f.ended_at is null)
           from session s join principal p on p.id = s.principal_id left join api_key k on k.id = s.api_key_id
           where s.secret_hash = %(hash)s and s.expires_at > %(now)s and p.disabled_at is null
             and (s.idle_s is null or s.seen_at > %(now)s - s.idle_s * interval '1 second')
             and not exists (select from session o where o.id = s.opened_by and o.expires_at <= %(now)s)
             and (k.id is null or k.revoked_at is null and (k.expires_at is null or k.expires_at > %(now)s))""",
        {"hash": _hash(token), "now": now},
    ).fetchone()
    if row is None:
        raise SessionOver()
    return Caller(*row[:7])._replace(programs=row[9], scopes=_scopes_in(row[8]), lacks_factor=row[10]), row[7] or ""


def _scopes_in(kept: list[str] | None) -> frozenset[str] | None:
    return None if kept is None else frozenset(kept)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checksum(prefix: str, body: str) -> str:
    return _base32(zlib.crc32((prefix.removeprefix("cf_") + body).encode()), 7)


def _base32(number: int, places: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(places)))
