"""What a package holds beside the entries themselves: balances, accounts, breaks, runs, policies. Each is read from the books, not from the
entries, so that who verifies compares two things."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.proofs.log.records import moment
from counterfoil.reconciliation.breaks.breaks import BREAK

FEE_POLICIES: Final[Mapping[str, LiteralString]] = {
    "fee_version": "select to_jsonb(t) from fee_version t where t.recorded_at < %(at)s order by t.program_id, t.version",
    "fee_limit": """select to_jsonb(t) from fee_limit t join fee_rate r using (program_id, version)
                    where r.recorded_at < %(at)s order by t.program_id, t.version, t.asset""",
    "holdback_term": """select to_jsonb(t) from holdback_term t join fee_rate r using (program_id, version)
                        where r.recorded_at < %(at)s order by t.program_id, t.version""",
}
APPROVAL_POLICIES: Final[Mapping[str, LiteralString]] = {
    "payout_policy": "select to_jsonb(t) from payout_policy t where t.at < %(at)s order by t.program_id, t.asset, t.version",
    "write_off_limit": "select to_jsonb(t) from write_off_limit t where t.at < %(at)s order by t.program_id, t.asset, t.version",
    "approving_role": "select to_jsonb(t) from approving_role t order by t.machine",
    "paired_verbs": "select to_jsonb(t) from transition t where t.needs_pair order by t.machine, t.from_state, t.verb, t.to_state",
}
Sums = dict[tuple[str, str, str], list[int]]


def trial_balance(conn: Connection[Any], size: int) -> dict[str, Any]:
    """Every account that was moved by the first `size` entries of the log, with the sums of its debits and credits."""
    rows = conn.execute(
        """with posted as (select p.debit, p.credit, p.amount from log_entry e join posting p on p.journal_id = e.row_id::uuid
                           where e.relation = 'journal' and e.index < %s),
                moved as (select account, sum(debits) as debits, sum(credits) as credits
                          from (select debit as account, amount as debits, 0 as credits from posted
                                union all select credit, 0, amount from posted) sides group by 1)
           select b.program_id, b.asset, a.name, a.debit_normal, m.debits, m.credits
           from moved m join account a on a.id = m.account join book b on b.id = a.book_id
           order by b.program_id collate "C", b.asset collate "C", a.name collate "C" """,
        [size],
    ).fetchall()
    return {
        "size": size,
        "accounts": [
            {
                **_named(program, asset, name, debit_normal),
                "debits": str(debits),
                "credits": str(credit),
                "balance": str(debits - credit if debit_normal else credit - debits),
            }
            for program, asset, name, debit_normal, debits, credit in rows
        ],
    }


def _named(program: str, asset: str, name: str, debit_normal: bool) -> dict[str, Any]:
    """Which account, as every sheet names it."""
    return {"program": program, "asset": asset, "account": name, "normal": "debit" if debit_normal else "credit"}


def sums_of(sheet: Mapping[str, Any]) -> Sums:
    """Debits and credits of each account of a trial balance."""
    return {(one["program"], one["asset"], one["account"]): [int(one["debits"]), int(one["credits"])] for one in sheet["accounts"]}


def move(moved: Sums, journal: Mapping[str, Any]) -> None:
    """Add the lines of a journal to what was moved."""
    for line in journal["lines"]:
        amount = int(line["amount"])
        moved[journal["program"], journal["asset"], line["debit"]][0] += amount
        moved[journal["program"], journal["asset"], line["credit"]][1] += amount


def totals_of(moved: Sums) -> list[dict[str, str]]:
    """Debits and credits of each asset."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for (_, asset, _), sums in moved.items():
        totals[asset] = [totals[asset][0] + sums[0], totals[asset][1] + sums[1]]
    return [{"asset": asset, "debits": str(sums[0]), "credits": str(sums[1])} for asset, sums in sorted(totals.items())]


