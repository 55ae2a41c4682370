"""Bank statements in: a file is remembered by its hash, a line by the bank's reference, and what does not follow on is named."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.encryption.confidential import Confidential, encrypt, opened, unreadable
from counterfoil.base.encryption.keys import EncryptionKeyMissing, EnvelopeDoesNotOpen
from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.noun_pages import PlainList, SortKey
from counterfoil.reconciliation.bank_lines import CashAccount, KnownStatement, remarks_of, sort_lines, write_lines
from counterfoil.reconciliation.runs.pairings import BANK, CASH_ACCOUNTS
from counterfoil.statements import SequenceGap, SourceRead, StatementInfo, follow_on, schema
from counterfoil.statements.amounts import does_not_carry

REJECTED_KEPT_MAX: Final = 1_000
CONFIDENTIAL: Final = Confidential("bank_file", ("id",), ("rejected",), "imported bank files")  # rows that were not read, as they are


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
    conn.execute("select set_config('idle_in_transaction_session_timeout', '300000', true)")  # a file may hold a million lines
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 4271008))", [f"{program_id}\x1f{account}"])
    earlier = _files(conn, "program_id = %s and account = %s and sha256 = %s", [program_id, account, bytes.fromhex(found.sha256)])
    if earlier:
        return earlier[0]._replace(existed=True, gaps=gaps_of(conn, program_id, account))
    statements = _statements(found, bank_account)
    ours = CashAccount(program_id, account)
    lines = sort_lines(conn, ours, found, statements, _known(conn, ours))
    notes, records, new = [*found.notes, *remarks_of(lines)], len(lines.lines), len(lines.fresh)
    rejected = [row._asdict() for row in found.rejected[:REJECTED_KEPT_MAX]]
    if len(found.rejected) > REJECTED_KEPT_MAX:
        notes.append(f"{counted(len(found.rejected), 'line')} could not be read; the first {REJECTED_KEPT_MAX:,} are kept")
    envelope = encrypt(conn, CONFIDENTIAL, [file_id], [rejected])
    conn.execute(
        """insert into bank_file (id, program_id, account, file_name, sha256, format, records, new, known, envelope, rejected_count,
                  notes, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            file_id,
            program_id,
            account,
            file_name,
            bytes.fromhex(found.sha256),
            found.format,
            records,
            new,
            records - new,
            envelope,
            len(rejected),
            notes,
            actor,
            now,
        ],
    )
    _write_statements(conn, file_id, statements)
    write_lines(conn, ours, file_id, lines, now)
    made = _files(conn, "id = %s", [file_id])[0]
    return made._replace(gaps=gaps_of(conn, program_id, account))


def has_bank_file(conn: Connection[Any], program_id: str, account: str) -> bool:
    """Was a statement of this account ever imported?"""
    return bool(_files(conn, "program_id = %s and account = %s", [program_id, account]))


BANK_FILE_LIST: Final = PlainList(
    "bank statement files",
    "bf",
    "bank_file",
    lambda conn, ids: _files(conn, "id = any(%s)", [list(ids)], rows_max=len(ids)),
    (SortKey("at", datetime), SortKey("file_name", str), SortKey("account", str), SortKey("records", int)),
)


def reach_of(conn: Connection[Any], program_id: str, account: str, *, on: date | None = None) -> Reach:
    """How far the statements reach, at most until `on`: the last closing of every bank account behind ours, and what is missing."""
    told = [placed.info for placed in _placed(conn, program_id, account)]
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
        before = _opening_of(_earliest(infos))
        if before is None:
            unknown.add(asset)
        opening[asset] += before or 0
        last = next((one.closing for one in reversed(infos) if one.closing is not None), None)
        if last is not None:
            closing[asset] = closing.get(asset, 0) + last
    row = conn.execute(
        """select min(booked_on), max(booked_on), (select coalesce(sum(rejected_count), 0) from bank_file
                  where program_id = %(program)s and account = %(account)s),
                  (select string_agg(encode(sha256, 'hex'), ',' order by sha256) from bank_file
                   where program_id = %(program)s and account = %(account)s)
           from bank_line_counted where program_id = %(program)s and account = %(account)s""",
        {"program": program_id, "account": account},
    ).fetchone()
    first, last_line, rejected, files = row or (None, None, 0, None)
    gaps = [gap.reason for gap in gaps_of(conn, program_id, account) if gap.proven and gap.kind != "doubled"]
    if not gaps and not rejected:
        gaps = _not_led_to(conn, CashAccount(program_id, account), by_account)
    return Reach(
        first_on=min([*starts, *([first] if first else [])], default=None),
        last_on=min(ends) if ends else last_line,
        opening={asset: minor for asset, minor in opening.items() if asset not in unknown},
        closing=closing,
        gaps=gaps,
        rejected=int(rejected),
        files_sha256=hashlib.sha256((files or "").encode()).digest(),
    )


