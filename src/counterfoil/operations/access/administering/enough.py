"""Are there people enough for what takes two? What nobody can do any more is known before somebody needs it.

Keys approve nothing, so what is counted are people who have a way to log in that works here, and who, beside them, could propose. A link to
a provider works where people log in by that provider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.operations.access.access import ADMINISTER, APPROVE, permissions_of
from counterfoil.operations.access.logins import was_ever_administered
from counterfoil.operations.access.principals import LastAdministrator

ACTS_TOLD: Final = 3
PROGRAMS_TOLD: Final = 3
FIRST: Final = "On the machine of the server: `counterfoil people first NAME OTHER`."
RESCUE: Final = "On the machine of the server: `counterfoil people rescue NAME --reason …` lets one in again who is locked out."
ALONE: Final = "On the machine of the server: `counterfoil people second NAME --reason …` lets a second one begin, 72 hours later."
GRANT: Final = "Two administrators grant the role: `counterfoil people grant WHO --role approver --reason …`."


class CannotBeDone(NamedTuple):
    """What nobody can do as things stand: in a few words, in full, and what to do about it."""

    short: str
    said: str
    do: str


class ManyApprove(NamedTuple):
    """Something of a program that takes so many people, in words: `payouts of main beyond 10,000.00 EUR`."""

    program_id: str
    what: str
    people: int


class RoleHere(NamedTuple):
    """A role that somebody holds now. `logs_in`: a person who has a way to log in, or is logged in; `by_key`: a key of theirs, which
    proposes and approves nothing."""

    principal_id: str
    name: str
    role: str
    program_id: str | None
    is_person: bool
    logs_in: bool
    by_key: bool


# A way to log in, of the person p: a password, or a one-time secret that is not over; a link to the provider that people log in by.
WAYS_IN: Final = """(exists (select from password w where w.principal_id = p.id and (w.expires_at is null or w.expires_at > %(now)s))
    or exists (select from login_subject s where s.principal_id = p.id and s.ended_at is null and s.issuer = %(issuer)s))"""
_LOGGED_IN: Final = """exists (select from session s where s.principal_id = p.id and s.api_key_id is null and s.expires_at > %(now)s
    and (s.idle_s is null or s.seen_at > %(now)s - s.idle_s * interval '1 second')
    and not exists (select from session o where o.id = s.opened_by and o.expires_at <= %(now)s))"""


def cannot_be_done(
    conn: Connection[Any], acts: Mapping[str, Sequence[str]], many: Iterable[ManyApprove], *, issuer: str, now: datetime
) -> list[CannotBeDone]:
    """What takes two people and lacks one, the gravest first. `acts`: what takes two, by the permission of who approves it; `many`: what
    takes more approvals than one; `issuer`: the provider that people log in by, empty without one."""
    held = _held(conn, issuer, now)
    programs = [row[0] for row in conn.execute("select id from program order by id")]
    approve = {one: len(_who(held, APPROVE, one)) for one in programs}
    first = not was_ever_administered(conn)
    return [*_administering(held, acts[ADMINISTER], first=first), *_approving(approve, acts[APPROVE]), *_too_few(approve, many)]


def lost_by(conn: Connection[Any], act: Callable[[], None], *, issuer: str, now: datetime) -> str:
    """Do `act`, which takes a role, a way to log in or somebody away: a sentence of what nobody can do after it who could before; empty
    where nothing is. Raises LastAdministrator where nobody is left who administers and gets in."""

    def short() -> list[str]:
        return [one.short for one in cannot_be_done(conn, {ADMINISTER: (), APPROVE: ()}, (), issuer=issuer, now=now)]

    before, administered = short(), bool(_get_in(_administrators(conn, issuer, now)))
    act()
    left = _administrators(conn, issuer, now)
    if administered and not _get_in(left):
        raise LastAdministrator(locked_out=", ".join(sorted({one.name for one in left})) or None)
    lost = [f"{one[:1].lower()}{one[1:]}" for one in short() if one not in before]
    return f" Then one is missing for what takes two people: {'; '.join(lost)}." if lost else ""


def can_log_in(conn: Connection[Any], principal_id: str, *, issuer: str, now: datetime) -> bool:
    """Has this person a way to log in that works here, whether or not they are logged in now?"""
    row = conn.execute(f"select {WAYS_IN} from principal p where p.id = %(id)s", {"id": principal_id, "issuer": issuer, "now": now})
    return row.fetchone() == (True,)


class AdministratorsLeft(NamedTuple):
    """Who administers the whole installation: the names of people who log in, of people who are locked out, and whether a key does."""

    log_in: tuple[str, ...]
    locked_out: tuple[str, ...]
    by_key: bool
    enough: bool


def administrators_left(conn: Connection[Any], *, issuer: str, now: datetime) -> AdministratorsLeft:
    """Who administers now; `enough`: one of them can propose and another one approve."""
    mine = _administrators(conn, issuer, now)
    log_in = {one.name for one in mine if one.logs_in}
    locked_out = {one.name for one in mine if one.is_person} - log_in
    return AdministratorsLeft(tuple(sorted(log_in)), tuple(sorted(locked_out)), any(one.by_key for one in mine), _is_enough(mine))


def _administrators(conn: Connection[Any], issuer: str, now: datetime) -> list[RoleHere]:
    return _of_all(_held(conn, issuer, now))


def _of_all(held: Iterable[RoleHere]) -> list[RoleHere]:
    return [one for one in held if one.program_id is None and ADMINISTER in permissions_of(one.role)]


def _get_in(mine: Iterable[RoleHere]) -> set[str]:
    return {one.principal_id for one in mine if one.logs_in or one.by_key}


def _is_enough(mine: Sequence[RoleHere]) -> bool:
    log_in = {one.principal_id for one in mine if one.logs_in}
    return len(log_in) > 1 or bool(log_in and _get_in(mine) - log_in)


def _held(conn: Connection[Any], issuer: str, now: datetime) -> list[RoleHere]:
    rows = conn.execute(
        f"""select g.principal_id, p.name, g.role, coalesce(p.program_id, g.program_id), true, {WAYS_IN} or {_LOGGED_IN}, false
            from role_grant g join principal p on p.id = g.principal_id
            where g.revoked_at is null and p.disabled_at is null
            union all
            select k.principal_id, p.name, k.role, coalesce(p.program_id, k.program_id), p.kind = 'person', false,
                   k.scopes is null or 'people:administer' = any(k.scopes)
            from api_key k join principal p on p.id = k.principal_id
            where k.revoked_at is null and p.disabled_at is null and (k.expires_at is null or k.expires_at > %(now)s)""",
        {"issuer": issuer, "now": now},
    ).fetchall()
    return [RoleHere(*row) for row in rows]


def _who(held: Iterable[RoleHere], permission: str, program_id: str | None) -> set[str]:
    """The people who may, and log in; `program_id`: there, or None: of the whole installation."""
    return {
        one.principal_id for one in held if one.logs_in and one.program_id in (None, program_id) and permission in permissions_of(one.role)
    }


def _administering(held: Sequence[RoleHere], acts: Sequence[str], *, first: bool) -> list[CannotBeDone]:
    mine = _of_all(held)
    if _is_enough(mine):
        return []
    log_in = _who(mine, ADMINISTER, None)
    locked_out = {one.principal_id for one in mine if one.is_person} - log_in
    do = RESCUE if locked_out else FIRST if first else ALONE
    if log_in:
        short = "Only one administrator can log in"
        return [CannotBeDone(short, f"{short}, and two people are needed to {_told(acts)}.", do)]
    short = "No administrator can log in"
    return [CannotBeDone(short, f"{short}, and keys approve nothing: nobody can {_told(acts)}.", do)]


def _approving(approve: Mapping[str, int], acts: Sequence[str]) -> list[CannotBeDone]:
    none = [program for program, people in approve.items() if not people]
    if not none:
        return []
    more = f" and {len(none) - PROGRAMS_TOLD:,} more" if len(none) > PROGRAMS_TOLD else ""
    where = "" if len(none) == len(approve) else f" in {', '.join(none[:PROGRAMS_TOLD])}{more}"
    short = f"Nobody who may approve{where} can log in"
    return [
        CannotBeDone(short, f"{short}, and keys approve nothing: no batch of payouts is approved, and nobody can {_told(acts)}.", GRANT)
    ]


def _too_few(approve: Mapping[str, int], many: Iterable[ManyApprove]) -> list[CannotBeDone]:
    found = []
    for one in many:
        people = approve.get(one.program_id, 0)
        if 0 < people < one.people:
            short = f"Too few people approve {one.what}"
            said = f"{one.people} people are needed to approve {one.what}, and {people} of those who may can log in."
            found.append(CannotBeDone(short, said[:1].upper() + said[1:], GRANT))
    return found


def _told(acts: Sequence[str]) -> str:
    first = ", ".join(f"{one[:1].lower()}{one[1:]}" for one in acts[:ACTS_TOLD])
    left = len(acts) - ACTS_TOLD
    return f"{first}, and {counted(left, 'act')} more" if left > 0 else first
