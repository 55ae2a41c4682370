"""A second administrator where fewer than two are left who can agree, and nobody is locked out. Announced at the server's own machine; all
are told; whoever administers or reads the records may stop it; 72 hours later the same is said again there, and it holds.

The database refuses the role before that by its own clock, and after that but for the one who was announced.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import MakeId
from counterfoil.base.problems import InvalidInput, Problem, ReasonRequired
from counterfoil.base.rows import row_by_id
from counterfoil.operations.access import logins
from counterfoil.operations.access.administering.enough import administrators_left, can_log_in
from counterfoil.operations.access.principals import Principal, PrincipalEnded, named_person
from counterfoil.operations.approvals import REASON_MAX
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.trial import trial

ROLE: Final = "administrator"
WAIT: Final = timedelta(hours=72)  # a weekend; the database holds the same
GOOD_FOR: Final = timedelta(days=7)
ROWS_MAX: Final = 100
ANNOUNCED: Final = "administrator_announced"
BEGUN: Final = "administrator_begun"
STOPPED: Final = "administrator_stopped"
RESCUED: Final = "person_rescued"
EVENT_KINDS: Final = declare(
    critical={
        ANNOUNCED: "At the server's machine somebody was announced as an administrator. Whoever may read the records may stop it.",
        BEGUN: "Somebody became an administrator who was announced at the server's machine 72 hours before.",
        RESCUED: "At the server's machine somebody was let in again: who has the one-time secret is that person.",
    },
    warning={STOPPED: "An administrator who was announced at the server's machine was stopped."},
)


class AdministratorsAgree(Problem):
    """Two people can agree on an administrator, so nobody is announced here."""

    todo = "One of them proposes it (`counterfoil people grant NAME --role administrator --reason …`), and the other approves it."


class AdministratorLockedOut(Problem):
    """Somebody administers and is locked out: they are let in again, and nobody is announced."""

    todo = "Let them in (`counterfoil people rescue NAME --reason …`); where they left, end them first (`counterfoil people end NAME`)."


class NeverAdministered(Problem):
    """Nobody administers this installation yet."""

    todo = "`counterfoil people first NAME OTHER` adds the first two administrators, at once."


class CannotLogIn(Problem):
    """This person has no password yet and no login of the provider, so nobody would be there to administer."""

    todo = "Let them choose their password by their one-time secret, then announce them."


class AdministratorAnnounced(Problem):
    """Somebody is announced already."""

    todo = "Wait until they begin, or stop it: `counterfoil people stop-second ID --reason …`."


class WaitNotOver(Problem):
    """This administrator is announced, and all are given 72 hours to stop it."""

    todo = "Say the same again after the moment that is named."


class AnnouncementOver(Problem):
    """This announcement is over: it was stopped, it lapsed, or the administrator began."""


class SecondAdministrator(NamedTuple):
    """Somebody who was announced, why, by whom, and what became of it."""

    id: str
    principal_id: str
    name: str
    reason: str
    announced_by: str
    announced_at: datetime
    begins_at: datetime
    lapses_at: datetime
    stopped_by: str | None
    stopped_at: datetime | None
    stop_reason: str | None
    begun_at: datetime | None

    def state(self, now: datetime) -> str:
        """announced, due, begun, stopped or lapsed."""
        if self.begun_at is not None:
            return "begun"
        if self.stopped_at is not None:
            return "stopped"
        return "announced" if now < self.begins_at else "due" if now <= self.lapses_at else "lapsed"


_SELECT: Final = """select s.id, s.principal_id, p.name, s.reason, s.announced_by, s.announced_at, s.begins_at, s.lapses_at,
           s.stopped_by, s.stopped_at, s.stop_reason, s.begun_at
    from second_administrator s join principal p on p.id = s.principal_id"""


def announce_or_begin(
    conn: Connection[Any], name: str, *, reason: str, by: str, issuer: str, make_id: MakeId, now: datetime
) -> SecondAdministrator:
    """Announce this person, or, 72 hours later, make them an administrator. `by`: who types it, at the server's machine; `issuer`: the
    provider that people log in by.

    Raises NeverAdministered, AdministratorsAgree, AdministratorLockedOut, NotFound, PrincipalEnded, InvalidInput, CannotLogIn,
    RoleConflict, AdministratorAnnounced, WaitNotOver, ReasonRequired.
    """
    if not reason.strip():
        raise ReasonRequired(verb="announce", field="reason", limit="at least one word")
    if len(reason) > REASON_MAX:
        raise InvalidInput("reason", f"at most {REASON_MAX} characters")
    conn.execute("select pg_advisory_xact_lock(4271035)")  # as whoever leaves: nobody is announced beside a second who comes at this moment
    lacking = _lacking(conn, issuer, now)
    who = _fit(conn, name, issuer, now)
    waiting = waiting_seconds(conn, now=now)
    for one in waiting:
        if one.principal_id == who.id and one.state(now) == "announced":
            raise WaitNotOver(id=one.id, name=one.name, from_moment=one.begins_at.isoformat(timespec="seconds"))
        if one.principal_id == who.id:
            return _begin(conn, one, by=by, make_id=make_id, now=now)
    if len(waiting) >= lacking:
        raise AdministratorAnnounced(id=waiting[0].id, name=waiting[0].name, from_moment=waiting[0].begins_at.isoformat(timespec="seconds"))
    with trial(conn):
        logins.grant_role(conn, make_id("grant"), who.id, ROLE, by=by, now=now)  # what would be refused then is refused now
    return _announce(conn, who, reason=reason, by=by, announced_id=make_id("adm"), now=now)


def _lacking(conn: Connection[Any], issuer: str, now: datetime) -> int:
    """How many administrators are lacking: one or two. Raises unless this is the only way to more."""
    if not logins.was_ever_administered(conn):
        raise NeverAdministered()
    left = administrators_left(conn, issuer=issuer, now=now)
    if left.enough:
        raise AdministratorsAgree(log_in=", ".join(left.log_in), by_key=left.by_key)
    if left.locked_out:
        raise AdministratorLockedOut(locked_out=", ".join(left.locked_out))
    return 2 - len(left.log_in)


def _fit(conn: Connection[Any], name: str, issuer: str, now: datetime) -> Principal:
    """Who is called so, and could administer. Raises NotFound, PrincipalEnded, InvalidInput, CannotLogIn."""
    who = named_person(conn, name)
    if who.disabled_at is not None:
        raise PrincipalEnded(id=who.id, name=who.name)
    if who.program_id is not None:
        raise InvalidInput("name", "somebody who sees every program", got=f"{who.name}, who sees {who.program_id}")
    if ROLE in logins.roles_of(conn, who.id):
        raise InvalidInput("name", "another person than who administers now", got=who.name)
    # A one-time secret is no way yet: whoever holds it could be the one administrator under another name.
    if not can_log_in(conn, who.id, issuer=issuer, now=now) or _only_once(conn, who.id, issuer):
        raise CannotLogIn(id=who.id, name=who.name)
    return who


def _only_once(conn: Connection[Any], principal_id: str, issuer: str) -> bool:
    """Is a one-time secret their only way in? A link to a provider that nobody logs in by is none."""
    row = conn.execute(
        """select not exists (select from login_subject where principal_id = %(id)s and ended_at is null and issuer = %(issuer)s)
               and exists (select from password where principal_id = %(id)s and expires_at is not null)""",
        {"id": principal_id, "issuer": issuer},
    ).fetchone()
    return row == (True,)


def _announce(conn: Connection[Any], who: Principal, *, reason: str, by: str, announced_id: str, now: datetime) -> SecondAdministrator:
    conn.execute(
        """insert into second_administrator (id, principal_id, reason, announced_by, announced_at, begins_at, lapses_at)
           values (%s, %s, %s, %s, %s, %s, %s)""",
        [announced_id, who.id, reason, by, now, now + WAIT, now + WAIT + GOOD_FOR],
    )
    one = find_announced(conn, announced_id)
    title = f"{one.name} is an administrator from {one.begins_at:%Y-%m-%d %H:%M} UTC on, unless it is stopped before"
    _tell(conn, ANNOUNCED, one, title=title, why=reason, now=now)
    return one


def _begin(conn: Connection[Any], one: SecondAdministrator, *, by: str, make_id: MakeId, now: datetime) -> SecondAdministrator:
    grant_id = make_id("grant")
    logins.grant_role(conn, grant_id, one.principal_id, ROLE, by=by, now=now)
    conn.execute("update second_administrator set begun_at = %s, grant_id = %s where id = %s", [now, grant_id, one.id])
    _tell(conn, BEGUN, one, title=f"{one.name} is an administrator from now on", why=one.reason, now=now)
    return find_announced(conn, one.id)


def stop_second(conn: Connection[Any], announced_id: str, *, reason: str, by: str, now: datetime) -> SecondAdministrator:
    """They do not begin. Raises NotFound, AnnouncementOver."""
    conn.execute("select 1 from second_administrator where id = %s for update", [announced_id])
    one = find_announced(conn, announced_id)
    if one.state(now) not in ("announced", "due"):
        raise AnnouncementOver(id=one.id, name=one.name, ended=one.state(now))
    conn.execute(
        "update second_administrator set stopped_by = %s, stopped_at = %s, stop_reason = %s where id = %s", [by, now, reason, announced_id]
    )
    _tell(conn, STOPPED, one, title=f"{one.name} is no administrator: {by} stopped it", why=reason, now=now)
    return find_announced(conn, announced_id)


def tell_rescued(conn: Connection[Any], action_id: str, name: str, *, by: str, reason: str, now: datetime) -> None:
    """Tell all of it that somebody was let in again at the server's machine."""
    told = {"title": f"{name} was let in again by {by}", "why": reason}
    emit(conn, [NewEvent(RESCUED, "", action_id, told)], at=now)


