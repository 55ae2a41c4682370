"""Copies as a noun: which file lies where in the store, until when nobody can take it away, and how it was found when it was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import Machine, take_step
from counterfoil.base.rows import Records
from counterfoil.operations.access.access import ADMINISTER
from counterfoil.operations.noun_pages import First, SortKey
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Noun, Part, Verb, VerbCall, VerbResult
from counterfoil.operations.work.runner import Queue, wake

COPY: Final = Machine(
    name="copy",
    table="store_copy",
    initial=("waiting",),
    transitions={
        ("waiting", "keep"): "kept",
        ("waiting", "drop"): "dropped",
        ("kept", "find_wrong"): "wrong",
        ("kept", "drop"): "dropped",
        ("wrong", "find_right"): "kept",
        ("wrong", "renew"): "waiting",
        ("wrong", "drop"): "dropped",
    },
    reasoned=frozenset({"renew"}),
)
COPYING: Final = Queue("copies", "store_copy", ("waiting",))


class Copy(NamedTuple):
    """A copy of a file in the store. `path`: its name there; `subject_id`: the proof or backup that it is of; `kept_at`: since when it
    lies there, found to be the same; `looked_at`: when the store was asked last; `locked_until`: before that nobody can take it away;
    `unwanted_at`: since when the policy keeps the original no more; `error`: what was wrong when it was copied, or looked at, last."""

    id: str
    store: str
    path: str
    subject_id: str | None
    bytes: int
    sha256: str
    found_at: datetime
    kept_at: datetime | None
    version: str | None
    checksum: str | None
    locked_until: datetime | None
    looked_at: datetime | None
    unwanted_at: datetime | None
    error: str | None
    due_at: datetime | None
    attempt: int
    last_error: str | None
    state: str


class CopyPlace(NamedTuple):
    """Where a copy of this lies, until when it is locked there, and how it was found when it was looked at last."""

    copy_id: str
    store: str
    path: str
    state: str
    locked_until: datetime | None
    looked_at: datetime | None
    error: str | None


COPIES: Final = Records(
    Copy,
    """select id, store, path, subject_id, bytes, encode(sha256, 'hex') as sha256, found_at, kept_at, version, checksum, locked_until,
              looked_at, unwanted_at, error, due_at, attempt, last_error, state from store_copy""",
    "copy",
)
show_copy: Final = COPIES.show


def list_copies(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> list[Copy]:
    """Copies, newest first."""
    return COPIES.newest(conn, rows_max=rows_max, after=after, state=state)


def places_of(conn: Connection[Any], subject_id: str, /, *, rows_max: int) -> Sequence[CopyPlace]:
    """Where copies of a proof or a backup lie, or wait to, the newest first."""
    with conn.cursor(row_factory=class_row(CopyPlace)) as cur:
        return cur.execute(
            """select id as copy_id, store, path, state, locked_until, looked_at, coalesce(error, last_error) as error from store_copy
               where subject_id = %s and state <> 'dropped' order by id desc limit %s""",
            [subject_id, rows_max],
        ).fetchall()


def let_go(conn: Connection[Any], beginnings: Sequence[str], *, now: datetime) -> None:
    """The policy keeps these originals no more, by the beginnings of their names: their copies go, too, once nothing locks them."""
    conn.execute(
        """update store_copy set unwanted_at = %s where unwanted_at is null and state <> 'dropped'
           and exists (select from unnest(%s::text[]) one where starts_with(path, one))""",
        [now, list(beginnings)],
    )


class LockedCopies(NamedTuple):
    """Copies that nobody wants any more and that the store still locks."""

    copies: int
    bytes: int
    until: datetime


def still_locked(conn: Connection[Any], *, now: datetime) -> LockedCopies | None:
    """What of the store stays although the policy keeps the originals no more, and until when the last of it."""
    row = conn.execute(
        """select count(*), coalesce(sum(bytes), 0)::bigint, max(locked_until) from store_copy
           where unwanted_at is not null and state <> 'dropped' and locked_until > %s""",
        [now],
    ).fetchone()
    return None if row is None or row[2] is None else LockedCopies(*row)


def _renew(one: VerbCall) -> VerbResult:
    copy = COPIES.show(one.conn, one.subject_id, lock=True)
    state = take_step(one.conn, COPY, copy.id, copy.state, "renew", actor=one.actor, at=one.now, reason=one.reason)
    one.conn.execute("update store_copy set due_at = %s, attempt = 0, last_error = null where id = %s", [one.now, copy.id])
    wake(one.conn, COPYING)
    return VerbResult(state)


VERBS: Final = (
    Verb(
        "renew",
        ADMINISTER,
        "Copy anew",
        "The original is copied to the store again, over what lies there. First find out who could write there.",
        do=_renew,
        done="{id}: it is copied anew.",
        many=True,
    ),
)
PLACES: Final = Part("copies", CopyPlace, places_of)
COPY_NOUN: Final = Noun(
    "copy",
    "copies",
    "cpy",
    COPY,
    VERBS,
    show_copy,
    row=Copy,
    rows=list_copies,
    by_id=COPIES.by_id,
    sorts=(SortKey("found_at", datetime),),
    help="Copies of proofs, checkpoints and backups in a store of their own.",
    columns=("id", "path", "bytes", "state", "kept_at", "looked_at", "locked_until", "error", "last_error"),
    first=First("It comes when a store for copies is set up, and something is to be kept there.", "counterfoil copies stored"),
    sought=(FoundBy("path", "at this path"),),
)
