"""The parts of a monthly report, each a table with the source of its figures. Everything is asked of one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row

from counterfoil.base.machine import listed
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.settlement.treasury.treasury import summarize
from counterfoil.treasury.two_phase.model import TRANSACTION


class Month(NamedTuple):
    """What is reported: a program's month of UTC, from `start` up to and without `end`."""

    program_id: str
    start: datetime
    end: datetime

    @property
    def given(self) -> dict[str, Any]:
        """For queries."""
        return {"program": self.program_id, "start": self.start, "end": self.end}

    @property
    def days(self) -> list[date]:
        """Its days, in order."""
        return [self.start.date() + timedelta(days=n) for n in range((self.end - self.start).days)]


class ReportSection(NamedTuple):
    """A table of the report. A column whose name ends in `_minor` holds minor units of the row's `asset`. `source`: where the figures come
    from; `command`: what shows them again. `empty`: what it means that there are no rows."""

    name: str
    title: str
    source: str
    command: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    empty: str


def _asked(conn: Connection[Any], query: LiteralString, month: Month) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cur:
        return cur.execute(query, month.given).fetchall()


class Declared(NamedTuple):
    """A section as it is declared. `command` may name the {program}, the {start} and the {end} of the month; `rows`: its figures."""

    name: str
    title: str
    source: str
    command: str
    columns: tuple[str, ...]
    empty: str
    rows: Callable[[Connection[Any], Month], list[dict[str, Any]]]

    def of(self, conn: Connection[Any], month: Month) -> ReportSection:
        """The section of a month."""
        given = {"program": month.program_id, "start": f"{month.start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{month.end:%Y-%m-%dT%H:%M:%SZ}"}
        command = f"counterfoil {self.command.format(**given)}"
        return ReportSection(self.name, self.title, self.source, command, self.columns, self.rows(conn, month), self.empty)


def _queried(query: LiteralString) -> Callable[[Connection[Any], Month], list[dict[str, Any]]]:
    return lambda conn, month: _asked(conn, query, month)


def _fees(conn: Connection[Any], month: Month) -> list[dict[str, Any]]:
    found = summarize(conn, month.program_id, start=month.start, end=month.end)
    figures = [{"asset": one.asset, **{f"{name}_minor": getattr(one, name) for name in FEES}} for one in found]
    return [row | {"adds_up": "yes" if one.adds_up else "no"} for row, one in zip(figures, found, strict=True)]


def accounts_off(conn: Connection[Any], program_id: str) -> list[tuple[str, int]]:
    """By asset, how many accounts keep a balance that is not the sum of their postings."""
    return conn.execute(
        """select b.asset, count(*) from account a join book b on b.id = a.book_id
           left join lateral (select coalesce(sum(p.amount), 0) as sum from posting p where p.debit = a.id) d on true
           left join lateral (select coalesce(sum(p.amount), 0) as sum from posting p where p.credit = a.id) c on true
           where b.program_id = %s and (a.debits <> d.sum or a.credits <> c.sum) group by 1 order by 1""",
        [program_id],
    ).fetchall()


def daily(conn: Connection[Any], month: Month) -> list[dict[str, Any]]:
    """A chart for each of what happened by day: its title, its asset, and a figure for each day."""
    rows = _asked(
        conn,
        """select 'Moved between agents' as title, p.asset, (o.at at time zone 'UTC')::date as day, sum(p.amount)::bigint as figure
           from two_phase_outcome o join two_phase_participant p using (transaction_id, number)
           where o.program_id = %(program)s and o.outcome = 'applied' and p.side = 'debit' and o.at >= %(start)s and o.at < %(end)s
           group by 1, 2, 3
           union all
           select 'Paid out', p.asset, (s.at at time zone 'UTC')::date, sum(p.amount)::bigint
           from step s join payout p on p.id = s.subject_id
           where s.machine = 'payout' and s.to_state = 'completed' and s.at >= %(start)s and s.at < %(end)s and p.program_id = %(program)s
           group by 1, 2, 3
           union all
           select 'Emitted', 'CO2E', day, sum(grams)::bigint from carbon_posting
           where program_id = %(program)s and day >= %(start)s and day < %(end)s group by 1, 2, 3
           order by 1, 2, 3""",
        month,
    )
    charts: dict[tuple[str, str], dict[date, int]] = {}
    for row in rows:
        charts.setdefault((row["title"], row["asset"]), {})[row["day"]] = row["figure"]
    return [
        {"title": title, "asset": asset, "days": [{"day": day.isoformat(), "minor": str(found.get(day, 0))} for day in month.days]}
        for (title, asset), found in charts.items()
    ]


