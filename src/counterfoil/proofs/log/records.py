"""What a leaf of the log says: a record as canonical JSON (RFC 8785), in the same words whichever version wrote it.

Amounts are texts of whole minor units; moments are UTC with six digits. What a person or a key sent along with an act, and what two people
agreed on, is in by its SHA-256 alone: it may name people, and what is in the log stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row

from counterfoil.base.formats.canonical import canonical_json

LINES_MAX: Final = 100_000  # of journals that are read at once; one alone may have more
Row = dict[str, Any]


class LogRecord(NamedTuple):
    """A record that the log takes: what names it, when it was recorded, and the text of its leaf."""

    relation: str
    row_id: str
    recorded_at: datetime
    record: str


class WaitingRecord(NamedTuple):
    """A record that is not in the log yet. `lines`: of a journal."""

    relation: str
    row_id: str
    xid: int
    lines: int


class RecordSource(NamedTuple):
    """A relation of the log: its key as one text, and how its records are read and told."""

    relation: str
    key: LiteralString  # SQL over the row `n`, as all of these
    lines: LiteralString
    read: Callable[[Connection[Any], Sequence[str]], list[LogRecord]]
    writer: LiteralString = "n.written_by"


def moment(at: datetime) -> str:
    """As records tell it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _selected(
    relation: str, query: LiteralString, at: str, told: Callable[[Row], Mapping[str, Any]], writer: LiteralString = "n.written_by"
) -> RecordSource:
    """A source of one row each: `query` takes `ids` and gives, among others, `row_id`; `at` is the column that says when."""

    def read(conn: Connection[Any], ids: Sequence[str]) -> list[LogRecord]:
        with conn.cursor(row_factory=dict_row) as cur:
            rows = cur.execute(query, {"ids": list(ids)}).fetchall()
        found = []
        for row in rows:
            record = canonical_json({"type": relation, "at": moment(row[at]), **told(row)})
            found.append(LogRecord(relation, row["row_id"], row[at], record))
        return found

    return RecordSource(relation, _KEYS[relation], "1", read, writer)


def _digest(payload: Any) -> str:
    return hashlib.sha256(canonical_json(payload).encode()).hexdigest()


_KEYS: Final[Mapping[str, LiteralString]] = {
    "account_guard": "n.account_id::text",
    "account_flag": "n.account_id || '/' || n.step",
    "journal": "n.id::text",
    "period_close": "n.program_id || '/' || n.step",
    "action": "n.id",
    "approval_proposal": "n.id",
    "approval_decision": "n.proposal_id || '/' || n.checker_id",
    "approval_use": "n.proposal_id",
}


# A journal's lines as RFC 8785 wants them; its own day and id only where a line has one. The database makes the text, since a log of
# millions of lines is told again in full by whoever checks it. What `to_json` escapes in a name is what RFC 8785 escapes, in the same way.
_LINES: Final = """
    select p.journal_id,
           string_agg('{"amount":"' || p.amount || '","credit":' || to_json(c.name) || ',"debit":' || to_json(d.name)
                      || case when p.effective_at = j.effective_at then ''
                              else to_char(p.effective_at at time zone 'UTC', ',"\\"effective_at\\":\\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\\""')
                         end
                      || ',"line":' || p.line || coalesce(',"movement":"' || p.movement || '"', '') || '}', ',' order by p.line) as lines
    from posting p join journal j on j.id = p.journal_id join account d on d.id = p.debit join account c on c.id = p.credit
    where p.journal_id = any(%s::uuid[]) group by p.journal_id"""


def _journals(conn: Connection[Any], ids: Sequence[str]) -> list[LogRecord]:
    with conn.cursor(row_factory=dict_row) as cur:
        headers = cur.execute(
            """select j.*, b.asset from journal j join book b on b.id = j.book_id where j.id = any(%s::uuid[])""", [list(ids)]
        ).fetchall()
    lines = dict(conn.execute(_LINES, [list(ids)]).fetchall())
    return [LogRecord("journal", str(one["id"]), one["recorded_at"], _journal(one, lines.get(one["id"], ""))) for one in headers]


def _journal(one: Row, lines: str) -> str:
    """In the order of their names, as canonical JSON has them: what comes before "lines", the lines, and what comes after."""
    before = {
        "actor": one["actor"],
        "asset": one["asset"],
        "at": moment(one["recorded_at"]),
        "effective_at": moment(one["effective_at"]),
        "id": str(one["id"]),
        "key": one["key"],
        "kind": one["kind"],
    }
    after: dict[str, Any] = {
        "narrative": one["narrative"],
        "program": one["program_id"],
        "source_id": one["source_id"],
        "source_type": one["source_type"],
        "type": "journal",
    }
    if one["reverses"] is not None:
        after |= {"reverses": str(one["reverses"]), "reverses_line": one["reverses_line"]}
    return f'{canonical_json(before)[:-1]},"lines":[{lines}],{canonical_json(after)[1:]}'