def _earliest(infos: Sequence[StatementInfo]) -> StatementInfo:
    return min(infos, key=lambda one: (one.opening_on or one.closing_on or date.max, one.closing_on or date.max))


def _opening_of(first: StatementInfo) -> int | None:
    """What an account held before its first statement; where only the closing is stated (OFX), that less what moved in it."""
    if first.opening is not None or first.closing is None:
        return first.opening
    return first.closing - first.total


def gaps_of(conn: Connection[Any], program_id: str, account: str) -> tuple[SequenceGap, ...]:
    """Where the imported statements of an account do not follow on: missing, doubled, or another balance than the one before."""
    files: dict[tuple[str, bytes], list[StatementInfo]] = defaultdict(list)
    placed = _placed(conn, program_id, account)
    for one in placed:
        files[one.file_name, one.sha256].append(one.info)
    empty = schema().empty_table()
    reads = [SourceRead("", empty, [], infos, sha256.hex(), name) for (name, sha256), infos in files.items()]
    gaps = [gap for gap in follow_on(reads) if not _begins_within(conn, program_id, account, placed, gap)]
    return tuple(gaps)


def _begins_within(conn: Connection[Any], program_id: str, account: str, placed: Sequence[_PlacedFile], gap: SequenceGap) -> bool:
    """Does the statement open with a balance from within one that is known? Then it overlaps with it, and nothing lies between them."""
    here = (gap.file, gap.line, gap.account)
    info = next((one.info for one in placed if (one.file_name, one.info.line, one.info.account) == here), None)
    if not gap.difference or info is None or info.opening is None or info.opening_on is None:
        return False
    around = [
        one
        for one in placed
        if one.info is not info
        and one.info.carries
        and (one.info.account, one.info.asset) == (info.account, info.asset)
        and (one.info.opening_on or date.max) <= info.opening_on <= (one.info.closing_on or date.min)
    ]
    if any(one.info.opening == info.opening for one in around):
        return True
    if not around:
        return False
    first, last = (
        min(one.info.opening_on or date.max for one in around),
        max(one.info.closing_on or date.min for one in around),
    )
    row = conn.execute(
        """select exists (select from bank_line_counted where program_id = %s and account = %s and asset = %s and position = %s
                          and bank_account is not distinct from %s and booked_on between %s and %s)""",
        [program_id, account, info.asset, info.opening, info.account, first, last],
    ).fetchone()
    return bool(row and row[0])


def _not_led_to(
    conn: Connection[Any], account: CashAccount, by_account: Mapping[tuple[str | None, str], Sequence[StatementInfo]]
) -> list[str]:
    """Closing balances to which the lines that are kept do not lead, from the first opening balance on: then lines are missing, or
    counted twice. Said only where every statement of the account carries and names its lines."""
    found = []
    for (bank_account, asset), infos in sorted(by_account.items(), key=str):
        closing = infos[-1]
        if not all(info.carries for info in infos) or closing.closing is None or closing.closing_on is None:
            continue
        row = conn.execute(
            """select coalesce(sum(l.amount), 0)::bigint, bool_or(l.bank_account is null and %s) from bank_line_counted l
               left join bank_statement s on s.file_id = l.file_id and s.number = l.statement
               where l.program_id = %s and l.account = %s and l.asset = %s and coalesce(s.closing_on, l.booked_on) <= %s
                 and (l.bank_account is null or l.bank_account is not distinct from %s)""",
            [len(by_account) > 1, *account, asset, closing.closing_on, bank_account],
        ).fetchone()
        moved, unsure = row or (0, False)
        opening = _earliest(infos).opening or 0
        if not unsure and opening + moved != closing.closing:
            told = does_not_carry(opening, moved, closing.closing, asset)
            found.append(f"the lines that are kept of {bank_account or 'the account'} do not lead to its closing balance: {told}")
    return found


