"""The lines of an imported statement: which of them are new, what is told in parts, and what the bank took back."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.encryption.confidential import ENVELOPE, Confidential
from counterfoil.base.encryption.keys import keys_of
from counterfoil.base.formats.counting import counted
from counterfoil.reconciliation.bank_overlap import BroughtLine, KnownLine, apart, fresh_of, same_statement
from counterfoil.statements import TABLES, SourceRead, StatementInfo, has_moved
from counterfoil.statements.fee_reports import BY_ACCOUNT, account_of

OF_STATEMENTS: Final = ("camt", "mt", "bai", "ofx")  # formats whose lines stand within their statement
COPIED_AT_ONCE: Final = 5_000  # lines: no COPY takes so long that its writer is taken for frozen (ledger/frozen_writers.py)
PROBES_MAX: Final = 10_000  # lines that say the same, to the letter
KEPT: Final = (
    *("asset", "amount", "booked_on", "value_on", "external_id", "batch", "line", "entry"),
    *("bank_account", "statement", "position"),
)
KINDS: Final = (
    *("text", "int8", "date", "date", "text", "text", "int4", "text"),
    *("text", "int4", "int8"),
)
WORDS: Final = ("reference", "counterparty", "memo")  # they name people and their accounts
CONFIDENTIAL: Final = Confidential("bank_line", ("program_id", "account", "key"), WORDS, "bank lines")


class CashAccount(NamedTuple):
    """One of our cash accounts."""

    program_id: str
    name: str


class KnownStatement(NamedTuple):
    """A statement that was imported."""

    file_id: str
    number: int
    info: StatementInfo


@dataclass
class BankLine:
    """A booked line of the file. `why_not` is set where it is not new."""

    plain: bytes
    row: dict[str, Any]
    statement: int | None  # its place among the statements of the file
    position: int | None = None
    why_not: str = ""
    key: bytes = b""


@dataclass
class Sorted:
    """The lines of a file, sorted: what is new, what is known, what counts no more (key → why), what is not booked."""

    lines: list[BankLine]
    left_out: int
    withdrawn: dict[bytes, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    of_others: int = 0  # of another account than the one that was asked for, in a file that holds several

    @property
    def fresh(self) -> list[BankLine]:
        """The new ones."""
        return [line for line in self.lines if not line.why_not]


def sort_lines(
    conn: Connection[Any],
    account: CashAccount,
    found: SourceRead,
    statements: Sequence[StatementInfo],
    known: Sequence[KnownStatement],
) -> Sorted:
    """Hold the file's booked lines against what is known of the account."""
    result = _booked(found, statements)
    _tell_parts(conn, account, result)
    told = list(known)
    held = _held(conn, account, {line.plain for line in result.lines}, told)
    for number, group in _groups(result.lines, statements):
        info = statements[number] if number is not None else None
        _sort_group(conn, account, group, info, told, held)
        for line in group:
            if not line.why_not:
                held[line.plain].append(KnownLine(len(told) if info else None, line.position))
        if info is not None:
            told.append(KnownStatement("", number + 1 if number is not None else 0, info))
    _number_keys(conn, account, result.fresh)
    _take_back(conn, account, found, result)
    return result


def _booked(found: SourceRead, statements: Sequence[StatementInfo]) -> Sorted:
    """The booked lines of the statements, each with all that it says and its place in its statement."""
    marks = sorted(found.statements, key=lambda one: one.line)
    places = {id(one): at for at, one in enumerate(statements)}
    named = {(one.account, one.asset): one for one in marks} if found.format in BY_ACCOUNT else {}
    wanted = {one.account for one in statements}
    result, at, running = Sorted([], 0), 0, dict[int, int]()
    for row in found.lines.to_pylist():
        while at + 1 < len(marks) and marks[at + 1].line <= row["line"]:
            at += 1
        info = marks[at] if marks else None
        if named:
            account = account_of(found.format, row["raw"])
            info = named.get((account, row["asset"]))
            if account not in wanted:
                result.of_others += 1
                continue
        place = places.get(id(info)) if info else None
        if info and place is None and found.format.startswith(OF_STATEMENTS):
            continue
        day = row["booked_on"] or row["value_on"]
        if day is None or (found.format in TABLES and not has_moved(row["status"])):  # readers of statements have set theirs aside
            result.left_out += 1
            continue
        line = BankLine(plain_of(info.account if info else None, row, day), {**row, "booked_on": day}, place)
        line.position = row["balance"]
        if info and place is not None and info.carries and info.asset == row["asset"] and row["balance"] is None:
            running[place] = running.get(place, info.opening or 0) + row["amount"]
            line.position = running[place]
        line.row |= {
            "bank_account": info.account if info and place is not None else None,
            "statement": place + 1 if info and place is not None and info.carries is not None else None,
            "position": line.position,
        }
        result.lines.append(line)
    return result


