"""The pages of people and services: who may act here, how they log in, and where they are logged in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import valid_id
from counterfoil.base.problems import NotFound
from counterfoil.dashboard.finding.ordering import ColumnOrder
from counterfoil.dashboard.finding.plain_lists import asked_here, plain_export, plain_page
from counterfoil.dashboard.settings.offers import ActOffer, ApprovedAct, approved_acts, offer, refuse_one_program
from counterfoil.dashboard.settings.page_acts import ACTS_ON
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.ledger.reads.books import known_programs
from counterfoil.operations.access.access import ApiKey
from counterfoil.operations.access.acts import END_PRINCIPAL, REVOKE_ROLE
from counterfoil.operations.access.administering.enough import CannotBeDone
from counterfoil.operations.access.administering.second import SecondAdministrator, waiting_seconds
from counterfoil.operations.access.key_list import keys_of
from counterfoil.operations.access.oidc.attempts import LoginSubject, subjects_of
from counterfoil.operations.access.principals import PRINCIPAL_LIST
from counterfoil.operations.access.sessions import OpenSession, open_sessions
from counterfoil.operations.acts import Act
from counterfoil.wiring import cannot_be_done_now

OF_ALL: Final = ACTS_ON["/admin/people"]
OF_ONE: Final = ACTS_ON["/admin/people/{id}"]
PEOPLE_SHOWN_MAX: Final = 20
KEYS_SHOWN_MAX: Final = 20
SESSIONS_SHOWN_MAX: Final = 20
SUBJECTS_SHOWN_MAX: Final = 20


class PersonShown(NamedTuple):
    """A person or a service. `roles`: a person's own, of a service those of its keys; `last_login_at`: when their newest login began;
    `key_used_at`: when a key of theirs was last used; `once_until`: they have a one-time secret and no password yet, also one that is over;
    `by_provider`: they are linked to the provider that people log in by."""

    id: str
    kind: str
    name: str
    program_id: str | None
    created_by: str
    created_at: datetime
    disabled_at: datetime | None
    roles: list[str]
    has_password: bool
    by_provider: bool
    once_until: datetime | None
    has_factor: bool
    codes_left: int
    last_login_at: datetime | None
    key_used_at: datetime | None
    keys: int
    sessions: int

    @property
    def grade(self) -> Grade:
        """A person who may do something and logs in without a second factor needs a look."""
        if self.disabled_at is not None or not self.roles:
            return "plain"
        if self.kind == "person" and not self.has_factor:
            return "attention" if self.has_password else "plain"
        return "right"


class PeopleAnswer(NamedTuple):
    """What the list shows; `rows` is None for who sees one program only. `after`: the id that the next page begins behind."""

    rows: tuple[PersonShown, ...] | None
    without_factor: int
    is_first: bool
    after: str | None
    orders: Mapping[str, ColumnOrder]  # by the columns
    order: str | None  # in words
    query: str  # what was asked, as it stands in an address
    add: ActOffer | None
    programs: tuple[str, ...]
    lacking: tuple[CannotBeDone, ...]  # for what takes two people
    seconds: tuple[SecondAdministrator, ...]  # who was announced as an administrator and may still begin
    stop: ActOffer | None
    measured_at: datetime


class PersonAnswer(NamedTuple):
    """What the page of one of them shows. `approved`: what another administrator approved, and whoever looks may do now; `after`: the
    session that the next page of sessions begins behind."""

    row: PersonShown
    sessions: tuple[OpenSession, ...]
    after: str | None
    subjects: tuple[LoginSubject, ...]
    keys: tuple[ApiKey, ...]
    keys_cut: bool
    offers: tuple[ActOffer, ...]
    approved: tuple[ApprovedAct, ...]
    programs: tuple[str, ...]
    measured_at: datetime


_SELECT: Final = """
    select p.id, p.kind, p.name, p.program_id, p.created_by, p.created_at, p.disabled_at,
           case p.kind when 'person' then r.roles else k.roles end as roles,
           w.principal_id is not null and w.expires_at is null as has_password,
           exists (select from login_subject l where l.principal_id = p.id and l.ended_at is null and l.issuer = %(issuer)s) as by_provider,
           w.expires_at as once_until,
           f.id is not null as has_factor,
           (select count(*) from recovery_code c where c.factor_id = f.id and c.used_at is null)::integer as codes_left,
           s.last_login_at, k.used_at as key_used_at, k.keys, s.sessions
    from principal p
    left join password w on w.principal_id = p.id
    left join second_factor f on f.principal_id = p.id and f.confirmed_at is not null and f.ended_at is null
    cross join lateral (select coalesce(array_agg(role || coalesce(' in ' || program_id, '')
                                                  order by program_id is not null, program_id, role), '{}') as roles
                        from role_grant where principal_id = p.id and revoked_at is null) r
    cross join lateral (select coalesce(array_agg(distinct role order by role) filter (where live), '{}') as roles,
                               max(last_used_at) as used_at, count(*) filter (where live)::integer as keys
                        from (select role, last_used_at,
                                     revoked_at is null and (expires_at is null or expires_at > %(now)s) as live
                              from api_key where principal_id = p.id) each_key) k
    cross join lateral (select max(created_at) filter (where api_key_id is null) as last_login_at,
                               count(*) filter (where expires_at > %(now)s and (idle_s is null or seen_at > %(now)s - idle_s * second)
                                               )::integer as sessions
                        from session, (values (interval '1 second')) as unit (second) where principal_id = p.id) s"""


def people_answer(ask: SectionContext) -> PeopleAnswer:
    """People and services, the newest first unless sorted otherwise. Raises InvalidInput."""
    now = ask.clock()
    if ask.only:
        return PeopleAnswer(None, 0, True, None, {}, None, "", None, (), (), (), None, now)
    page = plain_page(ask, PRINCIPAL_LIST, rows_max=PEOPLE_SHOWN_MAX)
    shown = tuple(_of_each(ask.conn, page.rows, now, issuer=ask.extra.wiring.login_issuer))
    bare = sum(one.grade == "attention" for one in shown)
    listed = (page.is_first, page.after, page.orders, page.order, page.query)
    lacking = tuple(cannot_be_done_now(ask.conn, now, issuer=ask.extra.wiring.login_issuer))
    seconds = tuple(waiting_seconds(ask.conn, now=now))
    add, stop = map(offer, OF_ALL)
    return PeopleAnswer(shown, bare, *listed, add, tuple(known_programs(ask.conn)), lacking, seconds, stop, now)


def people_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of them as rows of a file, with what each may do and how they log in. Raises WholeInstallation."""
    refuse_one_program(ask)
    told = partial(_of_each, issuer=ask.extra.wiring.login_issuer)
    return plain_export(ask, PRINCIPAL_LIST, PersonShown._fields, told, asked=asked_here(ask, PRINCIPAL_LIST))


