"""Logins of persons: roles that are granted to them, a password, a second factor if they have one, and a token that lasts an hour."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput, NotAuthenticated, NotFound
from counterfoil.operations.access.access import (
    DEFAULT_RULES,
    LOGIN_PREFIX,
    ONCE_PREFIX,
    ROLES,
    SECRET_BYTES,
    Caller,
    SessionRules,
    new_secret,
    open_session,
    refuse_conflicts,
)
from counterfoil.operations.access.leaked import refuse_leaked
from counterfoil.operations.access.passwords import SALT_BYTES, fits, hashed, hashed_once, is_outdated, refuse_bad_password
from counterfoil.operations.access.principals import Principal, PrincipalEnded, create_principal, find_principal, skeleton
from counterfoil.operations.access.second_factor import CodeNeeded, end_factor, use_code
from counterfoil.operations.access.sessions import end_other_sessions

LOGIN_LIFE: Final = timedelta(hours=1)  # of a token for the command line; a page's session lasts longer and has a CSRF token
INVITATION_LIFE: Final = timedelta(hours=72)


class LoginRefused(NotAuthenticated):
    """This name and this password do not belong together."""


class PasswordNeeded(NotAuthenticated):
    """A one-time secret only sets the first password; choose one with it."""


class KeptPassword(NamedTuple):
    """What is kept of a person who may log in. With `expires_at` it is a one-time secret."""

    id: str
    name: str
    program_id: str | None
    hash: str
    expires_at: datetime | None
    role: str
    programs: dict[str, str]
    has_factor: bool


class PersonKnown(NamedTuple):
    """Whose name and password were given. `kept`: what is kept of the secret; `once`: it is one that only sets a password."""

    caller: Caller
    kept: str
    once: bool
    has_factor: bool


class RoleHeld(NamedTuple):
    """A role, in one program; None: in all that the person sees."""

    role: str
    program_id: str | None


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
    _keep(conn, owner.id, hashed_once(once), now=now, expires_at=now + INVITATION_LIFE)
    return once


def reset_person(conn: Connection[Any], principal_id: str, entropy: bytes, *, now: datetime) -> str:
    """They lost their password or their second factor: both end, as do their sessions, and a one-time secret lets them begin anew.

    Raises what `invite` raises.
    """
    once = invite(conn, principal_id, entropy, now=now)
    end_factor(conn, principal_id, now=now)
    end_other_sessions(conn, principal_id, but=None, now=now)
    return once


def set_password(
    conn: Connection[Any], principal_id: str, password: str, salt: bytes, *, now: datetime, leaked: Path | None = None
) -> None:
    """From now on this opens a login; it is none of those in the file of `leaked` ones. Raises InvalidInput with the limit, NotFound,
    LeakedPasswordsUnread."""
    refuse_bad_password(password, name=find_principal(conn, principal_id).name)
    if leaked is not None:
        refuse_leaked(password, leaked)
    _keep(conn, principal_id, hashed(password, salt), now=now, expires_at=None)


def has_password(conn: Connection[Any], principal_id: str) -> bool:
    """Do they log in by a password, and not at a provider alone?"""
    return conn.execute("select from password where principal_id = %s", [principal_id]).fetchone() is not None


def check_password(conn: Connection[Any], name: str, password: str, *, now: datetime) -> PersonKnown:
    """Whose name and password these are. Raises LoginRefused."""
    return judge_password(find_password(conn, name), password, now=now)


def find_password(conn: Connection[Any], name: str) -> KeptPassword | None:
    """What is kept for this name; None when nobody has it."""
    with conn.cursor(row_factory=class_row(KeptPassword)) as cur:
        return cur.execute(
            """select p.id, p.name, p.program_id, w.hash, w.expires_at,
                      roles_of(p.id) as role, program_roles_of(p.id) as programs,
                      exists (select from second_factor f where f.principal_id = p.id and f.confirmed_at is not null
                                                            and f.ended_at is null) as has_factor
               from principal p join password w on w.principal_id = p.id
               where p.skeleton = %s and p.name = %s and p.kind = 'person' and p.disabled_at is null""",
            [skeleton(name), unicodedata.normalize("NFKC", name).strip()],
        ).fetchone()


def judge_password(kept: KeptPassword | None, password: str, *, now: datetime) -> PersonKnown:
    """Is it the password? Slow on purpose, so no transaction is open. Raises LoginRefused.

    A name that nobody has costs as long as a wrong password, so that names cannot be told apart by a clock.
    """
    if not fits(password, kept.hash if kept else None) or kept is None or (kept.expires_at is not None and kept.expires_at <= now):
        raise LoginRefused()
    caller = Caller("", kept.name, kept.role, kept.id, None, kept.program_id, is_person=True, programs=kept.programs)
    return PersonKnown(caller, kept.hash, kept.expires_at is not None, kept.has_factor)


def check_code(conn: Connection[Any], known: PersonKnown, code: str | None, *, now: datetime) -> tuple[Caller, bool]:
    """The second half of a login, for who has a second factor; True for a recovery code. Raises CodeNeeded, CodeRefused."""
    if not known.has_factor:
        return known.caller, False
    if not code:
        raise CodeNeeded(field="code")
    recovery = use_code(conn, known.caller.principal_id, code, now=now)
    return known.caller._replace(with_factor=True), recovery


def keep_password(
    conn: Connection[Any],
    known: PersonKnown,
    password: str,
    new_password: str | None,
    salt: bytes,
    *,
    now: datetime,
    leaked: Path | None = None,
) -> None:
    """At a login: choose a new password, or bring one that was kept in an old way under today's. Raises PasswordNeeded, LoginRefused when
    it was changed since it was looked at, InvalidInput. With a new one every login of before ends.

    It is not changed before the end of the transaction, so a session that is opened in it is ended by whoever resets it afterwards.
    """
    who, brought = known.caller.principal_id, is_outdated(known.kept) and len(salt) == SALT_BYTES
    if new_password is None and known.once:
        raise PasswordNeeded(field="newPassword")
    # Of two who hold the same one-time secret one chooses; and a password that was reset meanwhile opens nothing, and does not come back.
    row = conn.execute("select hash from password where principal_id = %s for update", [who]).fetchone()
    if row is None or row[0] != known.kept:
        raise LoginRefused()
    if new_password is None and not brought:
        return
    if new_password is not None:
        set_password(conn, who, new_password, salt, now=now, leaked=leaked)
        end_other_sessions(conn, who, but=None, now=now)  # whoever changes it may do so because somebody else knew the old one
    else:
        _keep(conn, who, hashed(password, salt), now=now, expires_at=None)


def check_login(
    conn: Connection[Any],
    name: str,
    password: str,
    *,
    now: datetime,
    code: str | None = None,
    new_password: str | None = None,
    salt: bytes = b"",
) -> Caller:
    """All of a login in one transaction; nothing is counted (the edges count). A one-time secret sets `new_password`.

    Raises LoginRefused, CodeNeeded, CodeRefused, PasswordNeeded, InvalidInput.
    """
    known = check_password(conn, name, password, now=now)
    caller, _ = check_code(conn, known, code, now=now)
    keep_password(conn, known, password, new_password, salt, now=now)
    return caller


def log_in(
    conn: Connection[Any],
    session_id: str,
    entropy: bytes,
    caller: Caller,
    *,
    now: datetime,
    address: str = "",
    agent: str = "",
    life: timedelta = LOGIN_LIFE,
    rules: SessionRules = DEFAULT_RULES,
) -> tuple[Caller, str]:
    """A login for whom `check_login` found, and its token, which goes where an API key goes."""
    token = new_login_token(entropy)
    lasting = rules._replace(idle=None, life=life)
    return open_session(conn, caller, session_id, token, None, now=now, rules=lasting, address=address, agent=agent), token


def new_login_token(entropy: bytes) -> str:
    """A token that goes where an API key goes."""
    return LOGIN_PREFIX + new_secret(entropy, live=True).rpartition("_")[2]


def grant_role(
    conn: Connection[Any], grant_id: str, principal_id: str, role: str, *, by: str, now: datetime, program_id: str | None = None
) -> None:
    """Give a person a role, in one program or in all that they see. The same again changes nothing.

    Raises InvalidInput, NotFound, PrincipalEnded, RoleConflict.
    """
    if role not in ROLES:
        raise InvalidInput("role", f"one of {', '.join(ROLES)}", got=role[:40])
    owner = find_principal(conn, principal_id)
    if owner.disabled_at is not None:
        raise PrincipalEnded(id=owner.id, name=owner.name)
    if owner.kind != "person":
        raise InvalidInput("principalId", "a person; the role of a service stands on its key", got=owner.kind)
    if owner.program_id is not None and program_id not in (None, owner.program_id):
        raise InvalidInput("programId", f"{owner.program_id}: this person is of that program", got=program_id)
    conn.execute("select 1 from principal where id = %s for update", [principal_id])
    held = grants_of(conn, principal_id)
    keys = conn.execute("select role, program_id from api_key where principal_id = %s and revoked_at is null", [principal_id]).fetchall()
    met = [*held, *(RoleHeld(*row) for row in keys)]
    refuse_conflicts(role, [one.role for one in met if None in (one.program_id, program_id) or one.program_id == program_id])
    if RoleHeld(role, program_id) not in held:
        conn.execute(
            "insert into role_grant (id, principal_id, role, granted_by, granted_at, program_id) values (%s, %s, %s, %s, %s, %s)",
            [grant_id, principal_id, role, by, now, program_id],
        )


def revoke_role(conn: Connection[Any], principal_id: str, role: str, *, by: str, now: datetime, program_id: str | None = None) -> None:
    """Take a role away, that of one program or that of all. Raises NotFound, LastAdministrator."""
    done = conn.execute(
        """update role_grant set revoked_by = %s, revoked_at = %s
           where principal_id = %s and role = %s and program_id is not distinct from %s and revoked_at is null""",
        [by, now, principal_id, role, program_id],
    )
    if done.rowcount == 0:
        raise NotFound(what="role of this principal", id=principal_id, role=role[:40], program=program_id)


def grants_of(conn: Connection[Any], principal_id: str) -> list[RoleHeld]:
    """The roles that a person holds now, those of all programs first."""
    rows = conn.execute(
        """select role, program_id from role_grant where principal_id = %s and revoked_at is null
           order by program_id is not null, program_id, role""",
        [principal_id],
    )
    return [RoleHeld(*row) for row in rows.fetchall()]


def roles_of(conn: Connection[Any], principal_id: str) -> list[str]:
    """The roles that a person holds now in all programs."""
    return [one.role for one in grants_of(conn, principal_id) if one.program_id is None]


def was_ever_administered(conn: Connection[Any]) -> bool:
    """Did anybody ever administer this installation: a person, or a service with a key? Where nobody does any more, too, the database
    knows of it, and no first two are added."""
    row = conn.execute(
        """select exists (select from role_grant where role = 'administrator')
               or exists (select from api_key where role = 'administrator')"""
    ).fetchone()
    return row == (True,)


def _keep(conn: Connection[Any], principal_id: str, kept: str, *, now: datetime, expires_at: datetime | None) -> None:
    conn.execute(
        """insert into password (principal_id, hash, set_at, expires_at) values (%s, %s, %s, %s)
           on conflict (principal_id) do update set hash = excluded.hash, set_at = excluded.set_at, expires_at = excluded.expires_at""",
        [principal_id, kept, now, expires_at],
    )