def plain_of(bank_account: str | None, row: dict[str, Any], day: date) -> bytes:
    """All that a line says: the bank's reference where it gives one, else its words."""
    own = [row["external_id"]] if row["external_id"] else [row["reference"], row["memo"], row["counterparty"]]
    said = [bank_account, day.isoformat(), row["amount"], row["asset"], *own]
    return json.dumps(said, ensure_ascii=False).encode()


def key_of(plain: bytes, number: int) -> bytes:
    """The key of the nth line that says this."""
    return hashlib.sha256(plain + str(number).encode()).digest()


def _groups(lines: Sequence[BankLine], statements: Sequence[StatementInfo]) -> list[tuple[int | None, list[BankLine]]]:
    """Lines by statement, where it has both balances; all others are one group."""
    groups: dict[int | None, list[BankLine]] = defaultdict(list)
    for line in lines:
        shown = line.statement is not None and statements[line.statement].carries
        groups[line.statement if shown else None].append(line)
    return sorted(groups.items(), key=lambda group: -1 if group[0] is None else group[0])


def _held(conn: Connection[Any], account: CashAccount, plains: set[bytes], known: Sequence[KnownStatement]) -> dict[bytes, list[KnownLine]]:
    """The known lines that say the same, in order. Those that the bank took back do not count: it may send them again."""
    places = {(one.file_id, one.number): at for at, one in enumerate(known)}
    held: dict[bytes, list[KnownLine]] = defaultdict(list)
    for plain, _, file_id, statement, position, why in _probe(conn, account, plains):
        if why in (None, "told in parts"):
            held[plain].append(KnownLine(places.get((file_id, statement or 0)), position))
    return held


def _probe(
    conn: Connection[Any], account: CashAccount, plains: set[bytes]
) -> list[tuple[bytes, int, str, int | None, int | None, str | None]]:
    """Lines by their words: numbered without a gap, so the first number that is not there ends the search."""
    found = []
    open_, number = set(plains), 1
    while open_ and number <= PROBES_MAX:
        keys = {key_of(plain, number): plain for plain in open_}
        rows = conn.execute(
            """select l.key, l.file_id, l.statement, l.position, w.why from bank_line l
               left join bank_line_withdrawn w on w.program_id = l.program_id and w.account = l.account and w.key = l.key
               where l.program_id = %s and l.account = %s and l.key = any(%s::bytea[])""",
            [*account, list(keys)],
        ).fetchall()
        found += [(keys[bytes(key)], number, *rest) for key, *rest in rows]
        open_, number = {keys[bytes(row[0])] for row in rows}, number + 1
    return found


def _number_keys(conn: Connection[Any], account: CashAccount, fresh: Sequence[BankLine]) -> None:
    taken: Counter[bytes] = Counter(plain for plain, *_ in _probe(conn, account, {line.plain for line in fresh}))
    for line in fresh:
        taken[line.plain] += 1
        line.key = key_of(line.plain, taken[line.plain])


def _sort_group(
    conn: Connection[Any],
    account: CashAccount,
    group: list[BankLine],
    info: StatementInfo | None,
    known: Sequence[KnownStatement],
    held: dict[bytes, list[KnownLine]],
) -> None:
    open_ = [line for line in group if not line.why_not]
    if info is not None and any(same_statement(one.info, info) for one in known) and _all_there(conn, account, open_, held):
        for line in open_:
            line.why_not = "known"
        return
    said = [BroughtLine(line.plain, line.row["amount"], line.row["booked_on"], line.position) for line in open_]
    disjoint: set[int] = set()
    leads: list[Callable[[int], bool]] = []
    if info is not None and said:
        infos = [one.info for one in known]
        disjoint = apart(infos, info, min(line.day for line in said))
        leads = [_led_to(conn, account, infos, info, end) for end in (_last(infos, info), info)]
    for line, is_new in zip(open_, fresh_of(said, held, disjoint, leads), strict=True):
        line.why_not = "" if is_new else "known"


