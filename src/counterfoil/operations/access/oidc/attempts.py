"""Logins by a provider, each begun and finished once, by the browser that began it, within ten minutes; and whose subject is whose."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.database import name_refusals
from counterfoil.base.problems import InvalidInput, NotFound, Problem, check
from counterfoil.operations.access.access import Caller
from counterfoil.operations.access.oidc import refusals as why
from counterfoil.operations.access.oidc.refusals import ProviderLoginRefused, SubjectUnknown
from counterfoil.operations.access.oidc.tokens import SUBJECT_MAX
from counterfoil.operations.access.principals import PrincipalEnded, find_principal

LIFE: Final = timedelta(minutes=10)
SECRET_BYTES_EACH: Final = 32
ENTROPY_BYTES: Final = 4 * SECRET_BYTES_EACH
FORGOTTEN_MAX: Final = 100
FORGOTTEN_AFTER: Final = timedelta(hours=1)  # until then a second use is told from a state that nobody gave out


class SubjectTaken(Problem):
    """This subject of the provider is linked to somebody already."""

    todo = "Take the link from the person who is named first, where it is wrong there; then link it again."


name_refusals(constraints={"login_subject_is_one": SubjectTaken})


class BegunLogin(NamedTuple):
    """`state` goes with the browser to the provider and back, `browser` into a cookie; the rest stays here."""

    state: str
    browser: str
    nonce: str
    verifier: str


class LoginSubject(NamedTuple):
    """Somebody at the provider who is a person here."""

    id: str
    principal_id: str
    issuer: str
    subject: str
    linked_by: str
    linked_at: datetime
    ended_at: datetime | None


def begin_attempt(conn: Connection[Any], entropy: bytes, *, next_path: str, now: datetime) -> BegunLogin:
    """A login that waits for its answer. Old ones are forgotten on the way."""
    check(len(entropy) == ENTROPY_BYTES, "a login by a provider takes four secrets", length=len(entropy))
    parts = [entropy[at : at + SECRET_BYTES_EACH] for at in range(0, ENTROPY_BYTES, SECRET_BYTES_EACH)]
    begun = BegunLogin(*(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts))
    conn.execute(
        """insert into login_attempt (state_sha256, browser_sha256, nonce, verifier, next_path, begun_at)
           values (%s, %s, %s, %s, %s, %s)""",
        [_hash(begun.state), _hash(begun.browser), begun.nonce, begun.verifier, next_path[:2000], now],
    )
    conn.execute(
        f"""delete from login_attempt where state_sha256 in (
               select state_sha256 from login_attempt where begun_at < %s order by begun_at limit {FORGOTTEN_MAX}
               for update skip locked)""",
        [now - FORGOTTEN_AFTER],
    )
    return begun


def finish_attempt(conn: Connection[Any], state: str, browser: str, *, now: datetime) -> tuple[str, str, str]:
    """The nonce, the verifier and where to go, once. Raises ProviderLoginRefused with the reason."""
    row = conn.execute(
        """select browser_sha256, begun_at, finished_at, nonce, verifier, next_path from login_attempt
           where state_sha256 = %s for update""",
        [_hash(state)],
    ).fetchone()
    if row is None:
        raise ProviderLoginRefused(why=why.STATE)
    if not hmac.compare_digest(bytes(row[0]), _hash(browser)):
        raise ProviderLoginRefused(why=why.BROWSER)
    if row[2] is not None:
        raise ProviderLoginRefused(why=why.REPLAYED)
    if now > row[1] + LIFE:
        raise ProviderLoginRefused(why=why.LATE)
    conn.execute("update login_attempt set finished_at = %s, verifier = '' where state_sha256 = %s", [now, _hash(state)])
    return row[3], row[4], row[5]


def person_of_subject(conn: Connection[Any], issuer: str, subject: str) -> Caller:
    """Who this is here, as an administrator said. Raises SubjectUnknown, PrincipalEnded."""
    row = conn.execute(
        """select p.id, p.name, p.program_id, p.disabled_at, roles_of(p.id), program_roles_of(p.id)
           from login_subject s join principal p on p.id = s.principal_id
           where s.issuer = %s and s.subject = %s and s.ended_at is null""",
        [issuer, subject],
    ).fetchone()
    if row is None:
        raise SubjectUnknown(issuer=issuer, subject=subject)
    if row[3] is not None:
        raise PrincipalEnded(id=row[0], name=row[1])
    return Caller("", row[1], row[4], row[0], None, row[2], is_person=True, programs=row[5])


def link_subject(
    conn: Connection[Any], link_id: str, principal_id: str, *, issuer: str, subject: str, by: str, now: datetime
) -> LoginSubject:
    """From now on this somebody at the provider is this person. Raises InvalidInput, NotFound, PrincipalEnded, SubjectTaken."""
    owner = find_principal(conn, principal_id)
    if owner.disabled_at is not None:
        raise PrincipalEnded(id=owner.id, name=owner.name)
    if owner.kind != "person":
        raise InvalidInput("principalId", "a person; a service has keys", got=owner.kind)
    if not 0 < len(subject) <= SUBJECT_MAX or not subject.isprintable():
        raise InvalidInput("subject", f"1 to {SUBJECT_MAX} printable characters")
    made = conn.execute(
        """insert into login_subject (id, principal_id, issuer, subject, linked_by, linked_at) values (%s, %s, %s, %s, %s, %s)
           on conflict (issuer, subject) where ended_at is null do nothing""",
        [link_id, principal_id, issuer, subject, by, now],
    ).rowcount
    if made == 0:
        taken = conn.execute(
            """select p.id, p.name, s.id from login_subject s join principal p on p.id = s.principal_id
               where s.issuer = %s and s.subject = %s and s.ended_at is null""",
            [issuer, subject],
        ).fetchone()
        assert taken is not None
        raise SubjectTaken(person=taken[1], person_id=taken[0], link=taken[2])
    return LoginSubject(link_id, principal_id, issuer, subject, by, now, None)


def unlink_subject(conn: Connection[Any], link_id: str, principal_id: str, *, now: datetime) -> None:
    """They log in by it no more. Raises NotFound."""
    done = conn.execute(
        "update login_subject set ended_at = %s where id = %s and principal_id = %s and ended_at is null", [now, link_id, principal_id]
    )
    if done.rowcount == 0:
        raise NotFound(what="linked subject", id=link_id)


def subjects_of(conn: Connection[Any], principal_id: str, *, rows_max: int = FORGOTTEN_MAX) -> list[LoginSubject]:
    """Those of a person, the newest first, with those that ended."""
    with conn.cursor(row_factory=class_row(LoginSubject)) as cur:
        return cur.execute(
            """select id, principal_id, issuer, subject, linked_by, linked_at, ended_at from login_subject
               where principal_id = %s order by linked_at desc, id desc limit %s""",
            [principal_id, rows_max],
        ).fetchall()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