def person_answer(ask: SectionContext) -> PersonAnswer:
    """One of them. Raises NotFound, WholeInstallation."""
    now, principal_id = ask.clock(), valid_id(ask.params["id"], "prn", "id")
    refuse_one_program(ask)
    row = _row(ask.conn, principal_id, now=now, issuer=ask.extra.wiring.login_issuer)
    keys = keys_of(ask.conn, principal_id, rows_max=KEYS_SHOWN_MAX + 1)
    offers = tuple(offer(one, _why_not(one, row)) for one in OF_ONE)
    after = valid_id(ask.params["after"], "ses", "after") if ask.params.get("after") else None
    found = open_sessions(ask.conn, principal_id, now=now, rows_max=SESSIONS_SHOWN_MAX + 1, after=after)
    sessions = tuple(found[:SESSIONS_SHOWN_MAX])
    return PersonAnswer(
        row,
        sessions,
        sessions[-1].id if len(found) > SESSIONS_SHOWN_MAX else None,
        tuple(subjects_of(ask.conn, principal_id, rows_max=SUBJECTS_SHOWN_MAX)),
        tuple(keys[:KEYS_SHOWN_MAX]),
        len(keys) > KEYS_SHOWN_MAX,
        offers,
        approved_acts(ask, OF_ONE, subject_id=principal_id),
        (row.program_id,) if row.program_id else tuple(known_programs(ask.conn)),
        now,
    )


def _of_each(conn: Connection[Any], rows: Sequence[Any], now: datetime, *, issuer: str) -> list[PersonShown]:
    found = {one.id: one for one in _rows(conn, "where p.id = any(%(ids)s)", now=now, issuer=issuer, ids=[one.id for one in rows])}
    return [found[one.id] for one in rows]


def _row(conn: Connection[Any], principal_id: str, *, now: datetime, issuer: str) -> PersonShown:
    found = _rows(conn, "where p.id = %(id)s", now=now, issuer=issuer, id=principal_id)
    if not found:
        raise NotFound(what="principal", id=principal_id)
    return found[0]


def _rows(conn: Connection[Any], ending: str, **given: Any) -> list[PersonShown]:
    with conn.cursor(row_factory=class_row(PersonShown)) as cur:
        return cur.execute(f"{_SELECT} {ending}".encode(), given).fetchall()


def _why_not(act: Act, row: PersonShown) -> str | None:
    """Why it cannot be done with them now; None where it can."""
    if row.disabled_at is not None:
        return "it has ended"
    if row.kind == "service" and act is not END_PRINCIPAL:
        return "a service has keys, and no login"
    return "they hold none" if act is REVOKE_ROLE and not row.roles else None
