"""Bank statements in: a file is remembered by its hash, a line by the bank's reference, and what does not follow on is named."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.problems import InvalidInput
from counterfoil.reconciliation.runs.pairings import BANK, CASH_ACCOUNTS
from counterfoil.statements import SCHEMA, SequenceGap, SourceRead, StatementInfo, follow_on

NOT_BOOKED: Final = frozenset({"pending", "expected", "information", "future"})
REJECTED_KEPT_MAX: Final = 1_000
GAPS_SHOWN_MAX: Final = 100
ROWS_AT_ONCE: Final = 5_000


class BankFile(NamedTuple):
    """A file as it was imported. `known` lines had come with an earlier file; `gaps` are all that the account now shows."""

    id: str
    program_id: str
    account: str
    file_name: str
    sha256: bytes
    format: str
    records: int
    new: int
    known: int
    rejected: list[dict[str, Any]]
    notes: list[str]
    actor: str
    at: datetime
    existed: bool = False
    gaps: tuple[SequenceGap, ...] = ()


class Reach(NamedTuple):
    """How far the statements of one of our cash accounts reach. Amounts by asset, over all bank accounts that make it up."""

    first_on: date | None
    last_on: date | None
    opening: dict[str, int]  # before the first statement; without those assets of which it is not known
    closing: dict[str, int]
    gaps: list[str]
    rejected: int
    files_sha256: bytes


class _Line(NamedTuple):
    key: bytes
    by_reference: bool
    row: dict[str, Any]


def cash_account(name: str) -> str:
    """`cash:bank:client`, also out of `client` or `bank:client`. Raises InvalidInput."""
    which = name.rpartition(":")[2]
    if which not in CASH_ACCOUNTS or name not in (which, f"{BANK}:{which}", f"cash:{BANK}:{which}"):
        raise InvalidInput("account", "one of " + ", ".join(f"cash:bank:{one}" for one in CASH_ACCOUNTS), got=name[:60])
    return f"cash:{BANK}:{which}"


def import_bank_file(
    conn: Connection[Any],
    program_id: str,
    account: str,
    found: SourceRead,
    *,
    file_id: str,
    file_name: str,
    bank_account: str | None = None,
    actor: str,
    now: datetime,
) -> BankFile:
    """Keep what a statement file says of a cash account. The same file again changes nothing; a line that is known is not kept twice.

    A file that tells of several bank accounts is taken by the one that `bank_account` names. Raises InvalidInput.
    """
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 4271008))", [f"{program_id}\x1f{account}"])
    earlier = _files(
        conn, "program_id = %s and account = %s and sha256 = %s", [program_id, account, bytes.fromhex(found.sha256)]
    )
    if earlier:
        return earlier[0]._replace(existed=True, gaps=gaps_of(conn, program_id, account))
    statements = _statements(found, bank_account)
    lines, left_out = _lines(found, statements)
    known = _known(conn, program_id, account, [line.key for line in lines])
    fresh = [line for line in lines if line.key not in known]
    notes = [*found.notes, *_remarks(lines, known, left_out)]
    rejected = [row._asdict() for row in found.rejected[:REJECTED_KEPT_MAX]]
    conn.execute(
        """insert into bank_file (id, program_id, account, file_name, sha256, format, records, new, known, rejected, notes, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            file_id, program_id, account, file_name, bytes.fromhex(found.sha256), found.format, len(lines), len(fresh),
            len(lines) - len(fresh), Jsonb(rejected), notes, actor, now,
        ],
    )  # fmt: skip
    _write_statements(conn, file_id, statements)
    _write_lines(conn, program_id, account, file_id, fresh)
    made = _files(conn, "id = %s", [file_id])[0]
    return made._replace(gaps=gaps_of(conn, program_id, account))


def list_bank_files(
    conn: Connection[Any], *, program_id: str, account: str | None = None, after: str | None = None, rows_max: int
) -> list[BankFile]:
    """Imported files, newest first, keyset-paged by id."""
    return _files(
        conn,
        "program_id = %s and (%s::text is null or account = %s) and (%s::text is null or id < %s)",
        [program_id, account, account, after, after],
        rows_max=rows_max,
    )