def _all_there(conn: Connection[Any], account: CashAccount, lines: Sequence[BankLine], held: dict[bytes, list[KnownLine]]) -> bool:
    """Do we hold what this statement brings, in these words or, out of another format, in these amounts on these days?"""
    wanted: Counter[bytes] = Counter(line.plain for line in lines)
    if all(len(held[plain]) >= count for plain, count in wanted.items()):
        return True
    days = sorted({line.row["booked_on"] for line in lines})
    rows = conn.execute(
        """select booked_on, asset, amount, count(*) from bank_line_counted
           where program_id = %s and account = %s and booked_on between %s and %s group by 1, 2, 3""",
        [*account, days[0], days[-1]],
    ).fetchall()
    there = {tuple(row[:3]): row[3] for row in rows}
    amounts = Counter((line.row["booked_on"], line.row["asset"], line.row["amount"]) for line in lines)
    return all(there.get(what, 0) >= count for what, count in amounts.items())


def _of_account(known: Sequence[StatementInfo], info: StatementInfo) -> list[StatementInfo]:
    return [one for one in (*known, info) if one.carries and (one.account, one.asset) == (info.account, info.asset)]


def _last(known: Sequence[StatementInfo], info: StatementInfo) -> StatementInfo:
    """The statement that reaches furthest."""
    return max(_of_account(known, info), key=lambda one: (one.closing_on or date.min, one.sequence or 0))


def _led_to(
    conn: Connection[Any], account: CashAccount, known: Sequence[StatementInfo], info: StatementInfo, end: StatementInfo
) -> Callable[[int], bool]:
    """Do the lines that we keep, and new ones of this sum, lead from the account's first opening balance to this closing balance?"""
    days = (date.max, date.max)
    first = min(
        _of_account(known, info),
        key=lambda one: (one.opening_on or one.closing_on or days[0], one.closing_on or days[1]),
    )
    row = conn.execute(
        """select coalesce(sum(amount), 0)::bigint from bank_line_counted
           where program_id = %s and account = %s and asset = %s and booked_on <= %s
             and (bank_account is null or bank_account is not distinct from %s)""",
        [*account, end.asset, end.closing_on or date.max, end.account],
    ).fetchone()
    kept = int(row[0]) if row else 0
    return lambda new: (first.opening or 0) + kept + new == end.closing


def _tell_parts(conn: Connection[Any], account: CashAccount, result: Sorted) -> None:
    """A booking and its parts (camt.053 and camt.054) are one movement: the parts count where they add up to it, else the booking."""
    entries = {line.row["entry"] for line in result.lines if line.row["entry"]}
    rows = conn.execute(
        """select coalesce(entry, external_id), asset, external_id = coalesce(entry, external_id), amount, key from bank_line_counted
           where program_id = %s and account = %s and (entry = any(%s) or (entry is null and external_id = any(%s)))""",
        [*account, list(entries), list(entries)],
    ).fetchall()
    wholes: dict[tuple[str, str], tuple[int, bytes | None]] = {}
    parts: Counter[tuple[str, str]] = Counter()
    for entry, asset, is_whole, amount, key in rows:
        if is_whole:
            wholes[entry, asset] = (amount, bytes(key))
        else:
            parts[entry, asset] += amount
    ours: dict[tuple[str, str], list[BankLine]] = defaultdict(list)
    for line in result.lines:
        name = (line.row["entry"], line.row["asset"])
        if not line.row["entry"]:
            continue
        if line.row["external_id"] != line.row["entry"]:
            ours[name].append(line)
        elif parts[name] == line.row["amount"] and parts[name]:
            line.why_not = "told in parts"
        elif name not in wholes:
            wholes[name] = (line.row["amount"], None)
    for name, lines in ours.items():
        _parts_or_whole(result, name, lines, wholes.get(name))


def _parts_or_whole(result: Sorted, name: tuple[str, str], lines: Sequence[BankLine], whole: tuple[int, bytes | None] | None) -> None:
    if whole is None:
        return
    amount, key = whole
    if sum(line.row["amount"] for line in lines) != amount:
        for line in lines:
            line.why_not = "a part of what is known whole"
        result.notes.append(f"the parts of {name[0]} do not add up to it, so it counts as a whole and they do not")
    elif key is not None:
        result.withdrawn[key] = "told in parts"
    else:
        for line in result.lines:
            if (line.row["external_id"], line.row["asset"]) == name:
                line.why_not = "told in parts"


