"""What the auditor reads: every action, login and refusal as one list, with the person, the key, the address and the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, get_args

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.access.records import access_by_id
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey, between_moments

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


def records_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[AuditRecord]:
    """Those of these ids, in any order."""
    with conn.cursor(row_factory=class_row(AuditRecord)) as cur:
        return cur.execute(
            """select id, at, actor, role, what, subject, outcome, principal_id, api_key_id, address, reason, needs, request_id
               from audit_record where id = any(%s)""",
            [list(ids)],
        ).fetchall()


AUDIT_LIST: Final = PlainList(
    "audit_records",
    "",
    "audit_record",
    records_by_id,
    (SortKey("at", datetime),),
    (
        Narrow("about", "t.about = %(about)s", "actions, logins or refusals.", "choice", choices=ABOUT),
        Narrow(
            "who",
            "t.actor in (%(who)s, 'person:' || %(who)s, 'key:' || %(who)s) or 'person:' || t.actor = %(who)s or t.api_key_id = %(who)s",
            "A name, or the id of a key.",
        ),
        Narrow("subject", "t.about = 'actions' and t.subject = %(subject)s", "The id of the thing that actions were of."),
        Narrow("request", "t.request_id = %(request)s", "The id of the request that they came with, as logs tell it."),
        Narrow("since", "t.at >= %(since)s::date::timestamp at time zone 'UTC'", "From this day on, such as 2026-11-20, in UTC.", "day"),
        Narrow("until", "t.at < (%(until)s::date + 1)::timestamp at time zone 'UTC'", "Until the end of this day, in UTC.", "day"),
    ),
    order="-at",
)
ACCESS_LIST: Final = PlainList(
    "access",
    "acc",
    "access_event",
    access_by_id,
    (SortKey("at", datetime),),
    (
        Narrow(
            "kind",
            "t.kind = %(kind)s",
            "login, login_failed, login_limited, logout, key_refused, refused, or a change of how somebody logs in.",
            "choice",
            choices=(*LOGIN_KINDS, *REFUSAL_KINDS),
        ),
        *between_moments("at", "that happened"),
    ),
    order="-at",
)