def reach_of(conn: Connection[Any], program_id: str, account: str, *, on: date | None = None) -> Reach:
    """How far the statements reach, at most until `on`: the last closing of every bank account behind ours, and what is missing."""
    told = _told(conn, program_id, account)
    by_account: dict[tuple[str | None, str], list[StatementInfo]] = defaultdict(list)
    for info in told:
        closes = info.closing_on or info.opening_on
        if closes is not None and (on is None or closes <= on):
            by_account[info.account, info.asset or ""].append(info)
    opening: Counter[str] = Counter()
    closing: dict[str, int] = {}
    unknown: set[str] = set()  # nobody says what such an account held before: that is not nothing
    ends, starts = [], []
    for (_, asset), infos in sorted(by_account.items(), key=str):
        infos.sort(key=lambda one: (one.closing_on or date.min, one.sequence or 0, one.page or 0))
        starts.append(min(one.opening_on or one.closing_on or date.max for one in infos))
        ends.append(infos[-1].closing_on or infos[-1].opening_on or date.min)
        before = _opening_of(infos[0])
        if before is None:
            unknown.add(asset)
        opening[asset] += before or 0
        last = next((one.closing for one in reversed(infos) if one.closing is not None), None)
        if last is not None:
            closing[asset] = closing.get(asset, 0) + last
    row = conn.execute(
        """select min(booked_on), max(booked_on), (select coalesce(sum(jsonb_array_length(rejected)), 0) from bank_file
                  where program_id = %(program)s and account = %(account)s),
                  (select string_agg(encode(sha256, 'hex'), ',' order by sha256) from bank_file
                   where program_id = %(program)s and account = %(account)s)
           from bank_line where program_id = %(program)s and account = %(account)s""",
        {"program": program_id, "account": account},
    ).fetchone()
    first, last_line, rejected, files = row or (None, None, 0, None)
    gaps = [gap.reason for gap in gaps_of(conn, program_id, account) if gap.proven and gap.kind != "doubled"]
    return Reach(
        first_on=min([*starts, *([first] if first else [])], default=None),
        last_on=min(ends) if ends else last_line,
        opening={asset: minor for asset, minor in opening.items() if asset not in unknown},
        closing=closing,
        gaps=gaps,
        rejected=int(rejected),
        files_sha256=hashlib.sha256((files or "").encode()).digest(),
    )


def _opening_of(first: StatementInfo) -> int | None:
    """What an account held before its first statement; where only the closing is stated (OFX), that less what moved in it."""
    if first.opening is not None or first.closing is None:
        return first.opening
    return first.closing - first.total


def gaps_of(conn: Connection[Any], program_id: str, account: str) -> tuple[SequenceGap, ...]:
    """Where the imported statements of an account do not follow on: missing, doubled, or another balance than the one before."""
    files: dict[tuple[str, bytes], list[StatementInfo]] = defaultdict(list)
    for name, sha256, info in _placed(conn, program_id, account):
        files[name, sha256].append(info)
    empty = pa.Table.from_batches([], SCHEMA)
    reads = [SourceRead("", empty, [], infos, sha256.hex(), name) for (name, sha256), infos in files.items()]
    return tuple(follow_on(reads)[:GAPS_SHOWN_MAX])


def _statements(found: SourceRead, wanted: str | None) -> list[StatementInfo]:
    accounts = sorted({str(one.account) for one in found.statements if one.account})
    if wanted is not None and accounts and wanted not in accounts:
        raise InvalidInput("bankAccount", f"one that the file tells of: {', '.join(accounts)[:300]}", got=wanted[:60])
    if wanted is None and len(accounts) > 1:
        raise InvalidInput(
            "bankAccount", f"the file tells of several accounts, so say which: {', '.join(accounts)[:300]}"
        )
    return [one for one in found.statements if wanted is None or one.account in (wanted, None)]


def _lines(found: SourceRead, statements: Sequence[StatementInfo]) -> tuple[list[_Line], int]:
    """The booked lines of the statements, each with its key: the same line in another file has the same one."""
    marks = sorted((one.line, one in statements, one.account) for one in found.statements)
    lines: list[_Line] = []
    times: Counter[bytes] = Counter()
    left_out = at = 0
    for row in found.lines.to_pylist():
        while at + 1 < len(marks) and marks[at + 1][0] <= row["line"]:
            at += 1
        if found.format.startswith(("camt", "mt", "bai", "ofx")) and marks and not marks[at][1]:
            continue
        day = row["booked_on"] or row["value_on"]
        if row["status"] in NOT_BOOKED or day is None:
            left_out += 1
            continue
        own = [row["external_id"]] if row["external_id"] else [row["reference"], row["memo"], row["counterparty"]]
        said = [marks[at][2] if marks else None, day.isoformat(), row["amount"], row["asset"], *own]
        plain = json.dumps(said, ensure_ascii=False).encode()
        times[plain] += 1  # two lines of one file that are the same to the letter are two
        key = hashlib.sha256(plain + str(times[plain]).encode()).digest()
        lines.append(_Line(key, bool(row["external_id"]), {**row, "booked_on": day}))
    return lines, left_out