SOURCES: Final[Sequence[RecordSource]] = (
    _selected(
        "account_guard",
        """select g.account_id::text as row_id, a.opened_at, a.name, a.debit_normal, a.opened_by, b.program_id, b.asset, g.no_overdraft
           from account_guard g join account a on a.id = g.account_id join book b on b.id = a.book_id
           where g.account_id = any(%(ids)s::bigint[])""",
        "opened_at",
        lambda row: {
            "program": row["program_id"],
            "asset": row["asset"],
            "account": row["name"],
            "normal": "debit" if row["debit_normal"] else "credit",
            "no_overdraft": row["no_overdraft"],
            "actor": row["opened_by"],
        },
    ),
    _selected(
        "account_flag",
        """select f.account_id || '/' || f.step as row_id, f.*, a.name, b.program_id, b.asset
           from account_flag f join account a on a.id = f.account_id join book b on b.id = a.book_id
           where f.account_id || '/' || f.step = any(%(ids)s)
             and f.account_id = any(select split_part(one, '/', 1)::bigint from unnest(%(ids)s::text[]) one)""",
        "at",
        lambda row: {
            "program": row["program_id"],
            "asset": row["asset"],
            "account": row["name"],
            "flag": row["flag"],
            "value": row["value"],
            "actor": row["actor"],
            "reason": row["reason"],
        },
    ),
    RecordSource("journal", _KEYS["journal"], "n.lines", _journals),
    _selected(
        "period_close",
        """select p.program_id || '/' || p.step as row_id, p.* from period_close p
           where p.program_id || '/' || p.step = any(%(ids)s)""",
        "recorded_at",
        lambda row: {
            "program": row["program_id"],
            "step": row["step"],
            "verb": row["verb"],
            "closed_until": moment(row["closed_until"]),
            "actor": row["actor"],
            "reason": row["reason"],
        },
    ),
    _selected(
        "action",
        "select a.id as row_id, a.* from action a where a.id = any(%(ids)s)",
        "at",
        lambda row: {
            "id": row["id"],
            "actor": row["actor"],
            "role": row["role"],
            "verb": row["verb"],
            "subject": row["subject_id"],
            "reason": row["reason"],
            "request": row["request_id"],
            "payload_sha256": _digest(row["payload"]),
        },
    ),
    _selected(
        "approval_proposal",
        "select p.id as row_id, p.* from approval_proposal p where p.id = any(%(ids)s)",
        "made_at",
        lambda row: {
            "id": row["id"],
            "machine": row["machine"],
            "subject": row["subject_id"],
            "verb": row["verb"],
            "program": row["program_id"],
            "payload_sha256": bytes(row["payload_sha256"]).hex(),
            "reason": row["reason"],
            "maker": row["maker"],
            "maker_id": row["maker_id"],
            "expires_at": moment(row["expires_at"]),
        },
    ),
    _selected(
        "approval_decision",
        """select d.proposal_id || '/' || d.checker_id as row_id, d.* from approval_decision d
           where d.proposal_id || '/' || d.checker_id = any(%(ids)s)
             and d.proposal_id = any(select split_part(one, '/', 1) from unnest(%(ids)s::text[]) one)""",
        "at",
        lambda row: {
            "proposal": row["proposal_id"],
            "decision": row["decision"],
            "payload_sha256": bytes(row["payload_sha256"]).hex(),
            "checker": row["checker"],
            "checker_id": row["checker_id"],
            "reason": row["reason"],
        },
    ),
    _selected(
        "approval_use",
        "select u.proposal_id as row_id, u.* from approval_use u where u.proposal_id = any(%(ids)s)",
        "at",
        lambda row: {
            "proposal": row["proposal_id"],
            "machine": row["machine"],
            "subject": row["subject_id"],
            "verb": row["verb"],
            "step": row["step"],
            "result": row["result_id"],
        },
        writer="coalesce(n.written_by, '1'::xid8)",
    ),
)
BY_RELATION: Final = {one.relation: one for one in SOURCES}


def read_records(conn: Connection[Any], waiting: Sequence[WaitingRecord]) -> list[LogRecord]:
    """The text of each of these records, in the order in which the log takes them: by when they were recorded, then by name."""
    found: list[LogRecord] = []
    for source in SOURCES:
        for part in _parts([one for one in waiting if one.relation == source.relation]):
            found += source.read(conn, part)
    return sorted(found, key=lambda one: (one.recorded_at, one.relation, one.row_id))


def _parts(waiting: Sequence[WaitingRecord]) -> list[list[str]]:
    """Ids to be read together, so that no more lines than LINES_MAX are in memory at once unless one journal has more."""
    parts: list[list[str]] = []
    room = 0
    for one in waiting:
        if not parts or one.lines > room:
            parts.append([])
            room = LINES_MAX
        parts[-1].append(one.row_id)
        room -= one.lines
    return parts