def _tell(conn: Connection[Any], event: str, one: SecondAdministrator, *, title: str, why: str, now: datetime) -> None:
    told = {"title": title, "why": why, "principalId": one.principal_id, "beginsAt": one.begins_at.isoformat()}
    emit(conn, [NewEvent(event, "", one.id, told)], at=now)


def announced(conn: Connection[Any], *, rows_max: int = ROWS_MAX) -> list[SecondAdministrator]:
    """Who was announced, the newest first."""
    return _those(conn, "order by s.announced_at desc, s.id desc limit %(most)s", most=rows_max)


def waiting_seconds(conn: Connection[Any], *, now: datetime) -> list[SecondAdministrator]:
    """Those who may still begin, the oldest first: two at most."""
    open_ones = "where s.begun_at is null and s.stopped_at is null and s.lapses_at >= %(now)s"
    return _those(conn, f"{open_ones} order by s.announced_at, s.id limit {ROWS_MAX}", now=now)


def _those(conn: Connection[Any], ending: str, **given: Any) -> list[SecondAdministrator]:
    with conn.cursor(row_factory=class_row(SecondAdministrator)) as cur:
        return cur.execute(f"{_SELECT} {ending}".encode(), given).fetchall()


def find_announced(conn: Connection[Any], announced_id: str) -> SecondAdministrator:
    """Raises NotFound."""
    return row_by_id(conn, SecondAdministrator, "announced administrator", f"{_SELECT} where s.id = %s", announced_id)