def off(sheets: Sequence[Mapping[str, Any]], moved: Sums) -> list[str]:
    """Accounts whose opening balance and movements are not their closing balance: then somebody changed the books past the log."""
    opening, closing = (sums_of(one) for one in sheets)
    return [
        f"{program} {asset} {name}"
        for program, asset, name in sorted({*opening, *closing, *moved})
        for key in ((program, asset, name),)
        if [a + b for a, b in zip(opening.get(key, [0, 0]), moved.get(key, [0, 0]), strict=True)] != closing.get(key, [0, 0])
    ]


def accounts_opened(conn: Connection[Any], size: int) -> dict[str, Any]:
    """Every account that was opened within the first `size` entries."""
    rows = conn.execute(
        """select b.program_id, b.asset, a.name, a.debit_normal, g.no_overdraft, a.opened_at
           from log_entry e join account_guard g on g.account_id = e.row_id::bigint
           join account a on a.id = g.account_id join book b on b.id = a.book_id
           where e.relation = 'account_guard' and e.index < %s
           order by b.program_id collate "C", b.asset collate "C", a.name collate "C" """,
        [size],
    ).fetchall()
    accounts = [
        _named(program, asset, name, debit_normal) | {"no_overdraft": no_overdraft, "opened_at": moment(opened_at)}
        for program, asset, name, debit_normal, no_overdraft, opened_at in rows
    ]
    return {"size": size, "accounts": accounts}


def breaks_of(conn: Connection[Any], start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Breaks that were open at some moment of the period, as they are now."""
    with conn.cursor(row_factory=dict_row) as cur:
        rows = cur.execute(
            """select b.id, b.program_id as program, b.source, b.identity, b.kind, b.severity, b.asset, b.at_stake::text as at_stake_minor,
                      b.cause, b.reference, b.first_on, b.last_on, b.opened_at, b.state, b.state_at, b.owner, b.recurs_of, b.duplicate_of
               from break b where b.opened_at < %(end)s and (b.state = any(%(live)s) or b.state_at >= %(start)s) order by b.id""",
            {"start": start, "end": end, "live": list(BREAK.open)},
        ).fetchall()
    yield from map(_told, rows)


def runs_of(conn: Connection[Any], start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Reconciliation runs that began in the period, and what each concluded."""
    with conn.cursor(row_factory=dict_row) as cur:
        rows = cur.execute(
            """select 'reconciliation' as kind, id, program_id as program, source, scope, first_on, last_on, state, verdict, actor,
                      started_at, finished_at, matched, breaks, expected, error
               from reconciliation_run where started_at >= %s and started_at < %s and state <> 'running' order by started_at, id""",
            [start, end],
        ).fetchall()
    yield from map(_told, rows)


def policy_digest(conn: Connection[Any], policies: Mapping[str, LiteralString], at: datetime) -> str:
    """SHA-256 over the policies that were recorded before a moment."""
    told = {name: [row[0] for row in conn.execute(query, {"at": at}).fetchall()] for name, query in policies.items()}
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()


def last_day(end: datetime) -> date:
    """The last day that a period touches which ends at `end`."""
    utc = end.astimezone(UTC)
    midnight = (utc.hour, utc.minute, utc.second, utc.microsecond) == (0, 0, 0, 0)
    return date.fromordinal(utc.toordinal() - 1) if midnight else utc.date()


def programs_of(conn: Connection[Any], end: datetime) -> list[str]:
    """Every program that was opened before the period ended, by its id."""
    rows = conn.execute('select id from program where opened_at < %s order by id collate "C"', [end]).fetchall()
    return [row[0] for row in rows]


def reconciliation_of(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The verdict over all programs, with its sources and their dates, and what was not checked."""
    order = ("not reconciled", "incomplete", "reconciled with accepted items", "reconciled")
    verdicts = [one["verdict"] for one in reports]
    return {
        "verdict": min(verdicts, key=order.index, default="incomplete"),
        "programs": [
            {
                "program": one["program"],
                "verdict": one["verdict"],
                "sources": [
                    {"source": source["source"], "watermark": source["watermark"], "succeeded_at": source["succeeded_at"]}
                    for source in one["sources"]
                ],
            }
            for one in reports
        ],
        "not_checked": [f"{one['program']}: {why['source']}: {why['why']}" for one in reports for why in one["not_checked"]],
    }


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in row.items()}


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    return value.isoformat() if isinstance(value, date) else value