FEES: Final = (
    *("opening", "fees_in", "given_back", "withdrawn", "held"),
    *("validator_opening", "validator_in", "validator_given_back", "distributed", "validator_held"),
)
SECTIONS: Final = (
    Declared(
        "balances",
        "Balances and movements",
        "postings by the time they were effective; credits less debits, so that what is owed is above nothing",
        "accounts trial --program {program} --asset … --as-of {end} --clock effective",
        ("asset", "accounts", "opening_minor", "debits_minor", "credits_minor", "closing_minor"),
        "Nothing was ever posted up to the end of this month.",
        _queried(
            """with line as (
               select b.asset, a.id, case when a.name ~ '^(receivable|payable|accrued|refund_payable|cash|holdback|treasury|carbon):'
                                          then split_part(a.name, ':', 1) || ':' || split_part(a.name, ':', 2)
                                          when is_of_a_peer(b.program_id, a.name) then a.name
                                              else split_part(a.name, ':', 1) end as accounts
               from account a join book b on b.id = a.book_id where b.program_id = %(program)s
           ), moved as (
               select l.asset, l.accounts, p.effective_at, p.amount, 0 as credit from line l join posting p on p.debit = l.id
               where p.effective_at < %(end)s
               union all
               select l.asset, l.accounts, p.effective_at, 0, p.amount from line l join posting p on p.credit = l.id
               where p.effective_at < %(end)s
           )
           select asset, accounts,
                  coalesce(sum(credit - amount) filter (where effective_at < %(start)s), 0)::bigint as opening_minor,
                  coalesce(sum(amount) filter (where effective_at >= %(start)s), 0)::bigint as debits_minor,
                  coalesce(sum(credit) filter (where effective_at >= %(start)s), 0)::bigint as credits_minor,
                  sum(credit - amount)::bigint as closing_minor
           from moved group by 1, 2 order by 1, 2"""
        ),
    ),
    Declared(
        "agents",
        "Agents",
        "postings on treasury:agent:…; received and sent by transactions, other by journals beside them",
        "agents verify --agent-id …",
        ("name", "agent", "asset", "opening_minor", "received_minor", "sent_minor", "other_minor", "closing_minor"),
        "No agent had money.",
        _queried(
            """with held as (
               select g.id as agent, g.name, b.asset, a.id as account
               from agent g join book b on b.program_id = g.program_id
               join account a on a.book_id = b.id and a.name = 'treasury:agent:' || g.id
               where g.program_id = %(program)s
           ), moved as (
               select h.agent, h.name, h.asset, p.effective_at, -p.amount as amount, j.kind = 'two_phase' as ours
               from held h join posting p on p.debit = h.account join journal j on j.id = p.journal_id where p.effective_at < %(end)s
               union all
               select h.agent, h.name, h.asset, p.effective_at, p.amount, j.kind = 'two_phase'
               from held h join posting p on p.credit = h.account join journal j on j.id = p.journal_id where p.effective_at < %(end)s
           )
           select name, agent, asset, coalesce(sum(amount) filter (where effective_at < %(start)s), 0)::bigint as opening_minor,
                  coalesce(sum(amount) filter (where effective_at >= %(start)s and ours and amount > 0), 0)::bigint as received_minor,
                  coalesce(-sum(amount) filter (where effective_at >= %(start)s and ours and amount < 0), 0)::bigint as sent_minor,
                  coalesce(sum(amount) filter (where effective_at >= %(start)s and not ours), 0)::bigint as other_minor,
                  sum(amount)::bigint as closing_minor
           from moved group by 1, 2, 3 order by 1, 2, 3"""
        ),
    ),
    Declared(
        "transactions",
        "Transactions between agents",
        "transactions begun in the month, and their decisions; asked is what the payers were to give, moved what was taken of them",
        "transactions list",
        ("state", "asset", "number", "forced", "asked_minor", "moved_minor"),
        "None was begun.",
        _queried(
            """select t.state, p.asset, count(distinct t.id) as number, count(distinct t.id) filter (where d.cause = 'forced') as forced,
                  sum(p.amount)::bigint as asked_minor,
                      coalesce(sum(p.amount) filter (where o.outcome = 'applied'), 0)::bigint as moved_minor
           from two_phase t join two_phase_participant p on p.transaction_id = t.id and p.side = 'debit'
           left join two_phase_outcome o on (o.transaction_id, o.number) = (p.transaction_id, p.number)
           left join two_phase_decision d on d.transaction_id = t.id
           where t.program_id = %(program)s and t.created_at >= %(start)s and t.created_at < %(end)s
           group by 1, 2 order by 1, 2"""
        ),
    ),
    Declared(
        "fees",
        "Fees",
        "postings on fee:platform and payable:validator, and the movements of the treasury",
        "treasury summary --program {program} --start-time {start} --end-time {end}",
        ("asset", *(f"{name}_minor" for name in FEES), "adds_up"),
        "No fees were ever taken.",
        _fees,
    ),
    Declared(
        "payouts",
        "Payouts",
        "steps of payouts in the month; a payout that was tried twice counts twice",
        "payouts list",
        ("became", "asset", "number", "amount_minor"),
        "No payout made a step.",
        _queried(
            """select s.to_state as became, p.asset, count(*) as number, sum(p.amount)::bigint as amount_minor
           from step s join payout p on p.id = s.subject_id
           where s.machine = 'payout' and s.at >= %(start)s and s.at < %(end)s and p.program_id = %(program)s
           group by 1, 2 order by 1, 2"""
        ),
    ),
    Declared(
        "disputes",
        "Disputes",
        "disputes by when they were opened and ended; the exposure is that of their opening",
        "disputes list",
        ("since", "standing", "outcome", "asset", "number", "exposure_minor"),
        "None was open.",
        _queried(
            """select case when opened_at >= %(start)s then 'opened in the month' else 'opened before' end as since,
                  case when ended_at < %(end)s then 'ended' else 'open at its end' end as standing,
                  coalesce(case when ended_at < %(end)s then outcome end, '') as outcome,
                  asset, count(*) as number, sum(exposure)::bigint as exposure_minor
           from dispute
           where program_id = %(program)s and opened_at < %(end)s and (ended_at is null or ended_at >= %(start)s)
           group by 1, 2, 3, 4 order by 1 desc, 2, 3, 4"""
        ),
    ),
    Declared(
        "breaks",
        "Breaks",
        "breaks of reconciliation whose days touch the month, as they stand",
        "breaks list",
        ("source", "kind", "state", "asset", "number", "at_stake_minor"),
        "None; see the verdict for what was not compared.",
        _queried(
            """select source, kind, state, asset, count(*) as number, sum(at_stake)::bigint as at_stake_minor
           from break where program_id = %(program)s and first_on < %(end)s and last_on >= %(start)s
           group by 1, 2, 3, 4 order by 1, 2, 3, 4"""
        ),
    ),
    Declared(
        "carbon",
        "Carbon",
        "grams posted for the days of the month, energy recorded for them, and serials retired in the month",
        "carbon verify --date …",
        ("name", "agent", "asset", "watt_hours", "emitted_minor", "retired_minor"),
        "No energy was recorded, and nothing was retired.",
        _queried(
            """with emitted as (
               select agent_id, sum(grams)::bigint as grams from carbon_posting
               where program_id = %(program)s and day >= %(start)s and day < %(end)s group by 1
           ), used as (
               select agent_id, sum(watt_hours)::bigint as watt_hours from carbon_energy
               where program_id = %(program)s and day >= %(start)s and day < %(end)s group by 1
           ), retired as (
               select agent_id, sum(grams)::bigint as grams from carbon_retirement
               where program_id = %(program)s and at >= %(start)s and at < %(end)s group by 1
           ), named as (select agent_id from emitted union select agent_id from used union select agent_id from retired)
           select coalesce(a.name, 'the house') as name, coalesce(n.agent_id, '') as agent, 'CO2E' as asset,
                  coalesce(u.watt_hours, 0) as watt_hours, coalesce(e.grams, 0) as emitted_minor, coalesce(r.grams, 0) as retired_minor
           from named n left join agent a on a.id = n.agent_id
           left join emitted e on e.agent_id = n.agent_id left join used u on u.agent_id = n.agent_id
           left join retired r on r.agent_id is not distinct from n.agent_id
           order by 1, 2"""
        ),
    ),
    Declared(
        "service_levels",
        "Service levels",
        "steps that ended in the month; nearly all: 95 of 100",
        "health",
        ("what", "number", "half_within_s", "nearly_all_within_s", "longest_s"),
        "Nothing ended.",
        _queried(
            f"""with took as (
               select 1 as place, 'payouts: from pending to completed' as what, s.at - p.created_at as span
               from step s join payout p on p.id = s.subject_id
               where s.machine = 'payout' and s.to_state = 'completed' and s.at >= %(start)s and s.at < %(end)s
                     and p.program_id = %(program)s
               union all
               select 2, 'transactions: from begun to ' || t.state, s.at - t.created_at from step s join two_phase t on t.id = s.subject_id
               where s.machine = 'transaction' and s.to_state in {listed(TRANSACTION.final)} and s.at >= %(start)s and s.at < %(end)s
                     and t.program_id = %(program)s
               union all
               select 3, 'disputes: from opened to ended', ended_at - opened_at from dispute
               where program_id = %(program)s and ended_at >= %(start)s and ended_at < %(end)s
               union all
               select 4, 'breaks: from opened to ' || b.state, s.at - b.opened_at from step s join break b on b.id = s.subject_id
               where s.machine = 'break' and s.to_state = b.state and b.state in {listed(BREAK.final)}
                     and s.at >= %(start)s and s.at < %(end)s and b.program_id = %(program)s
           )
           select what, count(*) as number,
                  round(extract(epoch from percentile_disc(0.5) within group (order by span)))::bigint as half_within_s,
                  round(extract(epoch from percentile_disc(0.95) within group (order by span)))::bigint as nearly_all_within_s,
                  round(extract(epoch from max(span)))::bigint as longest_s
           from took group by place, what order by place, what"""
        ),
    ),
)


def unbalanced(section: ReportSection) -> list[Mapping[str, Any]]:
    """Assets whose balances do not add up to nothing, and of any whose movements do not lead from opening to closing."""
    wrong = [row for row in section.rows if row["opening_minor"] - row["debits_minor"] + row["credits_minor"] != row["closing_minor"]]
    totals: dict[str, int] = {}
    for row in section.rows:
        totals[row["asset"]] = totals.get(row["asset"], 0) + row["closing_minor"]
    return [*wrong, *({"asset": asset, "closing_minor": total} for asset, total in totals.items() if total)]
