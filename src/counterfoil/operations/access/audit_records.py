"""What the auditor reads: every action, login and refusal in one order, with the person, the key, the address and the outcome."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal, LiteralString, NamedTuple, get_args

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import valid_id
from counterfoil.base.problems import InvalidInput, NotFound

LoginKind = Literal[
    "login",
    "logout",
    "password_changed",
    "password_reset",
    "factor_added",
    "factor_removed",
    "recovery_used",
    "session_ended",
]
RefusalKind = Literal["login_failed", "login_limited", "key_refused", "refused"]
Happening = Literal[LoginKind, RefusalKind]
LOGIN_KINDS: Final[tuple[str, ...]] = get_args(LoginKind)
REFUSAL_KINDS: Final[tuple[str, ...]] = get_args(RefusalKind)
ABOUT: Final = ("actions", "logins", "refusals")


class AuditRecord(NamedTuple):
    """One record. `actor`: who it was, as every record names them; `what`: the verb, or what happened at the door; `subject`: the thing,
    or the route that was asked for; `outcome`: done, failed or refused; `needs`: the permission that was missing."""

    id: str
    at: datetime
    actor: str
    role: str
    what: str
    subject: str
    outcome: str
    principal_id: str | None
    api_key_id: str | None
    address: str
    reason: str | None
    needs: str | None
    request_id: str


class AuditFilter(NamedTuple):
    """What the records are narrowed to. `about`: actions, logins or refusals; `who`: a name or the id of a key; `until` is included."""

    about: str | None = None
    who: str | None = None
    subject: str | None = None
    since: date | None = None
    until: date | None = None


_WITHIN: Final[LiteralString] = """(%(since)s::date is null or at >= %(since)s::date::timestamp at time zone 'UTC')
    and (%(until)s::date is null or at < (%(until)s::date + 1)::timestamp at time zone 'UTC')
    and (%(at)s::timestamptz is null or (at, id) < (%(at)s, %(id)s))
    order by at desc, id desc limit %(rows)s"""
_ACTIONS: Final[LiteralString] = """
    select a.id, a.at, a.actor, a.role, a.verb as what, a.subject_id as subject, 'done' as outcome, o.principal_id, o.api_key_id,
           coalesce(o.address, '') as address, a.reason, null::text as needs, a.request_id
    from action a left join action_origin o on o.action_id = a.id
    where (%(about)s::text is null or %(about)s = 'actions') and (%(subject)s::text is null or a.subject_id = %(subject)s)
      and (%(who)s::text is null or a.actor in (%(who)s, 'person:' || %(who)s, 'key:' || %(who)s) or o.api_key_id = %(who)s)"""
_EVENTS: Final[LiteralString] = """
    select e.id, e.at, e.name as actor, '' as role, e.kind as what, e.method || ' ' || e.path as subject,
           case when e.kind = 'login_failed' then 'failed' when e.kind = any(%(refusals)s) then 'refused' else 'done' end as outcome,
           e.principal_id, e.api_key_id, e.address, null::text as reason, e.needs, e.request_id
    from access_event e
    where %(subject)s::text is null and (%(kinds)s::text[] is null or e.kind = any(%(kinds)s))
      and (%(who)s::text is null or e.name = %(who)s or e.api_key_id = %(who)s or 'person:' || e.name = %(who)s)"""


def list_audit_records(
    conn: Connection[Any], *, rows_max: int, after: tuple[datetime, str] | None = None, narrowed: AuditFilter | None = None
) -> list[AuditRecord]:
    """Records, newest first, behind `after`. Raises InvalidInput for what is no filter."""
    by = narrowed or AuditFilter()
    if by.about not in (None, *ABOUT):
        raise InvalidInput("about", f"one of {', '.join(ABOUT)}", got=by.about[:40])
    kinds = {None: None, "actions": [], "logins": list(LOGIN_KINDS), "refusals": list(REFUSAL_KINDS)}[by.about]
    given = {
        "kinds": kinds,
        "refusals": list(REFUSAL_KINDS),
        "rows": rows_max,
        "at": after[0] if after else None,
        "id": after[1] if after else None,
    }
    each = [f"(select * from ({part}) part where {_WITHIN})" for part in (_ACTIONS, _EVENTS)]
    with conn.cursor(row_factory=class_row(AuditRecord)) as cur:
        query = f"select * from ({' union all '.join(each)}) found order by at desc, id desc limit %(rows)s"
        return cur.execute(query.encode(), by._asdict() | given).fetchall()


def place_of(conn: Connection[Any], record_id: str) -> tuple[datetime, str]:
    """Where a page goes on that ended with this record. Raises InvalidInput, NotFound."""
    prefix = "act" if record_id.startswith("act_") else "acc"
    valid_id(record_id, prefix, "after")
    row = conn.execute(
        "select at from action where id = %(id)s union all select at from access_event where id = %(id)s", {"id": record_id}
    ).fetchone()
    if row is None:
        raise NotFound(what="record", id=record_id)
    return row[0], record_id