def _known(conn: Connection[Any], program_id: str, account: str, keys: list[bytes]) -> set[bytes]:
    rows = conn.execute(
        "select key from bank_line where program_id = %s and account = %s and key = any(%s::bytea[])",
        [program_id, account, keys],
    ).fetchall()
    return {bytes(row[0]) for row in rows}


def _remarks(lines: Sequence[_Line], known: set[bytes], left_out: int) -> list[str]:
    again = [line for line in lines if line.key in known]
    by_reference = sum(line.by_reference for line in again)
    found = []
    if again:
        found.append(
            f"{len(again)} of {len(lines)} lines had come with an earlier file: {by_reference} by the bank's reference, "
            f"{len(again) - by_reference} by all that they say"
        )
    if left_out:
        found.append(f"{left_out} lines are not booked, so they do not count")
    return found


def _write_statements(conn: Connection[Any], file_id: str, statements: Sequence[StatementInfo]) -> None:
    with conn.cursor() as cur:
        cur.executemany(
            """insert into bank_statement (file_id, number, bank_account, statement_id, sequence, page, asset, opening, closing, opening_on,
                      closing_on, entries, total, line)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                (
                    file_id, number, one.account, one.statement_id, one.sequence, one.page, one.asset, one.opening, one.closing,
                    one.opening_on, one.closing_on, one.entries, one.total, one.line,
                )
                for number, one in enumerate(statements, start=1)
            ],
        )  # fmt: skip


def _write_lines(conn: Connection[Any], program_id: str, account: str, file_id: str, lines: Sequence[_Line]) -> None:
    names = (
        "asset",
        "amount",
        "booked_on",
        "value_on",
        "external_id",
        "reference",
        "counterparty",
        "memo",
        "batch",
        "line",
    )
    with (
        conn.cursor() as cur,
        cur.copy(
            f"copy bank_line (program_id, account, key, file_id, {', '.join(names)}) from stdin (format binary)"
        ) as copy,
    ):
        copy.set_types(
            [
                "text",
                "text",
                "bytea",
                "text",
                "text",
                "int8",
                "date",
                "date",
                "text",
                "text",
                "text",
                "text",
                "text",
                "int4",
            ]
        )
        for line in lines:
            copy.write_row((program_id, account, line.key, file_id, *(line.row[name] for name in names)))


def _told(conn: Connection[Any], program_id: str, account: str) -> list[StatementInfo]:
    return [info for _, _, info in _placed(conn, program_id, account)]


def _placed(conn: Connection[Any], program_id: str, account: str) -> list[tuple[str, bytes, StatementInfo]]:
    """Statements with their files. A file that brought nothing new is a repetition: what it says of balances is said already."""
    rows = conn.execute(
        """select f.file_name, f.sha256, s.bank_account, s.statement_id, s.sequence, s.asset, s.opening, s.closing,
                  s.opening_on, s.closing_on, s.entries, s.total, s.line, s.page
           from bank_statement s join bank_file f on f.id = s.file_id
           where f.program_id = %s and f.account = %s and (f.new > 0 or f.known = 0) order by f.id, s.number limit 1000000""",
        [program_id, account],
    ).fetchall()
    return [(row[0], bytes(row[1]), StatementInfo(*row[2:])) for row in rows]


def _files(conn: Connection[Any], condition: str, given: list[Any], *, rows_max: int = 1) -> list[BankFile]:
    with conn.cursor(row_factory=class_row(BankFile)) as cur:
        return cur.execute(
            f"""select id, program_id, account, file_name, sha256, format, records, new, known, rejected, notes, actor, at
                from bank_file where {condition} order by id desc limit %s""",
            [*given, rows_max],
        ).fetchall()
