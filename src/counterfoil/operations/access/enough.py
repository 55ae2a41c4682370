"""Are there people enough for what takes two? What nobody can do any more is known before somebody needs it.

Keys approve nothing, so what is counted are people who have a way to log in, and who, beside them, could propose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.operations.access.access import ADMINISTER, APPROVE, permissions_of

ACTS_TOLD: Final = 3
PROGRAMS_TOLD: Final = 3
FIRST: Final = "On the machine of the server: `counterfoil people first NAME OTHER`."
RESCUE: Final = "On the machine of the server: `counterfoil people rescue NAME --reason …` lets one in again who is locked out."
ALONE: Final = "Nobody can approve a second one now: grant the role to two more people while two administrators can log in."
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
    role: str
    program_id: str | None
    is_person: bool
    logs_in: bool
    by_key: bool


def cannot_be_done(
    conn: Connection[Any], acts: Mapping[str, Sequence[str]], many: Iterable[ManyApprove], *, now: datetime
) -> list[CannotBeDone]:
    """What takes two people and lacks one, the gravest first. `acts`: what takes two, by the permission of who approves it; `many`: what
    takes more approvals than one."""
    held = _held(conn, now)
    programs = [row[0] for row in conn.execute("select id from program order by id")]
    approve = {one: len(_who(held, APPROVE, one)) for one in programs}
    return [*_administering(held, acts[ADMINISTER]), *_approving(approve, acts[APPROVE]), *_too_few(approve, many)]


def lost_by(conn: Connection[Any], act: Callable[[], None], *, now: datetime) -> str:
    """Do `act`, which takes a role or somebody away: a sentence of what nobody can do after it who could before; empty where nothing is."""

    def short() -> list[str]:
        return [one.short for one in cannot_be_done(conn, {ADMINISTER: (), APPROVE: ()}, (), now=now)]

    before = short()
    act()
    lost = [f"{one[:1].lower()}{one[1:]}" for one in short() if one not in before]
    return f" Then one is missing for what takes two people: {'; '.join(lost)}." if lost else ""


def _held(conn: Connection[Any], now: datetime) -> list[RoleHere]:
    rows = conn.execute(
        """select g.principal_id, g.role, coalesce(p.program_id, g.program_id), true,
                  exists (select from password w where w.principal_id = p.id and (w.expires_at is null or w.expires_at > %(now)s))
                  or exists (select from login_subject s where s.principal_id = p.id and s.ended_at is null)
                  or exists (select from session s where s.principal_id = p.id and s.api_key_id is null and s.expires_at > %(now)s), false
           from role_grant g join principal p on p.id = g.principal_id
           where g.revoked_at is null and p.disabled_at is null
           union all
           select k.principal_id, k.role, coalesce(p.program_id, k.program_id), p.kind = 'person', false,
                  k.scopes is null or 'people:administer' = any(k.scopes)
           from api_key k join principal p on p.id = k.principal_id
           where k.revoked_at is null and p.disabled_at is null and (k.expires_at is null or k.expires_at > %(now)s)""",
        {"now": now},
    ).fetchall()
    return [RoleHere(*row) for row in rows]


def _who(held: Iterable[RoleHere], permission: str, program_id: str | None) -> set[str]:
    """The people who may, and log in; `program_id`: there, or None: of the whole installation."""
    return {
        one.principal_id for one in held if one.logs_in and one.program_id in (None, program_id) and permission in permissions_of(one.role)
    }


def _administering(held: Sequence[RoleHere], acts: Sequence[str]) -> list[CannotBeDone]:
    mine = [one for one in held if one.program_id is None and ADMINISTER in permissions_of(one.role)]
    log_in = _who(mine, ADMINISTER, None)
    propose = {one.principal_id for one in mine if one.logs_in or one.by_key}
    if len(log_in) > 1 or (log_in and propose - log_in):
        return []
    locked_out = {one.principal_id for one in mine if one.is_person} - log_in
    do = RESCUE if locked_out else ALONE if mine else FIRST
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