def _take_back(conn: Connection[Any], account: CashAccount, found: SourceRead, result: Sorted) -> None:
    """BAI2: a deletion takes back the lines that it names; a correction those of its account and day that it does not repeat."""
    deleted: Counter[bytes] = Counter()
    for bank_account, line in found.aside:
        if line.status == "deleted" and line.booked_on:
            deleted[plain_of(bank_account, line._asdict(), line.booked_on)] += 1
    there = [row for row in _probe(conn, account, set(deleted)) if row[-1] is None]
    for plain, number, *_ in there[::-1]:
        if deleted[plain] > 0:
            deleted[plain] -= 1
            result.withdrawn[key_of(plain, number)] = "deleted"
    if missing := sum(deleted.values()):
        result.notes.append(f"{counted(missing, 'line')} that the bank deletes had not come before")
    corrected = {(line.row["bank_account"], line.row["booked_on"]) for line in result.lines if line.row["status"] == "corrected"}
    said: Counter[bytes] = Counter(line.plain for line in result.lines)
    repeated = {key_of(plain, number + 1) for plain, count in said.items() for number in range(count)}
    for bank_account, day in sorted(corrected, key=str):
        rows = conn.execute(
            """select l.key from bank_line_counted l join bank_file f on f.id = l.file_id
               where l.program_id = %s and l.account = %s and l.bank_account is not distinct from %s and l.booked_on = %s
                 and f.format = 'bai2'""",
            [*account, bank_account, day],
        ).fetchall()
        result.withdrawn |= {bytes(key): "corrected" for (key,) in rows if bytes(key) not in repeated}


def write_lines(conn: Connection[Any], account: CashAccount, file_id: str, found: Sorted, now: datetime) -> None:
    """The new lines, and what counts no more because of this file."""
    keys, into = keys_of(conn), f"bank_line (program_id, account, key, file_id, {ENVELOPE}, {', '.join(KEPT)})"
    fresh = found.fresh
    for start in range(0, len(fresh), COPIED_AT_ONCE):
        with conn.cursor() as cur, cur.copy(f"copy {into} from stdin (format binary)") as copy:
            copy.set_types(["text", "text", "bytea", "text", "bytea", *KINDS])
            for line in fresh[start : start + COPIED_AT_ONCE]:
                envelope = CONFIDENTIAL.encrypted(keys, (*account, line.key), [line.row[name] for name in WORDS])
                copy.write_row((*account, line.key, file_id, envelope, *(line.row[name] for name in KEPT)))
    with conn.cursor() as cur:
        cur.executemany(
            "insert into bank_line_withdrawn (program_id, account, key, file_id, why, at) values (%s, %s, %s, %s, %s, %s)",
            [(*account, key, file_id, why, now) for key, why in found.withdrawn.items()],
        )


def remarks_of(found: Sorted) -> list[str]:
    """What a person should know of the lines that are not new."""
    again = [line for line in found.lines if line.why_not == "known"]
    by_reference = sum(bool(line.row["external_id"]) for line in again)
    told = list(found.notes)
    if again:
        told.append(
            f"{len(again)} of {len(found.lines)} lines had come with an earlier file: {by_reference} by the bank's reference, "
            f"{len(again) - by_reference} by all that they say"
        )
    whole = sum(line.why_not == "told in parts" for line in found.lines)
    whole += sum(why == "told in parts" for why in found.withdrawn.values())
    if whole:
        told.append(f"{whole} bookings are told in parts: the parts count, and not the booking")
    backs = Counter(why for why in found.withdrawn.values() if why != "told in parts")
    told += [
        f"{counted(count, 'line of earlier files counts', 'lines of earlier files count')} no more: the bank {why} them"
        for why, count in sorted(backs.items())
    ]
    if found.of_others:
        one, many = "line is of another account of the file, and is not taken", "lines are of other accounts of the file, and are not taken"
        told.append(f"{counted(found.of_others, one, many)}: import it for each of them")
    if found.left_out:
        told.append(counted(found.left_out, "line is not booked, so it does not count", "lines are not booked, so they do not count"))
    return told
