"""The action log: everything a person or a key did that changed something, with its reason. Append-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb


class Action(NamedTuple):
    """One action as it was recorded."""

    id: str
    actor: str
    role: str
    verb: str
    subject_id: str
    reason: str | None
    request_id: str
    at: datetime


class ActionOrigin(NamedTuple):
    """Whose an action was: the principal, the key if it came by one, and the address as the door saw it."""

    principal_id: str
    api_key_id: str | None
    address: str


def record_action(
    conn: Connection[Any],
    action_id: str,
    *,
    actor: str,
    role: str,
    verb: str,
    subject_id: str,
    reason: str | None,
    request_id: str,
    payload: dict[str, Any],
    at: datetime,
    origin: ActionOrigin | None = None,
) -> None:
    """Write down one action, in the transaction of its effect: what was rolled back was not done. `origin`: None for what was typed
    on this machine."""
    insert = """insert into action (id, actor, role, verb, subject_id, reason, request_id, payload, at)
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s)"""
    values = [action_id, actor, role, verb, subject_id, reason, request_id, Jsonb(payload), at]
    if origin is None:
        conn.execute(insert, values)
        return
    conn.execute(
        f"""with made as ({insert} returning id)
            insert into action_origin (action_id, principal_id, api_key_id, address) select id, %s, %s, %s from made""",
        [*values, *origin],
    )


def actions_of(conn: Connection[Any], subject_id: str, *, rows_max: int) -> list[Action]:
    """What was done to a thing by hand, newest first."""
    with conn.cursor(row_factory=class_row(Action)) as cur:
        return cur.execute(
            """select id, actor, role, verb, subject_id, reason, request_id, at
               from action where subject_id = %s order by at desc, id desc limit %s""",
            [subject_id, rows_max],
        ).fetchall()
