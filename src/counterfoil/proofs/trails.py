"""The audit trail of an account: everything that moved it and everything that people did with it, in the order of the log.

It is read from the log, whose entries are what proofs are made of; so a trail that was handed out stays what it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import NotFound, Problem

ROWS_MAX: Final = 100_000
AGENT: Final = "treasury:agent:"
COLUMNS: Final = ("place", "at", "type", "id", "line", "what", "asset", "amount", "balance", "other", "actor", "reason")


class TrailTooLong(Problem, kind="too_large"):
    """There is more than one answer holds; nothing is cut off in silence."""

    todo = "Ask for a shorter span, one after the other."


class TrailRow(NamedTuple):
    """One thing that happened to an account, by its place in the log.

    `amount`: what was added to its balance in minor units, negative for what was taken; `balance`: on its normal side, after it, counted
    from the account's first entry. `other`: the account on the other side.
    """

    place: int
    at: str
    type: str
    id: str
    line: int | None
    what: str
    asset: str
    amount: str
    balance: str
    other: str
    actor: str
    reason: str


def account_of_agent(agent_id: str) -> str:
    """The account of an agent in the treasury."""
    return f"{AGENT}{agent_id}"


def trail_of(
    conn: Connection[Any], program_id: str, account: str, *, start: datetime | None = None, end: datetime | None = None
) -> list[TrailRow]:
    """The trail of an account in every asset, from one moment to another by when it was recorded. Raises NotFound, TrailTooLong."""
    found = conn.execute(
        """select a.id, b.asset, a.debit_normal from account a join book b on b.id = a.book_id
           where b.program_id = %s and a.name = %s order by b.asset""",
        [program_id, account],
    ).fetchall()
    if not found:
        raise NotFound(what="account", id=account)
    entries = conn.execute(
        """select e.index, e.recorded_at, e.record from log_entry e
           where e.relation = 'journal' and e.row_id in (
                 select p.journal_id::text from posting p where p.debit = any(%(ids)s)
                 union select p.journal_id::text from posting p where p.credit = any(%(ids)s))
              or e.relation = 'account_guard' and e.row_id = any(%(names)s)
              or e.relation = 'account_flag' and split_part(e.row_id, '/', 1) = any(%(names)s)
              or e.relation = 'action' and e.row_id in (select id from action where subject_id = any(%(subjects)s))
           order by e.index limit %(most)s""",
        {
            "ids": [row[0] for row in found],
            "names": [str(row[0]) for row in found],
            "subjects": [account, account.removeprefix(AGENT), f"{program_id}:{account}"],
            "most": ROWS_MAX + 1,
        },
    ).fetchall()
    if len(entries) > ROWS_MAX:
        raise TrailTooLong(account=account, limit=f"{ROWS_MAX:,} entries")
    debit_normal = {asset: normal for _, asset, normal in found}
    rows = _rows(entries, program_id, account, debit_normal)
    return [row for at, row in rows if (start is None or at >= start) and (end is None or at < end)]


def _rows(
    entries: Sequence[Sequence[Any]], program_id: str, account: str, debit_normal: Mapping[str, bool]
) -> Iterator[tuple[datetime, TrailRow]]:
    balances = dict.fromkeys(debit_normal, 0)
    for index, recorded_at, record in entries:
        told = json.loads(record)
        if told["type"] != "journal":
            yield recorded_at, _act(index, told)
            continue
        if told["program"] != program_id:
            continue
        asset = told["asset"]
        for line in told["lines"]:
            if account not in (line["debit"], line["credit"]):
                continue
            raises = (line["debit"] == account) == debit_normal[asset]
            amount = int(line["amount"]) if raises else -int(line["amount"])
            balances[asset] += amount
            yield (
                recorded_at,
                TrailRow(
                    index,
                    told["at"],
                    "journal",
                    told["id"],
                    line["line"],
                    told["kind"],
                    asset,
                    str(amount),
                    str(balances[asset]),
                    line["credit"] if line["debit"] == account else line["debit"],
                    told["actor"],
                    told["narrative"] or "",
                ),
            )


def _act(index: int, told: Mapping[str, Any]) -> TrailRow:
    what = told.get("verb") or (f"{told['flag']} is {str(told['value']).lower()}" if "flag" in told else "opened")
    actor, reason, asset = (str(told.get(name) or "") for name in ("actor", "reason", "asset"))
    return TrailRow(index, told["at"], told["type"], str(told.get("id") or ""), None, what, asset, "", "", "", actor, reason)