def _statements(found: SourceRead, wanted: str | None) -> list[StatementInfo]:
    accounts = sorted({str(one.account) for one in found.statements if one.account})
    if wanted is not None and accounts and wanted not in accounts:
        raise InvalidInput("bankAccount", f"one that the file tells of: {', '.join(accounts)[:300]}", got=wanted[:60])
    if wanted is None and len(accounts) > 1:
        raise InvalidInput("bankAccount", f"the file tells of several accounts, so say which: {', '.join(accounts)[:300]}")
    return [one for one in found.statements if wanted is None or one.account in (wanted, None)]


def _known(conn: Connection[Any], account: CashAccount) -> list[KnownStatement]:
    return [KnownStatement(*placed) for placed in ((p.file_id, p.number, p.info) for p in _placed(conn, *account))]


def _write_statements(conn: Connection[Any], file_id: str, statements: Sequence[StatementInfo]) -> None:
    with conn.cursor() as cur:
        cur.executemany(
            """insert into bank_statement (file_id, number, bank_account, statement_id, sequence, page, asset, opening, closing, opening_on,
                      closing_on, entries, total, line)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                (
                    file_id,
                    number,
                    one.account,
                    one.statement_id,
                    one.sequence,
                    one.page,
                    one.asset,
                    one.opening,
                    one.closing,
                    one.opening_on,
                    one.closing_on,
                    one.entries,
                    one.total,
                    one.line,
                )
                for number, one in enumerate(statements, start=1)
            ],
        )


class _PlacedFile(NamedTuple):
    """A statement with its file."""

    file_id: str
    number: int
    file_name: str
    sha256: bytes
    info: StatementInfo


def _placed(conn: Connection[Any], program_id: str, account: str) -> list[_PlacedFile]:
    """Every statement, in the order in which they came. One that came twice is named by who looks whether they follow on."""
    rows = conn.execute(
        """select f.id, s.number, f.file_name, f.sha256, s.bank_account, s.statement_id, s.sequence, s.asset, s.opening, s.closing,
                  s.opening_on, s.closing_on, s.entries, s.total, s.line, s.page
           from bank_statement s join bank_file f on f.id = s.file_id
           where f.program_id = %s and f.account = %s order by f.id, s.number""",
        [program_id, account],
    ).fetchall()
    return [_PlacedFile(row[0], row[1], row[2], bytes(row[3]), StatementInfo(*row[4:])) for row in rows]


def _files(conn: Connection[Any], condition: str, given: list[Any], *, rows_max: int = 1) -> list[BankFile]:
    rows = conn.execute(
        f"""select id, program_id, account, file_name, sha256, format, records, new, known, notes, actor, at, rejected_count, envelope,
                   rejected from bank_file where {condition} order by id desc limit %s""",
        [*given, rows_max],
    ).fetchall()
    return [BankFile._make([*row[:9], _rejected(conn, row[0], *row[12:]), *row[9:12], False, ()]) for row in rows]


def _rejected(conn: Connection[Any], file_id: str, count: int, envelope: bytes | None, clear: Any) -> list[dict[str, Any]]:
    """The rows that could not be read; where they are not readable for us either, how many there were and why."""
    try:
        (found,) = opened(conn, CONFIDENTIAL, [file_id], envelope, [clear])
    except EncryptionKeyMissing as error:
        return [{"reason": f"{counted(count, 'row')}, {unreadable(error)}"}] if count else []
    except EnvelopeDoesNotOpen as error:  # said of a file without such rows too: somebody changed it
        return [{"reason": f"{counted(count, 'row')}: {unreadable(error)}"}]
    return found or []
